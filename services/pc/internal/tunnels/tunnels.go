// Package tunnels lets somebody outside the lab speak from the workstation:
// GET /dial?to=HOST:PORT becomes one TCP connection that the workstation
// makes (package tunnel has the protocol).
//
// HOST is an address, or a name that the organisation's resolver is asked for.
// Only addresses of the Internet and of the organisation's own LAN are dialled:
// a workstation has no cable to anywhere else.
package tunnels

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/dnsclient"
	"correio/services/internal/event"
	"correio/services/internal/mailaddr"
	"correio/services/internal/network"
	"correio/services/internal/node"
	"correio/services/internal/problem"
	"correio/services/internal/reason"
	"correio/services/internal/tunnel"
)

// Limits of the tunnels of one workstation.
const (
	MaxTunnels = 128              // at a time
	Idle       = 10 * time.Minute // after which one that carries nothing ends
	openWait   = 10 * time.Second // to resolve and connect; less than whoever asked waits for the answer
)

// Tunnels is the handler of /dial and the owner of what it has opened.
type Tunnels struct {
	env *node.Env

	mu      sync.Mutex // guards what follows
	closed  bool
	open    map[int]context.CancelFunc // at most MaxTunnels
	next    int
	running sync.WaitGroup // Add only while mu is held and closed is false
}

// New returns the tunnels of a workstation.
func New(env *node.Env) *Tunnels {
	return &Tunnels{env: env, open: map[int]context.CancelFunc{}}
}

// Close cuts every tunnel, waits for their ends and refuses new ones.
func (t *Tunnels) Close() {
	t.mu.Lock()
	t.closed = true
	for _, cancel := range t.open {
		cancel()
	}
	t.mu.Unlock()
	t.running.Wait()
}

// begin takes a place, or reports that there is none. done gives it back.
func (t *Tunnels) begin(parent context.Context) (ctx context.Context, done func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.open) >= MaxTunnels {
		return nil, nil, false
	}
	ctx, cancel := context.WithCancel(parent)
	t.next++
	number := t.next
	t.open[number] = cancel
	t.running.Add(1)
	return ctx, func() {
		cancel()
		t.mu.Lock()
		delete(t.open, number)
		t.mu.Unlock()
		t.running.Done()
	}, true
}

// refusal is why there is no tunnel, with its HTTP status.
type refusal struct {
	status int
	why    *problem.Problem
}

// Error implements error.
func (r *refusal) Error() string { return r.why.Error() }

// Unwrap returns the problem.
func (r *refusal) Unwrap() error { return r.why }

func refuse(status int, code problem.Code, args ...string) error {
	return &refusal{status, problem.New(code, args...)}
}

// ServeHTTP implements http.Handler.
func (t *Tunnels) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !tunnel.Requested(r) {
		w.Header().Set("Upgrade", tunnel.Upgrade)
		control.WriteProblem(w, http.StatusUpgradeRequired, problem.New(problem.TunnelByUpgrade, r.URL.Path, tunnel.Upgrade))
		return
	}
	ctx, done, ok := t.begin(r.Context())
	if !ok {
		control.WriteProblem(w, http.StatusServiceUnavailable, problem.New(problem.Busy, strconv.Itoa(MaxTunnels)))
		return
	}
	defer done()
	conn := t.env.Events.NextConn()
	far, err := t.dial(ctx, conn, r.URL.Query().Get("to"))
	if err != nil {
		status := http.StatusBadGateway
		if why := (*refusal)(nil); errors.As(err, &why) {
			status = why.status
		}
		control.WriteProblem(w, status, err)
		return
	}
	defer far.Close()
	near, err := tunnel.Accept(w)
	if err != nil {
		t.ended(conn, reason.New(reason.ClientGone))
		return
	}
	tunnel.Splice(ctx, near, far, Idle)
	t.ended(conn, reason.New(reason.TunnelEnded))
}

func (t *Tunnels) ended(conn string, why reason.Reason) {
	t.env.Events.Append(event.Record{Conn: conn, Kind: event.KindConn, Text: event.Close, Meta: event.M(event.Reason, reason.Encode(why))})
}

