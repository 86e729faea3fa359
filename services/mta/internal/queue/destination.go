package queue

import (
	"container/heap"
	"unique"
)

// destination is a domain that has jobs.
type destination struct {
	name     unique.Handle[string]
	feedback feedback
	later    jobs    // not due yet, earliest first
	ready    []*item // due and waiting for a place, in order; of a living one
	parked   jobs    // due and waiting for life, earliest duty first; of a dead one
	running  []*item
	probing  bool  // one of running is a probe
	line     place // of run.turns, in which it stands
	asked    *item // of parked: the next probe shall be this one

	shown         moment       // the next probe as others see it
	ahead, behind *destination // in its line
	wake          moment       // when to look at it next, if nothing happens
	index         int          // in run.sleeping, -1 when it is not there
}

func (d *destination) empty() bool {
	return len(d.later.list)+len(d.ready)+len(d.parked.list)+len(d.running) == 0
}

// mayProbe reports whether the dead destination may be tried.
func (d *destination) mayProbe(now moment) bool { return !d.probing && d.feedback.probe <= now }

// nextProbe is when the dead destination is probed, if nothing happens before.
func (d *destination) nextProbe() moment {
	if len(d.parked.list) == 0 && len(d.later.list) > 0 {
		return max(d.feedback.probe, d.later.list[0].due)
	}
	return d.feedback.probe
}

// owes reports whether something must be said to a sender of a parked message.
func (d *destination) owes(now moment) bool {
	return len(d.parked.list) > 0 && d.parked.key(d.parked.list[0]) <= now
}

// wants is the kind of place in which a job may be started.
func (d *destination) wants(now moment, most int) place {
	f := &d.feedback
	switch {
	case f.dead && len(d.parked.list) > 0 && d.mayProbe(now):
		return probing
	case f.dead && (!d.owes(now) || len(d.running) >= most):
		return none
	case !f.dead && (len(d.ready) == 0 || len(d.running) >= f.places()):
		return none
	case len(d.running) == 0:
		return own
	case f.dead || f.prompt: // what is overdue asks no host
		return further
	}
	return furtherDoubtful
}

// next takes out the job that wants speaks of.
func (d *destination) next(now moment) *item {
	if !d.feedback.dead {
		it := d.ready[0]
		d.ready[0] = nil
		d.ready = d.ready[1:]
		return it
	}
	if !d.mayProbe(now) {
		it := heap.Pop(&d.parked).(*item)
		it.overdue = true
		return it
	}
	it := d.parked.take(d.asked)
	it.probe = true
	d.asked, d.probing = nil, true
	return it
}

// lookAgain is when something becomes possible by the passing of time alone.
func (d *destination) lookAgain(now moment) moment {
	at := never
	if len(d.later.list) > 0 {
		at = d.later.list[0].due
	}
	if len(d.parked.list) > 0 {
		if duty := d.parked.key(d.parked.list[0]); duty > now {
			at = min(at, duty)
		}
		if !d.probing && d.feedback.probe > now {
			at = min(at, d.feedback.probe)
		}
	}
	return at
}

// nextProbers is the job that is the next probe, if one may be made now.
func (d *destination) nextProbers(now moment) []*item {
	switch {
	case !d.feedback.dead || !d.mayProbe(now) || len(d.parked.list) == 0:
		return nil
	case d.asked != nil:
		return []*item{d.asked}
	}
	return d.parked.list[:1]
}

// jobs is a heap of items, the smallest key first.
type jobs struct {
	list []*item
	key  func(it *item) moment
}

// Len implements heap.Interface.
func (h *jobs) Len() int { return len(h.list) }

// Less implements heap.Interface.
func (h *jobs) Less(i, j int) bool { return h.key(h.list[i]) < h.key(h.list[j]) }

// Swap implements heap.Interface.
func (h *jobs) Swap(i, j int) { h.list[i], h.list[j] = h.list[j], h.list[i] }

// Push implements heap.Interface.
func (h *jobs) Push(x any) { h.list = append(h.list, x.(*item)) }

// Pop implements heap.Interface.
func (h *jobs) Pop() any {
	last := len(h.list) - 1
	it := h.list[last]
	h.list[last] = nil
	h.list = h.list[:last]
	return it
}

// take removes an item, or the first one when that is not there.
func (h *jobs) take(it *item) *item {
	for i := range h.list {
		if it != nil && h.list[i] == it {
			return heap.Remove(h, i).(*item)
		}
	}
	return heap.Pop(h).(*item)
}

// filter keeps the items that keep says, and returns the others.
func (h *jobs) filter(keep func(it *item) bool) (out []*item) {
	h.list, out = split(h.list, keep)
	heap.Init(h)
	return out
}

// split parts a list in two, in order; the first takes the list's place.
func split(list []*item, keep func(it *item) bool) (kept, out []*item) {
	kept = list[:0]
	for _, it := range list {
		if keep(it) {
			kept = append(kept, it)
		} else {
			out = append(out, it)
		}
	}
	clear(list[len(kept):])
	return kept, out
}

// sleepers is a heap of destinations, those to be looked at first in front.
type sleepers []*destination

// Len implements heap.Interface.
func (h sleepers) Len() int { return len(h) }

// Less implements heap.Interface.
func (h sleepers) Less(i, j int) bool { return h[i].wake < h[j].wake }

// Swap implements heap.Interface.
func (h sleepers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *sleepers) Push(x any) {
	d := x.(*destination)
	d.index = len(*h)
	*h = append(*h, d)
}

// Pop implements heap.Interface.
func (h *sleepers) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	d.index = -1
	return d
}
