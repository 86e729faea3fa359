package journey

import (
	"slices"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
)

// kindOf tells the kind of step from the protocol of a connection.
var kindOf = map[string]Kind{
	"smtp": SMTP, "submission": Submission, "submissions": Submission,
	"lmtp": LMTP, "pop3": POP3, "pop3s": POP3,
}

// starters are the commands that begin a new transaction on a connection that
// may carry several messages.
var starters = map[Kind][]string{
	Submission: {"MAIL "}, SMTP: {"MAIL "}, LMTP: {"MAIL "},
	POP3: {"RETR ", "TOP "},
}

// conversation makes the steps of one connection from what its two ends saw,
// one for each transaction about this message; p is nil when only one end is
// known. It returns nothing when no transaction is about this message.
func (a *assembly) conversation(c, p *conn) []Step {
	client, server := c, p
	if c.meta(event.Role) == "server" || p != nil && p.meta(event.Role) == "client" {
		client, server = p, c
	}
	var common Step
	var asClient, asServer []view
	if client != nil {
		common.name(client, true)
		common.SeenBy = append(common.SeenBy, client.at.node)
	}
	if server != nil {
		common.name(server, false)
		common.SeenBy = append(common.SeenBy, server.at.node)
		asServer = a.views(server, false, common.Kind)
	}
	if client != nil {
		asClient = ours(a.views(client, true, common.Kind))
	}
	if len(asClient) == 0 {
		asClient, asServer = ours(asServer), nil
	}
	steps := make([]Step, 0, len(asClient))
	for _, v := range asClient { // it carries the queue id on every line
		var other *view
		if common.Kind != LMTP || v.data { // the other end sees no message in a question
			other = match(v, asServer)
		}
		steps = append(steps, step(common, v, other))
	}
	return steps
}

// step completes what all transactions of a connection have in common by one
// of them, as one end saw it, and by what only the other end knew.
func step(s Step, v view, other *view) Step {
	s.Start, s.Lines, s.TLS, s.Queue, s.NextQueue = v.start, v.lines, v.tls, v.queue, v.next
	s.TookMS = v.end.Sub(v.start).Milliseconds()
	if other != nil && s.NextQueue == "" {
		s.NextQueue = other.queue
	}
	if other != nil && s.TLS == "" {
		s.TLS = other.tls
	}
	s.Outcome = outcome(s.Kind, s.Lines)
	s.Failed = failed(s.Kind, s.Outcome)
	s.Question = s.Kind == LMTP && !v.data
	s.Report = v.report
	return s
}

// match finds the other end's account of a transaction: the one that has the
// queue id which this end was given, or else began next to it. It is nil where
// that one is about another message, or was over before, or began after.
func match(v view, others []view) *view {
	var best *view
	for i := range others {
		other := &others[i]
		if v.next != "" && other.queue == v.next {
			return other
		}
		if best == nil || apart(v, *other) < apart(v, *best) {
			best = other
		}
	}
	if best == nil || best.foreign || best.start.After(v.end) || best.end.Before(v.start) {
		return nil
	}
	return best
}

func apart(a, b view) time.Duration { return a.start.Sub(b.start).Abs() }

// name fills in who speaks with whom from one end's opening record.
func (s *Step) name(c *conn, client bool) {
	if kind := kindOf[c.meta(event.Proto)]; kind != "" {
		s.Kind = kind
	}
	local, remote, host := c.meta(event.Local), c.meta(event.Remote), c.meta(event.Host)
	if client {
		s.Client, s.ClientAddr, s.ServerAddr = c.at.node, local, remote
		if s.Server == "" {
			s.Server = host
		}
		return
	}
	s.Server, s.ServerAddr, s.ClientAddr = c.at.node, local, remote
}

// view is one end's account of one transaction, or of a whole connection where
// the protocol has none.
type view struct {
	start, end time.Time
	lines      []Line
	tls        string
	queue      string // the node's own id
	next       string // the id the other end gave
	data       bool   // a message was sent, and not only asked about
	report     bool   // the transaction is about the report, not the message
	foreign    bool   // it is about another message, and only its times are known
}

// ours leaves out the transactions about other messages.
func ours(views []view) []view {
	return slices.DeleteFunc(views, func(v view) bool { return v.foreign })
}

// views tells the transactions of a connection, the first of it with the greeting
// and login that led to it; those about other messages are foreign. What a POP3
// session fetched of this message is one view: a session is what a person sees.
func (a *assembly) views(c *conn, client bool, kind Kind) []view {
	blocks := split(c.records, client, kind)
	var all []view
	var whole []*event.Record
	some := false
	for i, block := range blocks[1:] {
		foreign := !a.concerns(block)
		some = some || !foreign
		if !foreign {
			block = a.without(block)
		}
		if i == 0 {
			block = slices.Concat(blocks[0], block)
		}
		switch {
		case foreign:
			all = append(all, view{foreign: true, start: block[0].Time, end: block[len(block)-1].Time})
		case kind == POP3:
			whole = append(whole, block...)
		default:
			all = append(all, a.view(c, block, client))
		}
	}
	if !some && a.concerns(blocks[0]) {
		whole = blocks[0]
	}
	if len(whole) > 0 {
		all = append(all, a.view(c, whole, client))
	}
	return slices.DeleteFunc(all, func(v view) bool { return len(v.lines) == 0 && !v.foreign })
}

