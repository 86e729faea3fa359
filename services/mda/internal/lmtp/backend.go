// Package lmtp is the delivery policy behind the LMTP server (RFC 2033): whose
// mailbox a recipient means, whether there is room, and how a message becomes
// a copy in each mailbox.
//
// # Flow
//
// The engine (package smtpd) keeps grammar, order and limits. RCPT is where an
// MTA learns whether a mailbox exists and has room, often without sending a
// message afterwards. DATA gathers the message, puts the trace fields of final
// delivery in front of each copy (RFC 5321 §4.4) and stores all copies in one
// transaction; each recipient gets a reply of its own, after the disk has it.
//
// A mailbox takes a message that has its Delivered-To already: nothing goes on
// from here, and people may send themselves what they have read. It is where mail
// goes on, at the MTAs, that circles are found.
//
// DSN (RFC 3461) is not offered: the MTA keeps what the sender wants to hear, and
// these replies tell it enough to report the delivery itself.
package lmtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"correio/services/internal/durable"
	"correio/services/internal/event"
	"correio/services/internal/headsample"
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/sasl"
	"correio/services/internal/smtpd"
	"correio/services/internal/transfer"
	"correio/services/mda/internal/store"
)

// Backend implements smtpd.Backend for the organisation's MDA.
type Backend struct {
	Org     *lab.Org
	Host    string // our own name, for Received
	Store   *store.Store
	Events  *event.Log
	Log     *slog.Logger
	Metrics *Metrics
}

// Open takes connections from the organisation's own MTAs and from nobody
// else: whoever may deliver here has passed their rules.
func (b *Backend) Open(_ context.Context, p smtpd.Peer) (smtpd.Session, error) {
	mta, ok := b.peer(p.Remote.Addr())
	if !ok {
		return nil, reply.New(554, "", b.Host+" takes mail from its own MTAs only").
			Err(fmt.Errorf("client %s is no MTA of %s", p.Remote.Addr(), b.Org.Domain))
	}
	return &session{Backend: b, peer: p, mta: mta}, nil
}

// peer returns the MTA of the organisation that has the address on the LAN.
func (b *Backend) peer(addr netip.Addr) (lab.Host, bool) {
	for _, h := range b.Org.ByRole(lab.RoleMTA) {
		if h.LAN.IsValid() && h.LAN == addr {
			return h, true
		}
	}
	return lab.Host{}, false
}

// traceRoom is what the site's MTAs may have put in front of a message.
const traceRoom = 64 << 10

// MaxMessage returns how large a message may be: as large as the site's MTAs
// accept it, and then they add their trace lines. What they have answered for
// must not fail here for that.
func MaxMessage(org *lab.Org) int64 { return org.Limits.Defaults().MessageSize + traceRoom }

// MaxHeader is the same for its header.
func MaxHeader(org *lab.Org) int64 { return org.Limits.Defaults().Header + traceRoom }

// quota returns how many octets a person's mailbox may hold.
func (b *Backend) quota(p lab.Person) int64 {
	if p.Quota > 0 {
		return p.Quota
	}
	return b.Org.Limits.Defaults().Quota
}

// session implements smtpd.Session for one connection.
type session struct {
	*Backend
	peer smtpd.Peer
	mta  lab.Host
}

// Secret knows nobody: the network is what lets an MTA in.
func (s *session) Secret(context.Context, string) (sasl.Secret, error) {
	return sasl.Secret{}, sasl.ErrNobody
}

// Auth refuses, as Secret does.
func (s *session) Auth(context.Context, sasl.Identity) error {
	return reply.New(503, "5.5.1", "No authentication here").Err(nil)
}

// Mail takes any sender. What is too large the engine has refused.
func (s *session) Mail(context.Context, *smtpd.Transaction) (reply.Reply, error) {
	return reply.Reply{}, nil
}

// Rcpt answers for one mailbox: does it exist, has it room?
func (s *session) Rcpt(_ context.Context, t *smtpd.Transaction, to smtpd.Recipient) (reply.Reply, error) {
	person, err := s.person(to.To)
	if err != nil {
		s.Metrics.refused("unknown")
		return reply.Reply{}, err
	}
	used, quota := s.Store.Usage(person.Name), s.quota(person)
	switch {
	case t.Params.Size > quota:
		s.Metrics.refused("too-large")
		return reply.Reply{}, tooLarge(to.To).Err(nil)
	case used.Octets+t.Params.Size >= quota:
		s.Metrics.refused("over-quota")
		return reply.Reply{}, overQuota(to.To).Err(nil)
	}
	return reply.Newf(250, "2.1.5", "%s Ok", to.To.Path()), nil
}

