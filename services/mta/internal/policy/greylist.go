package policy

import (
	"net/netip"
	"sync"
	"time"

	"correio/services/internal/clock"
	"correio/services/internal/mailaddr"
)

// What greylisting waits for and remembers, in the lab's time. Real servers
// wait some minutes; a class watches this one.
const (
	GreyDelay = 10 * time.Second
	greyKeep  = 24 * time.Hour
	// greyEntries bounds the memory: the oldest entry makes room.
	greyEntries = 10_000
)

// Greylist refuses whom it does not know for a while: spammers rarely come
// back, mail servers do (RFC 6647). It knows a client by its network, together
// with sender and recipient; it keeps that in memory alone.
type Greylist struct {
	delay, keep time.Duration // in real time

	mu    sync.Mutex // guards what follows
	first map[greyKey]time.Time
	order []greyKey // as they came, oldest first
}

type greyKey struct {
	net      netip.Prefix
	from, to string
}

// NewGreylist returns an empty one for a lab of that speed.
func NewGreylist(speed clock.Speed) *Greylist {
	return &Greylist{delay: speed.Real(GreyDelay), keep: speed.Real(greyKeep), first: map[greyKey]time.Time{}}
}

// Pass reports whether a recipient may be accepted now. The first question
// about it starts the delay; questions in between do not prolong it.
func (g *Greylist) Pass(client netip.Addr, from, to mailaddr.Address, now time.Time) bool {
	key := greyKey{network(client), folded(from), folded(to)}
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.order) > 0 && now.Sub(g.first[g.order[0]]) > g.keep {
		g.forget()
	}
	first, known := g.first[key]
	if !known {
		if len(g.order) >= greyEntries {
			g.forget()
		}
		g.first[key] = now
		g.order = append(g.order, key)
		return false
	}
	return now.Sub(first) >= g.delay
}

// folded is an address as the greylist knows it, however it is written.
func folded(a mailaddr.Address) string {
	a = a.ALabels()
	return mailaddr.Fold(a.Local) + "@" + a.Domain
}

func (g *Greylist) forget() {
	delete(g.first, g.order[0])
	g.order = g.order[1:]
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
