package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"correio/services/internal/reply"
)

// town is destinations of which some are slow.
type town struct {
	takes time.Duration // an attempt at one whose name begins with "slow"
	reach Reach         // its end

	mu           sync.Mutex // guards what follows
	active, most map[string]int
	ended        map[string]int
}

func newTown(takes time.Duration, reach Reach) *town {
	return &town{takes: takes, reach: reach, active: map[string]int{}, most: map[string]int{}, ended: map[string]int{}}
}

func (w *town) attempt(_ context.Context, j Job) Result {
	slow := strings.HasPrefix(j.Domain, "slow")
	w.mu.Lock()
	for _, key := range []string{j.Domain, "all"} {
		w.active[key]++
		w.most[key] = max(w.most[key], w.active[key])
	}
	w.mu.Unlock()
	if slow {
		time.Sleep(w.takes)
	} else {
		time.Sleep(10 * time.Millisecond)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active[j.Domain]--
	w.active["all"]--
	w.ended[j.Domain]++
	if slow && w.reach == Unreached {
		return Result{Reach: Unreached, Again: true, Next: time.Now().Add(time.Second), Why: reply.New(451, "4.4.2", "No greeting")}
	}
	return Result{Reach: Reached}
}

func (w *town) count(m map[string]int, domain string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return m[domain]
}

// addSlow queues messages for slow destinations.
func addSlow(q *Queue, domains, messages int) {
	for d := range domains {
		for m := range messages {
			q.Add(Job{ID: fmt.Sprint(d, "-", m), Domain: fmt.Sprintf("slow%d.test", d), Arrived: time.Now()})
		}
	}
	synctest.Wait()
}

// Thirteen destinations whose hosts swallowed time had five places each, which
// were all: mail for any other one, and for the site's own mailboxes, waited for
// their timeouts. However many there are, what is new starts at once, and goes on
// with several at a time.
func TestManySlowDestinationsHoldUpTheirOwnMailAlone(t *testing.T) {
	for _, test := range []struct {
		name              string
		domains, messages int
		takes             time.Duration
		reach             Reach
		after             time.Duration // when the other mail comes
	}{
		{"13 with 5 messages each", 13, 5, time.Minute, Unreached, 0},
		{"200 with one message each", 200, 1, time.Minute, Unreached, 0},
		{"200 with 5 messages each", 200, 5, time.Minute, Unreached, 0},
		{"20 that take an hour for each of 100", 20, 100, time.Hour, Reached, 90 * time.Minute},
		{"1000 that are dead and probed", 1000, 5, time.Minute, Unreached, 2 * time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newTown(test.takes, test.reach)
			running(t, Config{Attempt: w.attempt, Pause: func(int) time.Duration { return time.Second }}, func(t *testing.T, q *Queue) {
				addSlow(q, test.domains, test.messages)
				time.Sleep(test.after)
				q.Add(Job{ID: "new", Domain: "local.test", Arrived: time.Now(), Fresh: true})
				synctest.Wait()
				if w.count(w.active, "local.test") != 1 {
					t.Errorf("new mail for others waits beside %d attempts", w.count(w.active, "all"))
				}
				for i := range 100 {
					q.Add(Job{ID: fmt.Sprint(i), Domain: "local.test", Arrived: time.Now(), Fresh: true})
				}
				time.Sleep(400 * time.Millisecond)
				if n, most := w.count(w.ended, "local.test"), w.count(w.most, "local.test"); n != 101 || most < firstWindow {
					t.Errorf("%d of 101 went within moments, at most %d at a time", n, most)
				}
			})
		})
	}
}

// The other mail of a destination that is slow does not go on, but its places stay
// within the bounds that leave room for others.
func TestPlacesByWhatTheyAreFor(t *testing.T) {
	for _, test := range []struct {
		name              string
		domains, messages int
		after             time.Duration
		want              int
	}{
		{"one place each", 300, 1, 0, 300},
		{"as many as there are", 600, 1, 0, 512},
		{"further ones of those that have not answered are a quarter", 100, 100, 0, 100 + 128},
		{"and none when there is none", 600, 100, 0, 512},
		{"probes are a quarter", 300, 100, 2 * time.Hour, 128},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newTown(time.Minute, Unreached)
			running(t, Config{Attempt: w.attempt, Pause: func(int) time.Duration { return time.Second }}, func(t *testing.T, q *Queue) {
				addSlow(q, test.domains, test.messages)
				time.Sleep(test.after)
				if got := w.count(w.active, "all"); got != test.want {
					t.Errorf("%d attempts at a time, want %d", got, test.want)
				}
			})
		})
	}
}

// A destination that answered promptly loses the places that are kept for such
// ones with the first attempt that does not.
func TestPromptIsWhoseLastAttemptReachedAHostWithinSeconds(t *testing.T) {
	l := limits{first: 5, most: 8, deadAfter: 5, prompt: time.Second, pause: func(int) time.Duration { return time.Minute }}
	f := feedback{window: 5}
	for i, step := range []struct {
		reached bool
		took    time.Duration
		want    bool
	}{
		{true, time.Second, true}, {true, 2 * time.Second, false}, {true, 0, true}, {false, 0, false}, {true, time.Millisecond, true},
	} {
		if step.reached {
			f.reached(l, step.took)
		} else {
			f.unreached(l, 0, false, reply.Reply{})
		}
		if f.prompt != step.want {
			t.Errorf("step %d: prompt is %t", i, f.prompt)
		}
	}
}

func TestLineIsLeftFromAnywhere(t *testing.T) {
	for _, leaving := range []string{"abc", "acb", "bac", "bca", "cab", "cba"} {
		var l line
		all := map[rune]*destination{}
		for _, name := range "abc" {
			all[name] = &destination{}
			l.add(all[name])
		}
		for i, name := range leaving {
			l.remove(all[name])
			var left, back []*destination
			for d := l.first; d != nil; d = d.behind {
				left = append(left, d)
			}
			for d := l.last; d != nil; d = d.ahead {
				back = append(back, d)
			}
			slices.Reverse(back)
			var want []*destination
			for _, other := range "abc" {
				if strings.ContainsRune(leaving[i+1:], other) {
					want = append(want, all[other])
				}
			}
			if !slices.Equal(left, want) || !slices.Equal(back, want) {
				t.Errorf("%s: when %c has left, %d of %d are left, %d from behind", leaving, name, len(left), len(want), len(back))
			}
		}
	}
}
