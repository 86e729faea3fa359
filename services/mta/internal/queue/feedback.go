package queue

import (
	"time"

	"correio/services/internal/reply"
)

// moment is a time as the queue counts it: since it was made, by the monotonic
// clock. A wall clock that is set wrong or right again moves no job.
type moment = time.Duration

// Reach says whether an attempt reached a host of its destination.
type Reach int

// The classes of outcomes.
const (
	// Unknown outcomes say nothing about the destination: the message is gone,
	// our own disk failed, the node is stopping.
	Unknown Reach = iota
	// Reached: a host, or DNS for good, has given an answer, be it a refusal.
	Reached
	// Unreached: no host could be found, connected to, or was ready to talk.
	Unreached
)

// limits are the constants of the feedback.
type limits struct {
	first, most float64 // the window at the beginning and at most
	deadAfter   int     // failures in a row
	prompt      time.Duration
	// pause is how long a dead destination is left alone after its n-th failure.
	pause func(n int) time.Duration
}

// feedback is what a destination's outcomes say about how many attempts at a
// time it can take.
//
// The idea is that of Postfix's queue manager (its SCHEDULER_README: feedback
// of 1/window for a success, of 1 for a failure; a destination that fails for a
// whole window is dead). The window opens by one when as many attempts as it is
// wide have reached a host, and closes by one with each that has not, never
// below one. Failures in a row, without a success between, make the destination
// dead; how many is fixed, at the width of a first window. Where Postfix then
// puts all of the destination's mail off, one job at a time goes on as a probe.
type feedback struct {
	window   float64
	failures int  // in a row
	prompt   bool // the last attempt reached a host and took no longer than limits say

	dead   bool
	since  moment
	probes int         // failed ones since it is dead, counting the failure that made it so
	probe  moment      // the next one is not made before
	why    reply.Reply // what the last failure was
	host   string      // who said so; "" for us
}

// places is how many attempts may run at a time while the destination is alive.
func (f *feedback) places() int { return int(f.window) }

// reached notes a success, and reports whether it brought the dead to life. The
// window begins anew then: what the host could take before says little.
func (f *feedback) reached(l limits, took time.Duration) (revived bool) {
	f.failures, f.prompt = 0, took <= l.prompt
	if f.dead {
		*f = feedback{window: l.first, prompt: f.prompt}
		return true
	}
	f.window = min(f.window+1/f.window, l.most)
	return false
}

// unreached notes a failure, and reports whether the destination died of it. Of
// a dead one only probes count: attempts that began before are late news.
func (f *feedback) unreached(l limits, now moment, probe bool, why reply.Reply) (died bool) {
	f.why = why
	f.failures++
	f.prompt = false
	f.window = max(f.window-1, 1)
	switch {
	case f.dead && probe:
		f.probes++
	case !f.dead && f.failures >= l.deadAfter:
		died, f.dead, f.since, f.probes = true, true, now, 1
	default:
		return false
	}
	f.probe = now + l.pause(f.probes)
	return died
}

// undecided notes a probe that said nothing. Where the job is over another one
// may be made at once; where it is not, the trouble is ours.
func (f *feedback) undecided(l limits, now moment, again bool) {
	if f.dead && again {
		f.probe = now + l.pause(1)
	}
}
