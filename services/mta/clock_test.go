package mta

import (
	"fmt"
	"testing"
	"time"

	"correio/services/internal/clock"
	"correio/services/internal/event"
	"correio/services/internal/smtpc"
)

// Times in the spool are those of the wall clock. That it was wrong when they
// were written, or is set while a node runs, is what these tests do to them.

// shift is a statement that moves a time of all that is queued.
func shift(column string, by time.Duration) string {
	table := map[string]string{"next": "recipient", "arrived": "message"}[column]
	return fmt.Sprintf("UPDATE %s SET %s=%s+%d", table, column, column, by)
}

const day = 24 * time.Hour

// A message whose next attempt was written down by a clock that was days ahead
// waited for days.
func TestClockThatWasAheadDelaysNoAttempt(t *testing.T) {
	w := newWorld(t)
	stopped, id := w.stopped(t)
	damage(t, stopped.env.State, fmt.Sprintf("UPDATE recipient SET next=%d", time.Now().Add(3*day).UnixNano()))
	damage(t, stopped.env.State, shift("arrived", 3*day))
	w.scripted("198.18.9.1:25", good)
	again := w.restart(stopped.env)
	again.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
}

// A wait that the schedule may have set is kept over a restart.
func TestWaitOfTheScheduleIsKeptOverARestart(t *testing.T) {
	w := newWorld(t)
	stopped, id := w.stopped(t)
	damage(t, stopped.env.State, fmt.Sprintf("UPDATE recipient SET next=%d", time.Now().Add(time.Hour).UnixNano()))
	talking := w.scripted("198.18.9.1:25", good)
	again := w.restart(stopped.env)
	c := w.connect(pc, "198.18.1.25:587", "ana")
	other := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "y@one.casos.test")[0].Reply)
	again.waitEvent(t, "the delivery of another one", queueEvent(event.Delivered, other))
	if st, err := again.spool.Stats(t.Context()); err != nil || st.Messages != 1 || talking.Load() != 1 {
		t.Errorf("%+v, %v, %d connections; want %s to wait", st, err, talking.Load(), id)
	}
}

// fast is a speed at which a message's life is 4.32 s.
const fast = clock.MaxSpeed

// A message that came when the clock was a year ahead was tried for a year and
// five days.
func TestMessageFromTheFutureComesToItsEnd(t *testing.T) {
	w := newWorld(t)
	stopped, id := w.stopped(t, shift("arrived", 365*day))
	stopped.env.Speed = fast
	again := w.restart(stopped.env)
	again.waitEvent(t, "the end", queueEvent(event.Bounced, id))
}

// The age of a message was the difference of two readings of the wall clock: set
// ahead, it gave mail back that had just come, and set back, it kept it for longer.
func TestClockThatIsSetChangesNoMessagesAge(t *testing.T) {
	for _, by := range []time.Duration{30 * day, -30 * day} {
		t.Run(by.String(), func(t *testing.T) {
			w := newWorld(t)
			aurora := w.mta("aurora", "mx1.aurora.test", fast)
			c := w.connect(pc, "198.18.1.25:587", "ana")
			came := time.Now()
			id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@one.casos.test")[0].Reply)
			aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
			damage(t, aurora.env.State, shift("arrived", -by))
			aurora.waitEvent(t, "the end", queueEvent(event.Bounced, id))
			life := aurora.env.Speed.Real(aurora.policy.Life)
			if after := time.Since(came); after < life || after > life+5*time.Second {
				t.Errorf("given back after %v, want about %v", after, life)
			}
		})
	}
}

// However long a node was away, mail is tried once more before it goes back.
func TestMessageThatIsTooOldIsTriedOnceMore(t *testing.T) {
	w := newWorld(t)
	stopped, id := w.stopped(t, shift("arrived", -30*day))
	w.scripted("198.18.9.1:25", good)
	again := w.restart(stopped.env)
	again.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
}

// A lab that was stopped for longer than mail lives gave back all of it within the
// second of its start: its hosts were starting, too.
func TestOldMailIsKeptWhileItsHostStarts(t *testing.T) {
	w := newWorld(t)
	w.again = tuning{resumed: 300 * time.Millisecond}
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	const mails = 12
	var to []string
	for i := range mails {
		to = append(to, fmt.Sprintf("x%d@one.casos.test", i))
	}
	w.queued(t, aurora, to...)
	aurora.stop()
	damage(t, aurora.env.State, shift("arrived", -30*day))
	damage(t, aurora.env.State, "UPDATE recipient SET next=0, attempts=40, noticed=1")
	aurora.env.Events = event.NewLog("mx1.aurora.test", 0)
	again := w.restart(aurora.env)
	again.waitEvent(t, "the death", queueEvent(event.Dead, ""))
	box := w.mda("198.18.9.1:25")
	box.wait(t, mails)
	again.waitEmpty(t)
	for _, r := range again.env.Events.After(0, 10_000).Records {
		if r.Text == event.Bounced {
			t.Errorf("%s was given back: %v", r.Queue, r.Meta)
		}
	}
}

// And it does come to its end.
func TestOldMailComesToItsEndSoonAfterAStart(t *testing.T) {
	w := newWorld(t)
	w.again = tuning{resumed: 100 * time.Millisecond, chance: 500 * time.Millisecond}
	stopped, id := w.stopped(t, shift("arrived", -30*day))
	again := w.restart(stopped.env)
	began := time.Now()
	again.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	again.waitEvent(t, "the end", queueEvent(event.Bounced, id))
	if after := time.Since(began); after < 400*time.Millisecond {
		t.Errorf("given back after %v", after)
	}
}

// However often mail was tried before, its host is not waited for by the hour when
// both have just started.
func TestMailIsTriedAgainSoonAfterAStart(t *testing.T) {
	w := newWorld(t)
	w.again = tuning{resumed: 200 * time.Millisecond}
	stopped, id := w.stopped(t)
	damage(t, stopped.env.State, "UPDATE recipient SET attempts=40")
	again := w.restart(stopped.env)
	again.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	w.mda("198.18.9.1:25")
	again.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
}
