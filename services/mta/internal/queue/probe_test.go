package queue

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The first attempt of a job that has begun already brings news of the dead
// destination: it is the next probe, and nobody is told that it waits.
func TestJobThatHasBegunIsTheNextProbe(t *testing.T) {
	var l log
	var up atomic.Bool
	cfg := Config{
		Pause:  func(int) time.Duration { return time.Hour },
		Parked: func(j Job, _ Destination) { l.add("%s waits", j.ID) },
		Attempt: func(_ context.Context, j Job) Result {
			if !up.Load() && !j.Begun {
				return Result{Reach: Unreached, Again: true, Next: time.Now().Add(24 * time.Hour)}
			}
			l.add("%s begun=%t carry=%v", j.ID, j.Begun, j.Carry)
			up.Store(true)
			return Result{Reach: Reached}
		},
	}
	running(t, cfg, func(t *testing.T, q *Queue) {
		for i := range deadAfter {
			q.Add(Job{ID: fmt.Sprint("old", i), Domain: "x", Arrived: time.Now()})
		}
		time.Sleep(time.Second)
		q.Add(Job{ID: "new", Domain: "x", Arrived: time.Now(), Fresh: true, Carry: 1})
		q.Add(Job{ID: "begun", Domain: "x", Arrived: time.Now(), Fresh: true, Carry: 2, Begun: true})
		time.Sleep(time.Second)
		got := l.all()
		if len(got) != deadAfter+3 || got[0] != "new waits" || got[1] != "begun begun=true carry=2" {
			t.Errorf("%q", got)
		}
	})
}

// What is due later than the probe may be made was not waited for: the next probe
// was said to be made "now" for as long as nothing was due that could be one.
func TestNextProbeIsNotBeforeAJobIsDue(t *testing.T) {
	var wait time.Duration
	cfg := Config{
		Pause: func(int) time.Duration { return time.Minute },
		Attempt: func(context.Context, Job) Result {
			return Result{Reach: Unreached, Again: true, Next: time.Now().Add(wait)}
		},
	}
	for _, test := range []struct {
		name       string
		wait, want time.Duration
	}{
		{"jobs wait for the probe", 10 * time.Second, time.Minute},
		{"the probe waits for a job", time.Hour, time.Hour},
	} {
		wait = test.wait
		t.Run(test.name, func(t *testing.T) {
			running(t, cfg, func(t *testing.T, q *Queue) {
				began := time.Now()
				for i := range deadAfter {
					q.Add(Job{ID: fmt.Sprint(i), Domain: "x", Arrived: time.Now()})
				}
				time.Sleep(time.Second)
				d := q.Dead()["x"]
				if got := d.Next.Sub(began); got != test.want || d.Probing || d.Probe.Sub(began) != time.Minute {
					t.Errorf("the next probe in %s, want %s; %+v", got, test.want, d)
				}
				time.Sleep(2 * time.Minute)
				if next := q.Dead()["x"].Next; next.Before(time.Now()) {
					t.Errorf("the next probe was to be made %s ago", time.Since(next))
				}
			})
		})
	}
}

// An attempt of the dead tells its owner so.
func TestAttemptAtTheDeadIsTold(t *testing.T) {
	var l log
	cfg := Config{Notice: 90 * time.Second, Attempt: func(_ context.Context, j Job) Result {
		l.add("dead=%t overdue=%t", j.Dead != nil && !j.Dead.Since.IsZero(), j.Overdue)
		return Result{Reach: Unreached, Again: true, Noticed: j.Overdue, Next: time.Now().Add(time.Hour)}
	}}
	running(t, cfg, func(t *testing.T, q *Queue) {
		for i := range 7 {
			q.Add(Job{ID: fmt.Sprint(i), Domain: "x", Arrived: time.Now()})
		}
		time.Sleep(91 * time.Second)
	})
	const living, probe, overdue = "dead=false overdue=false", "dead=true overdue=false", "dead=true overdue=true"
	want := []string{living, living, living, living, living, probe, overdue}
	if d := cmp.Diff(want, l.all()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
