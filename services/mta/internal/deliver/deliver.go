// Package deliver makes one attempt to bring a message on its way: it chooses
// the hosts (package route), speaks with them (package smtpc), and settles
// what became of each recipient in the spool, together with the report to the
// sender where there must be one.
//
// Mail of the site's own domains goes to its MDA by LMTP, except from a backup
// host: that one asks DNS, as it does for everybody's mail, and queues for the
// better MX hosts as long as there are any. When the zone names it best itself
// it is the organisation's server and brings the mail to the MDA: "change the
// MX and mail goes to the other host" must not end in a bounce. A backup for a
// domain of somebody else's is no destination; being the best there is a loop
// (5.4.6), as every operator's backup would find. A host that cannot be reached,
// refuses the connection or says 4xx is followed by the next one; a 5xx about a
// recipient is final for it. A host that ends the session when it has answered about
// some recipients hears of the others in a new one, at once. A host that cannot take
// the message, from what it offers (SIZE, 8BITMIME, SMTPUTF8, BINARYMIME), is passed
// by without a word; the message comes back, in our own name, when that is so of all
// hosts. What it refuses in clear when TLS with it has failed, and may not have
// refused behind TLS, is no last word either (inclear.go). When the connection is lost
// behind the final dot, nobody knows who has the message: it waits for the next
// attempt and is not sent elsewhere at once.
//
// The sender hears what NOTIFY asks for (RFC 3461): failures and delays without
// it, deliveries and hand-overs to hosts without DSN only by it. One report goes
// out for each kind of news of an attempt. A message without a sender is never
// reported about to anybody who might have sent it: what fails of it goes to the
// site's postmaster with the message itself, as with Postfix's
// 2bounce_notice_recipient; and when he cannot be told either, it stays in
// quarantine, in the queue for all to see. smtp.bounce-copies in org.yaml sends him
// the header of every other failed message as well. Reports alone are converted for a
// host without 8BITMIME: whoever sent 8-bit mail hears of it in any case, and gets it
// back whole where the way there takes it.
//
// Mail for the site's own mailboxes alone need not be written twice: Direct
// brings it to the MDA while the client waits, and what is stored there when it
// hears 250 was never in the spool. Everything else, and whatever the MDA does not
// say in time, goes by the spool (direct.go).
//
// An attempt ends, whatever happens: a peer that goes on without end is cut off
// after Config.Patience, and a message that makes us panic, or that cannot be
// read, is put into quarantine, where it is kept and shown. An outcome that the
// disk does not take is remembered and written later, rather than found out
// again by sending the message once more.
package deliver

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"

	"correio/services/internal/dnsclient"
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
	"correio/services/internal/node"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
	"correio/services/mta/internal/metrics"
	"correio/services/mta/internal/queue"
	"correio/services/mta/internal/route"
	"correio/services/mta/internal/schedule"
	"correio/services/mta/internal/spool"
)

// Config is what deliveries are made with.
type Config struct {
	Env     *node.Env
	Spool   *spool.Spool
	Policy  schedule.Policy
	Metrics *metrics.Metrics
	// Enqueue takes over a report that has been stored in the spool.
	Enqueue func(e *spool.Entry)
	// Timeouts of dialogues; zero values mean smtpc's defaults.
	Timeouts smtpc.Timeouts
	// Connect bounds the TCP handshake, in real time; 0 means 10 s.
	Connect time.Duration
	// Patience bounds one attempt as a whole, in real time, however slowly a
	// host lets it go on; 0 means an hour, what our own server gives a message.
	Patience time.Duration
	// TLS is how much encryption other hosts must offer.
	TLS lab.WantTLS
	// Ask is how long a client who names a recipient waits for the MDA's word on it,
	// in real time, before the recipient is queued without one; 0 means 5 s.
	Ask time.Duration
	// Direct is how long a client waits for the MDA to take its message, in real
	// time, before the message goes into the spool; 0 means 3 s, and less never
	// to try.
	Direct time.Duration
	// Hold is how long a client may pause between RCPT and the end of its message
	// before the transaction with the MDA is taken back, in real time; 0 means 10 s.
	Hold time.Duration
	// Trouble is how long to wait when our own disk fails, in real time; 0
	// means 30 s.
	Trouble time.Duration
	// Resumed is how long the next attempt waits at most behind the first one
	// since the job was taken up again, in real time: the host may be starting as
	// we are, however often the message was tried before. 0 means 10 s.
	Resumed time.Duration
}

// Deliverer makes attempts. Its methods may be called from any goroutine.
type Deliverer struct {
	cfg  Config
	env  *node.Env
	log  *slog.Logger
	dns  *dnsclient.Client
	self route.Self
	pool *pool
	box  target        // the site's MDA, if it has a name
	asks chan struct{} // places for questions to the MDA

	inquiries inquiries     // what clients' transactions have asked
	places    chan struct{} // for transactions that are held for clients
	flights   *flights

	mu        sync.Mutex             // guards unwritten
	unwritten map[unwritten]*attempt // those whose outcome the disk did not take; never more than jobs
}

