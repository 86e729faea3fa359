// Package queue says which job runs when. One goroutine, Run, owns all of the
// state: jobs that wait for their time, jobs that wait for a place, and how
// many run for each destination. Attempts run on workers, which exist only
// while they run; nothing polls, and an idle queue costs nothing.
//
// A new job is started the moment it is added when there is a place for it.
// Places are bounded in all and for each destination, and destinations take
// turns. How many places a destination may have follows from how its attempts end
// (feedback.go).
//
// A host that swallows time holds up its own mail alone. A destination of which
// nothing runs has the next place that is free, and the places cannot all be taken
// by few. At most half of them go to destinations that have one already: all of
// that half only to those whose last attempt has reached a host within seconds,
// half of it to the others. At most a quarter goes to probes of the dead. So a
// quarter of all is left, 128 places by default, for living destinations that have
// none yet: mail waits for the hosts of others only while at least that many are
// slow at a time, and then for its turn. The site's own mailboxes are a
// destination like others, and a prompt one.
//
// A destination of which nothing has been heard several times in a row is dead.
// Its jobs are parked: they cost a few octets each and are not attempted one by
// one. One at a time is, as a probe, at a time that is due by the job's own
// schedule and not too soon after the last probe; when it reaches a host, all
// that waited become ready at once, oldest message first. What is owed to the
// senders does not wait: at the age of the delay notice, and at the end of its
// life, a parked job is run as overdue, so that the attempt's owner says what
// must be said without asking the host again.
//
// A destination is a domain, not a host. Which hosts a domain has is known only
// after asking DNS, for each message anew and with equal ones shuffled; a
// domain with a live second host is alive. The price is that several domains
// on one dead host are found dead one after the other, each by its own first
// window of failures.
package queue

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"
	"unique"

	"correio/services/internal/reply"
)

// Job is what waits for one destination within one message.
type Job struct {
	ID      string    // queue id
	Domain  string    // destination
	Arrived time.Time // when the message did
	Due     time.Time // not before
	// Fresh says that the spool counts a first attempt that has not been made.
	Fresh bool
	// Noticed says that the sender has been told about the delay.
	Noticed bool
	// Unreached says that the last attempt reached no host.
	Unreached bool
	// Resumed says that the job was taken up again, after a restart or a release,
	// and that no attempt of it since then has told anything.
	Resumed bool
	// Begun says that the first attempt is under way already, so that news of the
	// destination are near: if it is dead, this job is the next probe.
	Begun bool
	// Carry is handed from Add to the first attempt and then forgotten. It is
	// forgotten earlier when too many jobs carry something, when the job has to
	// wait for a dead destination, and when the spool was changed by hand since
	// the message arrived.
	Carry any

	// Dead, set for an attempt, is what is known of the destination where that is
	// dead. The attempt is the probe, or Overdue: no host is to be asked, but said
	// what is due by the message's age, with Dead.Why as the reason.
	Dead    *Destination
	Overdue bool
}

// Result is how an attempt ended.
type Result struct {
	Next    time.Time // of the next attempt
	Again   bool      // false when the job is over
	Gone    bool      // there was nothing to attempt; the job is over
	Noticed bool      // as in Job
	Reach   Reach
	Why     reply.Reply // with Unreached: what went wrong
	Host    string      // and who said so; "" for us
}

// Attempt makes one attempt of a job. It may run beside others.
type Attempt func(ctx context.Context, j Job) Result

// Config bounds a queue.
type Config struct {
	Workers        int // attempts at a time, default 512
	PerDestination int // attempts at a time for one destination at most, default 20
	// Grace is how long attempts may go on after the context has ended, before
	// theirs ends too. Default 3 s.
	Grace   time.Duration
	Attempt Attempt
	// Notice and Life are the ages at which a message's sender is told of the
	// delay and of the end. Zero means never.
	Notice, Life time.Duration
	// Pause is how long a dead destination is left alone after its n-th failure;
	// nil means a minute.
	Pause func(n int) time.Duration
	// Parked, if not nil, is told of a fresh job that has to wait for a dead
	// destination, and Changed of a destination that died, or lives again. They
	// must not wait for anything.
	Parked  func(j Job, d Destination)
	Changed func(d Destination)
}

// Destination is what is known of one.
type Destination struct {
	Domain string
	Dead   bool
	Since  time.Time // dead since
	Probe  time.Time // the next probe is not made before
	// Next is when it is made if nothing happens: then at the earliest, and not
	// before a job is due that can be one.
	Next time.Time
	// Probing says that a probe is under way.
	Probing bool
	Why     reply.Reply // the last failure
	Host    string      // who said so; "" for us
}

const (
	firstWindow = 5
	deadAfter   = 5
	prompt      = 10 * time.Second // an attempt that takes no longer keeps nobody waiting
	// maxCarried bounds the jobs that carry something. It is a short cut past
	// the spool for mail that is on its way at once.
	maxCarried = 1000

	never = moment(math.MaxInt64)
)

