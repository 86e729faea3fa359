package mta

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"correio/services/internal/reply"
	"correio/services/internal/sasl"
	"correio/services/internal/smtpd"
)

// mailboxes is an MDA that keeps what it is given.
type mailboxes struct {
	mu   sync.Mutex
	got  []stored
	next chan struct{} // closed and replaced when something is stored
}

type stored struct{ to, from, message string }

// mda serves LMTP at an address of the lab, or SMTP when its port is 25.
func (w *world) mda(at string) *mailboxes {
	w.t.Helper()
	box := &mailboxes{next: make(chan struct{})}
	proto := smtpd.LMTP
	if strings.HasSuffix(at, ":25") {
		proto = smtpd.SMTP
	}
	w.serveMail(at, proto, box)
	return box
}

// Open implements smtpd.Backend.
func (m *mailboxes) Open(context.Context, smtpd.Peer) (smtpd.Session, error) { return m, nil }

// Secret implements smtpd.Session.
func (m *mailboxes) Secret(context.Context, string) (sasl.Secret, error) {
	return sasl.Secret{}, sasl.ErrNobody
}

// Auth implements smtpd.Session.
func (m *mailboxes) Auth(context.Context, sasl.Identity) error { return errors.New("no") }

// Mail implements smtpd.Session.
func (m *mailboxes) Mail(context.Context, *smtpd.Transaction) (reply.Reply, error) {
	return reply.Reply{}, nil
}

// Rcpt implements smtpd.Session.
func (m *mailboxes) Rcpt(_ context.Context, _ *smtpd.Transaction, to smtpd.Recipient) (reply.Reply, error) {
	switch to.To.Local {
	case "ninguem":
		return reply.Reply{}, reply.Newf(550, "5.1.1", "%s: no such user", to.To.Path()).Err(nil)
	case "overquota":
		return reply.Reply{}, reply.New(452, "4.2.2", "Mailbox full").Err(nil)
	case "busy":
		return reply.Reply{}, reply.New(450, "4.2.0", "Mailbox busy").Err(nil)
	case "moved":
		return reply.Reply{}, reply.New(551, "5.1.6", "User has moved").Err(nil)
	}
	return reply.Reply{}, nil
}

// Data implements smtpd.Session.
func (m *mailboxes) Data(_ context.Context, t *smtpd.Transaction, message io.Reader) ([]reply.Reply, error) {
	b, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var replies []reply.Reply
	for i, r := range t.Rcpts {
		m.got = append(m.got, stored{r.To.String(), t.From.String(), string(b)})
		replies = append(replies, reply.Newf(250, "2.1.5", "%s Ok: stored as STORE%d", r.To.Path(), i))
	}
	close(m.next)
	m.next = make(chan struct{})
	return replies, nil
}

// Close implements smtpd.Session.
func (m *mailboxes) Close() {}

// wait returns what is stored as soon as it is n messages.
func (m *mailboxes) wait(t testing.TB, n int) []stored {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		m.mu.Lock()
		got, next := slices.Clip(m.got), m.next // it only grows
		m.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-next:
		case <-deadline:
			t.Fatalf("%d messages are stored, want %d", len(got), n)
		}
	}
}
