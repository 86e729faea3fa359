package history

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"correio/services/internal/event"
	"correio/services/internal/journey"
	"correio/services/internal/journey/journeytest"
)

// Whatever order records come in, none changes how far a message has come
// without waking who waits for it.
func TestWaiterIsWokenByEveryChange(t *testing.T) {
	for seed := range uint64(16) {
		traffic := journeytest.New(seed, 6)
		random := rand.New(rand.NewPCG(seed, 2))
		if seed > 0 {
			random.Shuffle(len(traffic.Records), func(i, k int) {
				traffic.Records[i], traffic.Records[k] = traffic.Records[k], traffic.Records[i]
			})
		}
		log := event.NewLog("observatory", 0)
		h := New(log)
		waiters, states := map[string]*waiter{}, map[string]journey.State{}
		for _, name := range traffic.Names {
			waiters[name] = &waiter{woken: make(chan struct{}, 1)}
			h.look(waiters[name], name)
		}
		for i, r := range traffic.Records {
			log.Import(r)
			for name, w := range waiters {
				s, _ := h.live.Standing(name)
				woken := len(w.woken) > 0
				if s.State != states[name] && !woken {
					t.Fatalf("seed %d: record %d %+v makes %s %s, which wakes nobody", seed, i, r, name, s.State)
				}
				states[name] = s.State
				if woken {
					<-w.woken
					h.look(w, name)
				}
			}
		}
	}
}

// Each waiter looked at the whole log again whenever any message of the lab
// moved.
func TestWaiterIsNotWokenByOtherMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := event.NewLog("observatory", 0)
		h := New(log)
		w := &waiter{woken: make(chan struct{}, 1)}
		log.Import(queue(event.Accepted))
		h.look(w, message)
		for _, r := range journeytest.New(1, 10).Records {
			log.Import(r)
		}
		log.Import(event.Record{Node: node, Kind: event.KindLine, Queue: "Q1", Text: "NOOP"})
		if len(w.woken) > 0 {
			t.Fatal("another message's record, or a line, woke it")
		}
		log.Import(queue(event.Deferred))
		if len(w.woken) == 0 {
			t.Error("its own record did not wake it")
		}
		h.live.leave(w)
		if len(h.live.waiters) > 0 {
			t.Errorf("waiters that left are still known: %v", h.live.waiters)
		}
	})
}

// A message is awaited before anybody has seen it, by each of its names.
func TestAwaitMeetsAMessageThatIsYetToCome(t *testing.T) {
	tests := []struct{ id, messageID, want string }{
		{message, message, message},
		{"<" + message + ">", message, message},
		{"Q1", message, message},
		{"Q1@" + node, message, message},
		{Last, message, message},
		{"Q1", "", "Q1@" + node},
		{"Q1@" + node, "", "Q1@" + node},
		{Last, "", "Q1@" + node},
	}
	for _, tt := range tests {
		t.Run(tt.id+" is "+tt.want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := event.NewLog("observatory", 0)
				h := New(log)
				var j journey.Journey
				var o Outcome
				var all sync.WaitGroup
				all.Go(func() { j, _, o = h.Await(t.Context(), tt.id, Bounced) })
				for _, word := range []string{event.Accepted, event.Deferred, event.Bounced} {
					synctest.Wait()
					r := queue(word)
					if word == event.Accepted {
						r.Message = tt.messageID
					}
					log.Import(r)
				}
				all.Wait()
				if j.Message != tt.want || o != Met {
					t.Errorf("Await(%s) = %s %s, %v, want %s, Met", tt.id, j.Message, j.State, o, tt.want)
				}
				if len(h.live.waiters) > 0 {
					t.Errorf("it is still waited for: %v", h.live.waiters)
				}
			})
		})
	}
}
