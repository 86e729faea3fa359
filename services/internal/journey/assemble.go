package journey

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/text"
)

// Assemble puts together the journey of a message from the records of all
// nodes, in any order. The message goes by its Message-ID or by a queue id,
// alone or as QUEUE-ID@NODE. ok is false when no record knows the name.
func Assemble(records []event.Record, message string) (j Journey, ok bool) {
	return indexed(records).Assemble(message)
}

// indexed returns an index of records that stay as they are.
func indexed(records []event.Record) *Index {
	var x Index
	for i := range records {
		x.Add(&records[i])
	}
	return &x
}

// Assemble is as the function Assemble, of the records at hand.
func (x *Index) Assemble(message string) (j Journey, ok bool) {
	a, ok := x.collect(message)
	if !ok {
		return Journey{}, false
	}
	steps, started := a.steps(), a.seeds[0].Time
	if len(steps) > 0 && steps[0].Start.Before(started) {
		started = steps[0].Start
	}
	j = a.summary(started)
	j.Steps = steps
	j.Subject = subject(j.Steps)
	number(&j)
	return j, true
}

// Standing is how far a message has come.
type Standing struct {
	Message string // as in Journey
	State   State
	// Names are Message-ID and queue ids of the message and its reports. A record
	// that changes the standing is of KindQueue or KindStore or has a Message-ID,
	// and has one of them as Message or Queue.
	Names []string
}

// Standing tells how far a message has come, without putting its journey
// together. ok is false when no record knows the name.
func (x *Index) Standing(message string) (s Standing, ok bool) {
	a, ok := x.collect(message)
	if !ok {
		return Standing{}, false
	}
	return Standing{Message: a.message, State: a.summary(a.seeds[0].Time).State, Names: slices.Sorted(maps.Keys(a.names))}, true
}

// assembly collects what belongs to one message.
type assembly struct {
	x       *Index
	message string
	seeds   list
	queues  found // queue ids
	conns   found // connections that spoke of it
	seen    map[at]*conn
	names   map[string]bool // see Standing
	// original is what the sender called a recipient, by what it became.
	original map[string]string
}

// found is what was found within nodes, in the order in which it was.
type found struct {
	order  []at
	report map[at]bool // true for that of a report
}

func (f *found) add(key at, report bool) {
	if _, known := f.report[key]; !known {
		f.order = append(f.order, key)
		f.report[key] = report
	}
}

func (f *found) has(key at) bool {
	_, ok := f.report[key]
	return ok
}

// collect finds what belongs to the message that goes by a name.
func (x *Index) collect(name string) (*assembly, bool) {
	message, seeds := x.named(name)
	if len(seeds) == 0 {
		return nil, false
	}
	a := &assembly{
		x: x, message: message, seeds: seeds, seen: map[at]*conn{}, names: map[string]bool{message: true}, original: map[string]string{},
		queues: found{report: map[at]bool{}}, conns: found{report: map[at]bool{}},
	}
	for _, r := range seeds {
		a.seed(r)
	}
	a.closure()
	return a, true
}

// conn returns a connection, nil when no record is left of it.
func (a *assembly) conn(key at) *conn {
	c, ok := a.seen[key]
	if !ok {
		c = a.x.conn(key)
		a.seen[key] = c
	}
	return c
}

// seed takes a record that names the message.
func (a *assembly) seed(r *event.Record) {
	if r.Queue != "" {
		a.addQueue(at{r.Node, r.Queue}, false)
	}
	if r.Conn != "" {
		a.conns.add(at{r.Node, r.Conn}, false)
	}
}

func (a *assembly) addQueue(q at, report bool) {
	a.queues.add(q, report)
	a.names[q.id] = true
}

// closure follows queue ids from node to node until nothing new turns up.
func (a *assembly) closure() {
	for i := 0; i < len(a.queues.order); i++ { //nolint:intrange // it grows meanwhile
		q := a.queues.order[i]
		report := a.queues.report[q]
		for _, r := range a.x.queue(q) {
			if r.Conn != "" && r.Kind != event.KindDNS {
				a.conns.add(at{r.Node, r.Conn}, report)
			}
			if id := r.Meta.Get(event.BounceID); id != "" {
				a.addQueue(at{r.Node, id}, true)
			}
			if next := r.Meta.Get(event.NextQueue); next != "" {
				a.follow(r, next, report)
			}
			for _, id := range splitList(r.Meta.Get(event.Entries)) {
				a.addQueue(at{r.Node, id}, report)
			}
		}
	}
}

