package labtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"correio/services/internal/listener"
	"correio/services/internal/network"
)

var _ network.Stack = (*Stack)(nil)

// Stack is a network.Stack on loopback ports. Everything that is still open
// when the test ends is closed then.
type Stack struct {
	t  testing.TB
	ca authority

	mu        sync.Mutex                        // guards what follows
	tcp       map[netip.AddrPort]netip.AddrPort // lab listener → real
	udp       map[netip.AddrPort]netip.AddrPort // lab socket → real
	tcpPeer   map[netip.AddrPort]netip.AddrPort // real dialer → lab
	udpPeer   map[netip.AddrPort]netip.AddrPort // real socket → lab
	blackhole map[netip.Addr]bool
	open      map[interface{ Close() error }]struct{}
}

// NewStack returns a stack on which nobody listens yet.
func NewStack(t testing.TB) *Stack {
	s := &Stack{
		t:         t,
		tcp:       map[netip.AddrPort]netip.AddrPort{},
		udp:       map[netip.AddrPort]netip.AddrPort{},
		tcpPeer:   map[netip.AddrPort]netip.AddrPort{},
		udpPeer:   map[netip.AddrPort]netip.AddrPort{},
		blackhole: map[netip.Addr]bool{},
		open:      map[interface{ Close() error }]struct{}{},
	}
	t.Cleanup(s.closeAll)
	return s
}

// Blackhole makes addresses swallow everything: connecting to one of them
// hangs until the context ends, datagrams to it vanish.
func (s *Stack) Blackhole(addrs ...netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range addrs {
		s.blackhole[a] = true
	}
}

// Unblackhole undoes Blackhole.
func (s *Stack) Unblackhole(addrs ...netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range addrs {
		delete(s.blackhole, a)
	}
}

// Real returns the loopback address behind a listener of the lab, for a client
// that knows nothing of the Stack. The node then sees the client's loopback
// address.
func (s *Stack) Real(lab netip.AddrPort) (netip.AddrPort, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	real, ok := s.tcp[lab]
	return real, ok
}

// Listen implements network.Stack.
func (s *Stack) Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &tcpListener{TCPListener: ln.(*net.TCPListener), stack: s}
	l.lab, err = s.claim(s.tcp, local, listener.AddrPort(ln.Addr()))
	if err != nil {
		ln.Close()
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(local), Err: err}
	}
	s.track(l)
	return l, nil
}

// ListenPacket implements network.Stack.
func (s *Stack) ListenPacket(_ context.Context, local netip.AddrPort) (net.PacketConn, error) {
	c, err := s.packet(local)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "udp", Addr: net.UDPAddrFromAddrPort(local), Err: err}
	}
	return c, nil
}

// Dial implements network.Stack. Over TCP an address that nobody listens on
// refuses (ECONNREFUSED); over UDP the first read after a write says so.
func (s *Stack) Dial(ctx context.Context, network string, local netip.Addr, remote netip.AddrPort) (net.Conn, error) {
	var c net.Conn
	var err error
	switch network {
	case "tcp":
		c, err = s.dialTCP(ctx, local, remote)
	case "udp":
		c, err = s.dialUDP(local, remote)
	default:
		err = fmt.Errorf("unknown network %q", network)
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(remote), Err: err}
	}
	return c, nil
}

func (s *Stack) dialTCP(ctx context.Context, local netip.Addr, remote netip.AddrPort) (net.Conn, error) {
	s.mu.Lock()
	real, listening := s.tcp[remote]
	swallowed := s.blackhole[remote.Addr()]
	s.mu.Unlock()
	if swallowed {
		<-ctx.Done()
		return nil, timeout(ctx)
	}
	if !listening {
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	c := &tcpConn{stack: s, remote: remote}
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		// The server must know whom it talks to before it accepts, so the port
		// is taken, and noted, before the connection is made.
		port, err := bindLoopback(raw)
		if err != nil {
			return err
		}
		c.local = s.note(s.tcpPeer, local, port)
		return nil
	}}
	conn, err := d.DialContext(ctx, "tcp4", real.String())
	if err != nil {
		return nil, err
	}
	c.TCPConn = conn.(*net.TCPConn)
	s.track(c)
	return c, nil
}

// timeout is what a dialer says when nobody answers: a net.Error that timed
// out, or the cancellation.
func timeout(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	return ctx.Err()
}

// note remembers that a real loopback port speaks for an address of the lab,
// and returns the pair of that address and the port.
func (s *Stack) note(peers map[netip.AddrPort]netip.AddrPort, lab netip.Addr, port uint16) netip.AddrPort {
	real := netip.AddrPortFrom(loopback, port)
	if !lab.IsValid() {
		lab = loopback
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	peers[real] = netip.AddrPortFrom(lab, port)
	return peers[real]
}

// claim maps an address of the lab to a real one, until release. Port 0 means
// the real port.
func (s *Stack) claim(owners map[netip.AddrPort]netip.AddrPort, lab, real netip.AddrPort) (netip.AddrPort, error) {
	if lab.Port() == 0 {
		lab = netip.AddrPortFrom(lab.Addr(), real.Port())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := owners[lab]; taken {
		return netip.AddrPort{}, os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	owners[lab] = real
	return lab, nil
}

func (s *Stack) release(owners map[netip.AddrPort]netip.AddrPort, keys ...netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(owners, key)
	}
}

func (s *Stack) track(c interface{ Close() error }) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = struct{}{}
}

func (s *Stack) untrack(c interface{ Close() error }) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

func (s *Stack) closeAll() {
	s.mu.Lock()
	open := make([]interface{ Close() error }, 0, len(s.open))
	for c := range s.open {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
}

// Eventually is how long the helpers of this package wait for something that
// another goroutine does.
const Eventually = 10 * time.Second

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
