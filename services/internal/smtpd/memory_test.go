package smtpd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"correio/services/internal/reply"
	"correio/services/internal/sasl"
	"correio/services/internal/smtpd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a backend that keeps messages and whose mailboxes, by their local
// part, provoke what a policy can say.
type memory struct {
	mu       sync.Mutex // guards what follows
	messages []stored
	opened   int
	closed   int
	log      []string // calls, in order
}

type stored struct {
	t    smtpd.Transaction
	text string
}

func (m *memory) Open(_ context.Context, p smtpd.Peer) (smtpd.Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened++
	return &memorySession{m: m, peer: p}, nil
}

func (m *memory) call(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

func (m *memory) stored() []stored {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]stored(nil), m.messages...)
}

type memorySession struct {
	m    *memory
	peer smtpd.Peer
}

var (
	errDisk = errors.New("disk on fire")
	denied  = reply.New(550, "5.7.1", "Not you")
)

// Secret knows nobody whose name begins with "ninguem"; others' password is
// their name.
func (s *memorySession) Secret(_ context.Context, user string) (sasl.Secret, error) {
	s.m.call("secret %s", user)
	switch {
	case user == "erro":
		return sasl.Secret{}, errDisk
	case strings.HasPrefix(user, "ninguem"):
		return sasl.Secret{}, sasl.ErrNobody
	}
	return sasl.Secret{Account: "account of " + user, Password: user}, nil
}

func (s *memorySession) Auth(_ context.Context, who sasl.Identity) error {
	s.m.call("auth %s %s", who.User, who.Account)
	if who.User == "preso" {
		return reply.New(535, "5.7.8", "This account is locked").Err(nil)
	}
	return nil
}

func (s *memorySession) Mail(_ context.Context, t *smtpd.Transaction) (reply.Reply, error) {
	s.m.call("mail %s", t.From.Path())
	switch t.From.Local {
	case "recusado":
		return reply.Reply{}, reply.New(550, "5.7.1", "Sender refused").Err(nil)
	case "erro":
		return reply.Reply{}, errDisk
	}
	return reply.Reply{}, nil
}

func (s *memorySession) Rcpt(_ context.Context, _ *smtpd.Transaction, to smtpd.Recipient) (reply.Reply, error) {
	s.m.call("rcpt %s", to.To.Path())
	switch to.To.Local {
	case "ninguem":
		return reply.Reply{}, reply.New(550, "5.1.1", "No such mailbox here").Err(nil)
	case "cheio":
		return reply.Reply{}, reply.New(452, "4.2.2", "Mailbox is full").Err(nil)
	case "ocupado":
		return reply.Reply{}, reply.New(450, "4.2.1", "Mailbox is busy").Err(nil)
	case "mudou":
		return reply.Reply{}, reply.New(551, "5.1.6", "User not local; try <mudou@cedro.test>").Err(nil)
	case "encaminha":
		return reply.New(251, "2.1.5", "User not local; will forward to <x@cedro.test>"), nil
	case "erro":
		return reply.Reply{}, errDisk
	case "pane":
		panic("a mistake in the policy")
	case "fecha":
		return reply.Reply{}, reply.New(421, "4.3.2", "Enough for today").WithClose().Err(nil)
	case "estranho":
		return reply.Reply{Code: 354}, nil
	}
	return reply.Reply{}, nil
}

func (s *memorySession) Data(_ context.Context, t *smtpd.Transaction, message io.Reader) ([]reply.Reply, error) {
	if t.From.Local == "preguica" {
		return []reply.Reply{reply.New(250, "2.0.0", "Did not even look")}, nil
	}
	text, err := io.ReadAll(message)
	s.m.call("data %d %v", len(text), err)
	if err != nil {
		return nil, fmt.Errorf("store message: %w", err)
	}
	t.QueueID = "ABCDEF0123"
	var replies []reply.Reply
	for _, r := range t.Rcpts {
		switch {
		case r.To.Local == "rejeita-dados":
			replies = append(replies, reply.New(554, "5.6.0", "Content refused"))
		case s.peer.Proto == smtpd.LMTP:
			replies = append(replies, reply.Newf(250, "2.1.5", "%s Ok: stored as %s", r.To.Path(), t.QueueID))
		default:
			replies = append(replies, reply.Newf(250, "2.0.0", "Ok: queued as %s", t.QueueID))
		}
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.messages = append(s.m.messages, stored{*t, string(text)})
	if s.peer.Proto == smtpd.LMTP {
		return replies, nil
	}
	return replies[len(replies)-1:], nil
}

func (s *memorySession) Close() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.closed++
}

// serve starts a server on a loopback port; it is stopped when the test ends.
func serve(t testing.TB, cfg smtpd.Config) string {
	t.Helper()
	if cfg.Hostname == "" {
		cfg.Hostname = "mx1.boreal.test"
	}
	srv, err := smtpd.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

var testTLS = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "mx1.boreal.test"},
		DNSNames:     []string{"mx1.boreal.test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
})

// clientTLS trusts the test's certificate alone.
func clientTLS() *tls.Config {
	leaf, err := x509.ParseCertificate(testTLS().Certificates[0].Certificate[0])
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{RootCAs: pool, ServerName: "mx1.boreal.test"}
}

func addresses(rcpts []smtpd.Recipient) string {
	var list []string
	for _, r := range rcpts {
		list = append(list, r.To.Path())
	}
	return strings.Join(list, ",")
}
