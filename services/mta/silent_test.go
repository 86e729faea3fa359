package mta

import (
	"math"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/smtpc"
)

// Each recipient of a pipeline waited five seconds anew for an MDA that did not
// greet, and the replies waited for all of them: with 13 recipients that was longer
// than a client waits, which came again and again, and its mail was never queued.
func TestPipelinedRecipientsAreQueuedWhileTheMDAHangs(t *testing.T) {
	w := newWorld(t)
	boreal := w.tuned("boreal", "mx1.boreal.test", 1, tuning{ask: time.Second})
	w.scripted("198.19.2.110:24", "HANG")
	c := w.connect("198.18.1.25", "198.18.2.25:25", "")
	env := smtpc.Envelope{From: w.address("ana@aurora.test")}
	for _, a := range many(14, "p", "boreal.test") {
		env.To = append(env.To, smtpc.Recipient{To: w.address(a)})
	}
	res := c.Send(t.Context(), env, strings.NewReader(message), smtpc.SendOptions{Pipelined: true})[0]
	if !res.Delivered() {
		t.Fatalf("not accepted: %+v", res)
	}
	id, asked := smtpc.QueuedAs(res.Reply), map[string]bool{}
	for _, r := range boreal.env.Events.After(0, math.MaxInt).Records {
		if r.Text == event.Accepted && r.Queue == id {
			break // what follows is the first attempt
		}
		if r.Kind == event.KindConn && r.Meta.Get(event.Proto) == "lmtp" {
			asked[r.Conn] = true
		}
	}
	if len(asked) != 1 {
		t.Errorf("the MDA was asked on %d connections", len(asked))
	}
}

// An MDA that fell silent in the middle of a transaction was asked once more, on a new
// connection, in about half of the cases.
func TestMDAThatFallsSilentIsNotAskedAgain(t *testing.T) {
	const wait = 300 * time.Millisecond
	for range 6 {
		w := newWorld(t)
		w.tuned("boreal", "mx1.boreal.test", 1, tuning{ask: wait})
		asked := w.scripted("198.19.2.110:24", "S: 220 x\nC: LHLO*\nS: 250 x\nC: MAIL*\nS: 250 Ok\nC: RCPT*\nS: 250 Ok\nHANG", "HANG")
		c := w.connect("198.18.1.25", "198.18.2.25:25", "")
		b := c.Begin(smtpc.Envelope{From: w.address("ana@aurora.test")}, "")
		for _, a := range many(6, "p", "boreal.test") {
			if r, err := b.Name(t.Context(), smtpc.Recipient{To: w.address(a)}); err != nil || !r.Positive() {
				t.Fatalf("%s: %s, %v", a, r, err)
			}
		}
		if n := asked.Load(); n != 1 {
			t.Fatalf("the MDA was asked on %d connections", n)
		}
		b.Drop(t.Context())
	}
}
