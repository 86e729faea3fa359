package collect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/network"
	"correio/services/internal/problem"
)

const (
	// A stream that broke is opened again after minBackoff, then twice as long
	// each time up to maxBackoff.
	minBackoff = 100 * time.Millisecond
	maxBackoff = 2 * time.Second

	pollReady   = 2 * time.Second        // a node that is ready
	pollWaiting = 150 * time.Millisecond // one that is not, for its first patience
	pollGone    = time.Second            // one that has not been for longer
	patience    = time.Minute
	pollTimeout = 3 * time.Second
)

// watched is one node and what is known of it.
type watched struct {
	client *control.Client
	events *event.Log
	log    *slog.Logger
	look   chan struct{} // asks poll to look now
	retry  chan struct{} // asks follow to connect now

	mu      sync.Mutex // guards what follows
	status  Status     // its Name, Site, Role and addresses never change
	stopped bool       // somebody stopped it
	met     string     // the boot that it last introduced itself with
	boot    string     // of the last record; with seq it names where to go on
	seq     uint64
	cut     context.CancelFunc // ends the open stream; nil when there is none
}

func newWatched(cfg Config, org *lab.Org, h lab.Host) *watched {
	return &watched{
		client: &control.Client{Addr: control.Addr(h), Token: cfg.Token, HTTP: cfg.HTTP},
		events: cfg.Events,
		log:    cfg.Log.With("host", h.Name),
		look:   make(chan struct{}, 1),
		retry:  make(chan struct{}, 1),
		status: Status{
			Name: h.Name, Site: org.Title, Role: h.Role, Internet: h.Internet, LAN: h.LAN, Control: h.Control,
			State: Unreachable, Reason: problem.New(problem.NotAskedYet).Error(), Problem: problem.New(problem.NotAskedYet), Since: time.Now(),
		},
	}
}

func (n *watched) snapshot() Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
}

func (n *watched) expect(stopped bool) {
	n.mu.Lock()
	n.stopped = stopped
	n.mu.Unlock()
	signal(n.look)
}

func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default: // it has been asked already
	}
}

// follow keeps the event stream open until the context ends.
func (n *watched) follow(ctx context.Context) {
	backoff := minBackoff
	for ctx.Err() == nil {
		opened := time.Now()
		got := n.stream(ctx)
		signal(n.look)
		if got || time.Since(opened) > maxBackoff {
			backoff = minBackoff
		}
		if !pause(ctx, backoff, n.retry) {
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// stream reads the event stream until it breaks, and reports whether it gave
// any record.
func (n *watched) stream(ctx context.Context) (got bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n.mu.Lock()
	n.cut = cancel
	last := ""
	if n.boot != "" {
		last = fmt.Sprintf("%s:%d", n.boot, n.seq)
	}
	n.mu.Unlock()
	err := n.client.Follow(ctx, last, func(id string, r event.Record) {
		got = true
		n.take(id, r)
	}, n.missed)
	n.mu.Lock()
	n.cut = nil
	n.mu.Unlock()
	n.log.Debug("event stream ended", "err", err)
	return got
}

// take keeps a record, unless it is there already.
func (n *watched) take(id string, r event.Record) {
	boot, number, _ := strings.Cut(id, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		n.log.Warn("record without a usable id", "id", id)
		return
	}
	n.mu.Lock()
	if boot == n.boot && seq <= n.seq {
		n.mu.Unlock()
		return
	}
	restarted := n.boot != "" && n.boot != boot
	if restarted {
		n.status.Restarts++
		n.status.Boot = "" // poll asks anew who it is
	}
	n.boot, n.seq = boot, seq
	n.status.Records++
	n.mu.Unlock()
	n.events.Import(r)
	if restarted || r.Kind == event.KindNode {
		signal(n.look)
	}
}

func (n *watched) missed(count uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status.Missed += count
}

// poll asks again and again whether the node is ready, until the context ends.
func (n *watched) poll(ctx context.Context) {
	for {
		n.ask(ctx)
		if !pause(ctx, n.interval(), n.look) {
			return
		}
	}
}

// interval is how long to wait before the next look at the node.
func (n *watched) interval() time.Duration {
	s := n.snapshot()
	switch {
	case s.State == Ready:
		return pollReady
	case time.Since(s.Since) < patience:
		return pollWaiting
	}
	return pollGone
}

// ask asks the node whether it is ready and, when that is not known, who it is.
func (n *watched) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	err := n.client.Ready(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	var said *control.StatusError
	reached := err == nil || errors.As(err, &said)
	if came := n.judge(err, reached); came {
		signal(n.retry)
	}
	if reached && n.stranger() {
		n.introduce(ctx)
	}
}

// judge notes what became of a question, and reports whether the node has just
// become reachable.
func (n *watched) judge(err error, reached bool) (came bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	state := Ready
	switch {
	case err == nil:
	case reached:
		state = NotReady
	case n.stopped:
		state, err = Stopped, problem.New(problem.Stopped)
	default:
		state = Unreachable
		if p := problem.ByTrouble(network.TroubleOf(err), n.client.Addr.String()); p != nil {
			err = p
		}
	}
	reason := reasonOf(err)
	before := n.status.State
	n.status.Reason, n.status.Problem = reason, nil
	errors.As(err, &n.status.Problem)
	if state != before {
		n.status.State, n.status.Since = state, time.Now()
		n.log.Info("node changed", "state", string(state), "reason", reason)
	}
	if !reached {
		n.status.Boot = "" // whoever answers next may be another
	}
	return reached && (before == Unreachable || before == Stopped)
}

// stranger reports whether the node has not said who it is, or whether its last
// record is another boot's than it said: one of the two is out of date.
func (n *watched) stranger() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status.Boot == "" || n.status.Boot != n.boot
}

// introduce asks the node who it is. When it has become another and the open
// stream is still the old one's, it has restarted without a word, and the
// stream is cut.
func (n *watched) introduce(ctx context.Context) {
	info, err := n.client.Info(ctx)
	if err != nil {
		return // the next look asks again
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status.Boot, n.status.Version, n.status.Speed, n.status.Started = info.Boot, info.Version, info.Speed, info.Started
	if n.cut != nil && info.Boot != n.met && n.boot != "" && n.boot != info.Boot {
		n.cut()
	}
	n.met = info.Boot
}

// reasonOf says an error without the request that it belongs to.
func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	var said *control.StatusError
	if errors.As(err, &said) {
		return said.What
	}
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err.Error()
	}
	return err.Error()
}

// pause waits for d or until asked not to; false means that the context ended.
func pause(ctx context.Context, d time.Duration, now <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-now:
	case <-ctx.Done():
		return false
	}
	return true
}
