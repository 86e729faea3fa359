package mta

import (
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/smtpc"
)

// Parts of dialogues with a host that offers TLS.
const (
	offersTLS = "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 STARTTLS\n"
	notNow    = offersTLS + "C: STARTTLS\nS: 454 4.7.0 Not now\n"
	breaksTLS = offersTLS + "C: STARTTLS\nS: 220 Go\nS: no TLS here"
	wantsTLS  = "C: MAIL*\nS: 530 5.7.0 Must issue a STARTTLS command first\nHANG"
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

// When TLS failed for now, mail went on in clear, and what a host said there that
// wants TLS was final: the mail came back, and no other host was asked.
func TestRefusalInClearIsNotFinalWhereTLSHasFailed(t *testing.T) {
	const (
		failed  = "deferred : 451 4.7.5 TLS with a.two.casos.test failed (454 4.7.0 Not now), and in clear "
		refused = "it said 530 5.7.0 Must issue a STARTTLS command first"
		rcpt    = "C: MAIL*\nS: 250 Ok\nC: RCPT*\n"
		one     = "x@one.casos.test"
		two     = "x@two.casos.test"
	)
	for _, test := range []struct {
		name, to, message string
		says              []string
		want              string
	}{
		{"454, then 530", one, message, []string{notNow + wantsTLS}, failed + refused},
		{"554, then 530", one, message, []string{strings.Replace(notNow, "454 4.7.0", "554 5.7.0", 1) + wantsTLS},
			"deferred : 451 4.7.5 TLS with a.two.casos.test failed (554 5.7.0 Not now), and in clear " + refused},
		{"silent in the handshake, then 530", one, message, []string{offersTLS + "C: STARTTLS\nS: 220 Go\nHANG", offersTLS + wantsTLS},
			"deferred : 451 4.7.5 TLS with a.two.casos.test failed (timed out), and in clear " + refused},
		{"closed in the handshake, then 530", one, message, []string{offersTLS + "C: STARTTLS\nS: 220 Go", offersTLS + wantsTLS},
			"deferred : 451 4.7.5 TLS with a.two.casos.test failed ("}, // EOF, or reset
		{"454, then 530; the second host takes it", two, message, []string{notNow + wantsTLS}, "delivered b.two.casos.test: 250 "},
		{"454, and 8BITMIME is not offered in clear", one, message + "ç\r\n", []string{notNow + "HANG"},
			failed + "a.two.casos.test does not offer 8BITMIME, which the message needs"},
		{"454, and 8BITMIME is not offered in clear; the second host takes it", two, message + "ç\r\n", []string{notNow + "HANG"}, "delivered b.two.casos.test: 250 "},
		{"454, and 530 without an enhanced code to RCPT", one, message, []string{notNow + rcpt + "S: 530 STARTTLS first\nC: RSET\nS: 250 Ok\nHANG"},
			failed + "it said 530 STARTTLS first"},
		{"454, and refused as a matter of policy", one, message, []string{notNow + rcpt + "S: 550 5.7.1 Session encryption is required\nC: RSET\nS: 250 Ok\nHANG"},
			failed + "it said 550 5.7.1 Session encryption is required"},
		{"454, and nobody of that name", one, message, []string{notNow + rcpt + "S: 550 5.1.1 Who?\nC: RSET\nS: 250 Ok\nHANG"}, "bounced a.two.casos.test: 550 5.1.1 Who?"},
		{"454, and the message is refused", one, message, []string{notNow + strings.Replace(takes, "250 Ok: queued as GOOD1234", "554 5.7.1 Spam", 1) + "HANG"},
			"bounced a.two.casos.test: 554 5.7.1 Spam"},
		{"no TLS at all, and 530", one, message, []string{"S: 220 x\nC: EHLO*\nS: 250 x\n" + wantsTLS}, "bounced a.two.casos.test: " + strings.TrimPrefix(refused, "it said ")},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.tuned("aurora", "mx1.aurora.test", 1, quick)
			w.mda("198.19.1.110:24") // for reports
			w.scripted("198.18.9.1:25", test.says...)
			w.scripted("198.18.9.2:25", offering("8BITMIME"))
			env := smtpc.Envelope{To: []smtpc.Recipient{{To: w.address(test.to)}}, EightBit: strings.Contains(test.message, "ç")}
			id := w.submit(t, env, test.message)
			if got := aurora.outcome(t, id); !strings.HasPrefix(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// That the mail waits for TLS is said in both languages.
func TestWaitForTLSIsExplained(t *testing.T) {
	w := newWorld(t)
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, quick)
	w.scripted("198.18.9.1:25", notNow+wantsTLS)
	id := w.submit(t, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address("x@one.casos.test")}}}, message)
	const want = "clear-not-final(a.two.casos.test)"
	r := aurora.waitEvent(t, "the wait", queueEvent(event.Deferred, id))
	if got := r.Meta.Get(event.Rules); got != want || len(reason.ParseKnown(got)) != 1 {
		t.Errorf("rules %q, want %q", got, want)
	}
}

// The rest of a message follows its beginning in clear: TLS is tried once with a
// host in an attempt, and what is heard on the next connection is not final either.
func TestTLSIsTriedOnceInAnAttempt(t *testing.T) {
	w := newWorld(t)
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, quick)
	count := w.scripted("198.18.9.1:25", breaksTLS,
		offersTLS+"C: MAIL*\nS: 250 Ok\nC: RCPT TO:<x0@*\nS: 450 4.2.1 Busy\nC: RCPT TO:<x1@*\nS: 421 4.7.0 Too many errors",
		offersTLS+wantsTLS)
	id := smtpc.QueuedAs(w.send(w.connect(pc, "198.18.1.25:587", "ana"), "ana@aurora.test", message, many(2, "x", "one.casos.test")...)[0].Reply)
	for who, want := range map[string]string{"x0": "deferred 450 4.2.1 Busy", "x1": "deferred 451 4.7.5 TLS with a.two.casos.test failed"} {
		if got := aurora.firstWord(t, id, who+"@one.casos.test"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", who, got, want)
		}
	}
	if n := count.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}
