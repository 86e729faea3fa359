// Package listener is the transport side of a TCP service: it accepts,
// limits, and ends connections in two phases. What is spoken is the handler's.
//
// When the context of Serve ends, no connection is accepted any more and every
// handler's context ends: handlers finish the command at hand and say good-bye
// (421, -ERR). After the grace period their connections are cut.
package listener

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Config bounds a service.
type Config struct {
	// Total and PerClient bound the open connections, in all and for one
	// address. 0 means no limit.
	Total, PerClient int
	// Grace is how long handlers have to finish after the context has ended.
	// 0 means 3 seconds.
	Grace time.Duration
	// Busy tells a client that a limit was met, before the connection is
	// closed; it has one second to write. It may be nil.
	Busy func(c net.Conn)
}

// Handler speaks with one client. The connection is closed when it returns.
type Handler func(ctx context.Context, c net.Conn)

// Serve accepts connections from ln until the context ends, and returns nil
// after the last handler has returned; or it returns why accepting failed. It
// closes ln.
func Serve(ctx context.Context, ln net.Listener, cfg Config, handle Handler) error {
	s := &server{cfg: cfg, handle: handle, conns: map[net.Conn]netip.Addr{}, clients: map[netip.Addr]int{}}
	if s.cfg.Grace == 0 {
		s.cfg.Grace = 3 * time.Second
	}
	stopAccept := context.AfterFunc(ctx, func() { ln.Close() })
	defer stopAccept()
	acceptErr := s.accept(ctx, ln)
	ln.Close()
	if acceptErr != nil {
		s.cut()
	} else {
		cut := time.AfterFunc(s.cfg.Grace, s.cut)
		defer cut.Stop()
	}
	s.handlers.Wait()
	return acceptErr
}

type server struct {
	cfg      Config
	handle   Handler
	handlers sync.WaitGroup

	mu      sync.Mutex // guards conns and clients
	conns   map[net.Conn]netip.Addr
	clients map[netip.Addr]int // never more entries than open connections
}

func (s *server) accept(ctx context.Context, ln net.Listener) error {
	const maxPause = time.Second
	pause := 5 * time.Millisecond
	for {
		c, err := ln.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
			s.start(ctx, c)
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the listener was closed because the service stops
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept on %s: %w", ln.Addr(), err)
		default:
			// Out of file descriptors, or a client that went away at once:
			// neither is a reason to stop serving the others.
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil
			}
			pause = min(2*pause, maxPause)
		}
	}
}

func (s *server) start(ctx context.Context, c net.Conn) {
	if !s.admit(c) {
		s.handlers.Go(func() { s.refuse(c) })
		return
	}
	s.handlers.Go(func() {
		defer s.release(c)
		s.handle(ctx, c)
	})
}

func (s *server) refuse(c net.Conn) {
	defer c.Close()
	if s.cfg.Busy != nil {
		c.SetDeadline(time.Now().Add(time.Second)) // fails on a closed connection only
		s.cfg.Busy(c)
	}
}

func (s *server) admit(c net.Conn) bool {
	client := Addr(c.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.Total > 0 && len(s.conns) >= s.cfg.Total {
		return false
	}
	if s.cfg.PerClient > 0 && s.clients[client] >= s.cfg.PerClient {
		return false
	}
	s.conns[c] = client
	s.clients[client]++
	return true
}

func (s *server) release(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	client := s.conns[c]
	delete(s.conns, c)
	if s.clients[client]--; s.clients[client] == 0 {
		delete(s.clients, client)
	}
}

func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// Addr returns the IP address of a socket address, without a port.
func Addr(a net.Addr) netip.Addr { return AddrPort(a).Addr() }

// AddrPort returns a socket address as a value; the zero AddrPort when it is
// not an IP socket's.
func AddrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	case *net.UDPAddr:
		ap := a.AddrPort()
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	return netip.AddrPort{}
}
