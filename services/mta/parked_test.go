package mta

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
)

// dying queues messages for a destination until it is dead, and n more.
func (w *world) dying(t testing.TB, h *host, n int) (tried, parked []string) {
	t.Helper()
	var to []string
	for i := range 5 {
		to = append(to, fmt.Sprintf("%d@one.casos.test", i))
	}
	tried = w.queued(t, h, to...)
	h.waitEvent(t, "the death", queueEvent(event.Dead, ""))
	for i := range n {
		parked = append(parked, w.queued(t, h, fmt.Sprintf("more%d@one.casos.test", i))...)
	}
	return tried, parked
}

// The journey of a message that had never been tried said "next attempt in 78ms",
// which was when the destination was probed, with another message.
func TestParkedMessageIsToldOfTheProbeAndNotOfATimeOfItsOwn(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	_, parked := w.dying(t, aurora, 1)
	r := aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, parked[0]))
	wait, err := time.ParseDuration(r.Meta.Get(event.ProbeIn))
	if err != nil || wait <= 0 || wait > 5*time.Second || r.Meta.Get(event.RetryIn) != "" {
		t.Errorf("the next probe in %s: %v; %+v", wait, err, r)
	}
}

// A journey said "next attempt in 506ms", and the attempt came two seconds later: the
// destination was dead, and was probed with other messages until then.
func TestWhoReachedNoHostIsToldTheEarliestTime(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 60)
	tried, _ := w.dying(t, aurora, 0)
	for _, want := range []struct {
		what string
		rule []reason.Rule
		fits func(r event.Record) bool
	}{
		{"a first failure", []reason.Rule{reason.NotBefore}, queueEvent(event.Deferred, tried[0])},
		{"a probe's failure", []reason.Rule{reason.StillDead, reason.NotBefore}, func(r event.Record) bool {
			return r.Text == event.Deferred && strings.Contains(r.Meta.Get(event.Rules), string(reason.StillDead))
		}},
	} {
		r := aurora.waitEvent(t, want.what, want.fits)
		var rules []reason.Rule
		for _, said := range reason.Parse(r.Meta.Get(event.Rules)) {
			rules = append(rules, said.Rule)
			if said.Rule == reason.NotBefore && said.Args[0] != r.Meta.Get(event.RetryIn) {
				t.Errorf("%s: %v, want %s", want.what, said, r.Meta.Get(event.RetryIn))
			}
		}
		if fmt.Sprint(rules) != fmt.Sprint(want.rule) {
			t.Errorf("%s: %v, want %v", want.what, rules, want.rule)
		}
	}
}

// A host that answers leaves a message a time of its own.
func TestWhoReachedAHostIsToldTheTime(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.mda("198.18.9.1:25")
	id := w.queued(t, aurora, "busy@one.casos.test")[0]
	r := aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	if r.Meta.Get(event.RetryIn) == "" || r.Meta.Get(event.Rules) != "" {
		t.Errorf("%+v", r)
	}
}

// The notice about a delay comes without an attempt. What it says of a message that
// was never tried is that it was not.
func TestNoticeAboutMailThatWasNotTriedSaysSo(t *testing.T) {
	w := newWorld(t)
	stopped := w.mta("aurora", "mx1.aurora.test", 1)
	_, parked := w.dying(t, stopped, 3)
	stopped.stop()
	damage(t, stopped.env.State, shift("arrived", -5*time.Hour))
	damage(t, stopped.env.State, "UPDATE recipient SET next=0") // the oldest five are the first window
	stopped.env.Events = event.NewLog("mx1.aurora.test", 0)
	again := w.restart(stopped.env)
	for _, id := range parked {
		tried := false
		r := again.waitEvent(t, "the notice", func(r event.Record) bool {
			tried = tried || r.Queue == id && r.Text == event.Attempt
			return r.Queue == id && r.Text == event.Deferred && r.Meta.Get(event.BounceID) != ""
		})
		if says := strings.Contains(r.Meta.Get(event.Rules), string(reason.DeadHost)); tried || !says {
			t.Errorf("tried: %t; %+v", tried, r)
		}
	}
}
