package smtpd

import (
	"context"
	"net"
	"time"

	"correio/services/internal/listener"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/sasl"
)

// Server is an engine with its configuration. It keeps no state between
// sessions and may serve several listeners.
type Server struct {
	cfg  Config
	sasl *sasl.Server
}

// New checks a configuration and returns a server of it, or all that is wrong
// with it.
func New(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, sasl: sasl.NewServer(cfg.Hostname)}, nil
}

// Serve accepts connections from ln until the context ends. Then it stops in
// two phases: sessions finish the command at hand and hear 421 4.3.2; what is
// still open after Limits.Grace is cut. It closes ln, and returns nil after a
// stop, or why accepting failed.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	return listener.Serve(ctx, ln, listener.Config{Grace: s.cfg.Limits.Grace}, s.ServeConn)
}

var tooMany = reply.New(421, "", "Too many connections; try again later").WithClose()

// busy answers a connection that is one too many.
func (s *Server) busy(sess *session) {
	defer sess.raw.Close()
	sess.reason = reason.New(reason.TooMany)
	sess.recordOpen()
	if s.cfg.Proto != Submissions { // there nothing may be said before TLS
		sess.say(tooMany)
		if err := sess.wire.Flush(time.Second); err != nil {
			sess.reason = reason.New(reason.TooManyGone)
		}
	}
	sess.recordClose()
}

// ServeConn speaks with one client until either side ends it, and closes the
// connection. When the context ends, the client is told 421 at the next
// command; what the backend is doing by then is given Limits.Grace more.
func (s *Server) ServeConn(ctx context.Context, c net.Conn) {
	sess := newSession(s, c)
	guest, ok := s.cfg.Guard.enter(sess.peer.Remote.Addr())
	if !ok {
		s.busy(sess)
		return
	}
	defer s.cfg.Guard.leave(guest)
	sess.client = guest
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		sess.stop()
		grace := time.AfterFunc(s.cfg.Limits.Grace, cancel)
		context.AfterFunc(work, func() { grace.Stop() })
	})
	defer stop()
	sess.serve(work)
}
