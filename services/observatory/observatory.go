// Package observatory is where the lab is watched from: one process that reads
// every node's control port, and serves people (a page) and programs (an API,
// which the command line lives on).
//
//	nodes ──/events, /readyz──▶ collect ──▶ one event.Log, indexed ──▶ history ──▶ api, page
//	user's port ──▶ forward ──▶ a workstation's /dial ──▶ a server of the lab
//
// It takes no part in mail or DNS: without it the lab works as before. What it
// shows is put together from the nodes' records each time anew. Requests pass
// package guard first. Every wait has an end, every table a limit.
package observatory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/clock"
	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/network"
	"correio/services/internal/node"
	"correio/services/observatory/internal/api"
	"correio/services/observatory/internal/collect"
	"correio/services/observatory/internal/forward"
	"correio/services/observatory/internal/guard"
	"correio/services/observatory/internal/history"
	"correio/services/observatory/internal/page"
)

const (
	// PagePort is where page and API are when the observatory opens them itself.
	PagePort = 8080
	// LogBytes is a good size for the log in Config.Events: some 87,000 records,
	// with which the process stays below 80 MiB under load (package history).
	LogBytes = 24 << 20
)

// The values of the API, for programs that call it.
type (
	// NodeStatus is one node of Nodes.
	NodeStatus = collect.Status
	// NodeState is how a node is.
	NodeState = collect.State
	// LabInfo is the answer of /api/v1/lab.
	LabInfo = api.Lab
	// Nodes is the answer of /api/v1/nodes.
	Nodes = api.Nodes
	// Readiness is the answer of /readyz.
	Readiness = api.Readiness
	// Journeys is the answer of /api/v1/journeys.
	Journeys = api.Journeys
	// Unmet is the answer of /api/v1/journeys/{id} with wait when it did not end
	// as asked: 504 or 409.
	Unmet = api.Unmet
)

// The states of a node.
const (
	NodeReady       = collect.Ready
	NodeNotReady    = collect.NotReady
	NodeUnreachable = collect.Unreachable
	NodeStopped     = collect.Stopped
)

// GuardHeader must be on every request to the API that is not GET or HEAD.
const GuardHeader = guard.Header

// Supervisor starts and stops nodes; where there is none, the API says so.
type Supervisor interface {
	Stop(ctx context.Context, name string) error
	Start(ctx context.Context, name string) error
}

// Listeners are sockets that are open already.
type Listeners struct {
	Page []net.Listener
	User map[int]net.Listener // by the port of lab.UserPort
}

// Config is what the observatory is given to work with.
type Config struct {
	Lab     *lab.Lab
	Token   string // of the control ports
	Version string
	Speed   clock.Speed
	Net     network.Stack
	// Events takes the records of all nodes and the observatory's own. Its size
	// bounds how far back anybody can look: LogBytes is a good one. New attaches
	// an index to it, so that it must have none yet.
	Events  *event.Log
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Listeners are served and closed by Run.
	Listeners Listeners
	// Bind is the address on which Run opens PagePort when Listeners has no
	// page, and every user port that Listeners does not have. The zero Addr
	// opens none.
	Bind       netip.Addr
	Supervisor Supervisor // may be nil
	// AllowHosts are names and addresses, besides those of the machine itself
	// and the observatory's own in the lab, by which a browser may call the page.
	AllowHosts []string
}

// Node is the observatory.
type Node struct {
	cfg     Config
	nodes   *collect.Collector
	dialer  *forward.Dialer
	client  *http.Client // to control ports
	handler http.Handler
	bound   atomic.Bool
}

var _ node.Service = (*Node)(nil)

// New builds an observatory. It opens no socket.
func New(cfg Config) (*Node, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("observatory: %w", err)
	}
	n := &Node{cfg: cfg}
	n.client = control.NewHTTP(func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
		return cfg.Net.Dial(ctx, "tcp", cfg.Lab.Observatory.Control, addr)
	})
	n.nodes = collect.New(collect.Config{Lab: cfg.Lab, Token: cfg.Token, HTTP: n.client, Events: cfg.Events, Log: cfg.Log})
	n.dialer = forward.NewDialer(cfg.Lab, cfg.Token, cfg.Net)
	if err := n.measure(); err != nil {
		return nil, fmt.Errorf("observatory: %w", err)
	}
	handler, err := n.routes()
	if err != nil {
		return nil, fmt.Errorf("observatory: %w", err)
	}
	n.handler = handler
	return n, nil
}

func (c *Config) validate() error {
	var faults []error
	for what, missing := range map[string]bool{
		"lab": c.Lab == nil, "token": c.Token == "", "network": c.Net == nil, "events": c.Events == nil, "log": c.Log == nil,
	} {
		if missing {
			faults = append(faults, errors.New("no "+what))
		}
	}
	if c.Lab != nil {
		known := map[int]bool{}
		for _, p := range c.Lab.Observatory.UserPorts {
			known[p.Port] = true
		}
		for port := range c.Listeners.User {
			if !known[port] {
				faults = append(faults, fmt.Errorf("a listener for user port %d, which lab.yaml does not have", port))
			}
		}
	}
	return errors.Join(faults...)
}

func (n *Node) routes() (http.Handler, error) {
	mux := http.NewServeMux()
	past := history.New(n.cfg.Events)
	about := api.Lab{
		Name: n.cfg.Lab.Name, Version: n.cfg.Version, Speed: n.cfg.Speed.String(),
		Boot: n.cfg.Events.Boot(), Started: time.Now(), Supervised: n.cfg.Supervisor != nil,
	}
	api.Register(mux, api.Config{
		About: about, Nodes: n.nodes, History: past, Dialer: n.dialer,
		Transport: n.client.Transport, Supervisor: n.cfg.Supervisor,
	})
	err := page.Register(mux, page.Config{
		Lab: n.cfg.Lab, Version: about.Version, Speed: about.Speed, Nodes: n.nodes.Nodes, History: past, Log: n.cfg.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	self := n.cfg.Lab.Observatory
	return guard.New(append([]string{self.Name, self.Control.String()}, n.cfg.AllowHosts...), mux), nil
}

// Handler returns page and API with their guards, for a test or a server of
// the caller's own.
func (n *Node) Handler() http.Handler { return n.handler }

// Ready implements node.Service: the sockets are bound. Whether the nodes are
// ready is what /readyz of the page's port tells.
func (n *Node) Ready() error {
	if !n.bound.Load() {
		return node.ErrStarting
	}
	return nil
}

// Routes implements node.Service; the observatory adds none.
func (n *Node) Routes() []node.Route { return nil }

func (n *Node) measure() error {
	if n.cfg.Metrics == nil {
		return nil
	}
	tunnels := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "correio_observatory_tunnels", Help: "Connections into the lab that are open.",
	}, func() float64 { return float64(n.dialer.Open()) })
	dropped := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "correio_observatory_forgotten_total", Help: "Records that left the merged log for newer ones.",
	}, func() float64 { return float64(n.cfg.Events.Dropped()) })
	for _, m := range []prometheus.Collector{n.nodes, tunnels, dropped} {
		if err := n.cfg.Metrics.Register(m); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}
