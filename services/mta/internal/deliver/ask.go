package deliver

import (
	"context"
	"errors"
	"sync"
	"time"

	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
)

// Bounds of the connections with the MDA that serve clients who wait.
const (
	maxAsks   = 24  // questions at a time
	maxHeld   = 100 // transactions that wait for their message, or bring it
	maxDirect = 16  // messages brought at a time without such a transaction
	maxAsked  = 1000
)

// Why the MDA was not asked.
var (
	errNoMDA  = errors.New("the site has no MDA")
	errBusy   = errors.New("too many questions to the MDA at a time")
	errSilent = errors.New("the MDA did not answer a moment ago")
)

// asked is what the MDA has agreed to in one transaction of a client. The
// transaction that the questions were asked in is kept open while there is a
// place for it, so that the message can follow in it.
type asked struct {
	to   []mailaddr.Address // who has a mailbox, in the order asked
	held *held              // nil when questions were asked one by one
}

// held is a transaction with the MDA that waits for its message.
type held struct {
	t     target
	c     *smtpc.Client
	tx    *smtpc.Begun
	timer *time.Timer // takes it back when the client takes too long
}

// inquiries are the clients' transactions by our queue id. Whoever takes one
// out owns it.
type inquiries struct {
	mu    sync.Mutex // guards what follows
	all   map[string]*asked
	quiet time.Time // until when the MDA is not asked
}

// mayAsk reports whether the MDA is to be asked now.
func (q *inquiries) mayAsk() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !time.Now().Before(q.quiet)
}

// pause keeps questions from the MDA for a while.
func (q *inquiries) pause(d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.quiet = time.Now().Add(d)
}

func (q *inquiries) take(queue string) *asked {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.all[queue]
	delete(q.all, queue)
	return a
}

// put keeps an inquiry, if there are not too many.
func (q *inquiries) put(queue string, a *asked) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.all) >= maxAsked {
		return false
	}
	q.all[queue] = a
	return true
}

// unhold parts an inquiry from its transaction, unless somebody has taken it out.
func (q *inquiries) unhold(queue string, h *held) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.all[queue]
	if a == nil || a.held != h {
		return false
	}
	a.held = nil
	return true
}

// Ask asks the site's MDA whether it would take mail for an address, and
// returns its answer. An error means that it could not be asked. When it has let a
// question wait for all of Config.Ask, it is not asked for as long again: the next
// recipients of a pipeline would wait one after the other, and the client for all
// of them. queue is the client's transaction: Direct may go on with it, and Forget
// ends it.
func (d *Deliverer) Ask(ctx context.Context, from mailaddr.Address, size int64, to mailaddr.Address, queue string) (reply.Reply, error) {
	t, ok := d.mda()
	if !ok {
		return reply.Reply{}, errNoMDA
	}
	if !d.inquiries.mayAsk() {
		return reply.Reply{}, errSilent
	}
	asking, cancel := context.WithTimeout(ctx, d.cfg.Ask)
	defer cancel()
	a := d.inquiries.take(queue)
	if a == nil {
		a = &asked{}
	}
	q := question{smtpc.Envelope{From: from, Size: size, UTF8: !from.ASCII() || !to.ASCII()}, to, queue}
	rep, err := d.askWithin(asking, t, a, q)
	switch {
	case err == nil && rep.Code == 250:
		a.to = append(a.to, to)
	case err != nil && !errors.Is(err, errBusy) && ctx.Err() == nil && (asking.Err() != nil || isTimeout(err)):
		d.inquiries.pause(d.cfg.Ask)
	}
	d.keepAsked(queue, a)
	return rep, err
}

// question is about one recipient of a client's transaction.
type question struct {
	env   smtpc.Envelope
	to    mailaddr.Address
	queue string
}

// askWithin asks in the transaction that is open, or else in a new one.
func (d *Deliverer) askWithin(ctx context.Context, t target, a *asked, q question) (reply.Reply, error) {
	if a.held != nil && !a.held.mayName(q.to) {
		d.letGo(a)
	}
	if h := a.held; h != nil {
		h.timer.Stop()
		rep, err := h.tx.Name(ctx, smtpc.Recipient{To: q.to})
		if err == nil {
			return rep, nil
		}
		d.letGo(a)
	}
	if err := ctx.Err(); err != nil { // the transaction that was open has taken all the time
		return reply.Reply{}, err
	}
	select {
	case d.asks <- struct{}{}:
		defer func() { <-d.asks }()
	case <-ctx.Done():
		return reply.Reply{}, errBusy
	}
	c, reused, err := d.connect(ctx, &t, q.queue)
	if err != nil {
		return reply.Reply{}, err
	}
	rep, err := d.askOn(ctx, t, c, a, q)
	if err != nil && reused && ctx.Err() == nil {
		t.fresh = true
		if c, _, err = d.connect(ctx, &t, q.queue); err != nil {
			return reply.Reply{}, err
		}
		rep, err = d.askOn(ctx, t, c, a, q)
	}
	return rep, err
}

// mayName reports whether an address may be named in the transaction: RFC 6531
// §3.4 wants SMTPUTF8 said in MAIL for one that is not ASCII.
func (h *held) mayName(to mailaddr.Address) bool { return to.ASCII() || h.tx.Envelope().UTF8 }

// askOn asks on a connection, which it takes over.
func (d *Deliverer) askOn(ctx context.Context, t target, c *smtpc.Client, a *asked, q question) (reply.Reply, error) {
	if len(a.to) > 0 || !d.mayBeDirect() || !d.reserve() {
		rep, err := c.Ask(ctx, q.env.From, q.env.Size, q.to, q.queue)
		d.pool.put(t, c)
		return rep, err
	}
	tx := c.Begin(q.env, q.queue)
	rep, err := tx.Name(ctx, smtpc.Recipient{To: q.to})
	if err != nil {
		d.pool.drop(c)
		<-d.places
		return rep, err
	}
	a.held = &held{t: t, c: c, tx: tx}
	return rep, nil
}

// reserve takes a place for a transaction that is to be kept open.
func (d *Deliverer) reserve() bool {
	select {
	case d.places <- struct{}{}:
		return true
	default:
		return false
	}
}

// keepAsked remembers what was asked, until Direct, Forget, or too long a pause.
func (d *Deliverer) keepAsked(queue string, a *asked) {
	if h := a.held; h != nil {
		h.timer = time.AfterFunc(d.cfg.Hold, func() { d.expire(queue, h) })
	}
	if !d.inquiries.put(queue, a) {
		d.letGo(a)
	}
}

// expire takes a transaction back that was held for too long. What was asked
// stays known.
func (d *Deliverer) expire(queue string, h *held) {
	if d.inquiries.unhold(queue, h) {
		d.takeBack(h)
	}
}

// Forget ends what Ask has begun for a transaction of a client.
func (d *Deliverer) Forget(queue string) {
	if a := d.inquiries.take(queue); a != nil {
		d.letGo(a)
	}
}

// letGo takes back a transaction that will not get its message.
func (d *Deliverer) letGo(a *asked) {
	if h := a.held; h != nil {
		a.held = nil
		h.timer.Stop()
		d.takeBack(h)
	}
}

func (d *Deliverer) takeBack(h *held) {
	d.pool.release(h.t, h.c, h.tx.Drop)
	<-d.places
}
