package deliver

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"correio/services/internal/dsn"
	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
	"correio/services/mta/internal/spool"
)

// slowPause is for how long nothing is brought directly after the MDA has let a
// client wait for too long, in real time.
const slowPause = 30 * time.Second

// Flight is a message on its way to the MDA that is in nobody's spool yet.
//
// Who started it waits for Config.Direct at most. When every mailbox has the
// message by then, it need not be stored here; when every one refuses it for
// good, the client can be told. Otherwise the message goes into the spool, and
// the flight is adopted as its first attempt, whose outcome is taken when it is
// known. So a message is not sent a second time because the
// MDA was slow, and "the connection was lost behind the final dot" ends as it
// does from the queue.
type Flight struct {
	attempt *attempt
	t       target
	source  *source
	done    chan struct{} // closed when results are complete
	results []smtpc.Result
}

// Outcome is what became of a flight while a client waited.
type Outcome int

// The outcomes.
const (
	// Grounded: nobody has the message, and nothing was decided.
	Grounded Outcome = iota
	// Landed: every mailbox has it.
	Landed
	// Rejected: every mailbox refused it for good.
	Rejected
	// Open: anything else; the message goes into the spool, and Adopt takes the
	// flight for its first attempt.
	Open
)

// mayBeDirect reports whether mail is brought to the MDA while clients wait. A
// backup's is not: DNS says where it goes.
func (d *Deliverer) mayBeDirect() bool {
	return d.cfg.Direct > 0 && !d.env.Host.Backup && time.Now().UnixNano() >= d.flights.slow.Load()
}

// Direct begins to bring a message to the MDA, or returns nil when it must go by
// the spool: when the MDA has not agreed to every recipient, in this order. The
// message must last until Wait has returned.
func (d *Deliverer) Direct(e *spool.Entry, message io.Reader) *Flight {
	a := d.inquiries.take(e.ID)
	if a == nil {
		return nil
	}
	t, ok := d.mda()
	if !ok || !d.mayBeDirect() || !a.covers(e) {
		d.letGo(a)
		return nil
	}
	f := &Flight{
		t: t, source: &source{r: message}, done: make(chan struct{}), results: make([]smtpc.Result, len(e.Rcpts)),
		attempt: &attempt{
			d: d, entry: own(e), domain: e.Rcpts[0].To.Domain, number: 1, arrived: e.Arrived, began: time.Now(),
			next: e.Rcpts[0].Next, results: make([]result, len(e.Rcpts)),
		},
	}
	if a.held != nil {
		a.held.timer.Stop()
	}
	if !d.flights.begin(f, d.cfg.Patience, func(ctx context.Context) { f.fly(ctx, a.held) }) {
		d.letGo(a)
		return nil
	}
	return f
}

// own is a copy of an entry for a flight, which may go on while the entry is
// stored.
func own(e *spool.Entry) *spool.Entry {
	mine := *e
	mine.Rcpts = slices.Clone(e.Rcpts)
	return &mine
}

// covers reports whether the MDA has agreed to take the message for everybody.
func (a *asked) covers(e *spool.Entry) bool {
	if len(e.Rcpts) == 0 || len(a.to) != len(e.Rcpts) {
		return false
	}
	for i, r := range e.Rcpts {
		if r.To != a.to[i] || r.Reply != "" {
			return false
		}
	}
	return true
}

// fly brings the message.
func (f *Flight) fly(ctx context.Context, h *held) {
	a := f.attempt
	defer close(f.done)
	defer a.d.survive(a.entry.ID, func(err error) { // nobody knows how far it came
		for i := range f.results {
			f.results[i] = smtpc.Result{Step: smtpc.StepDone, Err: err}
		}
	})
	switch {
	case h == nil:
		f.flyAlone(ctx)
	case h.fits(a.entry):
		defer func() { <-a.d.places }()
		a.announceDirect(f.t)
		f.results = h.tx.Finish(ctx, f.source, a.sendOptions(h.c))
		a.d.pool.put(h.t, h.c)
	default: // not as MAIL has said: once more, from the beginning
		defer func() { <-a.d.places }()
		if h.tx.Drop(ctx); spent(h.c) {
			a.d.pool.put(h.t, h.c)
			f.flyAlone(ctx)
			return
		}
		f.send(ctx, h.c)
	}
}

// fits reports whether the message is what MAIL has announced.
func (h *held) fits(e *spool.Entry) bool {
	utf8 := e.UTF8 || !e.From.ASCII()
	for _, r := range e.Rcpts {
		utf8 = utf8 || !r.To.ASCII()
	}
	return !e.Binary && !e.EightBit && h.tx.Envelope().UTF8 == utf8
}

