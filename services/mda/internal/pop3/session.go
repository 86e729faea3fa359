package pop3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/mda/internal/store"
)

// session is the state of one connection, used by its goroutine alone.
type session struct {
	*Server
	*wire
	rec   recorder
	raw   net.Conn // the socket, below TLS
	state state
	tls   bool
	utf8  bool // the client has said UTF8

	name     string // from USER; "" when PASS is not expected
	failures int    // of logins
	badLines int    // in a row

	mailbox string   // whose, in TRANSACTION
	drop    Maildrop // nil in AUTHORIZATION
	entries []store.Entry
	deleted []bool // marked, by index of entries
	left    int    // messages not marked
	octets  int64  // in them
}

func newSession(s *Server, conn net.Conn, implicit bool) *session {
	ss := &session{Server: s, raw: conn, state: authorization}
	ss.wire = newWire(conn, &s.buffers, s.cfg.Limits.Write)
	ss.rec = newRecorder(s.cfg, conn, implicit)
	return ss
}

// survive runs the session. A mistake in it must not end all the others, nor
// keep the mailbox locked.
func (s *session) survive(ctx context.Context, implicit bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("session panicked", "conn", s.rec.name, "mailbox", s.mailbox,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.fail("SYS/TEMP", "internal error, good-bye")
			err = errors.Join(errPanic, s.flush())
		}
	}()
	return s.run(ctx, implicit)
}

// run speaks until the session ends, and says why.
func (s *session) run(ctx context.Context, implicit bool) error {
	if implicit {
		if err := s.handshake(ctx); err != nil {
			return err
		}
	}
	s.ok("%s POP3 server ready", s.cfg.Host)
	for {
		line, err := s.next(ctx, maxLine)
		if err == nil {
			err = s.command(ctx, line)
		} else if errors.Is(err, errTooLong) {
			s.rec.instead(event.In, nil, reason.New(reason.LineTooLong))
			err = s.bad("line is longer than %d octets", maxLine)
		}
		if err != nil {
			return errors.Join(err, s.flush())
		}
	}
}

// next returns the next line, of at most limit octets; replies are sent before
// it waits for one.
func (s *session) next(ctx context.Context, limit int) ([]byte, error) {
	if !s.lineWaiting() {
		if err := s.flush(); err != nil {
			return nil, err
		}
		// One deadline for the whole line: octets that drip do not extend it.
		s.raw.SetReadDeadline(time.Now().Add(s.cfg.Limits.Idle))
	}
	if ctx.Err() != nil {
		return nil, s.shutdown()
	}
	line, err := s.readLine(limit)
	switch {
	case errors.Is(err, errIdle) && ctx.Err() != nil:
		return nil, s.shutdown()
	case errors.Is(err, errEndless):
		s.fail("", "line has no end")
	}
	return line, err
}

func (s *session) shutdown() error {
	s.fail("SYS/TEMP", "server is shutting down, nothing was deleted")
	return errShutdown
}

// command finds the rule of one line and follows it.
func (s *session) command(ctx context.Context, line []byte) error {
	s.rec.command(line)
	c, err := parse(line)
	if err != nil {
		return s.bad("that is not a POP3 command")
	}
	rule, known := rules[c.verb]
	switch {
	case !known:
		return s.bad("unknown command")
	case rule.states&s.state == 0 && s.state == authorization:
		return s.bad("%s comes after USER and PASS", c.verb)
	case rule.states&s.state == 0:
		return s.bad("%s comes before login", c.verb)
	case len(c.args) < rule.min || len(c.args) > rule.max:
		return s.bad("%s has the wrong number of arguments", c.verb)
	}
	s.badLines = 0
	return rule.run(s, ctx, c)
}

// ok says +OK and a text of our own making.
func (s *session) ok(format string, args ...any) { s.reply("+OK " + fmt.Sprintf(format, args...)) }

// fail says -ERR, with a response code of RFC 2449 §8 unless it is "".
func (s *session) fail(code, format string, args ...any) {
	if code != "" {
		code = "[" + code + "] "
	}
	s.reply("-ERR " + code + fmt.Sprintf(format, args...))
}

func (s *session) reply(line string) {
	s.rec.out(line)
	s.line(line)
}

// line writes a line; a failed write is reported by the next flush.
func (s *session) line(text string) {
	_, _ = s.Write(append([]byte(text), lineEnd...)) // kept in wire.err
}

// bad refuses a line, and ends the session when there were too many.
func (s *session) bad(format string, args ...any) error {
	if s.badLines++; s.badLines >= s.cfg.Limits.BadLines {
		s.fail("", "too many bad commands, good-bye")
		return errBadLines
	}
	s.fail("", format, args...)
	return nil
}

// handshake puts TLS on top of the connection. The session goes on as if it
// had just begun.
func (s *session) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Limits.Handshake)
	defer cancel()
	conn := tls.Server(s.raw, s.cfg.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		s.rec.tlsFailed(err)
		return errors.Join(errHandshake, err)
	}
	s.upgrade(conn)
	s.tls, s.name = true, ""
	s.rec.tlsEstablished(conn.ConnectionState())
	return nil
}

// close ends the session in whatever state it is.
func (s *session) close(reason error) {
	if s.drop != nil {
		s.drop.Close()
	}
	s.conn.Close() // says good-bye in TLS, too
	s.rec.close(reason)
	if reason != nil && !errors.Is(reason, errQuit) {
		s.cfg.Log.Debug("pop3 session ended", "conn", s.rec.name, "reason", reason.Error())
	}
}

// capa lists what the server can do, which depends on the state
// (RFC 2449 §5: STLS only where it can be given).
func (s *session) capa(context.Context, command) error {
	s.ok("capabilities follow")
	list := []string{"TOP", "UIDL", "USER", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8"}
	if s.cfg.TLS != nil && !s.tls && s.state == authorization {
		list = append(list, "STLS")
	}
	list = append(list, "SASL "+strings.Join(mechanisms, " "))
	for _, c := range append(list, "IMPLEMENTATION Correio", ".") {
		s.reply(c)
	}
	return nil
}

// quit ends the session; out of TRANSACTION by way of UPDATE (RFC 1939 §6).
func (s *session) quit(ctx context.Context, _ command) error {
	if s.state == authorization {
		s.ok("%s signing off", s.cfg.Host)
		return errQuit
	}
	err := s.update(ctx)
	// The mailbox is free before the client hears of it and comes back.
	s.drop.Close()
	if err != nil {
		s.cfg.Log.Error("messages marked as deleted were not all removed", "conn", s.rec.name, "mailbox", s.mailbox, "error", err.Error())
		s.fail("SYS/TEMP", "some deleted messages were not removed")
		return errQuit
	}
	s.ok("%s signing off (%s left)", s.cfg.Host, messages(s.left))
	return errQuit
}

// updateTimeout bounds how long QUIT waits for the disk.
const updateTimeout = time.Minute

func (s *session) update(ctx context.Context) error {
	var uids []uint32
	for i, marked := range s.deleted {
		if marked {
			uids = append(uids, s.entries[i].UID)
		}
	}
	// The client has said QUIT: that we are to stop does not take that back.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), updateTimeout)
	defer cancel()
	removed, err := s.drop.Remove(ctx, uids)
	for _, r := range removed {
		s.rec.deleted(s.mailbox, r)
	}
	s.cfg.Metrics.deleted(len(removed))
	return err
}

func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return strconv.Itoa(n) + " messages"
}
