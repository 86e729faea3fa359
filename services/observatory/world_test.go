package observatory_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/node"
	"correio/services/internal/tunnel"
	"correio/services/observatory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token = "the lab's token"
	mx1   = "mx1.aurora.test"
	mda   = "mda.aurora.test"
	pc    = "pc.aurora.test"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// smallLab is one organisation of three nodes, with user ports.
func smallLab() *lab.Lab {
	org := &lab.Org{Title: "Aurora", Domain: "aurora.test", Hosts: []lab.Host{
		{Name: mx1, Role: lab.RoleMTA, Internet: addr("198.18.1.25"), LAN: addr("198.19.1.25"), Control: addr("198.19.241.9")},
		{Name: mda, Role: lab.RoleMDA, LAN: addr("198.19.1.110"), Control: addr("198.19.241.11")},
		{Name: pc, Role: lab.RolePC, Internet: addr("198.18.1.100"), LAN: addr("198.19.1.100"), Control: addr("198.19.241.12")},
	}}
	return &lab.Lab{Name: "small", Orgs: []*lab.Org{org}, Observatory: lab.Observatory{
		Name: "observatory.nic.test", Control: addr("198.19.240.80"), UserPorts: []lab.UserPort{
			{Port: 1025, Via: pc, To: "198.18.1.25:25"},
			{Port: 1110, Via: pc, To: "198.19.1.110:110"},
			{Port: 1465, Via: pc, To: "198.18.1.25:465"},
		},
	}}
}

// world is the small lab with nodes that the test plays.
type world struct {
	t     *testing.T
	lab   *lab.Lab
	stack *labtest.Stack
	cfg   observatory.Config
	base  string // of the observatory's URLs
	http  *http.Client
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, lab: smallLab(), stack: labtest.NewStack(t), base: "http://127.0.0.1:8080"}
	w.cfg = observatory.Config{
		Lab: w.lab, Token: token, Version: "test", Speed: 60, Net: w.stack,
		Events: event.NewLog(w.lab.Observatory.Name, 0), Log: labtest.Logger(t, "observatory"),
		Metrics: prometheus.NewRegistry(), Bind: addr("127.0.0.1"),
	}
	w.http = &http.Client{Timeout: labtest.Eventually, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, to string) (net.Conn, error) { return w.connect(ctx, to) },
	}}
	t.Cleanup(w.http.CloseIdleConnections)
	return w
}

func (w *world) connect(ctx context.Context, to string) (net.Conn, error) {
	return w.stack.Dial(ctx, "tcp", addr("127.0.0.1"), netip.MustParseAddrPort(to))
}

// observe starts the observatory and returns what stops it.
func (w *world) observe() (stop func()) {
	w.t.Helper()
	n, err := observatory.New(w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	stopRun := labtest.Start(w.t, n)
	return func() {
		w.http.CloseIdleConnections()
		stopRun()
	}
}

// player is a node that the test plays: a control port with an event log.
type player struct {
	log  *event.Log
	stop func()

	mu     sync.Mutex
	ready  error
	routes []node.Route
}

func (p *player) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (p *player) Routes() []node.Route          { return p.routes }

func (p *player) Ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ready
}

func (p *player) set(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = err
}

// play starts a node with a log of its own, or goes on with one.
func (w *world) play(name string, log *event.Log, routes ...node.Route) *player {
	w.t.Helper()
	host, ok := w.lab.Host(name)
	if !ok {
		w.t.Fatalf("no host %s", name)
	}
	if log == nil {
		log = event.NewLog(name, 0)
	}
	p := &player{log: log, routes: routes}
	ln, err := w.stack.Listen(w.t.Context(), control.Addr(host))
	if err != nil {
		w.t.Fatal(err)
	}
	srv := &control.Server{
		Info:  control.Info{Name: name, Role: host.Role, Boot: log.Boot(), Version: "v1", Speed: "60"},
		Token: token, Service: p, Events: log, Metrics: prometheus.NewRegistry(), Log: labtest.Logger(w.t, name),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("control port of %s: %v", name, err)
		}
	})
	w.t.Cleanup(p.stop)
	return p
}

// dialRoute is a workstation's /dial, which reaches addresses of the stack.
func (w *world) dialRoute() node.Route {
	return node.Route{Pattern: "GET /dial", Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		to, err := netip.ParseAddrPort(r.URL.Query().Get("to"))
		if err != nil {
			control.WriteError(rw, http.StatusBadRequest, "who is that?")
			return
		}
		up, err := w.stack.Dial(r.Context(), "tcp", addr("198.18.1.100"), to)
		if err != nil {
			control.WriteError(rw, http.StatusBadGateway, "connection refused")
			return
		}
		down, err := tunnel.Accept(rw)
		if err != nil {
			up.Close()
			return
		}
		tunnel.Splice(r.Context(), down, up, time.Minute)
	})}
}

// serve greets each client of an address, and sends back all it says.
func (w *world) serve(at, greeting string) {
	w.t.Helper()
	ln, err := w.stack.Listen(w.t.Context(), netip.MustParseAddrPort(at))
	if err != nil {
		w.t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				io.WriteString(c, greeting)
				heard, _ := io.ReadAll(c)
				c.Write(heard)
			})
		}
	})
	w.t.Cleanup(func() { ln.Close(); all.Wait() })
}

// get asks the observatory and decodes the answer, whose status it returns.
func (w *world) get(path string, out any) int {
	w.t.Helper()
	return w.call(http.MethodGet, path, out)
}

func (w *world) call(method, path string, out any) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set(observatory.GuardHeader, "1")
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		w.t.Fatalf("%s %s: status %d, decode: %v", method, path, resp.StatusCode, err)
	}
	return resp.StatusCode
}

// node returns the observatory's view of a node.
func (w *world) node(name string) observatory.NodeStatus {
	w.t.Helper()
	var list observatory.Nodes
	w.get("/api/v1/nodes", &list)
	for _, n := range list.Nodes {
		if n.Name == name {
			return n
		}
	}
	w.t.Fatalf("node %s is not listed", name)
	return observatory.NodeStatus{}
}

// eventually waits until the observatory sees the node as wanted.
func (w *world) eventually(name, what string, want func(observatory.NodeStatus) bool) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(labtest.Eventually)
	for {
		n := w.node(name)
		if want(n) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			w.t.Fatalf("%s: not %s: %+v", name, what, n)
		}
	}
}

func (w *world) settle(name string, state observatory.NodeState) {
	w.t.Helper()
	w.eventually(name, string(state), func(n observatory.NodeStatus) bool { return n.State == state })
}

// imported waits until the observatory has count records of the node.
func (w *world) imported(name string, count uint64) {
	w.t.Helper()
	w.eventually(name, "imported", func(n observatory.NodeStatus) bool { return n.Records >= count })
}

// seen returns the texts of a node's records, as the merged stream has them.
func (w *world) seen(name string) []string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.base+"/api/v1/events?follow=false", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var texts []string
	err = control.ReadEvents(resp.Body, func(_ string, r event.Record) {
		if r.Node == name {
			texts = append(texts, r.Text)
		}
	}, func(n uint64) { w.t.Errorf("%d records missed", n) })
	if err != nil {
		w.t.Fatal(err)
	}
	return texts
}

func line(text string) event.Record {
	return event.Record{Kind: event.KindLine, Dir: event.In, Text: text}
}

var errWarming = errors.New("still warming up")
