package queue

import (
	"context"
	"errors"
	"slices"
	"time"
	"unique"
)

// ErrStopped says that the queue has ended.
var ErrStopped = errors.New("the queue has stopped")

// Selection names jobs: those of a message, of a domain, or all. ID and Domain
// together name one job.
type Selection struct{ ID, Domain string }

func (s Selection) has(it *item) bool { return s.ID == "" || s.ID == it.id }

// do runs op as part of Run and waits for it. When it returns an error, op may
// run later all the same.
func (q *Queue) do(ctx context.Context, op func(r *run)) error {
	done := make(chan struct{})
	q.mu.Lock()
	q.ops = append(q.ops, func(r *run) { defer close(done); op(r) })
	q.mu.Unlock()
	q.signal()
	select {
	case <-done:
		return nil
	case <-q.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Change runs what changes the spool behind the queue's back and tells the queue
// by Remove and Restore. Jobs that are on their way here meanwhile look at the
// spool again.
func (q *Queue) Change(do func() error) error {
	q.mu.Lock()
	q.changes++
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.changes--
		q.changed = time.Now()
	}()
	return do()
}

// Retried is how many jobs of how many messages a retry has found.
type Retried struct {
	Messages, Jobs int
	// Parked counts those of the messages that are not attempted themselves, but
	// wait for what the probes of their destinations find out.
	Parked int
}

// Retry makes jobs due now, and dead destinations of theirs be probed now. Those
// that run or wait for a place are counted, too.
func (q *Queue) Retry(ctx context.Context, s Selection) (Retried, error) {
	counted := make(chan Retried, 1)
	err := q.do(ctx, func(r *run) {
		all, tried := map[string]bool{}, map[string]bool{}
		n := 0
		for _, d := range r.named(s) {
			n += r.retry(d, s, all, tried)
		}
		counted <- Retried{len(all), n, len(all) - len(tried)}
	})
	if err != nil {
		return Retried{}, err
	}
	return <-counted, nil
}

// named lists the destinations that a selection may have jobs of.
func (r *run) named(s Selection) []*destination {
	if s.Domain != "" {
		if d := r.dests[unique.Make(s.Domain)]; d != nil {
			return []*destination{d}
		}
		return nil
	}
	var all []*destination
	for _, d := range r.dests {
		all = append(all, d)
	}
	return all
}

// retry makes the jobs of a destination due, and notes the ids of their messages:
// of all, and of those that are attempted.
func (r *run) retry(d *destination, s Selection, all, tried map[string]bool) (n int) {
	now := r.now()
	for _, it := range d.later.filter(func(it *item) bool { return !s.has(it) }) {
		it.due = now
		r.makeReady(d, it, now)
	}
	for _, list := range [][]*item{d.ready, d.parked.list, d.running} {
		for _, it := range list {
			if s.has(it) && !it.revoked {
				n++
				all[it.id] = true
			}
		}
	}
	if n > 0 && d.feedback.dead {
		d.feedback.probe = now
		for _, it := range d.parked.list {
			if s.ID != "" && s.has(it) {
				d.asked = it
			}
		}
	}
	for _, list := range [][]*item{d.ready, d.running, d.nextProbers(now)} {
		for _, it := range list {
			if s.has(it) && !it.revoked && !it.overdue {
				tried[it.id] = true
			}
		}
	}
	r.look(d, now)
	return n
}

// Remove forgets jobs: held or dropped ones. Attempts that run go on, but are
// their jobs' last.
func (q *Queue) Remove(ctx context.Context, jobs []Selection) error {
	return q.do(ctx, func(r *run) {
		gone := byDomain(jobs)
		for name, ids := range gone {
			if d := r.dests[name]; d != nil {
				r.remove(d, ids)
			}
		}
	})
}

func byDomain(jobs []Selection) map[unique.Handle[string]]map[string]bool {
	all := map[unique.Handle[string]]map[string]bool{}
	for _, j := range jobs {
		name := unique.Make(j.Domain)
		if all[name] == nil {
			all[name] = map[string]bool{}
		}
		all[name][j.ID] = true
	}
	return all
}

func (r *run) remove(d *destination, ids map[string]bool) {
	keep := func(it *item) bool { return !ids[it.id] }
	var out []*item
	d.ready, out = split(d.ready, keep)
	out = append(append(out, d.later.filter(keep)...), d.parked.filter(keep)...)
	for _, it := range out {
		r.drop(it)
		if d.asked == it {
			d.asked = nil
		}
	}
	for _, it := range d.running {
		it.revoked = it.revoked || ids[it.id]
	}
	r.look(d, r.now())
}

// Restore takes jobs back that Remove has taken out.
func (q *Queue) Restore(ctx context.Context, jobs []Job) error {
	return q.do(ctx, func(r *run) {
		items := make([]*item, len(jobs))
		q.mu.Lock()
		for i, j := range jobs {
			items[i] = q.itemOf(j)
			items[i].carry, items[i].doubtful = nil, true
		}
		q.mu.Unlock()
		r.admit(items)
	})
}

// unknown leaves out the doubtful items that are here already. An attempt of one
// that runs is not its last any more.
func (r *run) unknown(items []*item) []*item {
	var doubtful []Selection
	for _, it := range items {
		if it.doubtful {
			doubtful = append(doubtful, Selection{it.id, it.domain.Value()})
		}
	}
	known := map[Selection]bool{}
	for name, ids := range byDomain(doubtful) {
		d := r.dests[name]
		if d == nil {
			continue
		}
		for _, list := range [][]*item{d.later.list, d.ready, d.parked.list, d.running} {
			for _, it := range list {
				if ids[it.id] {
					it.revoked, it.restored = false, true
					known[Selection{it.id, name.Value()}] = true
				}
			}
		}
	}
	if len(known) == 0 {
		return items
	}
	return slices.DeleteFunc(items, func(it *item) bool { return it.doubtful && known[Selection{it.id, it.domain.Value()}] })
}
