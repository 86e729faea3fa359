// Package queue says which job runs when. One goroutine, Run, owns all of the
// state: jobs that wait for their time, jobs that wait for a place, and how
// many run for each destination. Attempts run on workers, which exist only
// while they run; nothing polls, and an idle queue costs nothing.
//
// A new job is started the moment it is added when there is a place for it.
// Places are bounded in all and for each destination, and destinations take
// turns: a host that swallows time holds up its own mail alone.
package queue

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Job is what waits for one destination within one message.
type Job struct {
	ID     string    // queue id
	Domain string    // destination: places are bounded for each
	Due    time.Time // not before
	// Carry is handed from Add to the first attempt and then forgotten.
	Carry any
}

// Attempt makes one attempt of a job. It returns when to try again; again is
// false when the job is over. It may run beside others.
type Attempt func(ctx context.Context, j Job) (next time.Time, again bool)

// Config bounds a queue.
type Config struct {
	Workers        int // attempts at a time, default 64
	PerDestination int // attempts at a time for one destination, default 20
	// Grace is how long attempts may go on after the context has ended, before
	// theirs ends too. Default 3 s.
	Grace   time.Duration
	Attempt Attempt
}

// Queue schedules jobs. Make one with New and run it with Run.
type Queue struct {
	cfg  Config
	wake chan struct{} // capacity 1: there is something in inbox

	mu    sync.Mutex // guards inbox
	inbox []Job
}

// New returns an empty queue.
func New(cfg Config) *Queue {
	if cfg.Workers <= 0 {
		cfg.Workers = 64
	}
	if cfg.PerDestination <= 0 {
		cfg.PerDestination = 20
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 3 * time.Second
	}
	return &Queue{cfg: cfg, wake: make(chan struct{}, 1)}
}

// Add hands jobs to the queue. It never waits.
func (q *Queue) Add(jobs ...Job) {
	q.mu.Lock()
	q.inbox = append(q.inbox, jobs...)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *Queue) take() []Job {
	q.mu.Lock()
	defer q.mu.Unlock()
	jobs := q.inbox
	q.inbox = nil
	return jobs
}

// result is what a worker brings back.
type result struct {
	job   Job
	again bool
}

// Run starts attempts until the context ends, then waits for those that run.
func (q *Queue) Run(ctx context.Context) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r := &run{cfg: q.cfg, ctx: work, dests: map[string]*destination{}, results: make(chan result)}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		r.admit(q.take())
		r.start(time.Now())
		timer.Reset(r.untilNext(time.Now()))
		select {
		case <-q.wake:
		case res := <-r.results:
			r.finish(res)
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	cut := time.AfterFunc(q.cfg.Grace, cancel)
	defer cut.Stop()
	for r.active > 0 {
		r.finish(<-r.results)
	}
}

// destination is a domain that has jobs ready or running.
type destination struct {
	name   string
	ready  []Job // in the order in which they became due
	active int
	queued bool // it is in run.turns
}

// run is the state that Run owns.
type run struct {
	cfg     Config
	ctx     context.Context //nolint:containedctx // of the attempts; it lives exactly as long as run
	later   byDue
	dests   map[string]*destination // those with ready or running jobs
	turns   []*destination          // those that may start a job, whose turn is next first
	active  int
	results chan result
}

// admit takes jobs over.
func (r *run) admit(jobs []Job) {
	now := time.Now()
	for _, j := range jobs {
		if j.Due.After(now) {
			heap.Push(&r.later, j)
		} else {
			r.makeReady(j)
		}
	}
}

func (r *run) makeReady(j Job) {
	d := r.dests[j.Domain]
	if d == nil {
		d = &destination{name: j.Domain}
		r.dests[j.Domain] = d
	}
	d.ready = append(d.ready, j)
	r.giveTurn(d)
}

// giveTurn lines a destination up if it may start a job.
func (r *run) giveTurn(d *destination) {
	if !d.queued && len(d.ready) > 0 && d.active < r.cfg.PerDestination {
		d.queued = true
		r.turns = append(r.turns, d)
	}
}

// start starts what is due and has a place.
func (r *run) start(now time.Time) {
	for len(r.later) > 0 && !r.later[0].Due.After(now) {
		r.makeReady(heap.Pop(&r.later).(Job))
	}
	for r.active < r.cfg.Workers && len(r.turns) > 0 {
		d := r.turns[0]
		r.turns = r.turns[1:]
		d.queued = false
		job := d.ready[0]
		d.ready[0] = Job{}
		d.ready = d.ready[1:]
		d.active++
		r.active++
		r.giveTurn(d)
		// Run waits for every result, and so for every worker.
		go r.work(job)
	}
}

func (r *run) work(j Job) {
	next, again := r.cfg.Attempt(r.ctx, j)
	j.Due, j.Carry = next, nil
	r.results <- result{j, again}
}

// finish frees the place of an attempt.
func (r *run) finish(res result) {
	d := r.dests[res.job.Domain]
	d.active--
	r.active--
	if res.again {
		heap.Push(&r.later, res.job)
	}
	r.giveTurn(d)
	if d.active == 0 && len(d.ready) == 0 {
		delete(r.dests, d.name)
	}
}

// untilNext is how long nothing becomes due.
func (r *run) untilNext(now time.Time) time.Duration {
	const forever = 24 * time.Hour
	if len(r.later) == 0 {
		return forever
	}
	return max(r.later[0].Due.Sub(now), 0)
}

// byDue is a heap of jobs.
type byDue []Job

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].Due.Before(h[j].Due) }
func (h byDue) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *byDue) Push(x any) { *h = append(*h, x.(Job)) }

// Pop implements heap.Interface.
func (h *byDue) Pop() any {
	old := *h
	j := old[len(old)-1]
	old[len(old)-1] = Job{}
	*h = old[:len(old)-1]
	return j
}