// dial finds out what is meant and connects to it.
func (t *Tunnels) dial(ctx context.Context, conn, to string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	host, port, err := split(to)
	if err != nil {
		return nil, err
	}
	addrs, err := t.addresses(ctx, conn, host)
	if err != nil {
		return nil, err
	}
	var c net.Conn
	for _, addr := range addrs {
		if c, err = t.env.Dial(ctx, "tcp", netip.AddrPortFrom(addr, port)); err == nil {
			t.opened(conn, host, port, c)
			return c, nil
		}
	}
	return nil, problem.Connecting(to, err)
}

// protocols are what is spoken on the ports of the lab, as events name it.
var protocols = map[uint16]string{24: "lmtp", 25: "smtp", 110: "pop3", 465: "submissions", 587: "submission", 589: "submission", 995: "pop3s"}

func (t *Tunnels) opened(conn, host string, port uint16, c net.Conn) {
	proto := protocols[port]
	if proto == "" {
		proto = "tcp"
	}
	t.env.Events.Append(event.Record{Conn: conn, Kind: event.KindConn, Text: event.Open, Meta: event.M(
		event.Proto, proto, event.Role, "client", event.Host, host,
		event.Local, c.LocalAddr().String(), event.Remote, c.RemoteAddr().String())})
}

// split reads HOST:PORT.
func split(to string) (host string, port uint16, err error) {
	host, number, err := net.SplitHostPort(to)
	n, portErr := strconv.ParseUint(number, 10, 16)
	if err != nil || portErr != nil || n == 0 || host == "" {
		return "", 0, refuse(http.StatusBadRequest, problem.BadTarget, strconv.Quote(to))
	}
	return host, uint16(n), nil
}

// addresses returns where host may be dialled, one address at least.
func (t *Tunnels) addresses(ctx context.Context, conn, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		if !t.reachable(addr) {
			return nil, refuse(http.StatusForbidden, problem.NoCable, addr.String(), t.env.Host.Name)
		}
		return []netip.Addr{addr}, nil
	}
	if !mailaddr.IsDomain(trimDot(host)) {
		return nil, refuse(http.StatusBadRequest, problem.NotAHostName, strconv.Quote(host))
	}
	resolver := dnsclient.New(dnsclient.Config{
		Dial: t.env.Dial, Server: netip.AddrPortFrom(t.env.Org.Resolver, 53), Events: t.env.Events, Conn: conn,
	})
	found := resolver.LookupAddrs(ctx, host)
	switch found.Status {
	case dnsclient.NXDomain:
		return nil, refuse(http.StatusNotFound, problem.NoSuchHost, host)
	case dnsclient.NoData:
		return nil, refuse(http.StatusNotFound, problem.NoHostAddress, host)
	case dnsclient.Failed:
		return nil, t.unresolved(host, found.Err)
	}
	addrs := slices.DeleteFunc(found.List, func(a netip.Addr) bool { return !t.reachable(a) })
	if len(addrs) == 0 {
		return nil, refuse(http.StatusForbidden, problem.NoCable, host, t.env.Host.Name)
	}
	return addrs, nil
}

// unresolved is why the resolver has not told where a host is.
func (t *Tunnels) unresolved(host string, err error) error {
	if network.TroubleOf(err) != "" {
		return problem.New(problem.ResolverSilent, host, t.env.Org.Resolver.String())
	}
	var said *dnsclient.ServerError
	if errors.As(err, &said) {
		err = said
	}
	return problem.New(problem.ResolverFailed, host, err.Error())
}

func trimDot(host string) string {
	if n := len(host); n > 1 && host[n-1] == '.' {
		return host[:n-1]
	}
	return host
}

// reachable reports whether the workstation has a cable to where addr is.
func (t *Tunnels) reachable(addr netip.Addr) bool {
	n := t.env.Org.Networks
	return n.Internet.Contains(addr) && t.env.Host.Internet.IsValid() || n.LAN.Contains(addr) && t.env.Host.LAN.IsValid()
}
