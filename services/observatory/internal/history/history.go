// Package history answers questions about what the nodes have seen, from the
// one log that holds the records of all of them: which messages there were,
// the journey of one, and when it comes to its end.
//
// The log has an index, which is kept with it and counts as a part of it
// (event.Index): an answer touches the records of its message alone, and who
// waits for a message is woken by records of that message alone. Answers are
// made while the log stands still, for well under a millisecond each.
package history

import (
	"context"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/journey"
)

// Last is the name of the newest message that a person sent.
const Last = "last"

const (
	// A journey that has reached its goal is given until nothing has happened
	// for settleQuiet, and settleMax at most, for the records of its last
	// conversations to come in.
	settleQuiet = 100 * time.Millisecond
	settleMax   = 500 * time.Millisecond

	maxPace = 250 * time.Millisecond
)

// History reads one log.
type History struct {
	log  *event.Log
	live live // guarded by log.View
}

// New returns a History of the log, which has no index yet.
func New(log *event.Log) *History {
	h := &History{log: log, live: live{waiters: map[string]map[*waiter]bool{}}}
	log.Attach(&h.live)
	return h
}

// Log returns the log that is read.
func (h *History) Log() *event.Log { return h.log }

// Latest returns the newest records, limit of them at most.
func (h *History) Latest(limit int) event.Batch {
	last := h.log.Last()
	return h.log.After(last-min(last, uint64(limit)), limit)
}

// List returns the newest messages, limit of them at most, newest first.
func (h *History) List(limit int) (list []journey.Summary) {
	h.log.View(func() { list = h.live.List(limit) })
	return list
}

// Find returns the journey of a message: its Message-ID, with or without angle
// brackets, or Last. ok is false when no node has seen it.
func (h *History) Find(id string) (j journey.Journey, ok bool) {
	h.log.View(func() { j, ok = h.live.Assemble(h.live.name(id)) })
	return j, ok
}

// Goal is what to wait for.
type Goal string

// The goals. A goal is met when every recipient's copy has come to its end.
const (
	Delivered Goal = "delivered" // all of them are in a mailbox
	Bounced   Goal = "bounced"   // at least one was given up
	Any       Goal = "any"
)

// Goals lists every goal.
var Goals = []Goal{Delivered, Bounced, Any}

// Outcome is how waiting ended.
type Outcome int

// The outcomes of waiting.
const (
	Met     Outcome = iota
	Other           // the journey is at an end, but not at this one
	TimedUp         // the context ended first
)

// judge says how a state stands to the goal; over is false while the journey
// goes on.
func (g Goal) judge(s journey.State) (o Outcome, over bool) {
	if !s.Over() {
		return TimedUp, false
	}
	if g == Any || string(g) == string(s) {
		return Met, true
	}
	return Other, true
}

// Await returns the journey of a message, as Find does, once it is over, or as
// far as it has come when the context ends. ok is false when no node has seen
// the message until then. Last means the newest message when Await is called,
// or the first to come.
func (h *History) Await(ctx context.Context, id string, goal Goal) (j journey.Journey, ok bool, o Outcome) {
	w := &waiter{woken: make(chan struct{}, 1)}
	defer h.log.View(func() { h.live.leave(w) })
	for {
		began := time.Now()
		standing, known := h.look(w, id)
		took := time.Since(began)
		if known {
			id = standing.Message
		}
		if o, over := goal.judge(standing.State); over {
			h.settle(ctx)
			j, ok = h.Find(id)
			return j, ok, o
		}
		// Looking must not take more than half of the time.
		if !sleep(ctx, min(took, maxPace)) || !w.wait(ctx) {
			j, ok = h.Find(id)
			return j, ok, TimedUp
		}
	}
}

// look tells how far a message has come. The waiter is woken when that may
// have changed.
func (h *History) look(w *waiter, id string) (s journey.Standing, ok bool) {
	h.log.View(func() {
		name := h.live.name(id)
		if s, ok = h.live.Standing(name); ok {
			h.live.expect(w, s.Names)
			return
		}
		queue, _, _ := strings.Cut(name, "@") // it may be a queue id with its node
		h.live.expect(w, []string{id, name, queue})
	})
	return s, ok
}

// settle waits until nothing more comes in.
func (h *History) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleMax)
	defer cancel()
	for pos := h.log.Last(); sleep(ctx, settleQuiet); {
		last := h.log.Last()
		if last == pos {
			return
		}
		pos = last
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
