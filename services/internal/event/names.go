package event

import "strings"

const (
	maxNames = 2048 // strings of each generation
	maxName  = 64   // longer strings hardly repeat
)

// names makes equal strings of imported records share their bytes: most of a
// record is said again and again, and what comes from JSON is a part of its
// line each time. It forgets in two generations what has not been said for long.
type names struct {
	young, old map[string]string
}

// share returns the record with its repeated strings shared, and the others in
// no more room than they take. It changes the details where they are.
func (n *names) share(r Record) Record {
	r.Node, r.Conn, r.Queue, r.Message = n.one(r.Node), n.one(r.Conn), n.one(r.Queue), n.one(r.Message)
	r.Kind, r.Dir, r.Text = Kind(n.one(string(r.Kind))), Dir(n.one(string(r.Dir))), n.one(r.Text)
	for i, a := range r.Meta {
		r.Meta[i] = Attr{n.one(a.Key), n.one(a.Value)}
	}
	return r
}

func (n *names) one(s string) string {
	if s == "" || len(s) > maxName {
		return strings.Clone(s)
	}
	if known, ok := n.young[s]; ok {
		return known
	}
	known, ok := n.old[s]
	if !ok {
		known = strings.Clone(s)
	}
	if n.young == nil || len(n.young) == maxNames {
		n.old, n.young = n.young, make(map[string]string, maxNames)
	}
	n.young[known] = known
	return known
}
