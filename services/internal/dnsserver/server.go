// Package dnsserver is the server side of DNS for the authoritative server and
// the resolver: sockets, message grammar, sizes and limits. What is answered
// is the Handler's.
//
// A message passes through these steps, and no other code of the lab parses or
// packs what a DNS client sends or gets:
//
//  1. read, bounded: datagrams up to 4096 octets, TCP messages up to 16 KiB;
//  2. screened: responses and fragments of a header are met with silence,
//     opcodes other than QUERY with NOTIMP, any number of questions but one
//     and what cannot be parsed with FORMERR, EDNS versions other than 0 with
//     BADVERS, signatures, for which we have no keys, with NOTAUTH, and
//     classes other than IN with REFUSED;
//  3. answered by the Handler; its panic becomes a SERVFAIL and a log line;
//  4. fitted: by UDP into what the client announced, at most 1232 octets, 512
//     without EDNS. Additional records that nobody needs go first, then TC is
//     set. Names are compressed, the question keeps its case;
//  5. recorded as an event, counted, and sent.
//
// TCP connections are bounded in number, in all and for each client, in idle
// time and in questions (RFC 7766 §6.2). When the context of Serve ends, no
// question is taken any more, those at work have a grace period, then
// everything is cut.
package dnsserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/event"
	"correio/services/internal/listener"
	"correio/services/internal/network"
)

// UDPSize is the most that is sent in a datagram, in octets, and what we
// announce by EDNS (DNS flag day 2020).
const UDPSize = 1232

// Request is a question as the Handler sees it.
type Request struct {
	// Msg is the client's message: QUERY with one question of class IN, which
	// is repeated in Question for convenience.
	Msg           *dns.Msg
	Question      dns.Question
	Proto         string // "udp" or "tcp"
	Local, Remote netip.AddrPort
	// Conn and Note, when the handler sets them, go into the event record.
	Conn string
	Note event.Meta
}

// Handler answers questions. The message that it returns is the server's to
// change, the records in it are not; nil means silence. An OPT record in it is
// taken for its options alone. It must be safe for concurrent use, and return
// soon after its context has ended.
type Handler interface {
	Answer(ctx context.Context, r *Request) *dns.Msg
}

// Config says where and how to serve. Net, Addrs, Handler and Log are needed.
type Config struct {
	Net     network.Stack
	Addrs   []netip.AddrPort // each by UDP and by TCP
	Handler Handler
	Events  *event.Log
	Log     *slog.Logger
	Metrics prometheus.Registerer // may be nil
	// Concurrent bounds the questions at work at the same time, where a
	// handler waits for others; what exceeds it is dropped. With 0 the handler
	// answers at once and is called from the reading goroutines.
	Concurrent int
	// Connections and PerClient bound open TCP connections, in all and for one
	// address; 0 means 400 and 40.
	Connections, PerClient int
	// Idle is how long a TCP connection may be without a question; 0 means 10
	// seconds. PerConnection bounds the questions on one; 0 means 1000.
	Idle          time.Duration
	PerConnection int
	// Grace is how long questions at work have at the end; 0 means 2 seconds.
	Grace time.Duration
}

func (c *Config) defaults() {
	if c.Connections == 0 {
		c.Connections = 400
	}
	if c.PerClient == 0 {
		c.PerClient = 40
	}
	if c.Idle == 0 {
		c.Idle = 10 * time.Second
	}
	if c.PerConnection == 0 {
		c.PerConnection = 1000
	}
	if c.Grace == 0 {
		c.Grace = 2 * time.Second
	}
}

// Server has its sockets bound.
type Server struct {
	cfg     Config
	record  *recorder
	slots   chan struct{} // one token for each question at work; nil when Concurrent is 0
	packets []net.PacketConn
	streams []net.Listener
}

// Listen binds every address by UDP and TCP, or none and says which failed.
func Listen(ctx context.Context, cfg Config) (*Server, error) {
	cfg.defaults()
	record, err := newRecorder(cfg.Events, cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("dns server: %w", err)
	}
	s := &Server{cfg: cfg, record: record}
	if cfg.Concurrent > 0 {
		s.slots = make(chan struct{}, cfg.Concurrent)
	}
	for _, addr := range cfg.Addrs {
		pc, err := cfg.Net.ListenPacket(ctx, addr)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("listen on %s/udp: %w", addr, err)
		}
		s.packets = append(s.packets, pc)
		ln, err := cfg.Net.Listen(ctx, addr)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("listen on %s/tcp: %w", addr, err)
		}
		s.streams = append(s.streams, ln)
	}
	return s, nil
}

func (s *Server) close() {
	for _, pc := range s.packets {
		pc.Close()
	}
	for _, ln := range s.streams {
		ln.Close()
	}
}

// Serve answers until the context ends and returns nil when every question at
// work has been answered or cut; or it returns why serving failed. It closes
// the sockets. It is called once.
func (s *Server) Serve(ctx context.Context) error {
	defer s.close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// work outlives ctx by the grace period: handlers may finish.
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	stopCut := context.AfterFunc(ctx, func() {
		t := time.NewTimer(s.cfg.Grace)
		defer t.Stop()
		select {
		case <-t.C:
			cut()
		case <-work.Done():
		}
	})
	defer stopCut()

	var running sync.WaitGroup
	failures := make(chan error, len(s.packets)+len(s.streams))
	run := func(serve func() error) {
		running.Go(func() {
			if err := serve(); err != nil {
				failures <- err
				stop() // one dead socket ends the service, to be started anew
			}
		})
	}
	for _, pc := range s.packets {
		run(func() error { return s.serveUDP(ctx, work, pc) })
	}
	limits := listener.Config{Total: s.cfg.Connections, PerClient: s.cfg.PerClient, Grace: s.cfg.Grace}
	for _, ln := range s.streams {
		run(func() error {
			return listener.Serve(ctx, ln, limits, func(ctx context.Context, c net.Conn) { s.serveConn(ctx, work, c) })
		})
	}
	running.Wait()
	close(failures)
	var errs []error
	for err := range failures {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
