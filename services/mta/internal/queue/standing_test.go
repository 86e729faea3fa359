package queue

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Of a hundred messages for a dead destination one at a time is tried. What became
// of the others was not to be found out: the spool counted attempts at them.
func TestStandingsTellWhatRunsAndWhatWaits(t *testing.T) {
	playing(t, 1, func(t *testing.T, s *site, q *Queue) {
		started := time.Now()
		s.takes = time.Second
		s.add(q, ids(8)...)
		q.Add(Job{ID: "later", Domain: "y", Arrived: time.Now(), Due: time.Now().Add(time.Hour), Fresh: true})
		var asked []Selection
		for _, id := range append(ids(8), "nobody") {
			asked = append(asked, Selection{id, "x"})
		}
		asked = append(asked, Selection{"later", "y"}, Selection{"later", "z"})
		tell := func(when string, want map[string]Standing) {
			t.Helper()
			synctest.Wait()
			all, err := q.Standings(t.Context(), asked)
			got := map[string]Standing{}
			for job, s := range all {
				if !s.Arrived.Equal(started) {
					t.Errorf("%s: %s has arrived at %s, want %s", when, job.ID, s.Arrived, started)
				}
				s.Arrived = time.Time{}
				got[job.ID] = s
			}
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("%s: %v (-want +got)\n%s", when, err, d)
			}
		}
		want := map[string]Standing{"later": {Unmade: true}}
		for i, id := range ids(8) {
			want[id] = Standing{Running: i < 5, Unmade: i >= 5}
		}
		tell("the first window", want)
		time.Sleep(time.Second + time.Millisecond) // all five have failed
		for i, id := range ids(8) {
			want[id] = Standing{Parked: i >= 5, Unmade: i >= 5}
		}
		tell("the destination is dead", want)
		time.Sleep(5 * time.Second) // the probe, with what has waited longest, and others are due
		for i, id := range ids(8) {
			want[id] = Standing{Parked: i != 5, Unmade: i > 5}
		}
		want["m00005"] = Standing{Running: true}
		tell("it is probed", want)
	})
}