// unwritten names an attempt: there is one at a time for a message and domain.
type unwritten struct{ id, domain string }

// New returns a Deliverer. Close it when no attempt runs any more.
func New(cfg Config) *Deliverer {
	if cfg.Connect <= 0 {
		cfg.Connect = 10 * time.Second
	}
	if cfg.Patience <= 0 {
		cfg.Patience = time.Hour
	}
	if cfg.Ask <= 0 {
		cfg.Ask = 5 * time.Second
	}
	if cfg.Direct == 0 {
		cfg.Direct = 3 * time.Second
	}
	if cfg.Hold <= 0 {
		cfg.Hold = 10 * time.Second
	}
	if cfg.Trouble <= 0 {
		cfg.Trouble = 30 * time.Second
	}
	if cfg.Resumed <= 0 {
		cfg.Resumed = 10 * time.Second
	}
	env := cfg.Env
	return &Deliverer{
		cfg: cfg, env: env, log: env.Log,
		dns: dnsclient.New(dnsclient.Config{
			Dial: env.Dial, Server: netip.AddrPortFrom(env.Org.Resolver, 53), Events: env.Events,
		}),
		self: route.Self{Names: []string{env.Host.Name}, Addrs: env.Addrs(), Local: env.Org.Local},
		pool: newPool(), box: findMDA(env),
		asks: make(chan struct{}, maxAsks), unwritten: map[unwritten]*attempt{},
		inquiries: inquiries{all: map[string]*asked{}}, places: make(chan struct{}, maxHeld), flights: newFlights(),
	}
}

// postmaster is who answers for the reports of this host.
func (d *Deliverer) postmaster() mailaddr.Address {
	domain := d.env.Org.Domain
	if domain == "" {
		domain = d.env.Host.Name
	}
	return mailaddr.Address{Local: "postmaster", Domain: domain}
}

// Close writes what could not be written before, if it can be now, and ends the
// connections that are kept.
func (d *Deliverer) Close() {
	d.mu.Lock()
	owed := d.unwritten
	d.unwritten = map[unwritten]*attempt{}
	d.mu.Unlock()
	for _, a := range owed {
		a.settle(context.Background())
	}
	d.flights.close()
	d.pool.close()
}

// Unwritten counts the attempts whose outcome the disk has not taken yet.
func (d *Deliverer) Unwritten() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.unwritten)
}

// attempt is one attempt at the recipients of one domain.
type attempt struct {
	d       *Deliverer
	entry   *spool.Entry
	domain  string
	number  int
	arrived time.Time // the message, as the queue counts: whoever sets the clock makes no mail older
	began   time.Time
	ended   time.Time // zero while it goes on
	next    time.Time // of the next attempt, as written before this one
	results []result  // one for each recipient of entry
	reached bool      // a host was ready to talk
	last    string    // the host that was tried last
	resumed bool      // the first one since the job was taken up again
	// unreadable is why the message is put into quarantine, if it is.
	unreadable error

	dead    *queue.Destination // nil while the destination lives
	untried bool               // no attempt has been made, and none is: it is overdue
}

// fate is where a recipient stands.
type fate int

const (
	untouched fate = iota // the attempt was cut before anything was said
	waiting
	unfit // the host cannot take the message, as we found ourselves; another one may
	delivered
	failed
)

// result is what became of one recipient.
type result struct {
	fate    fate
	reply   reply.Reply
	host    string // who said so; "" for us
	proto   smtpc.Protocol
	lost    bool // the host may have the message all the same
	dsn     bool // the host offers DSN
	expired bool // it failed as time was over, whatever was said last
	// why says more than the reply, in both languages, while the recipient waits.
	why []reason.Reason
}

// maxSaid bounds a reply where it is kept, in octets: a peer's may have 128
// lines of 2 KB, and it is kept for each recipient.
const maxSaid = 1000

// said is the reply on one line of bounded length.
func (r result) said() string { return bounded(r.reply.String()) }

func bounded(s string) string {
	if len(s) <= maxSaid {
		return s
	}
	return strings.ToValidUTF8(s[:maxSaid], "") + "…"
}

