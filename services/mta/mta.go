package mta

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"correio/services/internal/durable"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/node"
	"correio/services/internal/smtpc"
	"correio/services/internal/smtpd"
	"correio/services/mta/internal/deliver"
	"correio/services/mta/internal/metrics"
	"correio/services/mta/internal/policy"
	"correio/services/mta/internal/queue"
	"correio/services/mta/internal/schedule"
	"correio/services/mta/internal/spool"
)

// Node is an MTA. It implements node.Service.
type Node struct {
	env       *node.Env
	policy    schedule.Policy
	spool     *spool.Spool
	deliverer *deliver.Deliverer
	queue     *queue.Queue
	metrics   *metrics.Metrics
	doors     []door
	guard     *smtpd.Guard // one for all ports
	disk      disk
	grey      *policy.Greylist // one for all ports
	ready     atomic.Bool

	lastChance time.Duration // of old mail
	orders     sync.Mutex    // held while the queue is changed by hand
}

// door is one port with the server behind it.
type door struct {
	port   uint16
	server *smtpd.Server
}

// New opens the spool of a node and prepares its servers; nothing is bound.
func New(env *node.Env) (*Node, error) { return newNode(env, tuning{}) }

// tuning is what tests change; its zero values mean the defaults.
type tuning struct {
	timeouts smtpc.Timeouts
	connect  time.Duration
	patience time.Duration
	trouble  time.Duration
	ask      time.Duration
	direct   time.Duration
	hold     time.Duration
	resumed  time.Duration
	chance   time.Duration
	tls      lab.WantTLS
}

func newNode(env *node.Env, tune tuning) (*Node, error) {
	n := &Node{
		env: env, policy: schedule.Default(), disk: disk{dir: env.State}, grey: policy.NewGreylist(env.Speed),
		lastChance: cmp.Or(tune.chance, lastChance),
	}
	n.guard = smtpd.NewGuard(n.limits(smtpd.SMTP))
	var err error
	if n.metrics, err = metrics.New(env.Metrics); err != nil {
		return nil, fmt.Errorf("mta metrics: %w", err)
	}
	if n.doors, err = n.makeDoors(); err != nil {
		return nil, fmt.Errorf("mta servers: %w", err)
	}
	if n.spool, err = spool.Open(context.Background(), env.State, env.Org.Limits.Defaults().Queue, env.Log); err != nil {
		return nil, err
	}
	if err := metrics.RegisterQueue(env.Metrics, n.queueSize); err != nil {
		return nil, errors.Join(fmt.Errorf("mta metrics: %w", err), n.spool.Close())
	}
	n.deliverer = deliver.New(deliver.Config{
		Env: env, Spool: n.spool, Policy: n.policy, Metrics: n.metrics,
		Enqueue:  n.enqueue,
		Timeouts: tune.timeouts, Connect: tune.connect, Patience: tune.patience, Trouble: tune.trouble,
		TLS: cmp.Or(tune.tls, env.Org.SMTP.Wanted()), Ask: tune.ask, Direct: tune.direct, Hold: tune.hold, Resumed: tune.resumed,
	})
	n.queue = n.newQueue()
	return n, nil
}

// hint589 is said on the port that a teaching deck misprints.
const hint589 = "ESMTP Correio; the port for submission is 587, not 589 (RFC 6409)"

// makeDoors prepares one server for each port.
func (n *Node) makeDoors() ([]door, error) {
	kinds := []struct {
		port     uint16
		proto    smtpd.Protocol
		greeting string
	}{
		{25, smtpd.SMTP, ""},
		{587, smtpd.Submission, "ESMTP Correio submission"},
		{465, smtpd.Submissions, "ESMTP Correio submission"},
		{589, smtpd.Submission, hint589},
	}
	var doors []door
	for _, k := range kinds {
		if n.env.Cert == nil && k.proto != smtpd.SMTP {
			n.env.Log.Warn("no certificate, so no submission", "port", k.port)
			continue
		}
		server, err := smtpd.New(n.serverConfig(k.proto, k.greeting))
		if err != nil {
			return nil, err
		}
		doors = append(doors, door{k.port, server})
	}
	return doors, nil
}

