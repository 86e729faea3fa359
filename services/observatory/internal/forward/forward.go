// Package forward carries connections into the lab: the observatory asks an
// organisation's workstation, by its control port, to dial, and passes the
// octets on (package tunnel). The wire inside the lab therefore starts at a
// workstation, as if somebody typed there.
//
// Dialer opens the tunnels and bounds how many there are. Port is a port of
// the user's own machine whose connections end at one host of the lab.
package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/lab"
	"correio/services/internal/network"
	"correio/services/internal/tunnel"
)

const (
	// MaxTunnels bounds the tunnels that are open at a time, in all.
	MaxTunnels = 256
	// Idle is how long nothing may move before a tunnel is closed: longer than
	// the servers of the lab wait for a command (RFC 5321 §4.5.3.2.7: at least
	// 5 minutes; RFC 1939 §3: at least 10), so that they are the ones to say so.
	Idle = 15 * time.Minute
	// Grace is how long a tunnel may go on after its service was told to stop.
	Grace = 3 * time.Second

	openWait = 15 * time.Second
)

// The mistakes of who asks for a tunnel.
var (
	ErrVia    = errors.New("via names no workstation of the lab")
	ErrTarget = errors.New("to must be HOST:PORT")
	ErrBusy   = fmt.Errorf("%d connections are open already", MaxTunnels)
)

// Dialer opens connections from the lab's workstations.
type Dialer struct {
	lab   *lab.Lab
	token string
	net   network.Stack
	slots chan struct{} // holds one token for each open tunnel
}

// NewDialer returns a Dialer that speaks to control ports from the
// observatory's control address.
func NewDialer(l *lab.Lab, token string, stack network.Stack) *Dialer {
	return &Dialer{lab: l, token: token, net: stack, slots: make(chan struct{}, MaxTunnels)}
}

// Open returns the number of tunnels that are open.
func (d *Dialer) Open() int { return len(d.slots) }

// Dial opens a connection from the workstation via to to (HOST:PORT, where
// HOST is a name of the lab or an address). A refusal of the workstation is a
// *control.StatusError. The connection half-closes.
func (d *Dialer) Dial(ctx context.Context, via, to string) (net.Conn, error) {
	host, ok := d.lab.Host(via)
	if !ok || host.Role != lab.RolePC {
		return nil, ErrVia
	}
	if !target(to) {
		return nil, ErrTarget
	}
	select {
	case d.slots <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	c, err := d.open(ctx, control.Addr(host), to)
	if err != nil {
		<-d.slots
		return nil, err
	}
	return &counted{Conn: c, release: sync.OnceFunc(func() { <-d.slots })}, nil
}

func (d *Dialer) open(ctx context.Context, pc netip.AddrPort, to string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	c, err := d.net.Dial(ctx, "tcp", d.lab.Observatory.Control, pc)
	if err != nil {
		return nil, fmt.Errorf("reach the workstation: %w", err)
	}
	client := control.Client{Addr: pc, Token: d.token}
	req, err := client.NewRequest(ctx, http.MethodGet, "/dial?to="+url.QueryEscape(to), nil)
	if err != nil {
		c.Close()
		return nil, err
	}
	return tunnel.Open(ctx, c, req)
}

// target reports whether s can be a host and a port. What the host means is
// the workstation's to find out.
func target(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || len(host) > 255 {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && !strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// counted gives its slot back when it is closed.
type counted struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite tells the other end that nothing more will come.
func (c *counted) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.New("no half-close")
}

// Linger returns a context that ends Grace after the given one, so that a
// conversation can be brought to an end when the lab stops.
func Linger(ctx context.Context) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	timers := make(chan *time.Timer, 1)
	stop := context.AfterFunc(ctx, func() { timers <- time.AfterFunc(Grace, cancel) })
	return later, func() {
		cancel()
		if !stop() {
			(<-timers).Stop()
		}
	}
}
