package clock_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"correio/services/internal/clock"
)

func TestParseAcceptsFactorsFromOne(t *testing.T) {
	tests := []struct {
		in   string
		want clock.Speed
		ok   bool
	}{
		{"1", 1, true}, {"3600", 3600, true}, {"1.5", 1.5, true}, {"100000", 100000, true},
		{"0", 0, false}, {"0.5", 0, false}, {"-1", 0, false}, {"NaN", 0, false}, {"Inf", 0, false},
		{"100001", 0, false}, {"", 0, false}, {"fast", 0, false},
	}
	for _, tt := range tests {
		got, err := clock.Parse(tt.in)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("Parse(%q) = %v, %v; want %v, ok=%v", tt.in, got, err, tt.want, tt.ok)
		}
	}
}

func TestRealDividesAndLabMultiplies(t *testing.T) {
	if got := clock.Speed(3600).Real(4 * time.Hour); got != 4*time.Second {
		t.Errorf("Real(4h) at 3600 = %v, want 4s", got)
	}
	if got := clock.Speed(3600).Lab(time.Second); got != time.Hour {
		t.Errorf("Lab(1s) at 3600 = %v, want 1h", got)
	}
	if got := clock.Speed(0).Real(time.Minute); got != time.Minute {
		t.Errorf("Real(1m) at the zero speed = %v, want 1m", got)
	}
}

// A month at speed 3600 is longer than a Duration can be: it came out negative.
func TestLabTimeIsBounded(t *testing.T) {
	const month = 30 * 24 * time.Hour
	if got := clock.Speed(3600).Lab(month); got != math.MaxInt64 {
		t.Errorf("Lab(30 days) at 3600 = %d, want the longest duration", got)
	}
	if got := clock.Speed(3600).Lab(-month); got != math.MinInt64 {
		t.Errorf("Lab(-30 days) at 3600 = %d, want the shortest duration", got)
	}
}

func TestSleepWaitsLabTimeAndObeysTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := clock.Speed(60).Sleep(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != time.Minute {
			t.Errorf("slept %v, want 1m", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := clock.Speed(1).Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sleep = %v, want %v", err, context.DeadlineExceeded)
		}
	})
}
