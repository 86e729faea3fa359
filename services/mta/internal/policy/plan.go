package policy

import (
	"io"
	"slices"
	"strings"
	"time"

	"correio/services/internal/dsn"
	"correio/services/internal/durable"
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
	"correio/services/internal/text"
	"correio/services/mta/internal/forward"
	"correio/services/mta/internal/spool"
	"correio/services/mta/internal/trace"
)

// replyCircle is told when a message comes back to where it was forwarded.
var replyCircle = reply.New(554, "5.4.6", "Mail forwarding loop: the message has been expanded here before")

// behind answers for an alias or a list.
func (s *session) behind(t *smtpd.Transaction, to mailaddr.Address) (reply.Reply, error) {
	copies := s.copies(t, to)
	if len(copies) == 0 {
		// A report about a list's mail is for its owner; redistributed, it could
		// not be reported about any more.
		return reply.Reply{}, s.refuse(Mailbox, reply.Newf(550, "5.7.1", "%s: the list takes no reports; write to its owner", to.Path()), nil)
	}
	if one := copies[0]; len(copies) == 1 && one.List == "" && !s.cfg.Org.Local(one.To.Domain) {
		return willForward(one.To), nil
	}
	return reply.Reply{}, nil
}

// copies returns who is behind an alias or a list, for whoever writes.
func (s *session) copies(t *smtpd.Transaction, to mailaddr.Address) []forward.Copy {
	if t.From.Null() {
		return forward.WithoutLists(s.cfg.Org, to.Local, to.Domain)
	}
	return forward.Expand(s.cfg.Org, to.Local, to.Domain)
}

// reportFor turns an address that was made for reports back. Nothing else may
// come by it, or it would let anybody write in our name.
func (s *session) reportFor(t *smtpd.Transaction, to mailaddr.Address) (mailaddr.Address, error) {
	back, err := s.srs.Back(to, time.Now())
	switch {
	case err != nil:
		return back, s.refuse(Mailbox, reply.Newf(550, "5.1.1", "%s: %s", to.Path(), err), nil)
	case !t.From.Null():
		return back, s.refuse(Mailbox, reply.Newf(550, "5.7.1", "%s takes reports alone, which have the sender <>", to.Path()), nil)
	}
	return back, nil
}

// stranger reports whether the client is to come back later for this recipient.
// The site's own hosts are known.
func (s *session) stranger(from, to mailaddr.Address) bool {
	if s.strangers == nil {
		return false
	}
	client := s.peer.Remote.Addr()
	own := slices.ContainsFunc(s.cfg.Org.ByRole(lab.RoleMTA), func(h lab.Host) bool { return h.Internet == client || h.LAN == client })
	if own {
		return false
	}
	passes, back := s.strangers.pass(client, from, to, time.Now())
	s.back = s.back || back
	return !passes
}

// plan is who gets a message, by the envelope that they get it with.
type plan struct {
	session  *session
	t        *smtpd.Transaction
	header   *trace.Header
	now      time.Time
	groups   []*group                     // at least one
	taken    map[mailaddr.Address]*holder // who has a copy, by mailbox
	more     int                          // how many names of holders again has added
	expanded []Expanded
}

// holder is somebody who has a copy: with which envelope, and by which names.
type holder struct {
	group *group
	names []spool.Recipient
}

// maxMore bounds the further names of a message's holders: an alias of many in
// each RCPT multiplies them. Who is named after that has the message by the names
// before.
const maxMore = 1000

// group is the recipients of one envelope.
type group struct {
	envelope
	id       string
	rcpts    []spool.Recipient
	original []mailaddr.Address
}

// envelope is what recipients share.
type envelope struct {
	from mailaddr.Address
	via  mailaddr.Address // what was expanded to bring it elsewhere; zero for none
	list string           // the list that it comes from; "" for none
}

// plan finds out who gets a message. Each gets it once: RCPT comes before aliases,
// and they before lists, as of a list's mail the sender hears nothing more.
func (s *session) plan(t *smtpd.Transaction, h *trace.Header, now time.Time) (*plan, error) {
	p := &plan{session: s, t: t, header: h, now: now, taken: map[mailaddr.Address]*holder{}}
	direct := envelope{from: t.From.ALabels()}
	circles, behind := 0, [][]forward.Copy{} // as p.expanded
	for _, r := range t.Rcpts {
		to, copies, err := s.resolve(t, r.To)
		switch {
		case err != nil:
			return nil, err
		case len(copies) > 0 && p.circle(to):
			circles++ // the MDA gives it back, if it is not alone
		case len(copies) > 0:
			p.expanded, behind = append(p.expanded, expansion(r, copies)), append(behind, copies)
			continue
		}
		p.give(s.mailbox(to), direct, r.To, spool.Recipient{To: to, Notify: r.Notify, ORcpt: originalRecipient(r, to)})
	}
	if circles == len(t.Rcpts) {
		return nil, s.refuse(LoopLimit, replyCircle, nil)
	}
	for _, lists := range []bool{false, true} {
		for i, copies := range behind {
			p.expand(direct, &p.expanded[i], copies, lists)
		}
	}
	return p, nil
}

