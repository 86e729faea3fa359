package dnsserver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"correio/services/internal/listener"
)

// maxDatagram is the longest question read by UDP, in octets. Longer ones are
// cut by the socket and fail to parse.
const maxDatagram = 4096

// socket is a UDP socket by address values. *net.UDPConn is one that does not
// allocate; other implementations of net.PacketConn are wrapped.
type socket interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
}

type packetSocket struct{ net.PacketConn }

func (s packetSocket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := s.ReadFrom(b)
	if err != nil {
		return n, netip.AddrPort{}, err
	}
	return n, listener.AddrPort(from), nil
}

func (s packetSocket) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return s.WriteTo(b, net.UDPAddrFromAddrPort(to))
}

// asSocket does not ask for the methods: a wrapper that embeds *net.UDPConn has
// them, and they would pass it by.
func asSocket(pc net.PacketConn) socket {
	if udp, ok := pc.(*net.UDPConn); ok {
		return udp
	}
	return packetSocket{pc}
}

// serveUDP reads questions until ctx ends, and returns when the last of them
// is answered.
func (s *Server) serveUDP(ctx, work context.Context, pc net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() { _ = pc.SetReadDeadline(time.Unix(1, 0)) }) // fails when closed: the same end
	defer stop()
	// When the handler answers at once, one reader for each processor answers
	// too; else a reader only starts goroutines.
	readers := 1
	if s.slots == nil {
		readers = min(runtime.GOMAXPROCS(0), 4)
	}
	l := &udpLoop{server: s, socket: asSocket(pc), local: listener.AddrPort(pc.LocalAddr())}
	errs := make(chan error, readers)
	for range readers {
		go func() { errs <- l.read(ctx, work) }()
	}
	var failed error
	for range readers {
		if err := <-errs; err != nil && failed == nil {
			failed = fmt.Errorf("read from %s/udp: %w", l.local, err)
			pc.Close() // the other readers end with it
		}
	}
	l.answering.Wait()
	return failed
}

type udpLoop struct {
	server    *Server
	socket    socket
	local     netip.AddrPort
	answering sync.WaitGroup
}

// read answers, or starts to answer, what arrives until ctx ends.
func (l *udpLoop) read(ctx, work context.Context) error {
	in, out := make([]byte, maxDatagram), make([]byte, maxDatagram)
	failures := 0
	for {
		n, from, err := l.socket.ReadFromUDPAddrPort(in)
		select {
		case <-ctx.Done():
			return nil
		default:
		}
		if err != nil {
			// An error of one datagram (ICMP) is no reason to end; an error
			// that comes again and again is.
			if failures++; failures > 100 {
				return err
			}
			continue
		}
		failures = 0
		if l.server.slots == nil {
			l.answer(work, in[:n], out, from)
			continue
		}
		l.start(work, in[:n], from)
	}
}

// start answers in a goroutine, if there may be one more.
func (l *udpLoop) start(work context.Context, wire []byte, from netip.AddrPort) {
	select {
	case l.server.slots <- struct{}{}:
	default:
		l.server.record.drop("too many at once")
		return
	}
	wire = append([]byte(nil), wire...)
	l.answering.Go(func() {
		defer func() { <-l.server.slots }()
		l.answer(work, wire, nil, from)
	})
}

func (l *udpLoop) answer(work context.Context, wire, buf []byte, from netip.AddrPort) {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	r := &Request{Proto: "udp", Local: l.local, Remote: from}
	if out := l.server.respond(work, r, wire, buf); out != nil {
		if _, err := l.socket.WriteToUDPAddrPort(out, from); err != nil {
			l.server.record.drop("cannot be sent")
		}
	}
}
