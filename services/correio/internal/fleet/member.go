// Package fleet knows every role of the lab and runs nodes: one in a container
// of its own, or all of a lab in this process (Fleet), each with its own
// environment, state, events and control port. No other package knows more
// than one role.
package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"correio/services/internal/clock"
	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/network"
	"correio/services/internal/node"
	"correio/services/internal/tlsfiles"
)

// Keys are what a node proves itself with, and trusts.
type Keys struct {
	Token string           // of control ports
	Cert  *tls.Certificate // nil where the role speaks no TLS
	Roots *x509.CertPool
}

// Spec says how one node is made.
type Spec struct {
	Org     *lab.Org
	Host    lab.Host
	State   string // its directory; made if need be
	Speed   clock.Speed
	Net     network.Stack
	Keys    Keys
	Version string
	Log     *slog.Logger
	// Process adds the metrics of the process, for a node that has its own.
	Process bool
}

// LoadKeys reads the node's keys from its site's folder of them.
func (s *Spec) LoadKeys(dir string) error {
	cert, roots, token, err := tlsfiles.Load(dir, s.Host.Name)
	if err != nil {
		return fmt.Errorf("node %s: %w", s.Host.Name, err)
	}
	s.Keys = Keys{Token: token, Cert: cert, Roots: roots}
	return nil
}

// constructor makes the service of a role.
type constructor func(*node.Env) (node.Service, error)

// Member is a node that is ready to run, once.
type Member struct {
	Service node.Service
	Events  *event.Log

	control control.Server
	addr    lab.Host
	net     network.Stack
	log     *slog.Logger
}

// New makes the node: it opens the state and binds nothing.
func New(spec Spec) (*Member, error) {
	construct, ok := constructors[spec.Host.Role]
	if !ok {
		return nil, fmt.Errorf("node %s: this program does not have the role %q", spec.Host.Name, spec.Host.Role)
	}
	if err := os.MkdirAll(spec.State, 0o700); err != nil {
		return nil, fmt.Errorf("node %s: make state directory: %w", spec.Host.Name, err)
	}
	registry := spec.registry()
	env := &node.Env{
		Org: spec.Org, Host: spec.Host, State: spec.State, Speed: spec.Speed, Net: spec.Net,
		Events: event.NewLog(spec.Host.Name, 0), Log: spec.Log, Metrics: registry,
		Cert: spec.Keys.Cert, Roots: spec.Keys.Roots,
	}
	svc, err := construct(env)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", spec.Host.Name, err)
	}
	return newMember(spec, svc, env.Events, registry), nil
}

func newMember(spec Spec, svc node.Service, events *event.Log, metrics prometheus.Gatherer) *Member {
	return &Member{
		Service: svc, Events: events, addr: spec.Host, net: spec.Net, log: spec.Log,
		control: control.Server{
			Info: control.Info{
				Name: spec.Host.Name, Role: spec.Host.Role, Boot: events.Boot(),
				Version: spec.Version, Speed: spec.Speed.String(),
			},
			Token: spec.Keys.Token, Service: svc, Events: events, Metrics: metrics, Log: spec.Log,
		},
	}
}

// processCollectors measure the process; building them is not free.
func processCollectors() []prometheus.Collector {
	return []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
}

// Run serves until the context ends. The control port stands before the
// service starts and until it has ended, so that both can be watched; when one
// of the two fails, the other is stopped.
func (m *Member) Run(ctx context.Context) error {
	ln, err := m.net.Listen(ctx, control.Addr(m.addr))
	if err != nil {
		return fmt.Errorf("node %s: control port: %w", m.addr.Name, err)
	}
	watchable, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	serving, stop := context.WithCancel(ctx)
	defer stop()
	controlEnded := make(chan error, 1)
	m.control.Info.Started = time.Now().UTC()
	go func() {
		defer stop()
		controlEnded <- m.control.Serve(watchable, ln)
	}()
	err = m.Service.Run(serving)
	unwatch()
	if err := errors.Join(err, <-controlEnded); err != nil {
		return fmt.Errorf("node %s: %w", m.addr.Name, err)
	}
	return nil
}
