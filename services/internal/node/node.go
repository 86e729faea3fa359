// Package node is what every role of the lab is built from: an Env handed to
// its constructor, and a Service that it returns. A role knows nothing of how
// it was started, in a container or as one of many in a process.
package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/clock"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/network"
	"correio/services/internal/problem"
)

// Env is what a node is given to work with.
type Env struct {
	Org  *lab.Org // its own site's folder, loaded and checked
	Host lab.Host // its own entry there
	// State is a directory for what must survive a restart. It exists and
	// belongs to the node alone.
	State   string
	Speed   clock.Speed
	Net     network.Stack
	Events  *event.Log
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Cert is the node's own certificate for Host.Name, signed by the lab's
	// authority; nil where the role speaks no TLS.
	Cert *tls.Certificate
	// Roots holds the lab's certificate authority.
	Roots *x509.CertPool
}

// Service is a role at work.
type Service interface {
	// Run serves until the context ends, then stops in two phases (stop taking
	// work, then cut) and returns nil, or returns why it could not serve.
	Run(ctx context.Context) error
	// Ready says why the node cannot do its work yet, or nil. It must not block.
	Ready() error
	// Routes are what the role adds to the control port.
	Routes() []Route
}

// Route is one handler on the control port. Pattern is one of net/http's
// ServeMux, such as "GET /queue".
type Route struct {
	Pattern string
	Handler http.Handler
}

// ErrStarting is what Ready returns before Run has bound its sockets.
var ErrStarting error = problem.New(problem.Starting)

// Local returns the address from which the node speaks to remote: its LAN
// address when remote is on its LAN, else its Internet address, else whichever
// it has.
func (e *Env) Local(remote netip.Addr) netip.Addr {
	if e.Host.LAN.IsValid() && (e.Org.Networks.LAN.Contains(remote) || !e.Host.Internet.IsValid()) {
		return e.Host.LAN
	}
	return e.Host.Internet
}

// Dial connects to remote from the node's own address there. network is "tcp"
// or "udp".
func (e *Env) Dial(ctx context.Context, network string, remote netip.AddrPort) (net.Conn, error) {
	return e.Net.Dial(ctx, network, e.Local(remote.Addr()), remote)
}

// Addrs returns the node's addresses for mail and DNS, Internet first.
func (e *Env) Addrs() []netip.Addr {
	var addrs []netip.Addr
	for _, a := range []netip.Addr{e.Host.Internet, e.Host.LAN} {
		if a.IsValid() {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// AddrOf returns the address at which this node reaches a host of its own
// site: on the LAN when both are there, else on the Internet.
func (e *Env) AddrOf(h lab.Host) netip.Addr {
	if e.Host.LAN.IsValid() && h.LAN.IsValid() {
		return h.LAN
	}
	return h.Internet
}
