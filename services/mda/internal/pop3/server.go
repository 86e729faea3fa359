// Package pop3 is the POP3 server of the MDA: RFC 1939 with the extensions of
// RFC 2449 (CAPA, response codes, pipelining), RFC 2595 (STLS), RFC 3206 (AUTH
// and SYS/TEMP codes), RFC 5034 (AUTH) and RFC 6856 (UTF8).
//
// # Flow
//
// bounded line → parse to a command → rule (state, number of arguments) →
// handler → reply into one buffer, which is sent when no further complete
// command has arrived: pipelined commands are answered in one write.
//
// # Guarantees
//
// A session holds its mailbox alone from PASS to its end. Messages marked by
// DELE are removed at QUIT and at nothing else: a connection that breaks, idles
// too long or meets the server's shutdown removes nothing. What LIST says is
// what RETR sends, in octets, before dots are stuffed. Every read has a length
// limit, every read and write a deadline; a message is streamed in pieces.
// Logging in without TLS is allowed: the lab exists to let people watch it.
//
// A message with UTF-8 in its header (RFC 6532) goes out octet for octet also to
// a client that has not said UTF8. RFC 6856 §5 would have it refused, or a
// surrogate made: few clients know the command, those that do not read UTF-8 all
// the same, and a message that nobody can fetch teaches less than one that is
// all there. So LIST, UIDL and what RETR sends are the same in both modes.
package pop3

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/sasl"
	"correio/services/mda/internal/store"
)

// Maildrop is what a session needs of a mailbox that it holds.
type Maildrop interface {
	Entries() []store.Entry
	UniqueID(e store.Entry) string
	Message(ctx context.Context, e store.Entry) (*store.Message, error)
	Remove(ctx context.Context, uids []uint32) ([]store.Removed, error)
	Close()
}

// Config is what a Server is made of.
type Config struct {
	Host string // our own name, for the greeting
	// Accounts know who may log in; each account is a mailbox of that name.
	Accounts sasl.Credentials
	// Open locks a mailbox, or returns store.ErrLocked.
	Open func(ctx context.Context, mailbox string) (Maildrop, error)
	// NameOf returns the name of a client's host, "" when unknown; it may be nil.
	NameOf func(netip.Addr) string
	// TLS is the server's side of STLS and of implicit TLS; nil for neither.
	TLS     *tls.Config
	Events  *event.Log
	Log     *slog.Logger
	Metrics *Metrics
	Limits  Limits
}

// Limits bound a session. Zero values mean the default.
type Limits struct {
	Idle      time.Duration // waiting for a command; default 10 min, the least of RFC 1939 §3
	Write     time.Duration // for the client to take one buffer; default 1 min
	Handshake time.Duration // for TLS; default 30 s
	AuthDelay time.Duration // before a failed login is answered; default 1 s
	AuthTries int           // failed logins after which we hang up; default 5
	BadLines  int           // unknown or malformed lines in a row, likewise; default 20
}

func (l Limits) defaults() Limits {
	or := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	or(&l.Idle, 10*time.Minute)
	or(&l.Write, time.Minute)
	or(&l.Handshake, 30*time.Second)
	or(&l.AuthDelay, time.Second)
	if l.AuthTries == 0 {
		l.AuthTries = 5
	}
	if l.BadLines == 0 {
		l.BadLines = 20
	}
	return l
}

// Server speaks POP3 with any number of clients.
type Server struct {
	cfg     Config
	sasl    *sasl.Server
	buffers sync.Pool // of *[]byte, the writers' buffers while there is something to write
}

// New makes a server.
func New(cfg Config) *Server {
	cfg.Limits = cfg.Limits.defaults()
	return &Server{cfg: cfg, sasl: sasl.NewServer(cfg.Host), buffers: sync.Pool{New: func() any {
		b := make([]byte, 0, flushSize)
		return &b
	}}}
}

// Serve speaks with one client until either side has had enough; with TLS from
// the first octet when implicit (RFC 8314). When the context ends the session
// ends after the command at hand. It closes the connection.
func (s *Server) Serve(ctx context.Context, conn net.Conn, implicit bool) {
	defer conn.Close()
	ss := newSession(s, conn, implicit)
	s.cfg.Metrics.sessions(+1)
	defer s.cfg.Metrics.sessions(-1)
	// A session that waits for its client hears of the end at once.
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err := ss.survive(ctx, implicit)
	ss.close(err)
}

// Busy tells a client that there are too many; it fits listener.Config.
func Busy(c net.Conn) {
	_, _ = c.Write([]byte("-ERR [SYS/TEMP] too many connections, try again later\r\n")) // the client may be gone: nothing is lost
}

// Why a session ended, as its close event says.
var (
	errQuit       = reason.NewFault(reason.Quit)
	errShutdown   = reason.NewFault(reason.NodeStopping)
	errAuthTries  = reason.NewFault(reason.TooManyLogins)
	errBadLines   = reason.NewFault(reason.TooManyBad)
	errIdle       = reason.NewFault(reason.Idle)
	errClientGone = reason.NewFault(reason.ClientGone)
	errEndless    = reason.NewFault(reason.NoLineEnd)
	errHandshake  = reason.NewFault(reason.HandshakeFailed)
	errPanic      = reason.NewFault(reason.OurFault)
)
