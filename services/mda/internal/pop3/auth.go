package pop3

import (
	"context"
	"errors"
	"time"

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
	mailbox, ok := s.cfg.Login(name, c.rest)
	s.rec.auth(name, ok)
	s.cfg.Metrics.login(ok)
	if !ok {
		return s.refuseLogin(ctx)
	}
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
