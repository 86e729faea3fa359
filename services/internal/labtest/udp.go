package labtest

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"correio/services/internal/listener"
)

// packetConn is a UDP socket that speaks of the lab's addresses.
type packetConn struct {
	*net.UDPConn
	stack     *Stack
	real, lab netip.AddrPort
	once      sync.Once
}

func (s *Stack) packet(local netip.AddrPort) (*packetConn, error) {
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		return nil, err
	}
	c := &packetConn{UDPConn: udp, stack: s, real: listener.AddrPort(udp.LocalAddr())}
	if c.lab, err = s.claim(s.udp, local, c.real); err != nil {
		udp.Close()
		return nil, err
	}
	s.mu.Lock()
	s.udpPeer[c.real] = c.lab
	s.mu.Unlock()
	s.track(c)
	return c, nil
}

// ReadFrom implements net.PacketConn; the address is the lab's.
func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(c.stack.labOf(from)), nil
}

// WriteTo implements net.PacketConn. A datagram to an address that nobody has
// is lost, as on any network.
func (c *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	real, ok, swallowed := c.stack.realOf(listener.AddrPort(to))
	if !ok || swallowed {
		return len(b), nil
	}
	return c.WriteToUDPAddrPort(b, real)
}

// LocalAddr returns the socket's address of the lab.
func (c *packetConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.lab) }

// Close implements net.PacketConn.
func (c *packetConn) Close() error {
	c.once.Do(func() {
		c.stack.release(c.stack.udp, c.lab)
		c.stack.release(c.stack.udpPeer, c.real)
		c.stack.untrack(c)
	})
	return c.UDPConn.Close()
}

func (s *Stack) labOf(real netip.AddrPort) netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lab, ok := s.udpPeer[real]; ok {
		return lab
	}
	return real
}

func (s *Stack) realOf(lab netip.AddrPort) (real netip.AddrPort, ok, swallowed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	real, ok = s.udp[lab]
	return real, ok, s.blackhole[lab.Addr()]
}

// udpConn is a dialled UDP socket: it hears its peer alone.
type udpConn struct {
	*packetConn
	remote netip.AddrPort
}

func (s *Stack) dialUDP(local netip.Addr, remote netip.AddrPort) (net.Conn, error) {
	if !local.IsValid() {
		local = loopback
	}
	c, err := s.packet(netip.AddrPortFrom(local, 0))
	if err != nil {
		return nil, err
	}
	return &udpConn{packetConn: c, remote: remote}, nil
}

// RemoteAddr returns the peer's address of the lab.
func (c *udpConn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.remote) }

// Read implements net.Conn.
func (c *udpConn) Read(b []byte) (int, error) {
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		switch {
		case err != nil:
			return n, err
		case from == c.real:
			return 0, &net.OpError{Op: "read", Net: "udp", Source: c.LocalAddr(), Addr: c.RemoteAddr(),
				Err: os.NewSyscallError("read", syscall.ECONNREFUSED)}
		case c.stack.labOf(from) == c.remote:
			return n, nil
		}
	}
}

// Write implements net.Conn. When nobody listens at the peer's address, the
// next Read says that it refused, as after an ICMP "port unreachable".
func (c *udpConn) Write(b []byte) (int, error) {
	real, ok, swallowed := c.stack.realOf(c.remote)
	switch {
	case swallowed:
		return len(b), nil
	case !ok:
		real = c.real // a datagram from oneself is the mark of a refusal
	}
	return c.WriteToUDPAddrPort(b, real)
}
