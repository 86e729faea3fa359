package run

import (
	"sync/atomic"
	"testing"
)

// clearPeer is a host that offers no STARTTLS.
var clearPeer = peerCase{name: "clear"}

// An organisation that wants other hosts to prove who they are brings mail to
// those that do, and keeps the rest: a host without STARTTLS hears no sender.
func TestTLSThatIsDemanded(t *testing.T) {
	const node = "mx1.aurora.test"
	o := ownLabOf(t)
	addPeers(t)
	var senders atomic.Int32
	p := &peer{ledger: newLedger(o), next: func(at stage) (trouble, bool) {
		if at == mailFrom {
			senders.Add(1)
		}
		return trouble{}, false
	}}
	startPeer(t, p, peerAddress(0))
	const clear = "x@clear.casos.test"
	o.correio("send", "--from", sender, "--to", clear)
	var kept waiting
	o.await("the mail to be deferred", patience, func() bool {
		q := o.queue(node)
		if len(q) == 1 {
			kept = q[0]
		}
		return kept.LastReply != ""
	})
	if want := "451 4.7.4 host.clear.casos.test does not offer STARTTLS, which is required"; kept.State != "deferred" || kept.LastReply != want {
		t.Errorf("%+v, want it deferred by %q", kept, want)
	}
	o.await("the peer to be left alone", patience, func() bool { return p.talking.Load() == 0 })
	if n := senders.Load(); n > 0 {
		t.Errorf("the peer was told a sender %d times", n)
	}

	o.correio("send", "--from", sender, "--to", "bruno@boreal.test")
	o.correio("trace", "--last", "--wait", "delivered")
}
