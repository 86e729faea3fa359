package journey

import (
	"slices"
	"strings"

	"correio/services/internal/event"
)

// at names something within one node: a connection or a queue id.
type at struct{ node, id string }

// pair is the two ends of a connection, seen from one of them.
type pair struct{ local, remote string }

func pairOf(r *event.Record) pair {
	return pair{r.Meta.Get(event.Local), r.Meta.Get(event.Remote)}
}

func (p pair) swapped() pair { return pair{p.remote, p.local} }

// Index finds the records of one message among those of all, by what joins
// them. Records come by Add in any order and go by Remove, the first that came
// first; whatever is asked, the answer is that of the records at hand, and
// takes time and memory for those of the message alone. The zero value is
// empty. It must not be changed while it is asked.
//
// Ids of queues and connections are keys without their node: nodes draw them at
// random, so that two hardly ever have the same, and who asks for a node's picks
// (list.of).
type Index struct {
	byMessage lists[string]
	byQueue   lists[string]
	byConn    lists[string]
	byNext    lists[string] // by the queue id that the next host gave
	// byPair holds the openings of connections and the questions that DNS
	// servers answered, by the recording node's side of the pair.
	byPair   lists[pair]
	accepted timeline
	// openings are copies of those that the log has let go of before their
	// connection's end: without them nobody knows who spoke with whom.
	openings map[at]*event.Record
	kept     []at // their connections, the oldest first; some are gone
}

// Add implements event.Index.
func (x *Index) Add(r *event.Record) {
	x.each(r, add)
	if accepted(r) {
		x.accepted.add(r)
	}
}

// Remove implements event.Index. The opening of a connection outlives its
// record until the connection is closed: those that are kept for reuse speak for
// longer than a busy log looks back.
func (x *Index) Remove(r *event.Record) {
	c := at{r.Node, r.Conn}
	if opens(r) && c.id != "" {
		x.keepOpening(c, r)
		return
	}
	x.each(r, remove)
	if accepted(r) {
		x.accepted.remove(r)
	}
	if closes(r) {
		x.dropOpening(c)
	}
}

// maxOpenings bounds the openings that are kept: of connections whose end
// nobody told, those of a node that was killed, the oldest go.
const maxOpenings = 4096

// keepOpening puts a copy in the place of a record that goes.
func (x *Index) keepOpening(c at, r *event.Record) {
	mine := *r
	x.each(r, func(l list, r *event.Record) list {
		l[slices.Index(l, r)] = &mine
		return l
	})
	if x.openings == nil {
		x.openings = map[at]*event.Record{}
	}
	x.openings[c] = &mine
	x.kept = append(x.kept, c)
	for len(x.openings) > maxOpenings {
		x.dropOpening(x.kept[0])
		x.kept = x.kept[1:]
	}
	if len(x.kept) > 2*maxOpenings {
		x.kept = slices.DeleteFunc(x.kept, func(c at) bool { return x.openings[c] == nil })
	}
}

func (x *Index) dropOpening(c at) {
	if open := x.openings[c]; open != nil {
		x.each(open, remove)
		delete(x.openings, c)
	}
}

// Bytes implements event.Index.
func (x *Index) Bytes() int {
	return x.byMessage.bytes(stringBytes) + x.byQueue.bytes(stringBytes) + x.byConn.bytes(stringBytes) +
		x.byNext.bytes(stringBytes) + x.byPair.bytes(2*stringBytes) + len(x.accepted)*recordBytes +
		len(x.openings)*openingBytes
}

// change is add or remove.
type change func(l list, r *event.Record) list

// each changes every list that the record belongs to.
func (x *Index) each(r *event.Record, c change) {
	x.byMessage.change(r.Message, r, c)
	x.byQueue.change(r.Queue, r, c)
	x.byConn.change(r.Conn, r, c)
	if r.Kind == event.KindQueue {
		x.byNext.change(r.Meta.Get(event.NextQueue), r, c)
	}
	if opens(r) || answers(r) {
		x.byPair.change(pairOf(r), r, c)
	}
}

func opens(r *event.Record) bool { return r.Kind == event.KindConn && r.Text == event.Open }

func closes(r *event.Record) bool { return r.Kind == event.KindConn && r.Text == event.Close }

// answers reports whether the record is of a question at the server's end.
func answers(r *event.Record) bool {
	return r.Kind == event.KindDNS && r.Meta.Get(event.Role) == "server"
}

func accepted(r *event.Record) bool {
	return r.Kind == event.KindQueue && r.Text == event.Accepted && r.Queue != ""
}

// queue returns what a node recorded of a queue id, in order of time.
func (x *Index) queue(q at) list { return x.byQueue.m[q.id].of(q.node).inOrder() }

// conn returns a connection as one node saw it.
func (x *Index) conn(c at) *conn {
	records := x.byConn.m[c.id].of(c.node).inOrder()
	if len(records) == 0 {
		return nil
	}
	return &conn{at: c, records: records, open: records.first(opens)}
}

// conn is one connection as one node saw it, in order of time.
type conn struct {
	at      at
	records list
	open    *event.Record // nil when the log had lost it
}

func (c *conn) meta(key string) string {
	if c.open == nil {
		return ""
	}
	return c.open.Meta.Get(key)
}

// peer returns the other end's view of a connection: the one with the pair
// swapped whose opening is nearest in time.
func (x *Index) peer(c *conn) *conn {
	if c.open == nil {
		return nil
	}
	open := x.byPair.m[pairOf(c.open).swapped()].nearest(c.open, func(r *event.Record) bool {
		return opens(r) && r.Conn != "" && (at{r.Node, r.Conn}) != c.at
	})
	if open == nil {
		return nil
	}
	return x.conn(at{open.Node, open.Conn})
}

// answered returns the record of the server that answered a DNS question.
func (x *Index) answered(question *event.Record) *event.Record {
	id := question.Meta.Get(event.ID)
	return x.byPair.m[pairOf(question).swapped()].nearest(question, func(r *event.Record) bool {
		return answers(r) && r.Text == question.Text && r.Meta.Get(event.ID) == id
	})
}

// named returns the name of the message that a person calls name, and the
// records to start from: name is a Message-ID, or a queue id with or without
// the node it belongs to.
func (x *Index) named(name string) (string, list) {
	if seeds := x.byMessage.m[name]; len(seeds) > 0 {
		return name, seeds.inOrder()
	}
	id, node, _ := strings.Cut(name, "@")
	r := x.byQueue.m[id].first(func(r *event.Record) bool { return accepted(r) && (node == "" || r.Node == node) })
	switch {
	case r == nil:
		return name, nil
	case r.Message != "":
		return r.Message, x.byMessage.m[r.Message].inOrder()
	}
	return nameOf(r), list{r}
}

// nameOf is what a message goes by at the MTA that accepted it.
func nameOf(r *event.Record) string {
	if r.Message != "" {
		return r.Message
	}
	return r.Queue + "@" + r.Node
}
