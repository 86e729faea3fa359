// Package clock scales the lab's waiting times. A lab at speed 60 retries,
// forgets DNS answers and gives up on messages sixty times sooner than the
// real Internet does, in the same order. Timeouts of live connections are not
// scaled: a peer needs real time to answer.
//
// It works with the time package alone, so that testing/synctest drives it.
package clock

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Speed is the factor by which the lab's waiting times are divided: 1 is real
// time, 3600 turns an hour into a second. The zero value means 1.
type Speed float64

// MaxSpeed is the largest factor accepted: at it, five days pass in 4 seconds.
const MaxSpeed Speed = 100_000

// Parse reads a factor from 1 to MaxSpeed.
func Parse(s string) (Speed, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 1 && f <= float64(MaxSpeed)) {
		return 0, fmt.Errorf("speed %q: want a number from 1 to %d", s, int(MaxSpeed))
	}
	return Speed(f), nil
}

// String writes the factor as Parse reads it.
func (s Speed) String() string { return strconv.FormatFloat(float64(s.factor()), 'g', -1, 64) }

func (s Speed) factor() Speed {
	if s <= 0 {
		return 1
	}
	return s
}

// Real turns a duration of the lab into one of the wall clock.
func (s Speed) Real(lab time.Duration) time.Duration {
	return time.Duration(float64(lab) / float64(s.factor()))
}

// Lab turns a duration of the wall clock into one of the lab: the longest there
// is when it would be longer still.
func (s Speed) Lab(real time.Duration) time.Duration {
	lab := float64(real) * float64(s.factor())
	switch {
	case lab >= math.MaxInt64:
		return math.MaxInt64
	case lab <= math.MinInt64:
		return math.MinInt64
	}
	return time.Duration(lab)
}

// Sleep waits for a duration of the lab, or until the context ends, whose
// error it then returns.
func (s Speed) Sleep(ctx context.Context, lab time.Duration) error {
	t := time.NewTimer(s.Real(lab))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
