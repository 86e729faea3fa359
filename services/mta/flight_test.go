package mta

import (
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/smtpc"
)

// bringToAlice has somebody at Boreal write to Alice, who wants to hear of the
// delivery: what the MDA has is spooled for the report. It returns the queue id.
func (w *world) bringToAlice(t *testing.T) string {
	t.Helper()
	c := w.connect(pc, "198.18.1.25:25", "")
	defer c.Close()
	env := smtpc.Envelope{From: w.address("x@boreal.test"), To: []smtpc.Recipient{{To: w.address("alice@aurora.test"), Notify: "SUCCESS"}}}
	r := c.Send(t.Context(), env, strings.NewReader(message), smtpc.SendOptions{})[0]
	if !r.Delivered() {
		t.Fatalf("%+v", r)
	}
	return smtpc.QueuedAs(r.Reply)
}

// copies counts those of a recipient.
func (m *mailboxes) copies(to string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.got {
		if s.to == to {
			n++
		}
	}
	return n
}

// A message that the MDA had already was brought once more where its job was
// parked: the queue forgot how far it was.
func TestMessageThatTheMDAHasIsNotBroughtAgainWhenItWasDead(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	for range 5 {
		c := w.connect(pc, "198.18.1.25:25", "")
		w.send(c, "bruno@boreal.test", message, "ana@aurora.test")
		c.Close()
	}
	aurora.waitEvent(t, "the death", queueEvent(event.Dead, ""))
	box := w.mda("198.19.1.110:24")
	id := w.bringToAlice(t)
	aurora.waitEvent(t, "the removal", queueEvent(event.Removed, id))
	if n, words := box.copies("alice@aurora.test"), aurora.queueWords(id); n != 1 || words != "attempt accepted delivered removed" {
		t.Errorf("%d copies; %s", n, words)
	}
	// And that it was there is news about the others' destination.
	aurora.waitEvent(t, "the return", queueEvent(event.Alive, ""))
	box.wait(t, 6)
}

// So it was while somebody gave the queue an order.
func TestMessageThatTheMDAHasIsNotBroughtAgainDuringAnOrder(t *testing.T) {
	w := newWorld(t)
	box := w.mda("198.19.1.110:24")
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	var id string
	err := aurora.Node.queue.Change(func() error {
		id = w.bringToAlice(t)
		aurora.waitEvent(t, "the removal", queueEvent(event.Removed, id))
		return nil
	})
	if n, words := box.copies("alice@aurora.test"), aurora.queueWords(id); err != nil || n != 1 || words != "attempt accepted delivered removed" {
		t.Errorf("%v, %d copies; %s", err, n, words)
	}
}

// When the spool did not take what the MDA had, the client heard 451, and every
// copy that it sent again arrived.
func TestMessageThatTheMDAHasIsAcceptedThoughTheSpoolFails(t *testing.T) {
	w := newWorld(t)
	box := w.mda("198.19.1.110:24")
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	damage(t, aurora.env.State, "CREATE TRIGGER full BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'disk full'); END")
	id := w.bringToAlice(t)
	aurora.waitEvent(t, "the removal", queueEvent(event.Removed, id))
	if n := box.copies("alice@aurora.test"); n != 1 {
		t.Errorf("%d copies", n)
	}
}
