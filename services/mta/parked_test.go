package mta

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/smtpc"
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

// All that waited for a probe were listed as if each had been tried next, and those
// that had waited for a place when the destination died as tried once.
func TestListSaysWhatWaitsForAProbe(t *testing.T) {
	w := newWorld(t)
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, tuning{timeouts: smtpc.Timeouts{Greeting: 500 * time.Millisecond}})
	w.scripted("198.18.9.1:25", "HANG")
	var to []string
	for i := range 8 {
		to = append(to, fmt.Sprintf("%d@one.casos.test", i))
	}
	ids := w.queued(t, aurora, to...)
	l := aurora.list(t, "")
	if len(l.Dead) != 1 || len(l.Messages) != len(ids) {
		t.Fatalf("%+v", l)
	}
	var tries []string
	for _, m := range l.Messages {
		tries = append(tries, fmt.Sprint(m.Attempts))
		if m.Attempts > 0 {
			continue
		}
		if !m.Parked || m.Running || m.Probing != l.Dead[0].Probing || !m.NextAttempt.Equal(l.Dead[0].NextProbe) || m.State != "deferred" || m.LastReply != l.Dead[0].LastReply {
			t.Errorf("not tried: %+v, dead: %+v", m, l.Dead)
		}
		var d QueuedDetails
		if status, problem := aurora.ask(t, http.MethodGet, "/queue/"+m.ID, "", &d); status != http.StatusOK || !d.Parked || !d.Recipients[0].Parked || d.Recipients[0].Attempts != 0 {
			t.Errorf("%d %s: %+v", status, problem, d)
		}
		if r, want := d.Recipients[0], m.Arrived.Add(aurora.env.Speed.Real(aurora.policy.Life)); r.KeptUntil == nil || r.KeptUntil.Sub(want).Abs() > time.Second {
			t.Errorf("kept until %v, want %s", r.KeptUntil, want)
		}
	}
	if got := strings.Join(tries, ""); !strings.HasSuffix(got, "000") || strings.Count(got, "0") != 3 {
		t.Errorf("attempts at each: %s, want none at the last three", got)
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

// A retry of twelve messages said that all were tried, and made one probe.
func TestRetryTellsHowManyWaitForTheProbe(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	_, parked := w.dying(t, aurora, 7)
	for _, test := range []struct {
		order string
		want  QueueChanged
	}{
		{byID(parked[6]), QueueChanged{Messages: 1}},
		{oneDomain, QueueChanged{Messages: 12, Parked: 11}},
	} {
		var got QueueChanged
		if status, problem := aurora.ask(t, http.MethodPost, "/queue/retry", test.order, &got); status != http.StatusOK || got != test.want {
			t.Errorf("%s: %d %s, %+v, want %+v", test.order, status, problem, got, test.want)
		}
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