// own is an address of the site with a domain of the site, where it may be
// written with one of our IP addresses.
func (s *session) own(a mailaddr.Address) mailaddr.Address {
	if a = a.ALabels(); !s.cfg.Org.Local(a.Domain) {
		a.Domain = s.cfg.Org.Domain
	}
	return a
}

// resolve returns where a recipient's mail is queued for; or, where others are
// behind it, its own address and who they are.
func (s *session) resolve(t *smtpd.Transaction, named mailaddr.Address) (mailaddr.Address, []forward.Copy, error) {
	to, verdict := s.judge(named)
	switch verdict {
	case Behind:
		return to, s.copies(t, to), nil
	case Report:
		back, err := s.reportFor(t, to)
		return back, nil, err
	case OnPurpose:
		if name, _ := s.cfg.Org.Reserved(named.Local); name == lab.Forwarded {
			return s.own(named), []forward.Copy{{To: to}}, nil
		}
	}
	return to, nil, nil
}

// circle reports whether the message has been expanded at an address before.
func (p *plan) circle(at mailaddr.Address) bool {
	_, list := p.session.cfg.Org.List(at.Local)
	return forward.Been(p.header.DeliveredTo, at) || list && forward.OfList(p.header.ListIDs, mailaddr.Fold(at.Local), at.Domain)
}

// mailbox is what makes two addresses of the site one.
func (s *session) mailbox(to mailaddr.Address) mailaddr.Address {
	if person, ok := s.cfg.Org.Person(to.Local); ok && s.cfg.Org.Local(to.Domain) {
		return mailaddr.Address{Local: person.Name, Domain: s.cfg.Org.Domain}
	}
	return to
}

// expansion is what there is to tell about a recipient with others behind it.
func expansion(r smtpd.Recipient, copies []forward.Copy) Expanded {
	e := Expanded{At: r, List: !slices.ContainsFunc(copies, func(c forward.Copy) bool { return c.List == "" })}
	for _, c := range copies {
		e.To = append(e.To, c.To)
	}
	return e
}

// expand adds those behind a recipient: members of lists, or the others.
func (p *plan) expand(direct envelope, e *Expanded, copies []forward.Copy, lists bool) {
	s, at := p.session, p.session.own(e.At.To)
	for _, c := range copies {
		if lists != (c.List != "") {
			continue
		}
		box, notify := s.mailbox(c.To), e.At.Notify
		if len(copies) > 1 {
			notify = withoutSuccess(notify)
		}
		h := p.taken[box]
		switch {
		case h == nil && lists:
			// RFC 3461 §5.2.7.1: the envelope of a list is a new one.
			h = p.give(box, envelope{forward.Owner(c.List, at.Domain), at, c.List}, e.At.To, spool.Recipient{To: c.To})
		case h == nil:
			h = p.give(box, p.onwards(direct, at, c.To), e.At.To, spool.Recipient{To: c.To, Notify: notify, ORcpt: originalRecipient(e.At, c.To)})
		case lists || !p.again(h, box, e.At, notify):
			continue
		}
		g := h.group
		if !slices.Contains(e.Entries, g.id) {
			e.Entries = append(e.Entries, g.id)
		}
		if g.envelope != direct && !slices.Contains(e.Senders, g.from) {
			e.Senders = append(e.Senders, g.from)
		}
	}
}

// onwards is the envelope that a message leaves an alias with.
func (p *plan) onwards(direct envelope, at, to mailaddr.Address) envelope {
	s, env := p.session, direct
	if s.cfg.Org.Local(to.Domain) {
		return env
	}
	env.via = at
	var err error
	if env.from, err = s.srs.Rewrite(direct.from, p.now); err != nil {
		s.cfg.Log.Warn("forwarded with the sender as it is", "msg_id", s.queue, "from", direct.from.Path(), "to", to.Path(), "err", err)
	}
	return env
}

