// Package resolver is the iterative caching resolver that an organisation's
// hosts ask for every name. It knows nothing but where the root is (the hints
// file of env.Host) and finds everything else by walking down the tree, see
// package iterate; what it finds it keeps for its TTL, divided by the lab's
// speed.
//
// A question with RD is answered from the cache or by a walk; identical ones
// that come while a walk is under way share it, so that a client that asks
// again does not make the work double. Without RD the cache alone answers.
// Responses have RA and never AA; a SERVFAIL says why (RFC 8914).
//
// Every question of a client has a connection name in the event records, and
// every question to a server on its behalf carries the same one.
package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"

	"correio/services/internal/dnsclient"
	"correio/services/internal/dnsserver"
	"correio/services/internal/event"
	"correio/services/internal/node"
	"correio/services/internal/zonefile"
	"correio/services/resolver/internal/iterate"
)

const (
	// serverTimeout is how long one server has to answer, TCP included.
	serverTimeout = time.Second
	// concurrent bounds the questions of clients that are at work.
	concurrent = 1000
)

// Node is a resolver.
type Node struct {
	env     *node.Env
	core    *iterate.Resolver
	flights singleflight.Group
	serving atomic.Bool
}

// New reads the root hints. It fails when they name no server with an address.
func New(env *node.Env) (*Node, error) {
	path := filepath.Join(env.Org.Dir, env.Host.Hints)
	records, err := zonefile.ParseFile(path, ".")
	if err != nil {
		return nil, fmt.Errorf("root hints: %w", err)
	}
	root, err := hints(records)
	if err != nil {
		return nil, fmt.Errorf("root hints %s: %w", path, err)
	}
	n := &Node{env: env}
	n.core = iterate.New(root, env.Speed, n.ask, n.usable)
	return n, nil
}

// hints reads the root's servers from the records of a hints file.
func hints(records []zonefile.Record) (iterate.Delegation, error) {
	root := iterate.Delegation{Zone: "."}
	addrs := map[string][]netip.Addr{}
	for _, r := range records {
		name := strings.ToLower(r.RR.Header().Name)
		if addr, ok := dnsclient.Address(r.RR); ok {
			addrs[name] = append(addrs[name], addr)
		}
	}
	found := false
	for _, r := range records {
		ns, ok := r.RR.(*dns.NS)
		if !ok || ns.Hdr.Name != "." {
			continue
		}
		name := strings.ToLower(ns.Ns)
		root.Servers = append(root.Servers, iterate.Server{Name: name, Addrs: addrs[name]})
		found = found || len(addrs[name]) > 0
	}
	if !found {
		return root, errors.New("no NS record of the root whose server has an address")
	}
	return root, nil
}

// usable tells addresses that a name server can have from those that lead
// back here or nowhere.
func (n *Node) usable(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || slices.Contains(n.env.Addrs(), a) {
		return false
	}
	return a.Is4() == n.env.Local(a).Is4()
}

// ask implements iterate.Ask.
func (n *Node) ask(ctx context.Context, server netip.AddrPort, q dns.Question, conn string) (*dns.Msg, error) {
	c := dnsclient.New(dnsclient.Config{
		Dial: n.env.Dial, Server: server, Tries: 1, Timeout: serverTimeout, Events: n.env.Events, Conn: conn,
	})
	m := dnsclient.Query(q.Name, q.Qtype)
	m.RecursionDesired = false
	return c.Exchange(ctx, m)
}

// Run implements node.Service.
func (n *Node) Run(ctx context.Context) error {
	n.env.Events.Append(event.Record{Kind: event.KindNode, Text: event.Starting})
	defer n.env.Events.Append(event.Record{Kind: event.KindNode, Text: event.Stopping})
	var addrs []netip.AddrPort
	for _, a := range n.env.Addrs() {
		addrs = append(addrs, netip.AddrPortFrom(a, 53))
	}
	server, err := dnsserver.Listen(ctx, dnsserver.Config{
		Net: n.env.Net, Addrs: addrs, Handler: n, Concurrent: concurrent,
		Events: n.env.Events, Log: n.env.Log, Metrics: n.env.Metrics,
	})
	if err != nil {
		return fmt.Errorf("resolver: %w", err)
	}
	n.serving.Store(true)
	defer n.serving.Store(false)
	n.env.Events.Append(event.Record{Kind: event.KindNode, Text: event.Ready})
	return server.Serve(ctx)
}

// Ready implements node.Service.
func (n *Node) Ready() error {
	if !n.serving.Load() {
		return node.ErrStarting
	}
	return nil
}

// Routes implements node.Service.
func (n *Node) Routes() []node.Route {
	return []node.Route{
		{Pattern: "GET /cache", Handler: http.HandlerFunc(n.serveCache)},
		{Pattern: "DELETE /cache", Handler: http.HandlerFunc(n.clearCache)},
	}
}

func (n *Node) serveCache(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	// The client went away: there is nobody to tell.
	_ = json.NewEncoder(w).Encode(map[string]any{"entries": n.core.List()})
}

func (n *Node) clearCache(w http.ResponseWriter, _ *http.Request) {
	n.core.Clear()
	w.WriteHeader(http.StatusNoContent)
}
