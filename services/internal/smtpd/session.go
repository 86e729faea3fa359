package smtpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"correio/services/internal/listener"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
	"correio/services/internal/smtpd/wire"
)

// session is one connection's conversation. All of it belongs to the goroutine
// of serve, but what mu guards.
type session struct {
	srv     *Server
	peer    Peer
	raw     net.Conn // below TLS
	wire    *wire.Conn
	client  *client // the guard's
	backend Session // nil before Open, and where it refused
	log     *slog.Logger

	state state
	hello string
	esmtp bool
	tls   *tls.ConnectionState
	user  string
	t     *Transaction // nil outside of a transaction
	// chunks is the message that is coming by BDAT.
	chunks *wire.Chunks

	commands     int // lines that were read as commands
	spent        int // of these, since the last accepted message, what counts for the guard
	errors       int // since the last accepted message, as Limits.Errors
	refusals     int // since then, as Limits.Refusals
	turnedAway   int // recipients of the transaction that were refused, for good or for now
	authFailures int
	crlf, lf     bool // which line ends were seen since the channel began
	longBdat     bool // the line at hand is a BDAT, as far as its beginning tells
	strayAuth    bool // an AUTH failed: unknown lines behind it may be its secrets

	held time.Time // since when the first of the replies that wait does

	reason reason.Reason // why the connection is to be closed; no rule while it is not

	mu       sync.Mutex // guards parked and stopping, and raw's read deadline when stopping
	parked   bool       // waiting for a command
	stopping bool
}

var errStopping = errors.New("stopping")

var (
	replyStopping = reply.New(421, "4.3.2", "Service is shutting down; try again later").WithClose()
	replyIdle     = reply.New(421, "4.4.2", "Idle for too long; closing the connection").WithClose()
	replyErrors   = reply.New(421, "4.7.0", "Too many errors; closing the connection").WithClose()
	replyRefusals = reply.New(421, "4.7.0", "Too many refused recipients; closing the connection").WithClose()
	replyLong     = reply.New(500, "5.5.2", "Line too long")
	replyCommands = reply.New(421, "4.7.0", "Too many commands from your address; try again later").WithClose()
	replyTLSHello = reply.New(421, "4.7.0", "This port speaks plain text: use STARTTLS, or port 465 for TLS from the first octet").WithClose()
	replyPanic    = reply.New(421, "4.3.0", "Internal error; closing the connection").WithClose()
	replyLocal    = reply.Of(errors.New("local"))
)

func newSession(srv *Server, c net.Conn) *session {
	s := &session{srv: srv, raw: c, wire: wire.New(c)}
	s.peer = Peer{
		Conn:   srv.cfg.Events.NextConn(),
		Proto:  srv.cfg.Proto,
		Local:  listener.AddrPort(c.LocalAddr()),
		Remote: listener.AddrPort(c.RemoteAddr()),
	}
	s.log = srv.cfg.Log
	s.wire.Await = s.awaitCommand
	return s
}

func (s *session) limits() *Limits { return &s.srv.cfg.Limits }

// serve runs the session from greeting to close.
func (s *session) serve(ctx context.Context) {
	defer s.close()
	defer s.survive()
	s.recordOpen(s.earlyTalk()...)
	if s.peer.Proto == Submissions && !s.handshake(ctx) {
		return
	}
	s.greet(ctx)
	for s.reason.Rule == "" {
		s.step(ctx)
	}
}

// survive keeps a mistake in one session from ending all the others.
func (s *session) survive() {
	if p := recover(); p != nil {
		s.log.Error("session panicked", "conn", s.peer.Conn, "panic", p, "stack", string(debug.Stack()))
		s.say(replyPanic)
	}
}

// close sends what is left to say and ends everything.
func (s *session) close() {
	if err := s.wire.Flush(s.limits().Write); err != nil && s.reason.Rule == "" {
		s.reason = reason.New(reason.ClientGone)
	}
	switch s.reason.Rule {
	case reason.ClientGone, reason.Quit, reason.Idle, reason.NodeStopping: // nothing unread is left
	default:
		s.linger()
	}
	s.recordClose()
	s.wire.Conn().Close() // the peer has heard all that there was to say
	s.raw.Close()
	s.wire.Release()
	if s.backend != nil {
		s.backend.Close()
	}
}