func (n *Node) serverConfig(proto smtpd.Protocol, greeting string) smtpd.Config {
	cfg := smtpd.Config{
		Hostname: n.env.Host.Name,
		Greeting: greeting,
		Proto:    proto,
		SMTPUTF8: !n.env.Org.SMTP.ASCIIOnly,
		DSN:      true,
		Chunking: n.env.Org.SMTP.Chunking, BinaryMIME: n.env.Org.SMTP.BinaryMIME,
		LineEnds: smtpd.LineEnds(n.env.Org.SMTP.Bare()),
		Limits:   n.limits(proto),
		Guard:    n.guard,
		Events:   n.env.Events,
		Log:      n.env.Log,
	}
	if n.env.Cert != nil {
		cfg.TLS = &tls.Config{Certificates: []tls.Certificate{*n.env.Cert}, MinVersion: tls.VersionTLS12}
	}
	if proto != smtpd.SMTP {
		cfg.AuthMechanisms = n.env.Org.SMTP.Mechanisms()
		cfg.RequireAuth, cfg.RequireTLSForAuth = true, !n.env.Org.SMTP.AuthWithoutTLS
	}
	cfg.Backend = policy.New(policy.Config{
		Org: n.env.Org, Host: n.env.Host, Submission: proto != smtpd.SMTP,
		Ask:      n.ask,
		DNS:      func(queue string) policy.DNS { return n.deliverer.Lookups(queue) },
		Buffer:   func(limit int64) *durable.Buffer { return n.spool.Buffer(limit) },
		Accept:   n.accept,
		Forget:   n.forget,
		Free:     n.disk.free,
		Room:     func() int64 { return n.spool.Room() },
		Rejected: func(reason string) { n.metrics.Rejected.WithLabelValues(reason).Inc() },
		Wait:     n.firstWait,
		Grey:     n.grey,
		Speed:    n.env.Speed,
		Log:      n.env.Log,
	})
	return cfg
}

// hopRoom is more octets than an MTA puts in front of a message: Received, and on
// submission Message-ID and Date.
const hopRoom = 1 << 10

// limits are what org.yaml says, less what a message grows by on its way: one that
// was taken here must not be too large for the host that it goes to. A backup's
// goes to the primary; one that is submitted, by other people's backup and through
// their aliases.
func (n *Node) limits(proto smtpd.Protocol) smtpd.Limits {
	l := n.env.Org.Limits.Defaults()
	hops := int64(0)
	switch {
	case proto != smtpd.SMTP:
		hops = 4
	case n.env.Host.Backup:
		hops = 2
	}
	less := func(limit int64) int64 { return limit - min(hops*hopRoom, limit/4) }
	return smtpd.Limits{
		CommandLine: l.Line, MessageSize: less(l.MessageSize), Header: less(l.Header), Recipients: l.Recipients,
		Errors: l.Errors, AuthFailures: l.AuthFailures, Commands: l.Commands, Idle: time.Duration(l.Idle),
		Refusals: l.Refusals, Connections: l.Connections, PerClient: l.PerClient,
	}
}

// Ready implements node.Service.
func (n *Node) Ready() error {
	if !n.ready.Load() {
		return node.ErrStarting
	}
	return nil
}

// Run implements node.Service. A node runs once: when Run returns, its spool is
// closed.
func (n *Node) Run(ctx context.Context) (err error) {
	n.nodeEvent(event.Starting)
	n.tellSalvage()
	defer func() { err = errors.Join(err, n.spool.Close()) }()
	listeners, err := n.bind(ctx)
	if err != nil {
		return err
	}
	if err := n.resume(ctx); err != nil {
		closeAll(listeners)
		return err
	}
	n.ready.Store(true)
	n.nodeEvent(event.Ready)
	err = n.serve(ctx, listeners)
	n.ready.Store(false)
	return err
}

// bound is a listener with the server for it.
type bound struct {
	ln     net.Listener
	server *smtpd.Server
}

// bind opens every port on every address, or none.
func (n *Node) bind(ctx context.Context) ([]bound, error) {
	var list []bound
	for _, d := range n.doors {
		for _, addr := range n.env.Addrs() {
			ln, err := n.env.Net.Listen(ctx, netip.AddrPortFrom(addr, d.port))
			if err != nil {
				closeAll(list)
				return nil, fmt.Errorf("listen: %w", err)
			}
			list = append(list, bound{ln, d.server})
		}
	}
	return list, nil
}

func closeAll(list []bound) {
	for _, b := range list {
		b.ln.Close()
	}
}

// serve runs the servers and the queue. First the servers stop, then the
// queue: what was accepted last may still be tried once.
func (n *Node) serve(ctx context.Context, list []bound) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	delivering, stopDelivering := context.WithCancel(context.WithoutCancel(ctx))
	var delivery, servers sync.WaitGroup
	delivery.Go(func() { n.queue.Run(delivering) })
	failures := make(chan error, len(list))
	for _, b := range list {
		servers.Go(func() {
			if err := b.server.Serve(ctx, b.ln); err != nil {
				failures <- err
				stop() // one door lost: stop the node, so that somebody notices
			}
		})
	}
	<-ctx.Done()
	n.nodeEvent(event.Stopping)
	servers.Wait()
	stopDelivering()
	delivery.Wait()
	n.deliverer.Close()
	close(failures)
	var errs []error
	for err := range failures {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (n *Node) nodeEvent(text string) {
	n.env.Events.Append(event.Record{Kind: event.KindNode, Text: text})
}