// again names who has the message already once more, and reports whether it has:
// NOTIFY and ORCPT belong to one RCPT each (RFC 3461 §4), an alias passes them on
// (§5.2.7.2), and what the sender asks about one is not answered by a report about
// the other. It stays one copy: whoever delivers it knows the mailbox. For a RCPT
// without wishes, a failure that is reported by another name is reported.
func (p *plan) again(h *holder, box mailaddr.Address, r smtpd.Recipient, notify string) bool {
	last := h.names[len(h.names)-1]
	rcpt := spool.Recipient{To: last.To, Notify: notify, ORcpt: originalRecipient(r, last.To)}
	told, asked := false, false
	for _, have := range h.names {
		told = told || dsn.Wants(have.Notify, dsn.Failure)
		asked = asked || have.Notify == notify && have.ORcpt == rcpt.ORcpt
	}
	if notify == dsn.Never || notify == "" && r.ORcpt == "" && told || asked || p.more >= maxMore {
		return false
	}
	p.more++
	p.give(box, h.group.envelope, r.To, rcpt)
	return true
}

// give puts a recipient, whose mailbox is box, to those of the same envelope.
func (p *plan) give(box mailaddr.Address, env envelope, named mailaddr.Address, r spool.Recipient) *holder {
	h := p.taken[box]
	if h == nil {
		h = &holder{}
		p.taken[box] = h
	}
	h.group, h.names = p.add(env, named, r), append(h.names, r)
	return h
}

// add puts a recipient to those of the same envelope.
func (p *plan) add(env envelope, named mailaddr.Address, r spool.Recipient) *group {
	i := slices.IndexFunc(p.groups, func(g *group) bool { return g.envelope == env })
	if i < 0 {
		i = len(p.groups)
		id := p.session.queue
		if i > 0 {
			id = spool.NewID()
		}
		p.groups = append(p.groups, &group{envelope: env, id: id})
	}
	g := p.groups[i]
	r.Next = p.now.Add(p.session.cfg.Wait())
	if len(g.rcpts) > 0 {
		r.Next = g.rcpts[0].Next // they are tried together
	}
	g.rcpts, g.original = append(g.rcpts, r), append(g.original, named)
	return g
}

// accepted is what is to be stored. utf8 says that the message itself needs
// SMTPUTF8.
func (p *plan) accepted(utf8 bool, message *durable.Buffer) Accepted {
	var parts []Part
	for _, g := range p.groups {
		body := p.body(g, message)
		entry := p.entry(g, utf8, body)
		parts = append(parts, Part{Entry: entry, Body: body.reader, Original: g.original})
	}
	for i := range p.expanded {
		p.expanded[i].Message = p.body(&group{id: p.session.queue}, message).reader()
	}
	return Accepted{Part: parts[0], More: parts[1:], Sender: p.t.From.ALabels(), EnvID: p.t.Params.EnvID, Expanded: p.expanded}
}

// entry makes the queue entry of a group.
func (p *plan) entry(g *group, utf8 bool, b body) *spool.Entry {
	h, params := p.header, p.t.Params
	e := &spool.Entry{Rcpts: g.rcpts, Message: spool.Message{
		ID: g.id, Arrived: p.now, From: g.from, Ret: params.Ret, EnvID: params.EnvID,
		// What it was announced as does not matter: many announce 8BITMIME always.
		EightBit: h.EightBit || b.utf8, Binary: params.Body == "BINARYMIME", UTF8: utf8 || b.utf8, MessageID: h.MessageID,
		Size: b.size,
	}}
	if g.list != "" {
		e.Ret, e.EnvID = "", ""
	}
	return e
}

// body is a message with what is put in front of it.
type body struct {
	size   int64 // octets, about: fields may be left out
	utf8   bool  // what is in front is not ASCII, as the author of a typed message may be
	reader func() io.Reader
}

// body is the message of a group.
func (p *plan) body(g *group, message *durable.Buffer) body {
	s := p.session
	rest := func() io.Reader { return message.Reader() }
	more := ""
	if !g.via.Null() {
		more = "Delivered-To: " + forward.DeliveredTo(g.via) + "\r\n"
	}
	if l, ok := s.cfg.Org.List(g.list); ok {
		more += forward.Fields(l, g.via.Domain)
		if !p.header.Bare {
			rest = func() io.Reader { return forward.WithoutListFields(message.Reader()) }
		}
	}
	lines := s.prefix(p.t, p.header, p.now, g.id, more)
	return body{
		size:   int64(len(lines)) + message.Size(),
		utf8:   !text.IsASCII(lines),
		reader: func() io.Reader { return io.MultiReader(strings.NewReader(lines), rest()) },
	}
}

// withoutSuccess is the NOTIFY of those behind an alias of several: that it was
// expanded is what the sender is told (RFC 3461 §5.2.7.3).
func withoutSuccess(notify string) string {
	if !dsn.Wants(notify, dsn.Success) {
		return notify
	}
	words := slices.DeleteFunc(strings.Split(strings.ToUpper(notify), ","), func(w string) bool { return w == dsn.Success })
	if len(words) == 0 {
		return dsn.Never
	}
	return strings.Join(words, ",")
}
