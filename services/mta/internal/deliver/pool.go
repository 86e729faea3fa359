package deliver

import (
	"context"
	"math"
	"sync"
	"time"

	"correio/services/internal/smtpc"
)

// Bounds of the connections that are kept for reuse, in real time.
const (
	idleTime        = 10 * time.Second
	maxIdlePerHost  = 20 // as many as the queue uses at a time: opening one costs a TLS handshake
	maxIdleMDA      = 60 // clients wait for these
	maxIdle         = 160
	maxTransactions = 200 // on one connection
	quitTime        = 2 * time.Second
)

// pool keeps idle connections for a short while. They are known by the address
// they lead to, so a message only ever travels to a host that was chosen for
// it.
type pool struct {
	mu     sync.Mutex // guards what follows
	idle   map[target][]*kept
	count  int
	closed bool
	quits  sync.WaitGroup // connections that are saying good-bye
}

// kept is an idle connection with the timer that ends it.
type kept struct {
	c     *smtpc.Client
	at    target // its key
	timer *time.Timer
}

func newPool() *pool { return &pool{idle: map[target][]*kept{}} }

// key is what makes two targets the same place: whatever the domain, or by the domain
// where the host limits how many it hears of in a session (RFC 9422 §4.3).
func key(t target, byDomain bool) target {
	k := target{name: t.name, addr: t.addr, proto: t.proto}
	if byDomain {
		k.domain = t.domain
	}
	return k
}

// get returns the connection that was used last, or nil.
func (p *pool) get(t target) *smtpc.Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[key(t, false)]
	if len(list) == 0 {
		list = p.idle[key(t, true)]
	}
	if len(list) == 0 {
		return nil
	}
	k := list[len(list)-1]
	p.remove(k)
	k.timer.Stop()
	return k.c
}

// put keeps a connection, or ends it when it is of no more use. That mail went in
// clear on it because TLS failed holds for one message: the next one tries again, as
// RFC 7435 §3 wants as much security each time as there can be.
func (p *pool) put(t target, c *smtpc.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := key(t, limit(c, "RCPTDOMAINMAX", math.MaxInt) < math.MaxInt)
	if p.closed || !c.Usable() || t.noTLS != nil || spent(c) ||
		p.count >= maxIdle || len(p.idle[at]) >= mostIdle(t) {
		p.quit(c)
		return
	}
	k := &kept{c: c, at: at}
	k.timer = time.AfterFunc(idleTime, func() { p.expire(k) })
	p.idle[at] = append(p.idle[at], k)
	p.count++
}

func mostIdle(t target) int {
	if t.proto == smtpc.LMTP {
		return maxIdleMDA
	}
	return maxIdlePerHost
}

// release keeps a connection when reset has ended its transaction, without
// holding up anybody.
func (p *pool) release(t target, c *smtpc.Client, reset func(ctx context.Context)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.quit(c)
		return
	}
	p.quits.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), quitTime)
		defer cancel()
		reset(ctx)
		p.put(t, c)
	})
}

// drop ends a connection that is of no use.
func (p *pool) drop(c *smtpc.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quit(c)
}

func (p *pool) expire(k *kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.remove(k) {
		p.quit(k.c)
	}
}

// remove takes a connection out. The caller holds mu.
func (p *pool) remove(k *kept) bool {
	list := p.idle[k.at]
	for i := range list {
		if list[i] != k {
			continue
		}
		list = append(list[:i], list[i+1:]...)
		if p.idle[k.at] = list; len(list) == 0 {
			delete(p.idle, k.at)
		}
		p.count--
		return true
	}
	return false
}

// quit says good-bye without holding up anybody. The caller holds mu.
func (p *pool) quit(c *smtpc.Client) {
	p.quits.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), quitTime)
		defer cancel()
		c.Quit(ctx)
	})
}

// close ends all connections and waits until they have.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, list := range p.idle {
		for _, k := range list {
			k.timer.Stop()
			p.quit(k.c)
		}
	}
	clear(p.idle)
	p.count = 0
	p.mu.Unlock()
	p.quits.Wait()
}
