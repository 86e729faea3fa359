package policy

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"correio/services/internal/clock"
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
)

// What greylisting waits for and remembers, in the lab's time.
const (
	GreyDelay = time.Duration(lab.DefaultGreylist) // of the reserved local part
	greyKeep  = 24 * time.Hour                     // or twice the delay, for who has not
	knownKeep = 7 * 24 * time.Hour                 // RFC 6647 §5: a week at least, for who has come back
	netKeep   = 30 * 24 * time.Hour
	// greyEntries and greyNets bound the memory, the former for strangers and for
	// who has come back each: who was not seen for longest makes room.
	greyEntries = 10_000
	greyNets    = 10_000
	// greyPasses is after how many mails that it has come back with a network is a
	// stranger no more.
	greyPasses = 5
)

// Greylist refuses whom it does not know for a while: spammers rarely come
// back, mail servers do (RFC 6647). It knows a client by its network, together
// with sender and recipient.
//
// It keeps that in memory alone. A host that starts anew, and each of several
// MX hosts, takes everybody for a stranger once: that costs an attempt, and no
// mail.
type Greylist struct {
	delay, keep, keepKnown, keepNets time.Duration // in real time
	passes                           int           // 0: networks are never trusted

	mu      sync.Mutex                 // guards what follows
	waiting recent[greyKey, time.Time] // since when
	known   recent[greyKey, struct{}]  // who has come back
	net     recent[netip.Prefix, int]  // how many mails it has come back with
}

type greyKey struct {
	net      netip.Prefix
	from, to string
}

// NewGreylist returns an empty one, without trust in networks, for the reserved
// local part of a lab of that speed.
func NewGreylist(speed clock.Speed) *Greylist { return newGreylist(GreyDelay, 0, speed) }

// newStrangers returns that of a site's policy; nil when it has none.
func newStrangers(org *lab.Org, speed clock.Speed) *Greylist {
	if org.SMTP.Greylist == 0 {
		return nil
	}
	return newGreylist(time.Duration(org.SMTP.Greylist), greyPasses, speed)
}

func newGreylist(delay time.Duration, passes int, speed clock.Speed) *Greylist {
	return &Greylist{
		delay: speed.Real(delay), passes: passes,
		keep: speed.Real(max(greyKeep, 2*delay)), keepKnown: speed.Real(knownKeep), keepNets: speed.Real(netKeep),
		waiting: newRecent[greyKey, time.Time](greyEntries), known: newRecent[greyKey, struct{}](greyEntries),
		net: newRecent[netip.Prefix, int](greyNets),
	}
}

// Pass reports whether a recipient may be accepted now. The first question
// about it starts the delay; questions in between do not prolong it.
func (g *Greylist) Pass(client netip.Addr, from, to mailaddr.Address, now time.Time) bool {
	passes, _ := g.pass(client, from, to, now)
	return passes
}

// pass is Pass; back says that the client has come back for this recipient now,
// for the first time.
func (g *Greylist) pass(client netip.Addr, from, to mailaddr.Address, now time.Time) (passes, back bool) {
	key := greyKey{network(client), folded(from), folded(to)}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting.forget(now.Add(-g.keep))
	g.known.forget(now.Add(-g.keepKnown))
	g.net.forget(now.Add(-g.keepNets))
	count := g.net.get(key.net)
	if count != nil && g.passes > 0 && *count >= g.passes {
		g.net.put(key.net, *count, now)
		return true, false
	}
	if g.known.get(key) == nil {
		switch first := g.waiting.get(key); {
		case first == nil:
			g.waiting.put(key, now, now)
			return false, false
		case now.Sub(*first) < g.delay:
			return false, false
		}
		g.waiting.remove(g.waiting.at[key])
		back = true
	}
	g.known.put(key, struct{}{}, now)
	return true, back
}

// Trust counts a mail that the client has come back with, whoever its recipients
// are.
func (g *Greylist) Trust(client netip.Addr, now time.Time) {
	if g.passes == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	net, count := network(client), 1
	if before := g.net.get(net); before != nil {
		count += *before
	}
	g.net.put(net, count, now)
}

// folded is an address as the greylist knows it, however it is written.
func folded(a mailaddr.Address) string {
	a = a.ALabels()
	return mailaddr.Fold(a.Local) + "@" + a.Domain
}

// network is what large senders share: they try again from a neighbour.
func network(a netip.Addr) netip.Prefix {
	bits := 24
	if a = a.Unmap(); a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero Prefix for no address
	return p
}

// recent is a map that knows when each of its entries was last put, and keeps
// the latest ones.
type recent[K comparable, V any] struct {
	limit int
	at    map[K]*list.Element
	order *list.List // of *entry[K, V], by time
}

type entry[K comparable, V any] struct {
	key   K
	value V
	seen  time.Time
}

func newRecent[K comparable, V any](limit int) recent[K, V] {
	return recent[K, V]{limit: limit, at: map[K]*list.Element{}, order: list.New()}
}

// get returns the value of a key, or nil.
func (r *recent[K, V]) get(key K) *V {
	if e := r.at[key]; e != nil {
		return &e.Value.(*entry[K, V]).value
	}
	return nil
}

func (r *recent[K, V]) put(key K, value V, now time.Time) {
	if e := r.at[key]; e != nil {
		e.Value = &entry[K, V]{key, value, now}
		r.order.MoveToBack(e)
		return
	}
	if len(r.at) >= r.limit {
		r.remove(r.order.Front())
	}
	r.at[key] = r.order.PushBack(&entry[K, V]{key, value, now})
}

// forget removes what was last put before a time.
func (r *recent[K, V]) forget(before time.Time) {
	for e := r.order.Front(); e != nil && e.Value.(*entry[K, V]).seen.Before(before); e = r.order.Front() {
		r.remove(e)
	}
}

func (r *recent[K, V]) remove(e *list.Element) {
	delete(r.at, e.Value.(*entry[K, V]).key)
	r.order.Remove(e)
}
