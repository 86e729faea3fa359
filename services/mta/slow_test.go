package mta

import (
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/smtpc"
)

// The wait was counted from an attempt's beginning: after one that had taken
// longer than the wait (a name server that is dead, a host that does not greet)
// the journey said "next attempt in 0s", and the host was hammered.
func TestWaitIsCountedFromTheEndOfASlowAttempt(t *testing.T) {
	const speed = 10
	w := newWorld(t)
	slow := tuning{timeouts: smtpc.Timeouts{Greeting: 600 * time.Millisecond}} // longer than the first wait, of 5 s
	aurora := w.tuned("aurora", "mx1.aurora.test", speed, slow)
	connections := w.scripted("198.18.9.1:25", "HANG")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@one.casos.test")[0].Reply)
	deferred := aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	wait, err := time.ParseDuration(deferred.Meta.Get(event.RetryIn))
	if err != nil || wait <= 0 || connections.Load() != 1 {
		t.Errorf("after %d attempts the next one is made in %s: %+v", connections.Load(), wait, deferred)
	}
	again := aurora.waitEvent(t, "the next attempt", func(r event.Record) bool {
		return r.Queue == id && r.Text == event.Attempt && r.Meta.Get(event.AttemptNo) == "2"
	})
	if apart := again.Time.Sub(deferred.Time); apart < wait-100*time.Millisecond {
		t.Errorf("the next attempt came after %s, want %s", apart, wait)
	}
}
