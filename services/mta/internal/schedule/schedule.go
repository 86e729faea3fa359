// Package schedule says when a message that could not be delivered is tried
// again, when its sender is told about the delay, and when it is given back.
// All of it is pure; times are the lab's, to be divided by its speed.
package schedule

import "time"

// Policy is one schedule.
type Policy struct {
	// Steps are the waits after the first, second, … attempt; every further
	// wait is Then.
	Steps []time.Duration
	Then  time.Duration
	// Life is how long a message is kept: the last attempt falls on its end.
	Life time.Duration
	// Notice is the age at which the sender is told about the delay.
	Notice time.Duration
	// Jitter lengthens each wait by up to this fraction, so that messages
	// which failed together do not come back together.
	Jitter float64
}

// Default is the lab's schedule. A class is watching: the first retries come
// within seconds, so that a host that is back gets its mail while the teacher
// speaks; then the waits grow to the hour that RFC 5321 §4.5.4.1 has in mind.
// Life and notice are the four to five days and the hours of the same section.
func Default() Policy {
	return Policy{
		Steps: []time.Duration{
			5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
			time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		},
		Then:   time.Hour,
		Life:   5 * 24 * time.Hour,
		Notice: 4 * time.Hour,
		Jitter: 0.1,
	}
}

// Wait returns how long to wait after attempt number n (from 1) of a message
// that is age old. chance, from 0 up to 1, is the jitter's. ok is false when
// the message's life is over: that attempt was its last.
func (p Policy) Wait(n int, age time.Duration, chance float64) (wait time.Duration, ok bool) {
	left := p.Life - age
	if left < grain {
		return 0, false
	}
	wait = p.Then
	if n-1 < len(p.Steps) {
		wait = p.Steps[max(n-1, 0)]
	}
	wait += time.Duration(p.Jitter * chance * float64(wait))
	return min(wait, left), true
}

// Longest is the longest wait that Wait can say.
func (p Policy) Longest() time.Duration {
	wait := p.Then
	for _, step := range p.Steps {
		wait = max(wait, step)
	}
	return wait + time.Duration(p.Jitter*float64(wait))
}

// Late reports whether the sender is to be told about the delay of a message
// that is age old.
func (p Policy) Late(age time.Duration) bool { return age > p.Notice-grain }

// grain is how exact ages are. At the lab's highest speed a nanosecond of the
// clock is a tenth of a millisecond of the lab: without it, a message would be
// a little too young at its end, and be tried once more.
const grain = time.Millisecond

// Bounds of the waits between probes of a dead destination.
const (
	firstProbe = 5 * time.Second
	lastProbe  = time.Minute
)

// Probe returns how long after failure number n (from 1) of a dead destination
// it may be tried again: twice as long each time, up to a minute. No message's
// own wait is shorter at that point, so a message that is alone with its
// destination is tried at the times of its schedule; and mail that is written
// while the host is away finds out within a minute that it is back.
func (p Policy) Probe(n int) time.Duration {
	wait := firstProbe
	for ; n > 1 && wait < lastProbe; n-- {
		wait *= 2
	}
	return min(wait, lastProbe)
}
