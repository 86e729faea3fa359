package history

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/journey"
)

const (
	message = "m1@pc.aurora.test"
	node    = "mx1.aurora.test"
	to      = "bruno@boreal.test"
)

func queue(word string) event.Record {
	r := event.Record{Time: time.Now(), Node: node, Kind: event.KindQueue, Queue: "Q1", Text: word, Meta: event.M(event.To, to)}
	if word == event.Accepted {
		r.Message, r.Meta = message, event.M(event.From, "ana@aurora.test", event.To, to)
	}
	return r
}

func TestGoals(t *testing.T) {
	tests := []struct {
		goal  Goal
		state journey.State
		want  Outcome
		over  bool
	}{
		{Delivered, journey.Queued, TimedUp, false},
		{Delivered, journey.Deferred, TimedUp, false},
		{Any, journey.Handed, TimedUp, false}, // the next host's own records may still come
		{Delivered, journey.Delivered, Met, true},
		{Delivered, journey.Bounced, Other, true},
		{Bounced, journey.Bounced, Met, true},
		{Bounced, journey.Delivered, Other, true},
		{Any, journey.Delivered, Met, true},
		{Any, journey.Dropped, Met, true},
		{Delivered, journey.Dropped, Other, true},
		{Any, journey.Held, TimedUp, false},
		{Any, journey.Bounced, Met, true},
		{Any, "", TimedUp, false},
	}
	for _, tt := range tests {
		if o, over := tt.goal.judge(tt.state); o != tt.want || over != tt.over {
			t.Errorf("%s: %s = %v, %v, want %v, %v", tt.goal, tt.state, o, over, tt.want, tt.over)
		}
	}
}

// A journey that is over waits for late records, but not for ever.
func TestAwaitSettles(t *testing.T) {
	tests := []struct {
		name  string
		every time.Duration // between records of others that keep coming
		want  time.Duration
	}{
		{"nothing more comes", time.Hour, settleQuiet},
		{"records keep coming", 30 * time.Millisecond, settleMax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := event.NewLog("observatory", 0)
				log.Import(queue(event.Accepted))
				log.Import(queue(event.Bounced))
				ctx, stop := context.WithCancel(t.Context())
				go func() {
					for sleep(ctx, tt.every) {
						log.Import(event.Record{Node: "pc", Kind: event.KindLine, Text: "NOOP"})
					}
				}()
				began := time.Now()
				j, ok, o := New(log).Await(t.Context(), message, Any)
				if took := time.Since(began); took != tt.want || !ok || o != Met || j.State != journey.Bounced {
					t.Errorf("Await = %s, %v, %v after %s, want bounced, true, Met after %s", j.State, ok, o, took, tt.want)
				}
				stop()
			})
		})
	}
}

// Whoever had waited for long waited a quarter of a second more at the end, as
// if looking had taken all the time.
func TestAwaitAnswersAtOnceAfterALongWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := event.NewLog("observatory", 0)
		log.Import(queue(event.Accepted))
		h := New(log)
		began := time.Now()
		go func() {
			if sleep(t.Context(), time.Minute) {
				log.Import(queue(event.Bounced))
			}
		}()
		_, _, o := h.Await(t.Context(), message, Bounced)
		if took := time.Since(began); o != Met || took != time.Minute+settleQuiet {
			t.Errorf("Await = %v after %s, want Met after %s", o, took, time.Minute+settleQuiet)
		}
	})
}

func TestAwaitGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := event.NewLog("observatory", 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, ok, o := New(log).Await(ctx, Last, Any); ok || o != TimedUp {
			t.Errorf("Await = %v, %v, want nothing and TimedUp", ok, o)
		}
	})
}
