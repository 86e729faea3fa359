package mta

import (
	"strings"
	"testing"

	"correio/services/internal/smtpc"
)

// Parts of dialogues with a host that offers TLS.
const (
	offersTLS = "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 STARTTLS\n"
	notNow    = offersTLS + "C: STARTTLS\nS: 454 4.7.0 Not now\n"
	breaksTLS = offersTLS + "C: STARTTLS\nS: 220 Go\nS: no TLS here"
	takes     = "C: MAIL*\nS: 250 Ok\nC: RCPT*\nS: 250 Ok\nC: DATA\nS: 354 Go\nC: ...\nS: 250 Ok: queued as GOOD1234\n"
)

// A connection on which TLS had failed, or that took the place of one, was kept for
// the next messages: up to 200 went in clear without a try for TLS.
func TestConnectionOnWhichTLSHasFailedIsNotKept(t *testing.T) {
	w := newWorld(t)
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, quick)
	count := w.scripted("198.18.9.1:25",
		breaksTLS, offersTLS+takes+takes+"HANG", // on a new connection
		notNow+takes+takes+"HANG", // on the same one
		notNow+takes+"HANG")
	for i, want := range []int32{2, 3, 4} {
		id := w.submit(t, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address("x@one.casos.test")}}}, message)
		if got := aurora.outcome(t, id); !strings.HasPrefix(got, "delivered a.two.casos.test: 250 ") || count.Load() != want {
			t.Errorf("message %d: %s, after %d connections, want %d", i, got, count.Load(), want)
		}
	}
}