// linger lets the peer read our last words: closing a socket that holds unread
// octets resets it, which may throw them away.
func (s *session) linger() {
	half, ok := s.wire.Conn().(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	s.raw.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.CopyN(io.Discard, s.raw, wire.MaxDiscard) // how it ends is no matter
}

// stop begins the end: a session that waits for a command is woken, any other
// finds out before its next one.
func (s *session) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	if s.parked {
		s.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// awaitCommand runs before a command line is read: replies go out first, and
// the whole line has one deadline, however slowly it drips.
func (s *session) awaitCommand() error {
	if err := s.wire.Flush(s.limits().Write); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return errStopping
	}
	if !s.parked {
		now := time.Now()
		deadline := now.Add(s.limits().Idle)
		if s.chunks != nil { // the time between chunks is the message's
			if by := s.chunks.Deadline(now); by.Before(deadline) {
				deadline = by
			}
		}
		s.raw.SetReadDeadline(deadline)
	}
	s.parked = true
	return nil
}

// readLine reads one line of a command or of an AUTH exchange. When it fails,
// the client has been told, by tooLong among others.
func (s *session) readLine(limit func([]byte) int, tooLong reply.Reply) ([]byte, bool) {
	s.mu.Lock()
	stopping := s.stopping
	s.mu.Unlock()
	var line []byte
	var lf bool
	err := errStopping
	if !stopping {
		line, lf, err = s.wire.Line(limit)
		s.mu.Lock()
		s.parked, stopping = false, s.stopping
		s.mu.Unlock()
	}
	switch {
	case err == nil:
		s.lf, s.crlf = s.lf || lf, s.crlf || !lf
		return line, true
	case errors.Is(err, wire.ErrTooLong):
		s.recordInstead(reason.New(reason.LineTooLong))
		if s.longBdat { // what follows may be a chunk, and must not be read as commands
			tooLong = tooLong.WithClose()
		}
		s.answer(tooLong)
	case errors.Is(err, wire.ErrEndless):
		s.recordInstead(reason.New(reason.LineEndless))
		s.answer(tooLong.WithClose())
	case errors.Is(err, wire.ErrNoLine):
		s.recordInstead(reason.New(reason.TLSHello, strconv.Itoa(s.wire.Buffered())), reason.New(reason.TLSInPlain))
		s.answer(replyTLSHello)
	case errors.Is(err, errStopping), stopping && errors.Is(err, os.ErrDeadlineExceeded):
		s.answer(replyStopping)
		s.hangUp(reason.New(reason.NodeStopping))
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.answer(replyIdle)
		s.hangUp(reason.New(reason.Idle))
	default:
		s.gone()
	}
	return nil, false
}

// gone ends a session that nobody listens to any more.
func (s *session) gone() {
	s.wire.Out = nil
	s.hangUp(reason.New(reason.ClientGone))
}

// hangUp sets why the session ends, once.
func (s *session) hangUp(why reason.Reason) {
	if s.reason.Rule == "" || s.reason.Rule == reason.ClosedByReply {
		s.reason = why
	}
}

// step is one round of the loop: read, parse, check, act, answer.
func (s *session) step(ctx context.Context) {
	line, ok := s.readLine(s.commandLimit, replyLong)
	if !ok {
		return
	}
	s.commands++
	c, err := command.Parse(line)
	s.recordCommand(line, c, err)
	s.release()
	if c.Verb != command.Quit && !s.spend() {
		s.answer(replyCommands)
		return
	}
	if c.Verb == command.HTTP && s.commands == 1 {
		s.answer(replyHTTP)
		return
	}
	r := s.act(ctx, c, err)
	switch c.Verb {
	case command.Helo, command.Ehlo, command.Lhlo:
		r.Enhanced = reply.Enhanced{} // RFC 2034 §3: in no answer to these
	}
	s.answer(r)
}

// spend counts a command against the client's address.
func (s *session) spend() bool {
	s.spent++
	return s.srv.cfg.Guard.command(s.client, time.Now())
}

// authFailed counts a failed AUTH against the address as well, and reports
// whether it was the session's last.
func (s *session) authFailed() bool {
	s.srv.cfg.Guard.authFailed(s.client, time.Now())
	s.authFailures++
	return s.authFailures >= s.limits().AuthFailures
}

// act makes the reply to a command, doing what it asks.
func (s *session) act(ctx context.Context, c command.Command, err error) reply.Reply {
	v := s.check(c.Verb)
	switch {
	case c.Verb == command.Bdat && s.srv.cfg.Chunking:
		if v == allowed && err == nil {
			return s.bdat(ctx, c)
		}
		return s.refuseChunk(c, v, err)
	// RFC 5321 §3.1: where the greeting was a refusal, everything is 503.
	case v == notHere, v == absent, v != allowed && err == nil:
		return verdictReplies[v]
	case err != nil:
		return reply.Of(err)
	case c.Verb == command.Auth && !s.srv.cfg.Guard.mayAuth(s.client, time.Now()):
		return replyAuthMany
	}
	return handlers[c.Verb](s, ctx, c)
}

var replyHTTP = reply.New(421, "4.7.0", "This is a mail server; it does not speak HTTP").WithClose()

// clientHello is how TLS begins: a handshake record of version 3.x (RFC 8446
// §5.1). No command does.
var clientHello = []byte{0x16, 0x03}

// commandLimit bounds a command line; AUTH alone may be long (RFC 4954 §4.3).
func (s *session) commandLimit(begin []byte) int {
	if s.tls == nil && bytes.HasPrefix(begin, clientHello) {
		return wire.NoLine
	}
	s.longBdat = s.srv.cfg.Chunking && len(begin) >= 4 && command.VerbOf(string(begin[:4])) == command.Bdat
	if len(begin) >= 5 && command.VerbOf(string(begin[:4])) == command.Auth && begin[4] == ' ' {
		return s.limits().AuthLine
	}
	return s.limits().CommandLine
}

// reset ends a transaction, whatever came of it (RFC 5321 §4.1.1.5).
func (s *session) reset() {
	s.t = nil
	switch {
	case s.state == unwelcome:
	case s.hello == "":
		s.state = start
	default:
		s.state = ready
	}
}

// answer says a reply and counts it when it is a refusal. A reply without code
// is none: the handler has spoken for itself.
func (s *session) answer(r reply.Reply) {
	if r.Code == 0 {
		return
	}
	if r.Code >= 400 && !r.Close {
		if s.errors++; s.errors >= s.limits().Errors {
			r = replyErrors
		}
	}
	s.say(r)
}

// Replies gather until the end of the pipeline, but are sent before it when there
// are many octets of them, or when they have waited for long as the commands behind
// them take their time: RFC 2920 §3.2 lets us hold them, but a client waits for each
// reply for minutes at most (RFC 5321 §4.5.3.2), and for the first one it would be
// the time of all.
const (
	maxReplies = 16 << 10
	maxHeld    = time.Second
)

// release sends the replies that have waited for too long.
func (s *session) release() {
	if len(s.wire.Out) > 0 && time.Since(s.held) >= maxHeld {
		s.flush()
	}
}

func (s *session) flush() {
	if s.wire.Flush(s.limits().Write) != nil {
		s.hangUp(reason.New(reason.ClientGone))
	}
}

// say puts a reply on the wire, where it waits for the end of the pipeline.
func (s *session) say(r reply.Reply) {
	from := len(s.wire.Out)
	if from == 0 {
		s.held = time.Now()
	}
	s.wire.Out = r.AppendWire(s.wire.Out)
	s.recordReply(s.wire.Out[from:])
	if r.Close {
		s.hangUp(reason.New(reason.ClosedByReply))
	}
	if len(s.wire.Out) >= maxReplies {
		s.flush()
	}
}
