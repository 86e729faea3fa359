// Package policy decides what an MTA accepts: the Backend behind its SMTP and
// submission servers.
//
// Port 25 takes mail for the site's own domains, whose mailboxes it asks the
// MDA about while the client waits, and for the domains that the site relays
// for; nothing else (no open relay). Submission takes mail to everywhere from
// people who have proved who they are, and only in their own name; it completes
// a message that lacks Message-ID or Date. Both put a Received line in front,
// refuse what has gone round in circles, and answer 250 only when Accept has
// made the message durable.
//
// Aliases and lists of the site's own domains are expanded when a message is
// accepted, in one transaction with it; who gets it under another envelope gets a
// queue entry of their own: plan.go, and package forward for who and how. Local
// parts that lab.Org.Reserved knows are answered here, alike on every port:
// reserved.go. A site may take strangers on port 25 at their second attempt only,
// and refuse senders whose domain DNS does not know: greylist.go, sender.go.
package policy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"correio/services/internal/clock"
	"correio/services/internal/durable"
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/sasl"
	"correio/services/internal/smtpd"
	"correio/services/mta/internal/forward"
	"correio/services/mta/internal/spool"
)

// Config is what decisions are made with.
type Config struct {
	Org  *lab.Org
	Host lab.Host
	// Submission takes mail from people; otherwise it is port 25.
	Submission bool
	// Ask asks the MDA about a mailbox; an error means that it cannot be asked.
	Ask func(ctx context.Context, from mailaddr.Address, size int64, to mailaddr.Address, queue string) (reply.Reply, error)
	// Forget, if not nil, is told that a transaction is over that Ask knows by its
	// queue id.
	Forget func(queue string)
	// DNS answers for a transaction, known by its queue id.
	DNS func(queue string) DNS
	// Buffer holds a message while it arrives.
	Buffer func(limit int64) *durable.Buffer
	// Accept makes a message durable and lets it go.
	Accept func(ctx context.Context, a Accepted) error
	// Free tells how many octets the disk can take; negative when not known.
	Free func() int64
	// Room tells how many octets the queue can take.
	Room func() int64
	// Rejected is told about refusals, by one of the reasons below.
	Rejected func(reason string)
	// Wait is how long the second attempt comes after the first, in real time.
	Wait func() time.Duration
	// Grey remembers who was greylisted; nil gives the backend one of its own.
	Grey *Greylist
	// Speed divides the waits of reserved local parts.
	Speed clock.Speed
	Log   *slog.Logger
}

// Accepted is a message that is to be taken over.
type Accepted struct {
	Part          // the first one, whose queue id the client hears
	More   []Part // further ones, of the same message
	Peer   smtpd.Peer
	Client string           // for people: the client's name and address
	Sender mailaddr.Address // as MAIL named it, with its domain in A-labels
	EnvID  string           // RFC 3461, as it came
	// Expanded are the recipients that stand for others.
	Expanded []Expanded
}

// Part is a queue entry: the recipients of a message that get the same envelope.
type Part struct {
	Entry *spool.Entry
	Body  func() io.Reader // from its beginning, until Accept returns
	// Original is what RCPT named, for each recipient of Entry.
	Original []mailaddr.Address
}

// Expanded is a recipient that stands for others.
type Expanded struct {
	At      smtpd.Recipient // as RCPT named it
	List    bool            // it is a mailing list, or those behind it are members of some
	To      []mailaddr.Address
	Senders []mailaddr.Address // with which it goes on to another organisation, or from a list
	Entries []string           // queue ids of the parts that hold them
	// Message is the message as it came, to be returned in a report.
	Message io.Reader
}

// The reasons of refusals, as metrics count them.
const (
	Relay     = "relay-denied"
	Mailbox   = "mailbox" // the MDA's answer
	Sender    = "sender"
	Login     = "login"
	Space     = "space"
	LoopLimit = "loop"
	Size      = "size"
	Reserved  = "reserved" // a local part that is there to be refused
	Stranger  = "greylist"
)

// spare is how much of the disk mail must leave free, in octets.
const spare = 16 << 20

// Backend implements smtpd.Backend.
type Backend struct {
	cfg       Config
	srs       *forward.SRS
	strangers *Greylist // nil: they are welcome
}

