// Package network is the one door to sockets: every node listens and dials
// through a Stack, always on its own addresses, so that the same code runs in
// a container of its own, in one process that holds the whole lab, and in unit
// tests that map the lab's addresses to loopback ports.
package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Stack opens sockets on the lab's addresses.
type Stack interface {
	Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error)
	ListenPacket(ctx context.Context, local netip.AddrPort) (net.PacketConn, error)
	// Dial connects by "tcp" or "udp". local is the address to speak from; the
	// zero Addr leaves the choice to the stack. The context bounds the attempt.
	Dial(ctx context.Context, network string, local netip.Addr, remote netip.AddrPort) (net.Conn, error)
}

// System is the operating system's stack.
type System struct{}

// keepAlive finds out about peers that vanished without a word.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// Listen implements Stack by TCP.
func (System) Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error) {
	lc := net.ListenConfig{KeepAliveConfig: keepAlive}
	return lc.Listen(ctx, "tcp", local.String())
}

// ListenPacket implements Stack by UDP.
func (System) ListenPacket(ctx context.Context, local netip.AddrPort) (net.PacketConn, error) {
	var lc net.ListenConfig
	return lc.ListenPacket(ctx, "udp", local.String())
}

// Dial implements Stack.
func (System) Dial(ctx context.Context, network string, local netip.Addr, remote netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: keepAlive}
	if local.IsValid() {
		switch network {
		case "tcp":
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
		case "udp":
			d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
		default:
			return nil, fmt.Errorf("dial: unknown network %q", network)
		}
	}
	return d.DialContext(ctx, network, remote.String())
}