// person returns whose mailbox an address means.
func (s *session) person(a mailaddr.Address) (lab.Person, error) {
	// RFC 5321 §4.5.1: postmaster is known at every domain, and without one.
	if a.Domain != "" && !s.Org.Local(a.Domain) {
		return lab.Person{}, reply.Newf(550, "5.1.2", "%s: this is not the host of that domain", a.Path()).Err(nil)
	}
	if p, ok := s.Org.Person(a.Local); ok {
		return p, nil
	}
	if a.Postmaster() && len(s.Org.People) > 0 {
		return s.Org.People[0], nil
	}
	// Others stand behind these, and our MTAs send there at once: what they bring
	// here all the same has been there before, as its Delivered-To says.
	if name, _ := s.Org.Reserved(a.Local); s.Org.Expands(a.Local) || name == lab.Forwarded {
		return lab.Person{}, reply.Newf(554, "5.4.6", "%s: mail forwarding loop", a.Path()).Err(nil)
	}
	return lab.Person{}, reply.Newf(550, "5.1.1", "%s: no such mailbox here", a.Path()).Err(nil)
}

func overQuota(a mailaddr.Address) reply.Reply {
	return reply.Newf(452, "4.2.2", "%s: mailbox is full", a.Path())
}

func tooLarge(a mailaddr.Address) reply.Reply {
	return reply.Newf(552, "5.2.3", "%s: message is larger than the whole mailbox may be", a.Path())
}

// deliverTimeout bounds how long a message waits for its turn at the disk.
const deliverTimeout = time.Minute

// Data stores the message and answers for each recipient.
func (s *session) Data(ctx context.Context, t *smtpd.Transaction, message io.Reader) ([]reply.Reply, error) {
	draft := s.Store.NewDraft(MaxMessage(s.Org))
	defer draft.Close()
	if t.Params.Body == "BINARYMIME" {
		draft.Binary()
	}
	var id headsample.MessageID
	head := headsample.Scanner{Line: id.Line}
	if _, err := transfer.Copy(io.MultiWriter(draft, &head), message); err != nil {
		return nil, storeError(fmt.Errorf("receive message: %w", err))
	}
	head.End()
	d := &store.Delivery{
		Draft: draft, Sender: t.From.String(), MessageID: id.String(), Received: time.Now(),
	}
	copies, err := s.copies(t, d)
	if err != nil {
		return nil, err
	}
	// The message is all there: neither a client that goes away nor a server
	// that stops undoes it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deliverTimeout)
	defer cancel()
	if err := s.Store.Deliver(ctx, d); err != nil {
		return nil, storeError(err)
	}
	s.record(t, d)
	replies := make([]reply.Reply, len(t.Rcpts))
	for i, c := range copies {
		replies[i] = s.answer(t.Rcpts[i].To, c)
	}
	return replies, nil
}

// copies makes one copy for each mailbox and returns, for each recipient, the
// one that is theirs: two addresses of one person share a copy, for which
// RFC 2033 §4.2 still wants two replies.
func (s *session) copies(t *smtpd.Transaction, d *store.Delivery) ([]*store.Copy, error) {
	byOwner := map[string]*store.Copy{} // at most the site's people
	copies := make([]*store.Copy, len(t.Rcpts))
	for i, r := range t.Rcpts {
		person, err := s.person(r.To)
		if err != nil {
			return nil, fmt.Errorf("recipient was accepted before: %w", err)
		}
		c := byOwner[person.Name]
		if c == nil {
			c = &store.Copy{Owner: person.Name, Quota: s.quota(person), ID: store.NewID(), Recipient: r.To.String()}
			c.Head = s.trace(t, r.To, c.ID, d.Received)
			byOwner[person.Name] = c
			d.Copies = append(d.Copies, c)
		}
		copies[i] = c
	}
	return copies, nil
}

// answer is the reply for one recipient.
func (s *session) answer(to mailaddr.Address, c *store.Copy) reply.Reply {
	switch {
	case c.Err == nil:
		return reply.Newf(250, "2.1.5", "%s Ok: stored as %s", to.Path(), c.ID)
	case c.Size > c.Quota:
		return tooLarge(to)
	}
	return overQuota(to)
}

// storeError turns what the disk said into a reply.
func storeError(err error) error {
	switch {
	case errors.Is(err, durable.ErrNoSpace):
		return reply.New(452, "4.3.1", "Disk is full; try again later").Err(err)
	case errors.Is(err, durable.ErrTooLarge):
		return reply.New(552, "5.3.4", "Message is too large").Err(err)
	}
	return err
}

// record tells what became of each copy.
func (s *session) record(t *smtpd.Transaction, d *store.Delivery) {
	for _, c := range d.Copies {
		if c.Err != nil {
			s.Metrics.refused("over-quota")
			continue
		}
		if t.QueueID == "" {
			t.QueueID = c.ID
		}
		s.Metrics.stored(c.Size)
		s.Events.Append(event.Record{
			Kind: event.KindStore, Text: event.Stored, Conn: s.peer.Conn, Queue: c.ID, Message: d.MessageID,
			Meta: event.M(event.Mailbox, c.Owner, event.UID, fmt.Sprint(c.UID), event.Size, fmt.Sprint(c.Size),
				event.From, "<"+d.Sender+">", event.To, "<"+c.Recipient+">"),
		})
		s.Log.Info("stored", "conn", s.peer.Conn, "msg", c.ID, "from", d.Sender, "to", c.Recipient)
	}
}

// Close implements smtpd.Session; a connection holds nothing.
func (s *session) Close() {}
