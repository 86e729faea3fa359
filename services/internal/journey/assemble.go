package journey

import (
	"cmp"
	"slices"
	"strings"

	"correio/services/internal/event"
)

// Assemble puts together the journey of a message from the records of all
// nodes, in any order. The message goes by its Message-ID or by a queue id,
// alone or as QUEUE-ID@NODE. ok is false when no record knows the name.
func Assemble(records []event.Record, message string) (j Journey, ok bool) {
	x := newIndex(records)
	message, seeds := x.named(message)
	if len(seeds) == 0 {
		return Journey{}, false
	}
	a := &assembly{x: x, queues: map[at]bool{}, conns: map[at]bool{}}
	for _, r := range seeds {
		a.seed(r)
	}
	a.closure()
	j = Journey{Message: message, NoMessageID: seeds[0].Message == "", Started: seeds[0].Time}
	j.Steps = a.steps()
	a.describe(&j)
	number(&j)
	return j, true
}

// assembly collects what belongs to one message.
type assembly struct {
	x      *index
	queues map[at]bool // queue ids; true for those of a report
	conns  map[at]bool // connections that spoke of it; true for a report's
	todo   []at        // queue ids still to follow
}

// seed takes a record that names the message.
func (a *assembly) seed(r *event.Record) {
	if r.Queue != "" {
		a.addQueue(at{r.Node, r.Queue}, false)
	}
	if r.Conn != "" {
		a.addConn(at{r.Node, r.Conn}, false)
	}
}

func (a *assembly) addQueue(q at, report bool) {
	if _, known := a.queues[q]; !known {
		a.queues[q] = report
		a.todo = append(a.todo, q)
	}
}

func (a *assembly) addConn(c at, report bool) {
	if _, known := a.conns[c]; !known {
		a.conns[c] = report
	}
}

// closure follows queue ids from node to node until nothing new turns up.
func (a *assembly) closure() {
	for len(a.todo) > 0 {
		q := a.todo[0]
		a.todo = a.todo[1:]
		report := a.queues[q]
		for _, r := range a.x.byQueue[q] {
			if r.Conn != "" && r.Kind != event.KindDNS {
				a.addConn(at{r.Node, r.Conn}, report)
			}
			if id := r.Meta.Get(event.BounceID); id != "" {
				a.addQueue(at{r.Node, id}, true)
			}
			if next := r.Meta.Get(event.NextQueue); next != "" {
				a.follow(r, next, report)
			}
		}
	}
}

// follow finds the node that gave the queue id next in its reply: the other
// end of the connection, or the only node that knows the id.
func (a *assembly) follow(r *event.Record, next string, report bool) {
	if c := a.x.conns[at{r.Node, r.Conn}]; c != nil {
		if p := a.x.peer(c); p != nil {
			a.addConn(p.at, report)
			a.addQueue(at{p.at.node, next}, report)
			return
		}
	}
	for key := range a.x.byQueue {
		if key.id == next && key.node != r.Node {
			a.addQueue(key, report)
		}
	}
}

// steps makes the steps of all that was collected, in order of time.
func (a *assembly) steps() []Step {
	var steps []Step
	done := map[at]bool{}
	for key := range a.conns {
		if done[key] {
			continue
		}
		c := a.x.conns[key]
		p := a.x.peer(c)
		done[key] = true
		if p != nil {
			done[p.at] = true
		}
		steps = append(steps, a.conversation(c, p)...)
	}
	for key, report := range a.queues {
		for _, r := range a.x.byQueue[key] {
			if s, ok := a.single(r); ok {
				s.Report = report
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
	case r.Kind == event.KindQueue && (r.Text == event.Deferred || r.Text == event.Bounced):
		s.Kind = Queue
		s.Failed = r.Text == event.Bounced
		s.Detail = joinNonEmpty("; ", r.Meta.Get(event.To), r.Meta.Get(event.Reply), prefixed("retry in ", r.Meta.Get(event.RetryIn)), prefixed("report ", r.Meta.Get(event.BounceID)))
	case r.Kind == event.KindQueue && r.Text == event.Attempt && r.Meta.Get(event.Reason) != "":
		s.Kind = Queue
		s.Detail = joinNonEmpty(": ", r.Meta.Get(event.Next), r.Meta.Get(event.Reason))
	default:
		return Step{}, false
	}
	return s, true
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func joinNonEmpty(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}

// number gives the steps their numbers and offsets.
func number(j *Journey) {
	if len(j.Steps) > 0 && j.Steps[0].Start.Before(j.Started) {
		j.Started = j.Steps[0].Start
	}
	for i := range j.Steps {
		j.Steps[i].Number = i + 1
		j.Steps[i].OffsetMS = j.Steps[i].Start.Sub(j.Started).Milliseconds()
	}
}
