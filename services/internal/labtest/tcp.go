package labtest

import (
	"net"
	"net/netip"
	"sync"

	"correio/services/internal/listener"
)

// tcpListener accepts on a loopback port and says it is one of the lab's.
type tcpListener struct {
	*net.TCPListener
	stack *Stack
	lab   netip.AddrPort
	once  sync.Once
}

// Accept implements net.Listener.
func (l *tcpListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	real := listener.AddrPort(c.RemoteAddr())
	conn := &tcpConn{TCPConn: c, stack: l.stack, local: l.lab, remote: real, peer: real}
	l.stack.mu.Lock()
	if lab, ok := l.stack.tcpPeer[real]; ok {
		conn.remote = lab
	}
	l.stack.mu.Unlock()
	l.stack.track(conn)
	return conn, nil
}

// Addr returns the address of the lab.
func (l *tcpListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.lab) }

// Close stops listening: the address refuses connections from now on.
func (l *tcpListener) Close() error {
	l.once.Do(func() {
		l.stack.release(l.stack.tcp, l.lab)
		l.stack.untrack(l)
	})
	return l.TCPListener.Close()
}

// tcpConn is one end of a connection; its methods are those of a TCPConn, so
// half-closing works.
type tcpConn struct {
	*net.TCPConn
	stack         *Stack
	local, remote netip.AddrPort
	peer          netip.AddrPort // the dialer's real address; on the accepting end only
	once          sync.Once
}

// LocalAddr returns this end's address of the lab.
func (c *tcpConn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(c.local) }

// RemoteAddr returns the other end's address of the lab.
func (c *tcpConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// Close implements net.Conn.
func (c *tcpConn) Close() error {
	c.once.Do(func() {
		if c.peer.IsValid() {
			c.stack.release(c.stack.tcpPeer, c.peer)
		}
		c.stack.untrack(c)
	})
	return c.TCPConn.Close()
}
