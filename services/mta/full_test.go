package mta

import (
	"fmt"
	"strings"
	"testing"

	"correio/services/internal/lab"
	"correio/services/internal/smtpc"
)

// limits: {queue: 1024} in org.yaml: what is to wait for others is 452 when there
// is too much of it, and own mailboxes get their mail.
func TestFullQueueRefusesWhatWouldWait(t *testing.T) {
	w := newWorld(t)
	w.mda("198.19.1.110:24")
	aurora := w.configured("aurora", "mx1.aurora.test", func(o *lab.Org) { o.Limits.Queue = 1024 })
	id := w.queued(t, aurora, "x@one.casos.test")[0]
	c := w.connect(pc, "198.18.1.25:587", "ana")
	long := message + strings.Repeat("x", 800)
	for _, test := range []struct{ name, message, to, want string }{
		{"at RCPT, by SIZE", long, "y@one.casos.test", "rcpt: 452 4.3.1"},
		{"our own mailbox", long, "alice@aurora.test", "done: 250 2.0.0"},
		{"what has room", message, "y@one.casos.test", "done: 250 2.0.0"},
	} {
		r := c.Send(t.Context(), smtpc.Envelope{
			From: w.address("ana@aurora.test"), To: []smtpc.Recipient{{To: w.address(test.to)}}, Size: int64(len(test.message)),
		}, strings.NewReader(test.message), smtpc.SendOptions{})[0]
		if got := fmt.Sprintf("%s: %s", r.Step, r.Reply); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	// Who does not say how large it is hears it at the end.
	if r := w.send(c, "ana@aurora.test", message, "z@one.casos.test")[0]; fmt.Sprintf("%s: %s", r.Step, r.Reply)[:15] != "done: 452 4.3.1" {
		t.Errorf("without SIZE: %s: %s", r.Step, r.Reply)
	}
	aurora.order1(t, "drop", byID(id))
	if r := w.send(c, "ana@aurora.test", message, "z@one.casos.test")[0]; !r.Delivered() {
		t.Errorf("after a drop: %+v", r)
	}
}
