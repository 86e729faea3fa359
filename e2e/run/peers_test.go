package run

import (
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// everyState are hosts that fail in each state of a session, in each way.
var everyState = everyStateCases()

func everyStateCases() []peerCase {
	var cases []peerCase
	for _, at := range stages {
		name := strings.ToLower(string(at))
		cases = append(cases, peerCase{name: name + "-vanishes", troubles: []trouble{{at: at}, {at: at, reset: true}, {at: at}}})
		if at == midText { // where a host cannot say anything
			continue
		}
		cases = append(cases,
			peerCase{name: name + "-later", troubles: []trouble{{at: at, say: "451 4.3.0 Later"}, {at: at, say: "421 4.3.2 Later"}}},
			peerCase{name: name + "-half-a-word", troubles: []trouble{{at: at, say: "451 4.3.0 Later", cut: true}}},
			// A host that is out of service, or knows no EHLO (RFC 5321 §3.1,
			// §4.1.1.1), says nothing about the message.
			peerCase{name: name + "-refuses", troubles: []trouble{{at: at, say: "554 5.3.0 No"}}, reported: at != greeting && at != hello},
		)
	}
	var all []trouble
	for _, at := range stages {
		all = append(all, trouble{at: at})
	}
	return append(cases,
		peerCase{name: "all-in-turn", troubles: all},
		peerCase{name: "quit-vanishes", troubles: []trouble{{at: goodbye}}},
		// The window of RFC 5321 §4.5.4.1: the host has the message, and its
		// reply does not arrive. It must be sent again.
		peerCase{name: "window", troubles: []trouble{{at: finalDot, keep: true}}},
		peerCase{name: "window-reset", troubles: []trouble{{at: finalDot, keep: true, reset: true}, {at: finalDot, keep: true}}},
		peerCase{name: "window-half", troubles: []trouble{{at: finalDot, say: "250 2.0.0 Ok", cut: true, keep: true}}},
	)
}

// A mail to each: it arrives as often as the host has taken it without being
// able to say so, and once more; or it comes back.
func TestAdversityPeersThatFailInEveryState(t *testing.T) {
	l := newLedger(ownLabOf(t))
	addPeers(t)
	var peers []*peer
	var to []string
	for i, c := range everyState {
		p := &peer{ledger: l, next: inOrder(c.troubles)}
		startPeer(t, p, peerAddress(i))
		peers, to = append(peers, p), append(to, "x@"+c.domain())
	}
	l.sendAll("state", len(to), 20_000, to...)
	if len(l.accepted) != len(everyState) {
		t.Fatalf("%d of %d messages are accepted: %v", len(l.accepted), len(everyState), l.replies)
	}
	const node = "mx1.aurora.test"
	l.settle(time.Minute, l.reports, node)
	l.idle(node)
	lost := map[string]int{}
	for i, p := range peers {
		maps.Copy(lost, p.lost)
		mark := markOf("state", i)
		if reported := l.reported[mark] > 0; reported != everyState[i].reported {
			t.Errorf("%s: reported as failed: %t", everyState[i].name, reported)
		}
		if tr, left := p.next(everyState[i].troubles[len(everyState[i].troubles)-1].at); left && everyState[i].name != "quit-vanishes" {
			t.Errorf("%s: %+v did not happen", everyState[i].name, tr)
		}
	}
	l.check(lost)
	if len(lost) != 3 {
		t.Errorf("duplicates of %v, want of the three in the window", lost)
	}
}

// randomPeer fails as it likes.
var randomPeer = peerCase{name: "random"}

// chance is trouble at random.
type chance struct {
	mu   sync.Mutex // guards what follows
	rand *rand.Rand
	had  map[stage]int
}

func (c *chance) next(at stage) (trouble, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Once in so many times: connections are few, messages many.
	once := map[stage]int{greeting: 5, hello: 5, mailFrom: 20, rcptTo: 20, data: 20, midText: 20, finalDot: 10}[at]
	if once == 0 || c.rand.IntN(once) > 0 {
		return trouble{}, false
	}
	c.had[at]++
	tr := trouble{at: at, reset: c.rand.IntN(2) == 0}
	if at != midText && c.rand.IntN(3) == 0 {
		tr.say = "451 4.3.0 Later"
	}
	if at == finalDot && tr.say == "" {
		tr.keep = c.rand.IntN(2) == 0
	}
	return tr, true
}

// Hundreds of mails to a host that vanishes at any moment: none is lost, and the
// only ones that come twice are those whose 250 did.
func TestAdversityPeerThatVanishesAtRandom(t *testing.T) {
	l := newLedger(ownLabOf(t))
	addPeers(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &chance{rand: rand.New(rand.NewPCG(seed, 0)), had: map[stage]int{}}
	p := &peer{ledger: l, next: c.next}
	startPeer(t, p, peerAddress(0))
	const mails = 400
	l.sendAll("random", mails, 3000, "x@"+randomPeer.domain())
	if len(l.accepted) != mails {
		t.Errorf("%d of %d messages are accepted: %v", len(l.accepted), mails, l.replies)
	}
	const node = "mx1.aurora.test"
	l.settle(90*time.Second, func() {}, node)
	l.idle(node)
	l.check(p.lost)
	t.Logf("failures %v; taken without a word %d", c.had, len(p.lost))
	for _, at := range stages {
		if c.had[at] == 0 {
			t.Errorf("nothing went wrong at %s: this proves too little", at)
		}
	}
	if len(p.lost) == 0 {
		t.Error("nothing happened in the window: this proves too little")
	}
}

// slowPeer takes for ever.
var slowPeer = peerCase{name: "slow"}

// More mails than it gets connections wait for a host that holds each of them,
// first before its greeting and then in the middle of the message. Meanwhile
// everybody else's mail arrives.
func TestAdversitySlowPeerHoldsUpItsOwnMailOnly(t *testing.T) {
	l := newLedger(ownLabOf(t))
	addPeers(t)
	gates := map[stage]chan struct{}{greeting: make(chan struct{}), midText: make(chan struct{})}
	open := map[stage]func(){}
	for at, gate := range gates {
		open[at] = sync.OnceFunc(func() { close(gate) })
	}
	p := &peer{ledger: l, next: inOrder(nil), gate: func(at stage) {
		if gate := gates[at]; gate != nil {
			<-gate
		}
	}}
	const mails, size = 80, 20_000 // more than the places that all destinations share
	startPeer(t, p, peerAddress(0))
	for _, open := range open {
		t.Cleanup(open) // before the peer's own, which waits for its sessions
	}
	l.sendAll("slow", mails, size, "x@"+slowPeer.domain())
	for _, at := range []stage{greeting, midText} {
		l.await("the peer to hold somebody at "+string(at), patience, func() bool { return p.talking.Load() > 0 })
		l.sendAll("beside-"+string(at), 20, 1000, "bruno@boreal.test")
		l.await("mail to others", patience, func() bool {
			l.fetch(borealMDAHost, "bruno")
			return len(l.missing()) == mails
		})
		if p.talking.Load() == 0 {
			t.Errorf("nobody was held at %s meanwhile", at)
		}
		open[at]()
	}
	l.settle(time.Minute, func() {}, "mx1.aurora.test")
	l.idle("mx1.aurora.test")
	l.check(nil)
}
