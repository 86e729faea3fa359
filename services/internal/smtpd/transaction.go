package smtpd

import (
	"context"

	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
	"correio/services/internal/smtpd/wire"
)

var (
	replyNeedAuth   = reply.New(530, "5.7.0", "Authentication required: AUTH comes first")
	replyNeedTLS    = reply.New(530, "5.7.0", "Encryption required: STARTTLS comes first, then AUTH")
	replyTooMany    = reply.New(452, "4.5.3", "Too many recipients in one transaction")
	replyUTF8Sender = reply.New(550, "5.6.7", "A sender address that is not ASCII needs SMTPUTF8")
	replyUTF8Rcpt   = reply.New(553, "5.6.7", "A recipient address that is not ASCII needs SMTPUTF8 in MAIL")
	replyNoUTF8     = reply.New(501, "5.5.4", "Addresses must be ASCII")
)

// mail begins a transaction (RFC 5321 §4.1.1.2).
func (s *session) mail(ctx context.Context, c command.Command) reply.Reply {
	cfg := &s.srv.cfg
	if cfg.RequireAuth && s.user == "" {
		// RFC 4954 §6, RFC 3207 §4.
		if !s.authPossible() {
			return replyNeedTLS
		}
		return replyNeedAuth
	}
	params, err := s.mailParams(c.Params)
	switch {
	case s.refusals > s.limits().Refusals: // it was let go on for the sake of a transaction that is over
		return replyRefusals
	case err != nil:
		return reply.Of(err)
	case !c.Path.ASCII() && !cfg.SMTPUTF8:
		return replyNoUTF8
	case !c.Path.ASCII() && !params.SMTPUTF8:
		return replyUTF8Sender // RFC 6531 §3.5
	case params.Size > cfg.Limits.MessageSize:
		return wire.ReplyTooBig // RFC 1870 §6.1
	}
	t := &Transaction{Hello: s.hello, ESMTP: s.esmtp, TLS: s.tls, User: s.user, From: c.Path, Params: params}
	r, err := s.backend.Mail(ctx, t)
	r = s.verdict("mail", r, err, reply.Reply{})
	if r.Code == 0 {
		r = reply.New(250, "2.1.0", "Sender "+c.Path.Path()+" ok")
	}
	if r.Positive() {
		s.t, s.state, s.turnedAway = t, opened, 0
	}
	return r
}

// rcpt adds a recipient (RFC 5321 §4.1.1.3), or refuses it: which is no error of
// the client's, as its parameters may be.
func (s *session) rcpt(ctx context.Context, c command.Command) reply.Reply {
	to := Recipient{To: c.Path}
	if err := s.rcptParams(&to, c.Params); err != nil {
		return reply.Of(err)
	}
	r := s.recipient(ctx, to)
	switch {
	case r.Positive():
		s.t.Rcpts = append(s.t.Rcpts, to)
		s.state = addressed
		return r
	case s.state == opened:
		s.state = refused
	}
	s.say(s.turnAway(r))
	return reply.Reply{}
}

// recipient decides about a recipient.
func (s *session) recipient(ctx context.Context, to Recipient) reply.Reply {
	switch {
	case !to.To.ASCII() && !s.srv.cfg.SMTPUTF8:
		return replyNoUTF8
	case !to.To.ASCII() && !s.t.Params.SMTPUTF8:
		return replyUTF8Rcpt // RFC 6531 §3.5
	case len(s.t.Rcpts) >= s.limits().Recipients:
		return replyTooMany // RFC 5321 §4.5.3.1.10
	}
	r, err := s.backend.Rcpt(ctx, s.t, to)
	r = s.verdict("rcpt", r, err, reply.Reply{})
	if r.Code == 0 {
		r = reply.New(250, "2.1.5", "Recipient "+to.To.Path()+" ok")
	}
	return r
}

// surplus is how many recipients of one transaction may be refused, for good or
// for now, beyond Limits.Recipients, before the transaction ends by 421 whoever
// was accepted: none goes on for ever. A client need not know our limit, and
// lists of 1000 are common; Postfix lets as many pass by its own.
const surplus = 1000

// turnAway counts a refusal of a recipient, and returns what the client hears of
// it.
func (s *session) turnAway(r reply.Reply) reply.Reply {
	if s.turnedAway++; s.turnedAway > s.limits().Recipients+surplus && !r.Close {
		return replyRefusals
	}
	if !r.Permanent() {
		return r
	}
	s.spent-- // an accepted message does not give it back
	if s.refusals++; s.refusals > s.limits().Refusals && s.state != addressed && !r.Close {
		return replyRefusals
	}
	return r
}
