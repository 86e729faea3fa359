package smtpd

import (
	"context"
	"errors"
	"slices"

	"correio/services/internal/event"
	"correio/services/internal/reply"
	"correio/services/internal/sasl"
	"correio/services/internal/smtpd/command"
)

var (
	replyAuthOff       = reply.New(502, "5.5.1", "Authentication is not offered here")
	replyAuthTwice     = reply.New(503, "5.5.1", "You are authenticated already")
	replyAuthPlain     = reply.New(538, "5.7.11", "Encryption required for authentication: STARTTLS comes first")
	replyMechanism     = reply.New(504, "5.5.4", "Unknown authentication mechanism")
	replyAuthOk        = reply.New(235, "2.7.0", "Authentication successful")
	replyAuthBad       = reply.New(535, "5.7.8", "User name or password is wrong")
	replyAuthTemporary = reply.New(454, "4.7.0", "Authentication cannot be checked now; try again later")
	replyAuthCancelled = reply.New(501, "5.7.0", "Authentication cancelled")
	replyAuthInitial   = reply.New(501, "5.7.0", "This mechanism has no initial response: the server speaks first")
	replyBase64        = reply.New(501, "5.5.2", "That is not base64")
	replyAuthSyntax    = reply.New(501, "5.5.2", "Authentication response is malformed")
	replyAuthLong      = reply.New(500, "5.5.6", "Authentication line too long")
	replyAuthMany      = reply.New(421, "4.7.0", "Too many failed authentications; closing the connection").WithClose()
)

// authPossible reports whether AUTH works on this connection as it is now.
func (s *session) authPossible() bool {
	cfg := &s.srv.cfg
	return len(cfg.AuthMechanisms) > 0 && (s.tls != nil || !cfg.RequireTLSForAuth)
}

// auth is AUTH (RFC 4954 §4).
func (s *session) auth(ctx context.Context, c command.Command) reply.Reply {
	r := s.authenticate(ctx, c)
	s.strayAuth = s.strayAuth || r.Code >= 400
	return r
}

func (s *session) authenticate(ctx context.Context, c command.Command) reply.Reply {
	cfg := &s.srv.cfg
	switch {
	case len(cfg.AuthMechanisms) == 0:
		return replyAuthOff
	case s.user != "":
		return replyAuthTwice
	case !s.authPossible():
		return replyAuthPlain
	case !slices.Contains(cfg.AuthMechanisms, c.Arg):
		return replyMechanism
	}
	x := s.srv.sasl.Begin(c.Arg, s.backend)
	err := s.exchange(ctx, x, c)
	switch {
	case errors.Is(err, errSaid):
		return reply.Reply{}
	case errors.Is(err, sasl.ErrMalformed):
		return replyAuthSyntax
	case errors.Is(err, sasl.ErrInitial):
		return replyAuthInitial // RFC 4954 §4: 501
	case errors.Is(err, sasl.ErrBase64):
		return replyBase64
	case errors.Is(err, errCancelled):
		return replyAuthCancelled
	}
	return s.judge(ctx, c.Arg, x.Who(), err)
}

var (
	errSaid      = errors.New("already said") // the client has been told
	errCancelled = errors.New("cancelled by the client")
)

// exchange runs challenges and responses to their end; nil is success.
func (s *session) exchange(ctx context.Context, x *sasl.Exchange, c command.Command) error {
	response, err := sasl.DecodeInitial(c.Initial)
	for err == nil {
		var challenge []byte
		var done bool
		challenge, done, err = x.Next(ctx, response)
		if done || err != nil {
			return err
		}
		response, err = s.challenge(challenge, !sasl.Bare(c.Arg))
	}
	return err
}

// challenge asks the client and returns its response. A challenge that a
// response can be checked against is as secret as that: together they let
// anybody try passwords.
func (s *session) challenge(text []byte, secret bool) ([]byte, error) {
	line := "334 " + sasl.Encode(text) // never folded, however long
	s.wire.Out = append(append(s.wire.Out, line...), "\r\n"...)
	if secret && len(text) > 0 {
		line = "334 " + masked
	}
	s.recordReply([]byte(line))
	in, ok := s.readLine(func([]byte) int { return s.limits().AuthLine }, replyAuthLong)
	if !ok {
		return nil, errSaid
	}
	s.recordIn(masked)
	if string(in) == "*" {
		return nil, errCancelled // RFC 4954 §4
	}
	return sasl.Decode(string(in))
}

// judge tells the backend what came of an exchange, and the client what the
// backend makes of it.
func (s *session) judge(ctx context.Context, mechanism string, who sasl.Identity, fault error) reply.Reply {
	err := fault
	if fault == nil || errors.Is(fault, sasl.ErrRefused) {
		err = s.backend.Auth(ctx, who)
		if err == nil && fault != nil {
			err = replyAuthBad.Err(fault)
		}
	}
	if err == nil {
		s.user = who.User
		s.recordAuth(event.Accepted, mechanism, who.User)
		return replyAuthOk
	}
	s.recordAuth(event.Refused, mechanism, who.String())
	var e *reply.Error
	if !errors.As(err, &e) {
		s.log.Error("backend failed", "conn", s.peer.Conn, "op", "auth", "err", err)
		return replyAuthTemporary
	}
	r := s.refusal("auth", err)
	if r.Permanent() {
		if s.authFailed() {
			return replyAuthMany
		}
	}
	return r
}
