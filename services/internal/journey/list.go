package journey

import (
	"cmp"
	"slices"

	"correio/services/internal/event"
)

// What an index takes, in bytes, found by measuring (BenchmarkFullLog of package history): the
// place of a record in a list, with the room that growing leaves; a key of a
// map with its list, besides what the key itself takes.
const (
	recordBytes = 16
	keyBytes    = 64
	stringBytes = 24
	// openingBytes is a copy of an opening, with its place in a map and its
	// strings, which nobody else may hold any more.
	openingBytes = 512
)

// list is records in the order in which they came. Who asks must not change it.
type list []*event.Record

func add(l list, r *event.Record) list { return append(l, r) }

// remove takes out a record, the first of its list since it came first, but for
// an opening that was kept.
func remove(l list, r *event.Record) list {
	i := slices.Index(l, r)
	copy(l[1:], l[:i])
	l[0] = nil // the slice's array outlives this
	return l[1:]
}

// before orders records by time, those of one node at one time as it counted
// them.
func before(a, b *event.Record) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Seq, b.Seq))
}

// inOrder returns the list in order of time, itself if it is so already, as
// one node's records mostly are.
func (l list) inOrder() list {
	if !slices.IsSortedFunc(l, before) {
		l = slices.Clone(l)
		slices.SortStableFunc(l, before)
	}
	return l
}

// of returns the records of one node, the list itself if all of them are.
func (l list) of(node string) list {
	other := slices.IndexFunc(l, func(r *event.Record) bool { return r.Node != node })
	if other < 0 {
		return l
	}
	own := slices.Clone(l[:other])
	for _, r := range l[other:] {
		if r.Node == node {
			own = append(own, r)
		}
	}
	return own
}

// first returns the record that is before all others that are wanted, nil
// when there is none.
func (l list) first(wanted func(*event.Record) bool) (first *event.Record) {
	for _, r := range l {
		if wanted(r) && (first == nil || before(r, first) < 0) {
			first = r
		}
	}
	return first
}

// nearest returns the record that is nearest in time to another among those
// that are wanted, nil when there is none.
func (l list) nearest(to *event.Record, wanted func(*event.Record) bool) (best *event.Record) {
	for _, r := range l {
		if wanted(r) && (best == nil || cmp.Or(cmp.Compare(gap(r, to), gap(best, to)), before(r, best)) < 0) {
			best = r
		}
	}
	return best
}

func gap(a, b *event.Record) int64 { return int64(a.Time.Sub(b.Time).Abs()) }

// lists is lists of records by one of their keys. The zero value is empty.
type lists[K comparable] struct {
	m     map[K]list
	count int // records in all lists
}

// change changes the list of a key, unless the key is the zero value.
func (ls *lists[K]) change(key K, r *event.Record, c change) {
	var none K
	if key == none {
		return
	}
	if ls.m == nil {
		ls.m = map[K]list{}
	}
	old := ls.m[key]
	changed := c(old, r)
	ls.count += len(changed) - len(old)
	if len(changed) == 0 {
		delete(ls.m, key)
		return
	}
	ls.m[key] = changed
}

func (ls *lists[K]) bytes(key int) int { return ls.count*recordBytes + len(ls.m)*(keyBytes+key) }

// timeline is records of accepted messages in the order of a list of messages,
// from its end to its beginning. Records mostly come at its end and go at its
// beginning, which costs nothing.
type timeline []*event.Record

// listed orders a list of messages, the newest first.
func listed(a, b *event.Record) int {
	if c := b.Time.Compare(a.Time); c != 0 {
		return c
	}
	return cmp.Compare(nameOf(a), nameOf(b))
}

func (t *timeline) add(r *event.Record) {
	i := len(*t)
	if i > 0 && listed(r, (*t)[i-1]) > 0 { // it came late
		i, _ = slices.BinarySearchFunc(*t, r, func(a, b *event.Record) int { return listed(b, a) })
	}
	*t = slices.Insert(*t, i, r)
}

// remove takes out a record, which is near the beginning unless it came late.
func (t *timeline) remove(r *event.Record) {
	i := slices.Index(*t, r)
	copy((*t)[1:], (*t)[:i])
	(*t)[0] = nil // the slice's array outlives this
	*t = (*t)[1:]
}
