// Package authdns is the authoritative name server: it answers for the zones
// of its host's entry in org.yaml, and for nothing else.
//
// A question goes to the zone with the longest matching name (for DS, which
// lives above a zone cut, to the zone above). Package zone answers it from that
// zone alone; the addresses of the hosts that an answer or a referral names are
// added from every zone of the server. ANY gets one record set (RFC 8482), zone
// transfers are refused, names outside the zones get REFUSED.
//
// Zone files are read again when they change, whether written in place or
// renamed over. A version that cannot be served changes nothing: the one before
// goes on, the fault is an event with file and line and is shown by /zones. A
// zone that was never loaded answers SERVFAIL, and the node is not ready.
package authdns

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"correio/services/internal/dnsserver"
	"correio/services/internal/event"
	"correio/services/internal/node"
	"correio/services/internal/problem"
)

// Node is an authoritative name server.
type Node struct {
	env     *node.Env
	zones   atomic.Pointer[set] // what is answered from; replaced whole
	loader  *loader
	serving atomic.Bool
}

// New loads the zones of env.Host. A zone that cannot be loaded is no error:
// see Ready.
func New(env *node.Env) (*Node, error) {
	n := &Node{env: env}
	n.loader = newLoader(env, n.zones.Store)
	n.loader.loadAll()
	return n, nil
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
		Net: n.env.Net, Addrs: addrs, Handler: n, Events: n.env.Events, Log: n.env.Log, Metrics: n.env.Metrics,
	})
	if err != nil {
		return fmt.Errorf("authoritative server: %w", err)
	}
	n.serving.Store(true)
	defer n.serving.Store(false)
	n.env.Events.Append(event.Record{Kind: event.KindNode, Text: event.Ready})

	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { n.loader.watch(ctx) })
	defer watching.Wait()
	defer stop()
	return server.Serve(ctx)
}

// Ready implements node.Service: the sockets are bound and every zone has been
// loaded at least once.
func (n *Node) Ready() error {
	if !n.serving.Load() {
		return node.ErrStarting
	}
	for _, z := range n.zones.Load().list {
		if z.State == Failed {
			return problem.New(problem.ZoneRefused, z.Name, z.Error)
		}
	}
	return nil
}

// Routes implements node.Service.
func (n *Node) Routes() []node.Route {
	return []node.Route{{Pattern: "GET /zones", Handler: http.HandlerFunc(n.serveZones)}}
}

func (n *Node) serveZones(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	// The client went away: there is nobody to tell.
	_ = json.NewEncoder(w).Encode(map[string]any{"zones": n.zones.Load().list})
}