// follow finds the node that gave the queue id next in its reply: the other
// end of the connection, or the only node that knows the id.
func (a *assembly) follow(r *event.Record, next string, report bool) {
	a.names[next] = true
	if c := a.conn(at{r.Node, r.Conn}); c != nil {
		if p := a.x.peer(c); p != nil {
			a.conns.add(p.at, report)
			a.addQueue(at{p.at.node, next}, report)
			return
		}
	}
	for _, there := range a.x.byQueue.m[next].inOrder() {
		if there.Node != r.Node {
			a.addQueue(at{there.Node, next}, report)
		}
	}
}

// steps makes the steps of all that was collected, in order of time.
func (a *assembly) steps() []Step {
	var steps []Step
	done := map[at]bool{}
	for _, key := range a.conns.order {
		if done[key] {
			continue
		}
		c := a.conn(key)
		p := a.x.peer(c)
		done[key] = true
		if p != nil {
			done[p.at] = true
		}
		steps = append(steps, a.conversation(c, p)...)
	}
	for _, key := range a.queues.order {
		for _, r := range a.x.queue(key) {
			if s, ok := a.single(r); ok {
				s.Report = a.queues.report[key]
				steps = append(steps, s)
			}
		}
	}
	slices.SortStableFunc(steps, func(x, y Step) int {
		return cmp.Or(x.Start.Compare(y.Start), cmp.Compare(order(x.Kind), order(y.Kind)), cmp.Compare(x.Server, y.Server), cmp.Compare(x.Detail, y.Detail))
	})
	return steps
}

// order breaks ties of time: causes first.
func order(k Kind) int {
	return slices.Index([]Kind{Submission, DNS, SMTP, LMTP, Queue, Store, POP3}, k)
}

// single makes a step of a record that is none of a conversation: a DNS
// question, a wait, a failure, a mailbox entry.
func (a *assembly) single(r *event.Record) (Step, bool) {
	s := Step{Start: r.Time, Queue: r.Queue, Client: r.Node, Outcome: r.Text, SeenBy: []string{r.Node}}
	switch {
	case r.Kind == event.KindDNS:
		return a.question(r), true
	case r.Kind == event.KindStore && r.Text == event.Stored:
		s.Kind = Store
		s.Detail = r.Meta.Get(event.Mailbox)
	case r.Kind == event.KindQueue && r.Text == event.Attempt && r.Meta.Get(event.Rules) != "":
		s.Kind = Queue
		s.Detail = r.Meta.Get(event.Next)
		s.Reasons = because(r)
	case r.Kind == event.KindQueue && slices.Contains(turns, r.Text):
		s.Kind = Queue
		s.Failed = r.Text == event.Bounced || r.Text == event.Quarantined
		s.Detail, s.Reply = r.Meta.Get(event.To), r.Meta.Get(event.Reply)
		s.Reasons = because(r)
	default:
		return Step{}, false
	}
	return s, true
}

// turns are the words of events that a message does not simply go on after.
var turns = []string{event.Expanded, event.Deferred, event.Bounced, event.Quarantined, event.Held, event.Released, event.Dropped}

// because collects the reasons that a record of a queue gives, and what follows.
func because(r *event.Record) []reason.Said {
	reasons := reason.Parse(r.Meta.Get(event.Rules))
	has := func(rule reason.Rule) bool {
		return slices.ContainsFunc(reasons, func(r reason.Reason) bool { return r.Rule == rule })
	}
	if wait := r.Meta.Get(event.RetryIn); wait != "" && !has(reason.NotBefore) {
		reasons = append(reasons, reason.New(reason.RetryIn, wait))
	}
	if wait := r.Meta.Get(event.ProbeIn); wait != "" {
		reasons = append(reasons, reason.New(reason.ProbeIn, wait))
	}
	if id := r.Meta.Get(event.BounceID); id != "" && r.Text != event.Delivered {
		reasons = append(reasons, reason.New(reporting(reasons), id))
	}
	if len(reasons) == 0 {
		return nil
	}
	return reason.Say(text.English, reasons...)
}

// reporting is the rule that says whom a report goes to, by the reasons that a
// record gives. Of a message without a sender, the postmaster hears.
func reporting(reasons []reason.Reason) reason.Rule {
	if slices.ContainsFunc(reasons, func(why reason.Reason) bool { return why.Rule == reason.DoubleBounce }) {
		return reason.MasterTold
	}
	return reason.ReportedBy
}

func joinNonEmpty(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}

// number gives the steps their numbers and offsets.
func number(j *Journey) {
	for i := range j.Steps {
		j.Steps[i].Number = i + 1
		j.Steps[i].OffsetMS = j.Steps[i].Start.Sub(j.Started).Milliseconds()
	}
}
