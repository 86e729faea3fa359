package smtpd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
)

// handlers act on the commands that the table allows, but for BDAT, which
// begins where it is refused (see act). A zero reply means that the handler has
// said all itself.
var handlers = [command.NumVerbs]func(*session, context.Context, command.Command) reply.Reply{
	command.Helo:     (*session).helo,
	command.Ehlo:     (*session).ehlo,
	command.Lhlo:     (*session).ehlo,
	command.Mail:     (*session).mail,
	command.Rcpt:     (*session).rcpt,
	command.Data:     (*session).data,
	command.Rset:     (*session).rset,
	command.Vrfy:     (*session).vrfy,
	command.Expn:     (*session).expn,
	command.Help:     (*session).help,
	command.Noop:     (*session).noop,
	command.Quit:     (*session).quit,
	command.StartTLS: (*session).startTLS,
	command.Auth:     (*session).auth,
}

// greet opens the policy's side and says the greeting (RFC 5321 §3.1).
func (s *session) greet(ctx context.Context) {
	cfg := &s.srv.cfg
	backend, err := cfg.Backend.Open(ctx, s.peer)
	if err == nil && backend == nil {
		err = errors.New("backend gave no session")
	}
	if err == nil {
		s.backend = backend
		s.say(reply.New(220, "", cfg.Hostname+" "+cfg.Greeting))
		return
	}
	r := s.refusal("open", err)
	switch {
	case r.Code == 421 || r.Code == 554:
	case r.Permanent():
		r.Code = 554 // RFC 5321 §4.3.2: a connection opens with 220, 554 or 421.
	default:
		r.Code = 421
	}
	s.state = unwelcome
	r.Enhanced = reply.Enhanced{} // RFC 2034 §3: not in the greeting
	r.Close = r.Close || r.Code == 421
	s.say(r)
}

// enter accepts the client's name. RFC 5321 §4.1.4: a transaction in progress
// is forgotten.
func (s *session) enter(name string, esmtp bool) {
	s.hello, s.esmtp = strings.TrimSuffix(name, "."), esmtp
	s.reset()
}

func (s *session) helo(_ context.Context, c command.Command) reply.Reply {
	s.enter(c.Arg, false)
	return reply.New(250, "", s.salute())
}

// ehlo is LHLO, too.
func (s *session) ehlo(_ context.Context, c command.Command) reply.Reply {
	s.enter(c.Arg, true)
	return reply.New(250, "", append([]string{s.salute()}, s.extensions()...)...)
}

// salute is the first line of our answer; its first word is our own name (RFC
// 5321 §4.1.1.1).
func (s *session) salute() string {
	you := s.hello
	if ip := s.peer.Remote.Addr(); ip.IsValid() {
		you += " [" + ip.String() + "]"
	}
	return s.srv.cfg.Hostname + " Hello " + you
}

// extensions are announced only while they work.
func (s *session) extensions() []string {
	cfg := &s.srv.cfg
	list := []string{
		"PIPELINING",
		fmt.Sprintf("SIZE %d", cfg.Limits.MessageSize),
		"8BITMIME",
		"ENHANCEDSTATUSCODES",
		fmt.Sprintf("LIMITS RCPTMAX=%d", cfg.Limits.Recipients), // RFC 9422
		"HELP",
	}
	if cfg.Chunking {
		list = append(list, "CHUNKING")
	}
	if cfg.BinaryMIME {
		list = append(list, "BINARYMIME")
	}
	if cfg.SMTPUTF8 {
		list = append(list, "SMTPUTF8")
	}
	if cfg.DSN {
		list = append(list, "DSN")
	}
	if cfg.TLS != nil && s.tls == nil {
		list = append(list, "STARTTLS")
	}
	if s.user == "" && s.authPossible() {
		list = append(list, "AUTH "+strings.Join(cfg.AuthMechanisms, " "))
	}
	return list
}

// refusal turns a backend's error into a reply. The log learns the cause.
func (s *session) refusal(op string, err error) reply.Reply {
	var e *reply.Error
	known := errors.As(err, &e)
	if known && e.Reply.Code >= 400 && e.Reply.Code <= 599 {
		if e.Cause != nil {
			s.log.Info("refused", "conn", s.peer.Conn, "op", op, "reply", e.Reply.String(), "cause", e.Cause)
		}
		return e.Reply
	}
	s.log.Error("backend failed", "conn", s.peer.Conn, "op", op, "err", err)
	return replyLocal
}

// verdict is what the client hears about a question to the backend: its own
// words, the usual ones, or 451 for what cannot be said here.
func (s *session) verdict(op string, r reply.Reply, err error, usual reply.Reply) reply.Reply {
	switch {
	case err != nil:
		return s.refusal(op, err)
	case r.Code == 0:
		return usual
	case r.Code/100 == 2 || r.Code >= 400 && r.Code <= 599:
		return r
	}
	s.log.Error("backend gave a reply of the wrong class", "conn", s.peer.Conn, "op", op, "reply", r.String())
	return replyLocal
}
