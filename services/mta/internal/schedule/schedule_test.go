package schedule

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
	if p := Default(); p.Late(4*time.Hour-1) || !p.Late(4*time.Hour) {
		t.Error("the notice is not due at 4 hours")
	}
}