// item is a job as the queue keeps it: a hundred thousand of them are small.
type item struct {
	id      string
	domain  unique.Handle[string]
	arrived moment
	due     moment
	carry   any

	fresh, noticed, unreached, resumed, begun bool

	doubtful       bool // new, and it may be here already
	revoked        bool // do not keep it when its attempt ends
	restored       bool // it came again while it was here
	probe, overdue bool // the attempt that runs is one
}

// Queue schedules jobs. Make one with New and run it with Run, once.
type Queue struct {
	cfg     Config
	limits  limits
	base    time.Time     // the zero moment
	wake    chan struct{} // capacity 1: there is something in inbox or ops
	stopped chan struct{} // closed when Run has returned

	mu    sync.Mutex // guards what follows
	inbox []*item
	ops   []func(r *run)
	dead  map[string]Destination // by domain; only destinations that have jobs
	// Changes of the spool behind the queue's back.
	changes int // under way
	changed time.Time
}

// New returns an empty queue.
func New(cfg Config) *Queue {
	cfg.Workers = cmp.Or(max(cfg.Workers, 0), 512)
	cfg.PerDestination = cmp.Or(max(cfg.PerDestination, 0), 20)
	cfg.Grace = cmp.Or(max(cfg.Grace, 0), 3*time.Second)
	cfg.Notice = cmp.Or(max(cfg.Notice, 0), never)
	cfg.Life = cmp.Or(max(cfg.Life, 0), never)
	if cfg.Pause == nil {
		cfg.Pause = func(int) time.Duration { return time.Minute }
	}
	if cfg.Parked == nil {
		cfg.Parked = func(Job, Destination) {}
	}
	if cfg.Changed == nil {
		cfg.Changed = func(Destination) {}
	}
	return &Queue{
		cfg: cfg, base: time.Now(), wake: make(chan struct{}, 1), stopped: make(chan struct{}), dead: map[string]Destination{},
		limits: limits{first: min(firstWindow, float64(cfg.PerDestination)), most: float64(cfg.PerDestination), deadAfter: deadAfter, prompt: prompt, pause: cfg.Pause},
	}
}

// Add hands jobs to the queue. It never waits.
func (q *Queue) Add(jobs ...Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, j := range jobs {
		q.inbox = append(q.inbox, q.itemOf(j))
	}
	q.signal()
}

// itemOf keeps of a job what is needed. The caller holds mu.
func (q *Queue) itemOf(j Job) *item {
	it := &item{
		id: j.ID, domain: unique.Make(j.Domain), arrived: q.moment(j.Arrived), due: q.moment(j.Due),
		fresh: j.Fresh, noticed: j.Noticed, unreached: j.Unreached, resumed: j.Resumed, begun: j.Begun,
		carry: j.Carry,
	}
	// A message that was stored before or during a change may have been held,
	// and released, before its job came here.
	if q.changes > 0 || !j.Arrived.After(q.changed) && !q.changed.IsZero() {
		it.carry, it.doubtful = nil, true
	}
	return it
}

// moment is a time as the queue counts it; the zero time is long ago.
func (q *Queue) moment(t time.Time) moment { return t.Sub(q.base) }

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take empties the inbox, oldest message first.
func (q *Queue) take() ([]*item, []func(r *run)) {
	q.mu.Lock()
	items, ops := q.inbox, q.ops
	q.inbox, q.ops = nil, nil
	q.mu.Unlock()
	slices.SortStableFunc(items, byArrival)
	return items, ops
}

func byArrival(a, b *item) int { return cmp.Compare(a.arrived, b.arrived) }

// Parks reports whether a new job for a domain would have to wait because the
// destination is dead.
func (q *Queue) Parks(domain string) (Destination, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	d, dead := q.dead[domain]
	return d, dead && (d.Probing || time.Now().Before(d.Probe))
}

// Dead returns the destinations that are dead, by domain.
func (q *Queue) Dead() map[string]Destination {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make(map[string]Destination, len(q.dead))
	for domain, d := range q.dead {
		all[domain] = d
	}
	return all
}

// publish lets others see a destination.
func (q *Queue) publish(d Destination) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d.Dead {
		q.dead[d.Domain] = d
	} else {
		delete(q.dead, d.Domain)
	}
}

// Run starts attempts until the context ends, then waits for those that run.
func (q *Queue) Run(ctx context.Context) {
	defer close(q.stopped)
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	r := &run{q: q, ctx: work, dests: map[unique.Handle[string]]*destination{}, results: make(chan outcome)}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		items, ops := q.take()
		r.admit(items)
		for _, op := range ops {
			op(r)
		}
		r.start()
		timer.Reset(r.untilNext())
		select {
		case <-q.wake:
		case o := <-r.results:
			r.finish(o)
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
