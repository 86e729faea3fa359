package queue

// place is what a place for an attempt is given for.
type place int8

const (
	none            place = iota
	own                   // the only attempt of a destination
	probing               // the probe of a dead one
	further               // one more attempt of a destination that has answered promptly
	furtherDoubtful       // one more of another
	places
)

// room reports whether a place of a kind is free.
func (r *run) room(kind place) bool {
	all := r.q.cfg.Workers
	switch kind {
	case own:
		return r.active < all
	case probing:
		return r.active < all && r.taken[probing] < share(all, 4)
	case further:
		return r.active < all && r.taken[further]+r.taken[furtherDoubtful] < share(all, 2)
	}
	return r.active < all && r.taken[further]+r.taken[furtherDoubtful] < share(all, 4)
}

// share is a part of all places, one at least.
func share(all, parts int) int { return (all + parts - 1) / parts }

// lineUp lets a destination wait for its turn at a place of a kind: behind the
// others, unless it waits for that already.
func (r *run) lineUp(d *destination, kind place) {
	if d.line == kind {
		return
	}
	if d.line != none {
		r.turns[d.line].remove(d)
	}
	if d.line = kind; kind != none {
		r.turns[kind].add(d)
	}
}

// nextTurn finds the destination that gets a place now, and which.
func (r *run) nextTurn() (*destination, place) {
	for kind := own; kind < places; kind++ {
		if first := r.turns[kind].first; first != nil && r.room(kind) {
			return first, kind
		}
	}
	return nil, none
}

// line is destinations that wait for their turn. One stands in one line at most,
// and its place there is kept in itself.
type line struct{ first, last *destination }

func (l *line) add(d *destination) {
	if d.ahead = l.last; l.last == nil {
		l.first = d
	} else {
		l.last.behind = d
	}
	l.last = d
}

func (l *line) remove(d *destination) {
	if d.ahead == nil {
		l.first = d.behind
	} else {
		d.ahead.behind = d.behind
	}
	if d.behind == nil {
		l.last = d.ahead
	} else {
		d.behind.ahead = d.ahead
	}
	d.ahead, d.behind = nil, nil
}