// Attempt implements queue.Attempt. A job carries its *spool.Entry when it has
// just been accepted.
func (d *Deliverer) Attempt(ctx context.Context, j queue.Job) (res queue.Result) {
	defer d.survive(j.ID, func(err error) { res = d.quarantine(ctx, j, err) })
	if a := d.takeUnwritten(j.ID, j.Domain); a != nil {
		return a.conclude(ctx, queue.Unknown)
	}
	flight, flies := d.flights.adoptedBy(j.ID, j.Domain)
	if flies {
		j.Carry = flight.entry
	}
	a, err := d.prepare(ctx, j)
	switch {
	case errors.Is(err, spool.ErrGone):
		return queue.Result{Gone: true}
	case errors.Is(err, spool.ErrUnreadable):
		return d.quarantine(ctx, j, err)
	case err != nil:
		d.log.Error("attempt not begun", "msg_id", j.ID, "err", err)
		return d.troubled(j)
	case flies:
		a.land(ctx, flight.flight)
		return a.conclude(ctx, a.reach())
	case j.Overdue:
		a.untried = j.Fresh || a.number == 0
		a.say(result{fate: waiting, reply: j.Dead.Why, host: j.Dead.Host})
		return a.conclude(ctx, queue.Unknown)
	}
	if err := a.runBounded(ctx); err != nil {
		a.unreadable = err
	}
	return a.conclude(ctx, a.reach())
}

// troubled is the result of an attempt that our own disk has kept from being made.
func (d *Deliverer) troubled(j queue.Job) queue.Result {
	return queue.Result{Next: time.Now().Add(d.cfg.Trouble), Again: true, Noticed: j.Noticed}
}

// reach says whether the destination is there. A verdict of DNS that is final
// is as good as a host's.
func (a *attempt) reach() queue.Reach {
	class := queue.Unknown
	for _, r := range a.results {
		switch {
		case a.reached || r.fate == failed:
			return queue.Reached
		case r.fate == waiting:
			class = queue.Unreached
		}
	}
	return class
}

// conclude settles the attempt and tells the queue what follows.
func (a *attempt) conclude(ctx context.Context, class queue.Reach) queue.Result {
	if a.ended.IsZero() { // and not once more, when only its outcome is written again
		a.ended = time.Now()
	}
	res := queue.Result{Reach: class, Noticed: true}
	for i, r := range a.results {
		if class == queue.Unreached && r.fate == waiting {
			res.Why, res.Host = r.reply, r.host
			res.Why.Lines = []string{bounded(strings.Join(r.reply.Lines, " / "))}
		}
		// As settle writes it down.
		res.Noticed = res.Noticed && (a.entry.Rcpts[i].Noticed || a.d.cfg.Policy.Late(a.age()))
	}
	res.Next, res.Again = a.settle(ctx)
	return res
}

func (d *Deliverer) takeUnwritten(id, domain string) *attempt {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := unwritten{id, domain}
	a := d.unwritten[key]
	delete(d.unwritten, key)
	return a
}

func (d *Deliverer) keepUnwritten(a *attempt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unwritten[unwritten{a.entry.ID, a.domain}] = a
}

// prepare reads the entry and writes down the time of the next attempt. For a
// new message both were done when it was accepted; one that is overdue is not
// attempted.
func (d *Deliverer) prepare(ctx context.Context, j queue.Job) (*attempt, error) {
	a := &attempt{d: d, domain: j.Domain, arrived: j.Arrived, began: time.Now(), resumed: j.Resumed, dead: j.Dead}
	if e, ok := j.Carry.(*spool.Entry); ok {
		mine := *e
		mine.Rcpts = nil
		for _, r := range e.Rcpts {
			if r.To.Domain == j.Domain {
				mine.Rcpts = append(mine.Rcpts, r)
			}
		}
		a.entry, a.number, a.next = &mine, 1, mine.Rcpts[0].Next
	} else {
		e, err := d.cfg.Spool.Entry(ctx, j.ID, j.Domain)
		if err != nil {
			return nil, err
		}
		a.entry, a.number = e, e.Rcpts[0].Attempts
		if !j.Fresh && !j.Overdue {
			a.number++
		}
		a.next = a.nextTime(rand.Float64())
		if !j.Overdue {
			if err := d.cfg.Spool.Begin(ctx, j.ID, j.Domain, a.number, a.next); err != nil {
				return nil, err
			}
		}
	}
	a.results = make([]result, len(a.entry.Rcpts))
	return a, nil
}

// nextTime is when the attempt after this one is due, if there is to be one. The
// wait begins when this one is over: however slow a host is, it is left alone
// for as long as a quick one.
func (a *attempt) nextTime(chance float64) time.Time {
	lab, _ := a.d.cfg.Policy.Wait(a.number, a.age(), chance)
	wait := a.d.env.Speed.Real(lab)
	if a.resumed {
		wait = min(wait, a.d.cfg.Resumed)
	}
	return a.now().Add(wait)
}

// now is the end of the attempt, or its beginning while it goes on.
func (a *attempt) now() time.Time {
	if a.ended.IsZero() {
		return a.began
	}
	return a.ended
}

// age is how old the message is, in the lab's time.
func (a *attempt) age() time.Duration { return a.d.env.Speed.Lab(a.now().Sub(a.arrived)) }

// settleContext outlives the attempt's context: what was done must be written.
func settleContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}
