package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRetryProbesTheDeadNowWithTheMessageThatIsNamed(t *testing.T) {
	playing(t, 1, func(t *testing.T, s *site, q *Queue) {
		s.add(q, ids(100)...)
		time.Sleep(time.Hour + time.Second)
		before, _ := s.count()
		n, err := q.Retry(t.Context(), Selection{ID: "m00077"})
		synctest.Wait()
		if after, _ := s.count(); n != (Retried{1, 1, 0}) || err != nil || after != before+1 {
			t.Errorf("%+v, %v; %d attempts", n, err, after-before)
		}
		if last := s.all(); !strings.HasSuffix(last[len(last)-1], "m00077 tried") {
			t.Errorf("tried: %s", last[len(last)-1])
		}
		s.set(true)
		if n, err = q.Retry(t.Context(), Selection{Domain: "x"}); n != (Retried{100, 100, 99}) || err != nil {
			t.Errorf("%+v, %v", n, err)
		}
		synctest.Wait()
		if n := len(s.told(" delivered")); n != 100 {
			t.Errorf("%d delivered at once", n)
		}
		if n, err = q.Retry(t.Context(), Selection{}); n != (Retried{}) || err != nil {
			t.Errorf("of nothing %+v, %v", n, err)
		}
	})
}

func TestRemovedJobsAreNotAttemptedUntilTheyAreRestored(t *testing.T) {
	for _, dead := range []bool{false, true} {
		playing(t, 1, func(t *testing.T, s *site, q *Queue) {
			n := 3
			if dead {
				n = 30
			}
			s.add(q, ids(n)...)
			time.Sleep(4 * time.Second)
			if (len(q.Dead()) > 0) != dead {
				t.Fatalf("dead: %v", q.Dead())
			}
			if err := q.Remove(t.Context(), []Selection{{"m00001", "x"}, {"m00002", "x"}, {"m00002", "y"}, {"nobody", "x"}}); err != nil {
				t.Fatal(err)
			}
			s.set(true)
			time.Sleep(24 * time.Hour)
			if got := len(s.told(" delivered")); got != n-2 {
				t.Errorf("%d delivered", got)
			}
			if err := q.Restore(t.Context(), []Job{{ID: "m00001", Domain: "x"}}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := s.told(" delivered"); len(got) != n-1 || !strings.HasSuffix(got[n-2], "m00001") {
				t.Errorf("%v", got)
			}
		})
	}
}

// Held and released again before its job had come, a message had two jobs, and
// was sent twice.
func TestJobThatComesAfterItWasRestoredIsNotThereTwice(t *testing.T) {
	for _, where := range []string{"running", "later", "parked", "ready"} {
		playing(t, 1, func(t *testing.T, s *site, q *Queue) {
			s.takes = time.Second
			arrived := time.Now()
			s.arrived["m"] = arrived
			switch where {
			case "ready":
				s.add(q, ids(6)...)
			case "parked":
				s.add(q, ids(20)...)
				time.Sleep(3 * time.Second)
			}
			err := q.Change(func() error {
				return q.Restore(t.Context(), []Job{{ID: "m", Domain: "x", Arrived: arrived}})
			})
			if err != nil {
				t.Fatal(err)
			}
			if where == "later" {
				time.Sleep(2 * time.Second)
			}
			q.Add(Job{ID: "m", Domain: "x", Arrived: arrived, Fresh: true, Carry: 1})
			if err := q.Restore(t.Context(), []Job{{ID: "m", Domain: "x", Arrived: arrived}}); err != nil {
				t.Fatal(err)
			}
			s.set(true)
			time.Sleep(time.Hour)
			if n := len(s.told("m delivered")); n != 1 {
				t.Errorf("%s: it was delivered %d times", where, n)
			}
		})
	}
}

// A job whose attempt runs is removed when that ends; restored before, it is
// kept, and once.
func TestRunningJobIsRemovedAfterItsAttempt(t *testing.T) {
	for _, restored := range []bool{false, true} {
		playing(t, 1, func(t *testing.T, s *site, q *Queue) {
			s.takes = 3 * time.Second
			s.add(q, "m")
			time.Sleep(time.Second)
			job := Selection{ID: "m", Domain: "x"}
			if err := q.Remove(t.Context(), []Selection{job}); err != nil {
				t.Fatal(err)
			}
			if restored {
				if err := q.Restore(t.Context(), []Job{{ID: "m", Domain: "x", Arrived: s.arrived["m"]}}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(12 * time.Second)
			if n, most := s.count(); restored != (n == 2) || most != 1 {
				t.Errorf("restored %t: %d attempts, %d at a time", restored, n, most)
			}
		})
	}
}

// What a job carries is forgotten when the spool was changed on its way here,
// when it must wait for a dead destination, and when there is too much of it.
func TestCarriedIsForgottenWhereItMustBe(t *testing.T) {
	var l log
	var up atomic.Bool
	up.Store(true)
	var parked []string
	cfg := Config{
		Parked: func(j Job, d Destination) { parked = append(parked, fmt.Sprint(j.ID, j.Carry, d.Domain, d.Dead)) },
		Attempt: func(_ context.Context, j Job) Result {
			time.Sleep(time.Second)
			l.add("%s %v", j.ID, j.Carry)
			if up.Load() {
				return Result{Reach: Reached}
			}
			return Result{Reach: Unreached, Again: true, Next: time.Now().Add(time.Hour)}
		},
	}
	running(t, cfg, func(t *testing.T, q *Queue) {
		before := time.Now()
		if err := q.Change(func() error {
			q.Add(Job{ID: "meanwhile", Domain: "v", Arrived: before, Carry: 1})
			time.Sleep(time.Second)
			return nil
		}); err != nil {
			t.Error(err)
		}
		q.Add(Job{ID: "old", Domain: "y", Arrived: before, Carry: 1}, Job{ID: "new", Domain: "z", Arrived: time.Now().Add(1), Carry: 1})
		time.Sleep(2 * time.Second)
		up.Store(false)
		for _, id := range ids(7) {
			q.Add(Job{ID: id, Domain: "x", Carry: 1, Arrived: time.Now()})
		}
		time.Sleep(2 * time.Second)
		q.Add(Job{ID: "to the dead", Domain: "x", Carry: 1, Arrived: time.Now()})
		synctest.Wait()
		if _, parks := q.Parks("x"); !parks {
			t.Error("a new message would be attempted")
		}
		if _, parks := q.Parks("y"); parks {
			t.Error("a destination without mail is dead")
		}
		up.Store(true)
		time.Sleep(time.Hour)
	})
	got := l.all()
	slices.Sort(got)
	want := []string{
		"m00000 1", "m00000 <nil>", "m00001 1", "m00001 <nil>", "m00002 1", "m00002 <nil>", "m00003 1", "m00003 <nil>",
		"m00004 1", "m00004 <nil>", "m00005 <nil>", "m00006 <nil>", "meanwhile <nil>", "new 1", "old <nil>", "to the dead <nil>",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if d := cmp.Diff([]string{"m000051xtrue", "m000061xtrue", "to the dead1xtrue"}, parked); d != "" {
		t.Errorf("parked (-want +got)\n%s", d)
	}
}

func TestChangesOfAQueueThatHasEndedSaySo(t *testing.T) {
	q := New(Config{Attempt: func(context.Context, Job) Result { return Result{} }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q.Run(ctx)
	if _, err := q.Retry(t.Context(), Selection{}); !errors.Is(err, ErrStopped) {
		t.Errorf("%v", err)
	}
}

// An attempt that looked at the spool while its job was held found nothing and
// ended; the job, released meanwhile, was taken for its next attempt and ended
// with it.
func TestJobThatIsRestoredBehindItsAttemptIsAttemptedOnceMore(t *testing.T) {
	var l log
	var looked chan struct{}
	cfg := Config{Attempt: func(context.Context, Job) Result {
		l.add("attempt")
		<-looked
		return Result{Gone: true}
	}}
	running(t, cfg, func(t *testing.T, q *Queue) {
		looked = make(chan struct{})
		q.Add(Job{ID: "m", Domain: "x"})
		synctest.Wait()
		if err := q.Remove(t.Context(), []Selection{{"m", "x"}}); err != nil {
			t.Fatal(err)
		}
		if err := q.Restore(t.Context(), []Job{{ID: "m", Domain: "x"}}); err != nil {
			t.Fatal(err)
		}
		close(looked)
		time.Sleep(24 * time.Hour)
		if n := len(l.all()); n != 2 {
			t.Errorf("%d attempts, want 2", n)
		}
	})
}
