package run

import (
	"strings"
	"testing"
	"time"
)

const full = "452 4.3.1" // the reply of a host without room (RFC 3463 §3.4)

// smallDisk starts a node anew on an empty disk of so many octets.
func (o own) smallDisk(node string, size int) (dir string) {
	o.t.Helper()
	o.correio("down", node)
	dir = o.state(node)
	mountSmall(o.t, dir, size)
	o.correio("up", node)
	return dir
}

// sendUntil sends messages of so many octets, eight at a time, until it is done.
func (l *ledger) sendUntil(name string, size int, to string, done func() bool) {
	l.t.Helper()
	for batch := range "abcdefghijklmnopqrstuvwxyz" {
		l.sendAll(name+string(rune('a'+batch)), 8, size, to)
		if done() {
			return
		}
	}
	l.t.Fatal("the disk does not get full")
}

// The queue of Aurora's MTA grows, as Cedro is away, until the disk is full; and
// then somebody else takes what is left of the disk.
func TestAdversityFullDiskOfAnMTA(t *testing.T) {
	l := newLedger(ownLabOf(t))
	const node, to, size = "mx1.aurora.test", "carla@cedro.test", 600 << 10
	dir := l.smallDisk(node, 40<<20)
	cedro := []string{"down", "mx1.cedro.test", "mx2.cedro.test"}
	l.correio(cedro...)
	l.sendUntil("queued", size, to, func() bool { return l.replies[full] > 0 })
	if n := len(l.queue(node)); n != len(l.accepted) || n < 8 {
		t.Errorf("%d messages are accepted and %d queued", len(l.accepted), n)
	}

	free := fill(t, dir)
	l.sendAll("last", 8, size, to)
	l.sendAll("tiny", 8, 100, to)
	for reply := range l.replies {
		if reply != full {
			t.Errorf("a full disk was %s to clients", reply)
		}
	}
	// What comes back reads the same disk: nothing is half written.
	l.correio("down", node)
	free()
	l.correio("up", node)
	if n := len(l.queue(node)); n != len(l.accepted) {
		t.Errorf("%d messages are accepted and after a restart %d are queued", len(l.accepted), n)
	}

	// The host is back while the disk is full to the last octet: what it gets
	// cannot be written down, and must not be sent again for that.
	free = fill(t, dir)
	cedro[0] = "up"
	l.correio(cedro...)
	l.await("an attempt on the full disk", patience, func() bool {
		return l.logged(node, "attempt not begun") || l.logged(node, "outcome not written") || len(l.queue(node)) < len(l.accepted)
	})
	free()
	look := func() { l.fetch(cedroMDA, "carla") }
	l.settle(time.Minute, look, node)
	l.idle(node)
	l.check(nil)

	// Room has been made: the node must find it.
	before := len(l.accepted)
	l.sendAll("after", 8, size, to)
	if n := len(l.accepted) - before; n != 8 {
		t.Errorf("of 8 messages after room was made %d are accepted: %v", n, l.replies)
	}
	l.settle(time.Minute, look, node)
	l.check(nil)
}

// The mailboxes of Boreal grow until their disk is full; what does not fit waits
// in the queue of Boreal's MTA, until Bruno has fetched and deleted.
func TestAdversityFullDiskOfAnMDA(t *testing.T) {
	l := newLedger(ownLabOf(t))
	const node, mx, size = "mda.boreal.test", "mx1.boreal.test", 600 << 10
	l.smallDisk(node, 24<<20)
	l.sendUntil("letter", size, "bruno@boreal.test", func() bool {
		for _, m := range l.queue(mx) {
			if strings.HasPrefix(m.LastReply, full) {
				return true
			}
		}
		return false
	})
	if len(l.replies) > 0 {
		t.Errorf("refused at submission: %v", l.replies)
	}
	l.settle(time.Minute, func() { l.fetch(borealMDAHost, "bruno") }, mx, "mx2.boreal.test", "mx1.aurora.test")
	l.idle(mx, "mx1.aurora.test")
	l.check(nil)
}
