package schedule

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/clock"
)

// attempts lists at which age each attempt of a message is made that nobody
// takes, each attempt lasting no time.
func attempts(p Policy, chance float64) []time.Duration {
	ages := []time.Duration{0}
	for {
		age := ages[len(ages)-1]
		wait, ok := p.Wait(len(ages), age, chance)
		if !ok {
			return ages
		}
		ages = append(ages, age+wait)
	}
}

func TestExactTimesOfTheDefaultSchedule(t *testing.T) {
	ages := attempts(Default(), 0)
	want := []string{
		"0s", "5s", "15s", "30s", "1m0s", "2m0s", "4m0s", "9m0s", "19m0s", "34m0s", "1h4m0s",
		"2h4m0s", "3h4m0s", "4h4m0s",
	}
	var got []string
	for _, age := range ages[:len(want)] {
		got = append(got, age.String())
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if len(ages) != 130 || ages[len(ages)-2] != 119*time.Hour+4*time.Minute || ages[len(ages)-1] != 120*time.Hour {
		t.Errorf("%d attempts, the last two at %s and %s", len(ages), ages[len(ages)-2], ages[len(ages)-1])
	}
}

// At a speed of 3600 the last attempt came a nanosecond too early, and one more
// was made.
func TestAttemptsAreTheSameAtAnySpeed(t *testing.T) {
	p := Default()
	want := attempts(p, 0)
	for _, speed := range []clock.Speed{1, 7, 60, 3600, 86_400, clock.MaxSpeed} {
		var now time.Duration // of the wall clock
		var late []bool
		n := 1
		for ; ; n++ {
			age := speed.Lab(now)
			late = append(late, p.Late(age))
			wait, ok := p.Wait(n, age, 0)
			if !ok {
				break
			}
			now += speed.Real(wait)
		}
		if n != len(want) {
			t.Errorf("speed %v: %d attempts, want %d", speed, n, len(want))
		}
		if i := slices.Index(late, true); i != 13 {
			t.Errorf("speed %v: the notice comes with attempt %d, want 14", speed, i+1)
		}
	}
}

func TestJitterLengthensByATenthAtMost(t *testing.T) {
	p := Default()
	for n := 1; n <= 200; n++ {
		least, _ := p.Wait(n, 0, 0)
		most, _ := p.Wait(n, 0, 0.999999)
		if most < least || most >= least+least/10+time.Microsecond {
			t.Errorf("attempt %d: from %s to %s", n, least, most)
		}
	}
	if n := len(attempts(p, 0.999999)); n < 115 || n > 130 {
		t.Errorf("%d attempts with the most jitter", n)
	}
}

func TestTheLastAttemptFallsOnTheEndOfLife(t *testing.T) {
	for _, test := range []struct {
		name string
		age  time.Duration
		wait time.Duration
		ok   bool
	}{
		{"an hour is left", 119 * time.Hour, time.Hour, true},
		{"ten minutes are left", 120*time.Hour - 10*time.Minute, 10 * time.Minute, true},
		{"at the end", 120 * time.Hour, 0, false},
		{"behind the end", 121 * time.Hour, 0, false},
	} {
		if wait, ok := Default().Wait(100, test.age, 0); wait != test.wait || ok != test.ok {
			t.Errorf("%s: got %s, %t", test.name, wait, ok)
		}
	}
}

func TestNoticeAfterFourHours(t *testing.T) {
	if p := Default(); p.Late(4*time.Hour-time.Second) || !p.Late(4*time.Hour) {
		t.Error("the notice is not due at 4 hours")
	}
}

func TestExactTimesBetweenProbes(t *testing.T) {
	var got []string
	for n := 1; n <= 7; n++ {
		got = append(got, Default().Probe(n).String())
	}
	if d := cmp.Diff([]string{"5s", "10s", "20s", "40s", "1m0s", "1m0s", "1m0s"}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// deadAfter is package queue's: failures in a row that make a destination dead.
const deadAfter = 5

func TestProbesNeverComeLaterThanALoneMessagesOwnAttempts(t *testing.T) {
	p := Default()
	for n := deadAfter; n <= 200; n++ {
		if wait, _ := p.Wait(n, 0, 0); wait < p.Probe(n-deadAfter+1) {
			t.Errorf("attempt %d waits %s, the destination %s", n, wait, p.Probe(n-deadAfter+1))
		}
	}
}
