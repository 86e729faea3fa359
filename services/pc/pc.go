// Package pc is an organisation's workstation. It opens no port but the
// control port: there people and tools ask it to send a mail (POST /send), to
// fetch a mailbox (POST /fetch), or to let them type at a server from where it
// stands (GET /dial); and it tells who works there (GET /people).
package pc

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"correio/services/internal/event"
	"correio/services/internal/node"
	"correio/services/pc/internal/mua"
	"correio/services/pc/internal/tunnels"
)

var _ node.Service = (*Node)(nil)

// Node is a workstation.
type Node struct {
	env     *node.Env
	agent   *mua.Agent
	tunnels *tunnels.Tunnels
	ready   atomic.Bool
}

// New makes a workstation.
func New(env *node.Env) (*Node, error) {
	if len(env.Addrs()) == 0 {
		return nil, fmt.Errorf("pc %s: no address", env.Host.Name)
	}
	return &Node{
		env:     env,
		agent:   &mua.Agent{Host: env.Host.Name, Dial: env.Dial, Roots: env.Roots, Events: env.Events},
		tunnels: tunnels.New(env),
	}, nil
}

// Run implements node.Service: it waits for the end, and cuts the tunnels then.
func (n *Node) Run(ctx context.Context) error {
	n.record(event.Starting)
	n.ready.Store(true)
	n.record(event.Ready)
	<-ctx.Done()
	n.ready.Store(false)
	n.record(event.Stopping)
	n.tunnels.Close()
	return nil
}

func (n *Node) record(state string) {
	n.env.Events.Append(event.Record{Kind: event.KindNode, Text: state})
}

// Ready implements node.Service.
func (n *Node) Ready() error {
	if !n.ready.Load() {
		return node.ErrStarting
	}
	return nil
}

// Routes implements node.Service.
func (n *Node) Routes() []node.Route {
	return []node.Route{
		{Pattern: "POST /send", Handler: http.HandlerFunc(n.send)},
		{Pattern: "POST /fetch", Handler: http.HandlerFunc(n.fetch)},
		{Pattern: "GET /dial", Handler: n.tunnels},
		{Pattern: "GET /people", Handler: http.HandlerFunc(n.people)},
	}
}
