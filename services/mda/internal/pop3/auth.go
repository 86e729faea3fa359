package pop3

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/sasl"
	"correio/services/mda/internal/store"
)

// user remembers who wants to log in. Whether there is such a mailbox is not
// said before the password is known (RFC 1939 §7, USER, allows that).
func (s *session) user(_ context.Context, c command) error {
	s.name = c.args[0]
	s.ok("now PASS")
	return nil
}

// pass checks the password and enters TRANSACTION with the mailbox locked. The
// password is all that follows the verb and one space (RFC 1939 §7, PASS).
func (s *session) pass(ctx context.Context, c command) error {
	name := s.name
	if name == "" {
		s.fail("", "USER comes before PASS")
		return nil
	}
	s.name = ""
	who, err := sasl.Verify(ctx, s.cfg.Accounts, name, c.rest)
	return s.login(ctx, "USER", who, err)
}

// auth is AUTH (RFC 5034 §4). Cancelling it and sending garbage are mistakes
// like others; only a wrong proof is answered late.
func (s *session) auth(ctx context.Context, c command) error {
	mechanism := strings.ToUpper(c.args[0])
	s.name = ""
	if !slices.Contains(mechanisms, mechanism) {
		return s.bad("unknown authentication mechanism")
	}
	initial := ""
	if len(c.args) > 1 {
		initial = c.args[1]
	}
	x := s.sasl.Begin(mechanism, s.cfg.Accounts)
	outcome, err := s.exchange(ctx, x, initial)
	switch {
	case err != nil:
		return err
	case errors.Is(outcome, errCancelled):
		return s.bad("authentication cancelled")
	case errors.Is(outcome, errTooLong):
		return s.bad("line is longer than %d octets", maxAuthLine)
	case errors.Is(outcome, sasl.ErrBase64):
		return s.bad("that is not base64")
	case errors.Is(outcome, sasl.ErrMalformed):
		return s.bad("authentication response is malformed")
	case errors.Is(outcome, sasl.ErrInitial):
		return s.bad("this mechanism has no initial response, the server speaks first")
	}
	return s.login(ctx, mechanism, x.Who(), outcome)
}

// mechanisms are what AUTH offers. LOGIN is not among them: USER and PASS are
// the same, and older.
var mechanisms = []string{sasl.Plain, sasl.CRAMMD5, sasl.SCRAMSHA256}

var errCancelled = errors.New("cancelled by the client")

// exchange runs challenges and responses to their end and says what came of
// it, nil for success; err is what ends the session with it.
func (s *session) exchange(ctx context.Context, x *sasl.Exchange, initial string) (outcome, err error) {
	response, outcome := sasl.DecodeInitial(initial)
	for outcome == nil {
		challenge, done, fault := x.Next(ctx, response)
		if done || fault != nil {
			return fault, nil
		}
		s.challenge(challenge)
		line, err := s.next(ctx, maxAuthLine)
		switch {
		case errors.Is(err, errTooLong):
			s.rec.instead(event.In, nil, reason.New(reason.LineTooLong))
			return err, nil
		case err != nil:
			return nil, err
		}
		s.rec.in(masked)
		if string(line) == "*" {
			return errCancelled, nil // RFC 5034 §4
		}
		response, outcome = sasl.Decode(string(line))
	}
	return outcome, nil
}

// challenge asks the client. With a challenge and its response anybody could
// try passwords: neither is recorded.
func (s *session) challenge(text []byte) {
	s.line("+ " + sasl.Encode(text))
	if len(text) > 0 {
		s.rec.out("+ " + masked)
	} else {
		s.rec.out("+ ")
	}
}

// login enters TRANSACTION with the mailbox of who has proved who they are
// locked, or refuses. A fault that is no refusal is ours.
func (s *session) login(ctx context.Context, mechanism string, who sasl.Identity, fault error) error {
	s.rec.auth(who, mechanism, s.tls, fault == nil)
	s.cfg.Metrics.login(fault == nil)
	switch {
	case errors.Is(fault, sasl.ErrRefused):
		return s.refuseLogin(ctx)
	case fault != nil:
		s.cfg.Log.Error("login cannot be checked", "conn", s.rec.name, "error", fault.Error())
		s.fail("SYS/TEMP", "login cannot be checked, try again later")
		return nil
	}
	mailbox := who.Account
	drop, err := s.cfg.Open(ctx, mailbox)
	switch {
	case errors.Is(err, store.ErrLocked):
		// RFC 2449 §8.1.2
		s.fail("IN-USE", "another session has this mailbox open")
		return nil
	case err != nil:
		s.cfg.Log.Error("mailbox cannot be opened", "conn", s.rec.name, "mailbox", mailbox, "error", err.Error())
		s.fail("SYS/TEMP", "mailbox cannot be opened, try again later")
		return nil
	}
	s.begin(mailbox, drop)
	s.ok("%s has %s (%d octets)", mailbox, messages(s.left), s.octets)
	return nil
}

// begin enters TRANSACTION.
func (s *session) begin(mailbox string, drop Maildrop) {
	s.state = transaction
	s.mailbox, s.drop = mailbox, drop
	s.entries = drop.Entries()
	s.deleted = make([]bool, len(s.entries))
	s.count()
}

// count adds up what STAT says, of all messages.
func (s *session) count() {
	s.left, s.octets = len(s.entries), 0
	for _, e := range s.entries {
		s.octets += e.Size
	}
}

// refuseLogin answers a wrong password late, so that guessing takes time, and
// hangs up when there were too many.
func (s *session) refuseLogin(ctx context.Context) error {
	if err := s.flush(); err != nil {
		return err
	}
	delay := time.NewTimer(s.cfg.Limits.AuthDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-ctx.Done():
		return s.shutdown()
	}
	// RFC 3206 §4: AUTH says that name or password is wrong.
	if s.failures++; s.failures >= s.cfg.Limits.AuthTries {
		s.fail("AUTH", "wrong name or password, too often")
		return errAuthTries
	}
	s.fail("AUTH", "wrong name or password")
	return nil
}

// stls begins TLS (RFC 2595 §4). Whether this connection has it already is
// this session's own state.
func (s *session) stls(ctx context.Context, _ command) error {
	switch {
	case s.tls:
		s.fail("", "TLS is on already")
		return nil
	case s.utf8:
		// RFC 6856 §2.1: the client must not, and the server may refuse it.
		s.fail("", "STLS comes before UTF8")
		return nil
	case s.cfg.TLS == nil:
		s.fail("", "no TLS here")
		return nil
	}
	s.ok("begin TLS negotiation")
	if err := s.flush(); err != nil {
		return err
	}
	return s.handshake(ctx)
}

// utf8Mode begins UTF-8 mode (RFC 6856 §2.1), which lasts until the session
// ends.
func (s *session) utf8Mode(context.Context, command) error {
	s.utf8 = true
	s.ok("UTF-8 it is")
	return nil
}