// without leaves out what was said for another message before its transaction
// began.
func (a *assembly) without(block []*event.Record) []*event.Record {
	return slices.DeleteFunc(slices.Clone(block), func(r *event.Record) bool { return r.Queue != "" && !hasQueue(a, r) })
}

// view makes one end's account of the records of a transaction.
func (a *assembly) view(c *conn, records []*event.Record, client bool) view {
	v := view{start: records[0].Time, report: a.conns.report[c.at]}
	secure, quit := secureBefore(c.records, records[0]), false
	for _, r := range records {
		if report, ours := a.queues.report[at{r.Node, r.Queue}]; ours && r.Queue != "" {
			v.queue, v.report = r.Queue, report
		}
		if next := r.Meta.Get(event.NextQueue); next != "" {
			v.next = next
		}
		quit = quit || closes(r) || r.Kind == event.KindLine && strings.EqualFold(r.Text, "QUIT")
		if !quit { // a connection may be kept for long
			v.end = r.Time
		}
		switch {
		case r.Kind == event.KindTLS && r.Text == event.Established:
			secure = true
			v.tls = joinNonEmpty(" ", r.Meta.Get(event.Version), r.Meta.Get(event.Cipher))
			v.lines = append(v.lines, note(v.offset(r), reason.New(reason.TLSUp, v.tls)))
		case r.Kind == event.KindTLS:
			for _, why := range reason.Parse(r.Meta.Get(event.Reason)) {
				v.lines = append(v.lines, note(v.offset(r), why))
			}
		case r.Kind == event.KindLine:
			v.data = v.data || strings.EqualFold(r.Text, "DATA")
			v.lines = append(v.lines, Line{OffsetMS: v.offset(r), Dir: direction(r.Dir, client), Text: r.Text, TLS: secure, Note: summary(r)})
		}
	}
	return v
}

func (v *view) offset(r *event.Record) int64 { return r.Time.Sub(v.start).Milliseconds() }

// summary is what the text of a record stands in place of lines for, or nil.
func summary(r *event.Record) *reason.Reason {
	if said := reason.Parse(r.Meta.Get(event.Summary)); len(said) > 0 {
		return &said[0]
	}
	return nil
}

// note makes a line of something that nobody has spoken.
func note(offset int64, r reason.Reason) Line {
	return Line{OffsetMS: offset, Dir: "=", Text: r.String(), Note: &r}
}

func hasQueue(a *assembly, r *event.Record) bool { return a.queues.has(at{r.Node, r.Queue}) }

// concerns reports whether the command that began a transaction, or else one of
// its records, belongs to a queue id of this journey. A client knows the queue id
// from the beginning; whatever comes of another message later, as the end of a
// connection that was kept for it, is none of this one.
func (a *assembly) concerns(block []*event.Record) bool {
	if len(block) > 0 && block[0].Kind == event.KindLine && block[0].Queue != "" {
		return hasQueue(a, block[0])
	}
	return slices.ContainsFunc(block, func(r *event.Record) bool { return r.Queue != "" && hasQueue(a, r) })
}

// split cuts a connection's records before each command that starts a
// transaction. The first block is what came before any.
func split(records []*event.Record, client bool, kind Kind) [][]*event.Record {
	command := event.In
	if client {
		command = event.Out
	}
	blocks := [][]*event.Record{nil}
	for _, r := range records {
		if r.Kind == event.KindLine && r.Dir == command && isStarter(r.Text, kind) {
			blocks = append(blocks, nil)
		}
		last := len(blocks) - 1
		blocks[last] = append(blocks[last], r)
	}
	return blocks
}

func isStarter(line string, kind Kind) bool {
	return slices.ContainsFunc(starters[kind], func(verb string) bool {
		return len(line) >= len(verb) && strings.EqualFold(line[:len(verb)], verb)
	})
}

// secureBefore reports whether TLS was up before the given record.
func secureBefore(records []*event.Record, until *event.Record) bool {
	for _, r := range records {
		if r == until {
			return false
		}
		if r.Kind == event.KindTLS && r.Text == event.Established {
			return true
		}
	}
	return false
}

// direction turns a node's own view into client → server.
func direction(d event.Dir, client bool) string {
	if (d == event.Out) == client {
		return ">"
	}
	return "<"
}

func failed(kind Kind, outcome string) bool {
	if kind == POP3 {
		return strings.HasPrefix(outcome, "-ERR")
	}
	return strings.HasPrefix(outcome, "4") || strings.HasPrefix(outcome, "5")
}