// New returns a Backend.
func New(cfg Config) *Backend {
	if cfg.Grey == nil {
		cfg.Grey = NewGreylist(cfg.Speed)
	}
	if cfg.Forget == nil {
		cfg.Forget = func(string) {}
	}
	b := &Backend{cfg: cfg, srs: forward.NewSRS(cfg.Org, cfg.Speed)}
	if !cfg.Submission {
		b.strangers = newStrangers(cfg.Org, cfg.Speed)
	}
	return b
}

// Open implements smtpd.Backend. Everybody may talk.
func (b *Backend) Open(_ context.Context, p smtpd.Peer) (smtpd.Session, error) {
	return &session{Backend: b, cfg: &b.cfg, peer: p}, nil
}

// session is one connection.
type session struct {
	*Backend
	cfg    *Config
	peer   smtpd.Peer
	person lab.Person // who authenticated
	queue  string     // queue id of the transaction
	slowed bool       // a recipient of the transaction was slow
	back   bool       // a stranger has come back for a recipient of the transaction
}

var (
	replyLogin = reply.New(535, "5.7.8", "Authentication credentials invalid")
	replySpace = reply.New(452, "4.3.1", "Insufficient system storage; try again later")
	replyLoop  = reply.New(554, "5.4.6", "Too many hops: the message goes round in circles")
	replySize  = reply.New(552, "5.3.4", "Message is too large")
)

func (s *session) refuse(reason string, r reply.Reply, cause error) error {
	s.cfg.Rejected(reason)
	return r.Err(cause)
}

// Secret implements smtpd.Session.
func (s *session) Secret(ctx context.Context, user string) (sasl.Secret, error) {
	return s.cfg.Org.Secret(ctx, user)
}

// Auth implements smtpd.Session.
func (s *session) Auth(_ context.Context, who sasl.Identity) error {
	person, ok := s.cfg.Org.Person(who.Account)
	if !ok {
		return s.refuse(Login, replyLogin, nil)
	}
	s.person = person
	return nil
}

// Mail implements smtpd.Session.
func (s *session) Mail(ctx context.Context, t *smtpd.Transaction) (reply.Reply, error) {
	s.forget()
	s.queue, s.slowed, s.back = spool.NewID(), false, false
	if free := s.cfg.Free(); free >= 0 && free < spare+t.Params.Size {
		return reply.Reply{}, s.refuse(Space, replySpace, nil)
	}
	if s.cfg.Submission && !Owns(s.cfg.Org, s.person, t.From) {
		return reply.Reply{}, s.refuse(Sender,
			reply.Newf(553, "5.7.1", "%s is not an address of %s", t.From.Path(), s.person.Name), nil)
	}
	return reply.Reply{}, s.checkSenderDomain(ctx, t.From)
}

// Owns reports whether a person may send as an address: their own, an alias of
// theirs, in any domain of the site; or the null reverse-path, which receipts
// that a mail program sends for its user must have (RFC 8098 §3).
func Owns(org *lab.Org, person lab.Person, from mailaddr.Address) bool {
	if from.Null() {
		return true
	}
	owner, ok := org.Person(from.Local)
	return ok && org.Local(from.Domain) && person.Name != "" && owner.Name == person.Name
}

// Verdict is what is decided about a recipient.
type Verdict int

// The verdicts.
const (
	Denied    Verdict = iota // not ours to take
	Take                     // without a question
	AskMDA                   // if the mailbox is there
	Foreign                  // to be brought elsewhere
	OnPurpose                // a reserved local part
	Behind                   // an alias or a list: others stand behind it
	Report                   // an address of package forward's SRS: for whoever it was made for
)

// Judge decides about a recipient, and returns the address by which it is
// queued: with its domain in A-labels, so that DNS knows it and that two ways to
// write it are one destination.
func Judge(org *lab.Org, own []netip.Addr, submission bool, to mailaddr.Address) (mailaddr.Address, Verdict) {
	to = to.ALabels()
	if to.Domain == "" {
		// RFC 5321 §4.5.1: <postmaster> without a domain is ours.
		to.Domain = org.Domain
		if to.Domain == "" {
			return to, Denied
		}
	}
	// RFC 1123 §5.2.17: the literal of one of our own addresses is us. Another
	// host's is a destination like any other.
	if ip, ok := to.Literal(); ok && slices.Contains(own, ip) && org.Domain != "" {
		to.Domain = org.Domain
	}
	switch {
	case org.Local(to.Domain) && to.Postmaster():
		return to, Take // RFC 5321 §4.5.1: postmaster is always accepted.
	case org.Local(to.Domain):
		return judgeLocal(org, to)
	case submission || org.Relayed(to.Domain):
		return to, Foreign
	}
	return to, Denied
}

