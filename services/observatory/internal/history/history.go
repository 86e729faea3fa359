// Package history answers questions about what the nodes have seen, from the
// one log that holds the records of all of them: which messages there were,
// the journey of one, and when it comes to its end.
//
// Every answer is made anew from the records; nothing is kept beside the log,
// whose size is bounded. Few answers are made at a time, since each reads the
// whole log.
package history

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/journey"
)

// Last is the name of the newest message that a person sent.
const Last = "last"

const (
	atOnce = 2 // answers made at a time

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
	gate chan struct{} // holds one token for each answer being made
}

// New returns a History of the log.
func New(log *event.Log) *History {
	return &History{log: log, gate: make(chan struct{}, atOnce)}
}

// Log returns the log that is read.
func (h *History) Log() *event.Log { return h.log }

// Read calls f with all records there are. It waits for its turn, or returns
// the context's error.
func (h *History) Read(ctx context.Context, f func(all event.Batch)) error {
	select {
	case h.gate <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.gate }()
	f(h.log.After(0, math.MaxInt))
	return nil
}

// Find returns the journey of a message: its Message-ID, with or without angle
// brackets, or Last. ok is false when no node has seen it.
func (h *History) Find(ctx context.Context, id string) (j journey.Journey, ok bool, err error) {
	j, ok, _, err = h.find(ctx, id)
	return j, ok, err
}

// find also returns the position up to which the log was read.
func (h *History) find(ctx context.Context, id string) (j journey.Journey, ok bool, pos uint64, err error) {
	err = h.Read(ctx, func(all event.Batch) {
		pos = all.Last
		if id = resolve(all.Records, id); id != "" {
			j, ok = journey.Assemble(all.Records, id)
		}
	})
	return j, ok, pos, err
}

// resolve returns the Message-ID that a person means, "" for none.
func resolve(records []event.Record, id string) string {
	if id != Last {
		return strings.TrimSuffix(strings.TrimPrefix(id, "<"), ">")
	}
	list := journey.List(records, 0)
	if len(list) == 0 {
		return ""
	}
	// Reports have the null reverse-path (RFC 5321 §4.5.5); nobody sent them.
	i := slices.IndexFunc(list, func(s journey.Summary) bool { return s.From != "<>" && s.From != "" })
	return list[max(i, 0)].Message
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
	if s != journey.Delivered && s != journey.Bounced {
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
	for {
		began := time.Now()
		next, found, pos, err := h.find(ctx, id)
		if err != nil {
			return j, ok, TimedUp
		}
		if j, ok = next, found; ok {
			id = j.Message
			if o, over := goal.judge(j.State); over {
				return h.settled(ctx, j, pos), true, o
			}
		}
		if h.progress(ctx, pos) != nil {
			return j, ok, TimedUp
		}
		// Reading must not take more than half of the time.
		if !sleep(ctx, min(time.Since(began), maxPace)) {
			return j, ok, TimedUp
		}
	}
}

// progress waits for a record behind pos that can change a journey's state.
func (h *History) progress(ctx context.Context, pos uint64) error {
	const batch = 256
	for {
		b, err := h.log.Wait(ctx, pos, batch)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(b.Records, moves) {
			return nil
		}
		pos = b.Last
	}
}

func moves(r event.Record) bool { return r.Kind == event.KindQueue || r.Kind == event.KindStore }

// settled waits until nothing more comes in, and returns the journey anew.
func (h *History) settled(ctx context.Context, j journey.Journey, pos uint64) journey.Journey {
	limit, cancel := context.WithTimeout(ctx, settleMax)
	defer cancel()
	for limit.Err() == nil {
		quiet, done := context.WithTimeout(limit, settleQuiet)
		b, err := h.log.Wait(quiet, pos, math.MaxInt)
		done()
		if err != nil {
			break
		}
		pos = b.Last
	}
	// The goal is met: whole is better than in time.
	if whole, ok, err := h.Find(context.WithoutCancel(ctx), j.Message); err == nil && ok {
		return whole
	}
	return j
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
