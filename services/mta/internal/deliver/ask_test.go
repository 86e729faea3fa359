package deliver

import (
	"testing"
	"testing/synctest"
	"time"
)

// An MDA that did not answer is left alone for a while, and then asked again.
func TestSilentMDAIsAskedAgainBehindAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q inquiries
		got := []bool{q.mayAsk()}
		q.pause(time.Minute)
		for _, wait := range []time.Duration{0, time.Minute - 1, 1} {
			<-time.After(wait)
			got = append(got, q.mayAsk())
		}
		if want := [4]bool{true, false, false, true}; [4]bool(got) != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}