func judgeLocal(org *lab.Org, to mailaddr.Address) (mailaddr.Address, Verdict) {
	if _, ok := org.Person(to.Local); ok {
		return to, AskMDA
	}
	if org.Expands(to.Local) {
		return to, Behind
	}
	if name, ok := org.Reserved(to.Local); ok {
		return forward.QueuedFor(org, name, to.Domain), OnPurpose
	}
	if forward.IsSRS(to.Local) {
		return to, Report
	}
	return to, AskMDA
}

func (s *session) judge(to mailaddr.Address) (mailaddr.Address, Verdict) {
	return Judge(s.cfg.Org, []netip.Addr{s.cfg.Host.Internet, s.cfg.Host.LAN}, s.cfg.Submission, to)
}

// Rcpt implements smtpd.Session.
func (s *session) Rcpt(ctx context.Context, t *smtpd.Transaction, to smtpd.Recipient) (reply.Reply, error) {
	address, verdict := s.judge(to.To)
	if verdict == OnPurpose { // whose replies mean something else
		return s.reserved(ctx, t, to.To)
	}
	r, err := s.known(ctx, t, to.To, address, verdict)
	// Who does not exist need not come back to hear it. RFC 5321 §4.5.1:
	// postmaster is for everybody.
	if err == nil && verdict != Take && s.stranger(t.From, address) {
		return reply.Reply{}, s.refuse(Stranger, reply.Newf(450, "4.7.1",
			"%s: greylisted, as this host does not know you yet; try again in a moment", to.To.Path()), nil)
	}
	return r, err
}

// known answers for a recipient that is no reserved one.
func (s *session) known(ctx context.Context, t *smtpd.Transaction, named, address mailaddr.Address, v Verdict) (reply.Reply, error) {
	switch v {
	case Denied:
		return reply.Reply{}, s.refuse(Relay, reply.Newf(550, "5.7.1", "%s: relay access denied", named.Path()), nil)
	case AskMDA:
		return s.ask(ctx, t, address)
	case Foreign:
		if s.cfg.Room() < max(t.Params.Size, 1) {
			return reply.Reply{}, s.refuse(Space, replySpace, nil)
		}
	case Behind:
		return s.behind(t, address)
	case Report:
		_, err := s.reportFor(t, address)
		return reply.Reply{}, err
	}
	return reply.Reply{}, nil
}

// ask passes the MDA's answer on. When it cannot be asked the message is taken
// and queued: that is what a queue is for.
func (s *session) ask(ctx context.Context, t *smtpd.Transaction, to mailaddr.Address) (reply.Reply, error) {
	rep, err := s.cfg.Ask(ctx, t.From.ALabels(), t.Params.Size, to, s.queue)
	switch {
	case err != nil:
		s.cfg.Log.Warn("MDA cannot be asked, recipient is queued", "conn", s.peer.Conn, "msg_id", s.queue, "to", to.Path(), "err", err)
		return reply.Reply{}, nil
	case rep.Code == 251:
		return rep, nil
	case rep.Positive():
		return reply.Reply{}, nil
	}
	return reply.Reply{}, s.refuse(Mailbox, rep, nil)
}

// Close implements smtpd.Session.
func (s *session) Close() { s.forget() }

// forget ends a transaction, whatever became of it.
func (s *session) forget() {
	if s.queue != "" {
		s.cfg.Forget(s.queue)
	}
}

// storage turns a failure to store into a reply; others stay as they are.
func (s *session) storage(err error) error {
	switch {
	case errors.Is(err, durable.ErrNoSpace):
		return s.refuse(Space, replySpace, err)
	case errors.Is(err, durable.ErrTooLarge):
		return s.refuse(Size, replySize, err)
	}
	return err
}
