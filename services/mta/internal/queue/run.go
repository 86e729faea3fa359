package queue

import (
	"container/heap"
	"context"
	"slices"
	"time"
	"unique"
)

// run is the state that Run owns.
type run struct {
	q        *Queue
	ctx      context.Context //nolint:containedctx // of the attempts; it lives exactly as long as run
	dests    map[unique.Handle[string]]*destination
	sleeping sleepers
	turns    [places]line // destinations that may start a job in such a place, whose turn is next first
	taken    [places]int  // places, by what they were given for
	active   int
	carried  int // items of inbox, ready or parked that carry something
	results  chan outcome
}

// outcome is what a worker brings back.
type outcome struct {
	it    *item
	kind  place
	began moment
	Result
}

func (r *run) now() moment { return r.q.moment(time.Now()) }

// duty is when the sender of a job's message must be told something.
func (r *run) duty(it *item) moment {
	age := r.q.cfg.Notice
	if it.noticed {
		age = r.q.cfg.Life
	}
	if age == never {
		return never
	}
	return it.arrived + age
}

// admit takes jobs over.
func (r *run) admit(items []*item) {
	now := r.now()
	var touched []*destination // in order: they take turns in it
	for _, it := range r.unknown(items) {
		if it.carry != nil && r.carried >= maxCarried {
			it.carry = nil
		} else if it.carry != nil {
			r.carried++
		}
		d := r.dest(it.domain)
		if len(touched) == 0 || touched[len(touched)-1] != d {
			touched = append(touched, d)
		}
		if it.due > now {
			heap.Push(&d.later, it)
		} else {
			r.makeReady(d, it, now)
		}
	}
	for _, d := range touched {
		r.look(d, now)
	}
}

func (r *run) dest(name unique.Handle[string]) *destination {
	d := r.dests[name]
	if d == nil {
		d = &destination{name: name, index: -1, feedback: feedback{window: r.q.limits.first}}
		d.later.key = func(it *item) moment { return it.due }
		d.parked.key = r.duty
		r.dests[name] = d
	}
	return d
}

// makeReady lines up a job that is due.
func (r *run) makeReady(d *destination, it *item, now moment) {
	if !d.feedback.dead {
		d.ready = append(d.ready, it)
		return
	}
	switch {
	case it.begun:
		d.asked, d.feedback.probe = it, now
	case len(d.parked.list) > 0 || !d.mayProbe(now):
		r.park(d, it)
	}
	heap.Push(&d.parked, it)
}

// park takes from a job what is too much for one that may wait for long. One whose
// attempt is under way does not wait, whatever is said about others.
func (r *run) park(d *destination, it *item) {
	if it.carry == nil {
		return
	}
	if !it.begun {
		r.q.cfg.Parked(r.job(it), r.told(d))
	}
	r.drop(it)
}

// drop takes away what a job carries.
func (r *run) drop(it *item) {
	if it.carry != nil {
		it.carry = nil
		r.carried--
	}
}

// look brings a destination up to date: what is due, whether it may start
// something, and when to look again.
func (r *run) look(d *destination, now moment) {
	for len(d.later.list) > 0 && d.later.list[0].due <= now {
		r.makeReady(d, heap.Pop(&d.later).(*item), now)
	}
	r.lineUp(d, d.wants(now, r.q.cfg.PerDestination))
	r.sleepUntil(d, d.lookAgain(now))
	if d.feedback.dead && d.nextProbe() != d.shown {
		r.q.publish(r.told(d))
		d.shown = d.nextProbe()
	}
	if d.empty() { // and so in no line
		if d.feedback.dead {
			r.q.publish(Destination{Domain: d.name.Value()})
		}
		delete(r.dests, d.name)
	}
}

func (r *run) sleepUntil(d *destination, at moment) {
	d.wake = at
	switch {
	case at == never && d.index >= 0:
		heap.Remove(&r.sleeping, d.index)
	case at == never:
	case d.index >= 0:
		heap.Fix(&r.sleeping, d.index)
	default:
		heap.Push(&r.sleeping, d)
	}
}

// start starts what is due and has a place.
func (r *run) start() {
	now := r.now()
	for len(r.sleeping) > 0 && r.sleeping[0].wake <= now {
		r.look(r.sleeping[0], now)
	}
	for d, kind := r.nextTurn(); d != nil; d, kind = r.nextTurn() {
		r.lineUp(d, none)
		r.startOne(d, kind, now)
		r.look(d, now)
	}
}

