package smtpd

import (
	"net/netip"
	"sync"
	"time"
)

// Guard is what the servers of one node know together about their clients, by
// address: how many connections are open, how many commands were given in the
// last minute, and how often AUTH failed.
//
// Commands and failures are counted in buckets that leak a minute's worth in a
// minute: a client may use up the whole of it in a burst. What brought an
// accepted message is given back, so that only who sends no mail is slowed.
type Guard struct {
	total, perClient   int
	commands, failures float64 // a minute's worth; commands < 0: no limit

	mu      sync.Mutex // guards what follows, and every client
	open    int
	clients map[netip.Addr]*client
}

// client is one address. While it has connections it stays in the table.
type client struct {
	open               int
	commands, failures bucket
}

// bucket leaks all the time.
type bucket struct {
	level float64
	at    time.Time // when level was right
}

func (b *bucket) leak(now time.Time, perMinute float64) {
	b.level = max(0, b.level-perMinute*now.Sub(b.at).Minutes())
	b.at = now
}

const (
	// addressFailures is how many sessions' worth of failed AUTH an address has
	// in a minute.
	addressFailures = 10
	// maxClients is how many addresses without a connection are remembered.
	maxClients = 4096
)

// NewGuard returns a guard that keeps the limits on connections, commands and
// AUTH failures.
func NewGuard(l Limits) *Guard {
	l = l.withDefaults()
	return &Guard{
		total: l.Connections, perClient: l.PerClient,
		commands: float64(l.Commands), failures: float64(addressFailures * l.AuthFailures),
		clients: map[netip.Addr]*client{},
	}
}

// enter counts a connection, or says that it is one too many.
func (g *Guard) enter(addr netip.Addr) (*client, bool) {
	addr = household(addr)
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.clients[addr]
	if g.open >= g.total || c != nil && c.open >= g.perClient {
		return nil, false
	}
	if c == nil {
		c = &client{}
		g.makeRoom()
		g.clients[addr] = c
	}
	g.open++
	c.open++
	return c, true
}

// household is what counts as one client: an IPv4 address, or the /64 that one
// site of IPv6 has all the addresses of.
func household(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

func (g *Guard) leave(c *client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	c.open--
}

// makeRoom keeps the table small: of a few clients that are gone, the one with
// the least to its name is forgotten.
func (g *Guard) makeRoom() {
	if len(g.clients) < g.total+maxClients {
		return
	}
	const sample = 8
	seen, least := 0, 0.0
	var victim netip.Addr
	for addr, c := range g.clients { // begins anywhere; all but g.total are gone
		if c.open > 0 {
			continue
		}
		if used := c.commands.level + c.failures.level; seen == 0 || used < least {
			victim, least = addr, used
		}
		if seen++; seen == sample {
			break
		}
	}
	delete(g.clients, victim)
}

// command counts a command, or says that it is one too many.
func (g *Guard) command(c *client, now time.Time) bool {
	if g.commands < 0 {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c.commands.leak(now, g.commands)
	if c.commands.level+1 > g.commands {
		return false
	}
	c.commands.level++
	return true
}

// giveBack takes commands back that led to an accepted message.
func (g *Guard) giveBack(c *client, n int) {
	if g.commands < 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c.commands.level = max(0, c.commands.level-float64(n))
}

// authFailed counts a failed AUTH.
func (g *Guard) authFailed(c *client, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.failures.leak(now, g.failures)
	c.failures.level++
}

// mayAuth reports whether the address may fail once more.
func (g *Guard) mayAuth(c *client, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.failures.leak(now, g.failures)
	return c.failures.level+1 <= g.failures
}
