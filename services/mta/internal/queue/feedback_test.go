package queue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/reply"
	"correio/services/mta/internal/schedule"
)

var testLimits = limits{first: 5, most: 8, deadAfter: 5, pause: schedule.Default().Probe}

// play applies outcomes, one each second: "+" reached, "-" unreached, "p" an
// unreached probe, "?" an undecided probe whose job is over, "!" one whose job
// goes on.
func play(f *feedback, at time.Duration, outcomes string) string {
	said := ""
	for i, o := range outcomes {
		now := at + time.Duration(i)*time.Second
		switch o {
		case '+':
			if f.reached(testLimits, 0) {
				said += fmt.Sprintf("alive@%s ", now)
			}
		case '-', 'p':
			if f.unreached(testLimits, now, o == 'p', reply.Newf(451, "4.4.1", "at %s", now)) {
				said += fmt.Sprintf("dead@%s ", now)
			}
		case '?', '!':
			f.undecided(testLimits, now, o == '!')
		}
	}
	return strings.TrimSpace(said)
}

func TestWindowOpensByOneForEachWindowOfSuccessesAndClosesByOneForEachFailure(t *testing.T) {
	for _, test := range []struct {
		outcomes string
		window   float64
		places   int
	}{
		{"", 5, 5},
		{"+", 5.2, 5},
		{"+++++", 5.931, 5},
		{"++++++", 6.099, 6},
		{strings.Repeat("+", 100), 8, 8}, // PerDestination
		{"-", 4, 4},
		{"----", 1, 1},
		{"----+", 2, 2}, // a narrow window opens quickly
		{"----++", 2.5, 2},
		{"----++--", 1, 1},
		{"+-", 4.2, 4},
		{strings.Repeat("+", 100) + "----", 4, 4},
	} {
		f := feedback{window: testLimits.first}
		if said := play(&f, 0, test.outcomes); said != "" || fmt.Sprintf("%.3f", f.window) != fmt.Sprintf("%.3f", test.window) || f.places() != test.places {
			t.Errorf("%s: window %.3f, %d places, %q; want %.3f, %d", test.outcomes, f.window, f.places(), said, test.window, test.places)
		}
	}
}

func TestDestinationDiesOfFailuresInARowAndLivesAgainByOneSuccess(t *testing.T) {
	for _, test := range []struct {
		name, outcomes, said string
		probes               int
		probe                time.Duration // zero: alive
	}{
		{"four are not enough", "----", "", 0, 0},
		{"five are", "-----", "dead@4s", 1, 9 * time.Second},
		{"a success between", "----+----", "", 0, 0},
		{"nothing said between", "--??---", "dead@6s", 1, 11 * time.Second},
		{"late news of the window do not count", "--------", "dead@4s", 1, 9 * time.Second},
		{"the first probe fails", "-----p", "dead@4s", 2, 15 * time.Second},
		{"three probes fail", "-----ppp", "dead@4s", 4, 47 * time.Second},
		{"many probes fail", "-----pppppppppp", "dead@4s", 11, 74 * time.Second},
		{"the probe's message is gone: another one at once", "-----p?", "dead@4s", 2, 15 * time.Second},
		{"our disk fails: wait", "-----p!", "dead@4s", 2, 11 * time.Second},
		{"the probe succeeds", "-----p+", "dead@4s alive@6s", 0, 0},
		{"late news of success", "-----+", "dead@4s alive@5s", 0, 0},
		{"it dies again", "-----+-----", "dead@4s alive@5s dead@10s", 1, 15 * time.Second},
	} {
		f := feedback{window: testLimits.first}
		said := play(&f, 0, test.outcomes)
		if said != test.said || f.probes != test.probes || f.probe != test.probe || f.dead != (test.probe != 0) {
			t.Errorf("%s (%s): %q, %d failed, next at %s; want %q, %d, %s", test.name, test.outcomes, said, f.probes, f.probe, test.said, test.probes, test.probe)
		}
	}
}

func TestRevivedDestinationBeginsAnew(t *testing.T) {
	f := feedback{window: 8}
	play(&f, 0, "-----ppp+")
	if d := cmp.Diff(feedback{window: 5, prompt: true}, f, cmp.AllowUnexported(feedback{})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestLastFailureIsWhatOthersAreTold(t *testing.T) {
	f := feedback{window: 5}
	play(&f, 0, "-----p")
	if got := f.why.String(); got != "451 4.4.1 at 5s" {
		t.Errorf("%s", got)
	}
}