// startOne starts a job of a destination.
func (r *run) startOne(d *destination, kind place, now moment) {
	it := d.next(now)
	job := r.job(it)
	if job.Overdue = it.overdue; d.feedback.dead {
		dead := r.told(d)
		job.Dead = &dead
	}
	r.drop(it)
	d.running = append(d.running, it)
	r.active++
	r.taken[kind]++
	if it.probe {
		r.q.publish(r.told(d))
	}
	// Run waits for every result, and so for every worker.
	go func() { r.results <- outcome{it, kind, now, r.q.cfg.Attempt(r.ctx, job)} }()
}

// job is an item as others know it.
func (r *run) job(it *item) Job {
	return Job{
		ID: it.id, Domain: it.domain.Value(), Arrived: r.q.base.Add(it.arrived), Due: r.q.base.Add(it.due),
		Fresh: it.fresh, Noticed: it.noticed, Unreached: it.unreached, Resumed: it.resumed, Begun: it.begun,
		Carry: it.carry,
	}
}

// told is a destination as others know it.
func (r *run) told(d *destination) Destination {
	f := &d.feedback
	return Destination{
		Domain: d.name.Value(), Dead: f.dead, Since: r.q.base.Add(f.since), Probe: r.q.base.Add(f.probe),
		Next: r.q.base.Add(d.nextProbe()), Probing: d.probing, Why: f.why, Host: f.host,
	}
}

// finish frees the place of an attempt and learns from it.
func (r *run) finish(o outcome) {
	now, it := r.now(), o.it
	d := r.dests[it.domain]
	d.running = slices.DeleteFunc(d.running, func(x *item) bool { return x == it })
	r.active--
	r.taken[o.kind]--
	probe, overdue := it.probe, it.overdue
	it.probe, it.overdue, it.begun = false, false, false
	if probe {
		d.probing = false
	}
	if !overdue {
		it.fresh = it.fresh && o.Reach == Unknown
		it.resumed = it.resumed && o.Reach == Unknown
		it.unreached = o.Reach == Unreached
		r.learn(d, o, now, probe)
	}
	switch {
	case it.revoked:
	case o.Again:
		it.due, it.noticed = r.q.moment(o.Next), o.Noticed
		heap.Push(&d.later, it)
	case o.Gone && it.restored: // it had been put aside when the attempt looked, and was released since
		it.due = now
		r.makeReady(d, it, now)
	}
	it.restored = false
	r.look(d, now)
}

// learn applies an outcome to its destination.
func (r *run) learn(d *destination, res outcome, now moment, probe bool) {
	if res.Reach == Unreached {
		d.feedback.host = res.Host
	}
	switch f := &d.feedback; {
	case res.Reach == Reached && f.reached(r.q.limits, now-res.began):
		r.revive(d)
	case res.Reach == Unreached && f.unreached(r.q.limits, now, probe, res.Why):
		r.die(d)
	case res.Reach == Unknown && probe:
		f.undecided(r.q.limits, now, res.Again)
	}
	if d.feedback.dead {
		r.q.publish(r.told(d))
	}
}

// die parks what is ready.
func (r *run) die(d *destination) {
	for _, it := range d.ready {
		r.park(d, it)
	}
	d.parked.list, d.ready = append(d.parked.list, d.ready...), nil
	heap.Init(&d.parked)
	r.q.cfg.Changed(r.told(d))
}

// revive makes ready what has waited for the destination: what is parked, and
// what failed to reach it before. Other jobs keep their time; a greylisted one
// would only be refused again.
func (r *run) revive(d *destination) {
	waited := d.later.filter(func(it *item) bool { return !it.unreached })
	waited = append(waited, d.parked.list...)
	d.parked.list, d.asked = nil, nil
	slices.SortStableFunc(waited, byArrival)
	d.ready = append(d.ready, waited...)
	r.q.publish(r.told(d))
	r.q.cfg.Changed(r.told(d))
}

// untilNext is how long nothing becomes due.
func (r *run) untilNext() time.Duration {
	const forever = 24 * time.Hour
	if len(r.sleeping) == 0 {
		return forever
	}
	return min(max(r.sleeping[0].wake-r.now(), 0), forever)
}