// flyAlone brings a message for which no transaction was kept open.
func (f *Flight) flyAlone(ctx context.Context) {
	d := f.attempt.d
	err := ctx.Err()
	select {
	case d.flights.free <- struct{}{}:
		defer func() { <-d.flights.free }()
	case <-ctx.Done():
		err = ctx.Err()
	}
	var c *smtpc.Client
	if err == nil {
		c, _, err = d.connect(ctx, &f.t, f.attempt.entry.ID)
	}
	if err != nil {
		for i := range f.results {
			f.results[i] = smtpc.Result{Step: smtpc.StepConnect, Err: err}
		}
		return
	}
	f.send(ctx, c)
}

// send runs a transaction of its own on a connection.
func (f *Flight) send(ctx context.Context, c *smtpc.Client) {
	a := f.attempt
	a.announceDirect(f.t)
	to := a.open()
	f.results = c.Send(ctx, a.envelope(c, f.t, to), f.source, a.sendOptions(c))
	a.d.pool.put(f.t, c)
}

func (a *attempt) announceDirect(t target) {
	a.announce(t.name, []reason.Reason{reason.New(reason.Local, a.domain)})
}

// Wait returns what became of the flight, within Config.Direct. The message is
// not read any more then.
func (f *Flight) Wait(ctx context.Context) Outcome {
	d := f.attempt.d
	patience := time.NewTimer(d.cfg.Direct)
	defer patience.Stop()
	select {
	case <-f.done:
		return f.outcome()
	case <-patience.C:
		d.flights.slow.Store(time.Now().Add(slowPause).UnixNano())
		d.log.Warn("the MDA is slow, so mail goes by the spool for a while", "msg_id", f.attempt.entry.ID, "for", slowPause)
	case <-ctx.Done():
	}
	if f.source.stop() { // the MDA may have it
		return Open
	}
	d.flights.end(f)
	return Grounded
}

func (f *Flight) outcome() Outcome {
	var delivered, refused, unheard int
	for _, r := range f.results {
		switch {
		case r.Delivered():
			delivered++
		case r.Own, r.Err != nil && r.Step != smtpc.StepDone:
			unheard++
		case r.Permanent():
			refused++
		}
	}
	switch len(f.results) {
	case delivered:
		if f.wanted() {
			return Open
		}
		return Landed
	case refused:
		return Rejected
	case unheard:
		return Grounded
	}
	return Open
}

// Delivered reports whether every mailbox has the message.
func (f *Flight) Delivered() bool {
	select {
	case <-f.done:
	default:
		return false
	}
	for _, r := range f.results {
		if !r.Delivered() {
			return false
		}
	}
	return true
}

// wanted reports whether somebody is to be told about the delivery (RFC 3461
// §4.1), by a report that the spool keeps.
func (f *Flight) wanted() bool {
	for _, r := range f.attempt.entry.Rcpts {
		if strings.Contains(r.Notify, dsn.Success) {
			return true
		}
	}
	return false
}

// Refusal is what the MDA has said, where the outcome is Rejected.
func (f *Flight) Refusal() reply.Reply { return f.results[0].Reply }

// Tell records a delivery, where the outcome is Landed: in the words of one from
// the queue, whose watchers must not wait for more.
func (f *Flight) Tell() {
	a := f.attempt
	for i, r := range f.results {
		a.tellOne(i, judge(f.t, r, false), "")
	}
	a.event(event.Removed, nil)
}

// land takes the outcome of a flight for that of the first attempt.
func (a *attempt) land(ctx context.Context, f *Flight) {
	select {
	case <-f.done:
	case <-ctx.Done():
		return // the node is stopping; what was written before holds
	}
	a.reached = true
	for i, r := range a.entry.Rcpts {
		a.results[i] = judge(f.t, f.results[r.N], false)
	}
}

var errStopped = errors.New("the client has waited for long enough")

// source is a message that is read until somebody stops it.
type source struct {
	mu      sync.Mutex // guards what follows; held while reading
	r       io.Reader
	ended   bool
	stopped bool
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return 0, errStopped
	}
	n, err := s.r.Read(p)
	s.ended = s.ended || errors.Is(err, io.EOF)
	return n, err
}

// stop ends the reading, and reports whether the end had been reached.
func (s *source) stop() (ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped, s.r = true, nil
	return s.ended
}
