package queue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"correio/services/mta/internal/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log collects what attempts did, in order.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *log) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// running runs a queue within a synctest bubble until the test function ends.
func running(t *testing.T, cfg Config, body func(t *testing.T, q *Queue)) {
	synctest.Test(t, func(t *testing.T) {
		q := New(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); q.Run(ctx) }()
		body(t, q)
		cancel()
		<-done
	})
}

func TestNewJobIsStartedAtOnce(t *testing.T) {
	var started time.Time
	cfg := Config{Attempt: func(_ context.Context, j Job) Result {
		started = time.Now()
		if j.Carry != "carried" {
			t.Errorf("carry is %v", j.Carry)
		}
		return Result{Reach: Reached}
	}}
	running(t, cfg, func(t *testing.T, q *Queue) {
		time.Sleep(time.Hour)
		added := time.Now()
		q.Add(Job{ID: "A", Domain: "x", Carry: "carried"})
		synctest.Wait()
		if !started.Equal(added) {
			t.Errorf("started %s after it was added", started.Sub(added))
		}
	})
}

// The whole life of a message that nobody takes, at the exact times of the
// schedule, in no time at all.
func TestDeadDestinationIsTriedForFiveDays(t *testing.T) {
	policy := schedule.Default()
	var ages []time.Duration
	var arrived time.Time
	cfg := Config{Notice: policy.Notice, Life: policy.Life, Pause: policy.Probe, Attempt: func(_ context.Context, j Job) Result {
		if j.Overdue {
			t.Errorf("after %s it is not attempted", time.Since(arrived))
		}
		age := time.Since(arrived)
		ages = append(ages, age)
		wait, again := policy.Wait(len(ages), age, 0)
		if len(ages) > 1 && j.Carry != nil {
			t.Error("carry is kept behind the first attempt")
		}
		return Result{Next: time.Now().Add(wait), Again: again, Reach: Unreached, Noticed: policy.Late(age)}
	}}
	running(t, cfg, func(t *testing.T, q *Queue) {
		arrived = time.Now()
		q.Add(Job{ID: "A", Domain: "x", Arrived: arrived, Carry: 1})
		time.Sleep(121 * time.Hour)
	})
	if len(ages) != 130 || ages[1] != 5*time.Second || ages[129] != 120*time.Hour {
		t.Errorf("%d attempts at %v", len(ages), ages)
	}
}

func TestPlacesAreBoundedInAllAndForEachDestination(t *testing.T) {
	for _, test := range []struct{ workers, all int }{{100, 9}, {5, 5}} {
		var mu sync.Mutex
		active, most := map[string]int{}, map[string]int{}
		count := func(j Job, n int) {
			mu.Lock()
			defer mu.Unlock()
			for _, key := range []string{j.Domain, "all"} {
				active[key] += n
				most[key] = max(most[key], active[key])
			}
		}
		cfg := Config{Workers: test.workers, PerDestination: 3, Attempt: func(_ context.Context, j Job) Result {
			count(j, 1)
			time.Sleep(time.Second)
			count(j, -1)
			return Result{Reach: Reached}
		}}
		running(t, cfg, func(t *testing.T, q *Queue) {
			var jobs []Job
			for i := range 30 {
				jobs = append(jobs, Job{ID: fmt.Sprint(i), Domain: []string{"x", "y", "z"}[i%3]})
			}
			q.Add(jobs...)
			time.Sleep(time.Minute)
		})
		if most["all"] != test.all || max(most["x"], most["y"], most["z"]) > 3 {
			t.Errorf("%d workers: most at a time %v, want 3 of each and %d in all", test.workers, most, test.all)
		}
	}
}

// A thousand messages for a host that swallows time must not keep one message
// for another waiting.
func TestSlowDestinationHoldsUpItsOwnMailAlone(t *testing.T) {
	var l log
	cfg := Config{Workers: 10, PerDestination: 5, Attempt: func(_ context.Context, j Job) Result {
		if j.Domain == "slow" {
			time.Sleep(time.Minute)
		}
		l.add("%s", j.Domain)
		return Result{Reach: Reached}
	}}
	running(t, cfg, func(t *testing.T, q *Queue) {
		for i := range 1000 {
			q.Add(Job{ID: fmt.Sprint(i), Domain: "slow"})
		}
		synctest.Wait()
		q.Add(Job{ID: "quick", Domain: "quick"})
		synctest.Wait()
		if !slices.Equal(l.all(), []string{"quick"}) {
			t.Errorf("before the first minute is over: %v", l.all())
		}
		time.Sleep(1000 * time.Minute)
	})
	if len(l.all()) != 1001 {
		t.Errorf("%d attempts", len(l.all()))
	}
}

func TestDestinationsTakeTurns(t *testing.T) {
	var l log
	cfg := Config{Workers: 1, Attempt: func(_ context.Context, j Job) Result {
		time.Sleep(time.Second)
		l.add("%s", j.Domain)
		return Result{Reach: Reached}
	}}
	running(t, cfg, func(t *testing.T, q *Queue) {
		q.Add(Job{Domain: "x"}, Job{Domain: "x"}, Job{Domain: "x"}, Job{Domain: "y"}, Job{Domain: "z"})
		time.Sleep(10 * time.Second)
	})
	if d := cmp.Diff([]string{"x", "y", "z", "x", "x"}, l.all()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestStopLetsAttemptsFinishThenCutsThem(t *testing.T) {
	var l log
	synctest.Test(t, func(t *testing.T) {
		q := New(Config{Grace: 3 * time.Second, Attempt: func(ctx context.Context, j Job) Result {
			select {
			case <-time.After(map[string]time.Duration{"quick": time.Second, "slow": time.Hour}[j.ID]):
				l.add("%s done", j.ID)
			case <-ctx.Done():
				l.add("%s cut", j.ID)
			}
			return Result{Reach: Reached}
		}})
		ctx, cancel := context.WithCancel(t.Context())
		q.Add(Job{ID: "quick", Domain: "x"}, Job{ID: "slow", Domain: "x"}, Job{ID: "later", Domain: "x", Due: time.Now().Add(time.Millisecond * 2500)})
		time.AfterFunc(time.Millisecond, cancel)
		begun := time.Now()
		q.Run(ctx)
		if d := time.Since(begun); d != 3*time.Second+time.Millisecond {
			t.Errorf("Run returned after %s", d)
		}
	})
	if !slices.Equal(l.all(), []string{"quick done", "slow cut"}) {
		t.Errorf("%v", l.all())
	}
}

func BenchmarkAddWithManyWaiting(b *testing.B) {
	done := make(chan struct{}, 1)
	q := New(Config{Attempt: func(context.Context, Job) Result {
		done <- struct{}{}
		return Result{Reach: Reached}
	}})
	for i := range 100_000 {
		q.Add(Job{ID: fmt.Sprint(i), Domain: "dead", Due: time.Now().Add(time.Hour)})
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); q.Run(ctx) }()
	for b.Loop() {
		q.Add(Job{ID: "A", Domain: "x"})
		<-done
	}
	cancel()
	<-ended
}
