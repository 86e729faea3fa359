package journey

import (
	"cmp"
	"slices"
	"strings"

	"correio/services/internal/event"
)

// at names something within one node: a connection or a queue id.
type at struct{ node, id string }

// pair names a connection by its two ends, seen from one of them.
type pair struct{ proto, local, remote string }

// conn is one connection as one node saw it, in the node's order.
type conn struct {
	at      at
	records []*event.Record
	open    *event.Record // nil when the ring had lost it
}

func (c *conn) meta(key string) string {
	if c.open == nil {
		return ""
	}
	return c.open.Meta.Get(key)
}

// index finds records by what joins them.
type index struct {
	records   []event.Record // by time, each node's own in its order
	byMessage map[string][]*event.Record
	byQueue   map[at][]*event.Record
	conns     map[at]*conn
	byPair    map[pair][]*conn
	// dnsByPair holds the DNS records of servers, by their side of the pair
	// with the message id put to proto.
	dnsByPair map[pair][]*event.Record
}

// newIndex sorts and indexes the records. It does not change its argument.
func newIndex(records []event.Record) *index {
	x := &index{
		records:   slices.Clone(records),
		byMessage: map[string][]*event.Record{},
		byQueue:   map[at][]*event.Record{},
		conns:     map[at]*conn{},
		byPair:    map[pair][]*conn{},
		dnsByPair: map[pair][]*event.Record{},
	}
	slices.SortStableFunc(x.records, func(a, b event.Record) int {
		if a.Node == b.Node {
			return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq))
		}
		return a.Time.Compare(b.Time)
	})
	for i := range x.records {
		x.add(&x.records[i])
	}
	return x
}

func (x *index) add(r *event.Record) {
	if r.Message != "" {
		x.byMessage[r.Message] = append(x.byMessage[r.Message], r)
	}
	if r.Queue != "" {
		key := at{r.Node, r.Queue}
		x.byQueue[key] = append(x.byQueue[key], r)
	}
	if r.Kind == event.KindDNS && r.Meta.Get(event.Role) == "server" {
		key := pair{dnsKey(r), r.Meta.Get(event.Local), r.Meta.Get(event.Remote)}
		x.dnsByPair[key] = append(x.dnsByPair[key], r)
	}
	if r.Conn == "" {
		return
	}
	key := at{r.Node, r.Conn}
	c := x.conns[key]
	if c == nil {
		c = &conn{at: key}
		x.conns[key] = c
	}
	c.records = append(c.records, r)
	if r.Kind == event.KindConn && r.Text == event.Open {
		c.open = r
		p := pair{"", r.Meta.Get(event.Local), r.Meta.Get(event.Remote)}
		x.byPair[p] = append(x.byPair[p], c)
	}
}

func dnsKey(r *event.Record) string { return r.Meta.Get(event.ID) + " " + r.Text }

// named returns the name of the message that a person calls name, and the
// records to start from: name is a Message-ID, or a queue id with or without
// the node it belongs to.
func (x *index) named(name string) (string, []*event.Record) {
	if seeds := x.byMessage[name]; len(seeds) > 0 {
		return name, seeds
	}
	id, node, _ := strings.Cut(name, "@")
	i := slices.IndexFunc(x.records, func(r event.Record) bool {
		return accepted(&r) && r.Queue == id && (node == "" || r.Node == node)
	})
	if i < 0 {
		return name, nil
	}
	r := &x.records[i]
	if r.Message != "" {
		return r.Message, x.byMessage[r.Message]
	}
	return nameOf(r), []*event.Record{r}
}

func accepted(r *event.Record) bool {
	return r.Kind == event.KindQueue && r.Text == event.Accepted && r.Queue != ""
}

// nameOf is what a message goes by at the MTA that accepted it.
func nameOf(r *event.Record) string {
	return cmp.Or(r.Message, r.Queue+"@"+r.Node)
}

// peer returns the other end's view of a connection: the one with the pair
// swapped whose opening is nearest in time.
func (x *index) peer(c *conn) *conn {
	if c.open == nil {
		return nil
	}
	candidates := x.byPair[pair{"", c.meta(event.Remote), c.meta(event.Local)}]
	var best *conn
	for _, other := range candidates {
		if other.at.node == c.at.node && other.at.id == c.at.id {
			continue
		}
		if best == nil || distance(other, c) < distance(best, c) {
			best = other
		}
	}
	return best
}

func distance(a, b *conn) int64 {
	d := a.open.Time.Sub(b.open.Time)
	return int64(max(d, -d))
}

// answered returns the record of the server that answered a DNS question.
func (x *index) answered(question *event.Record) *event.Record {
	key := pair{dnsKey(question), question.Meta.Get(event.Remote), question.Meta.Get(event.Local)}
	var best *event.Record
	for _, r := range x.dnsByPair[key] {
		if best == nil || gap(r, question) < gap(best, question) {
			best = r
		}
	}
	return best
}

func gap(a, b *event.Record) int64 {
	d := a.Time.Sub(b.Time)
	return int64(max(d, -d))
}

// List returns a summary of every message that an MTA accepted, newest first,
// limit of them at most (0 for all).
func List(records []event.Record, limit int) []Summary {
	handed := map[string]string{} // queue id to the MTA that got it in reply from another
	for i := range records {
		if id := records[i].Meta.Get(event.NextQueue); id != "" {
			handed[id] = records[i].Node
		}
	}
	first := map[string]*event.Record{}
	for i := range records {
		r := &records[i]
		if !accepted(r) {
			continue
		}
		if from, ok := handed[r.Queue]; r.Message == "" && ok && from != r.Node {
			continue // another MTA had it before; it goes by its name there
		}
		name := nameOf(r)
		if known := first[name]; known == nil || r.Time.Before(known.Time) {
			first[name] = r
		}
	}
	list := make([]Summary, 0, len(first))
	for id, r := range first {
		list = append(list, Summary{Message: id, From: bare(r.Meta.Get(event.From)), To: splitList(r.Meta.Get(event.To)), Started: r.Time, Node: r.Node})
	}
	slices.SortFunc(list, func(a, b Summary) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.Message, b.Message))
	})
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}
	return list
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ", ")
}

// bare takes the angle brackets off a path; the null reverse-path is "".
func bare(path string) string {
	return strings.TrimSuffix(strings.TrimPrefix(path, "<"), ">")
}
