package pop3_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"correio/services/internal/event"
	"correio/services/internal/labtest"
	"correio/services/internal/sasl"
	"correio/services/mda/internal/dialogue"
	"correio/services/mda/internal/pop3"
	"correio/services/mda/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// head is what every message of the tests begins with.
const head = "Return-Path: <bruno@boreal.test>\r\n"

// server is a POP3 server on loopback ports with a real store behind it.
type server struct {
	t      testing.TB
	store  *store.Store
	events *event.Log
	cfg    pop3.Config
	stack  *labtest.Stack
	plain  string // address of the port without TLS
	secure string // of the port with TLS from the first octet
	stop   func()
}

func newServer(t testing.TB, change func(*pop3.Config)) *server {
	t.Helper()
	s := &server{t: t, events: event.NewLog("mda.aurora.test", 0), stack: labtest.NewStack(t)}
	s.store = openStore(t, t.TempDir())
	s.cfg = pop3.Config{
		Host:     "mda.aurora.test",
		Accounts: accounts{},
		Open:     func(ctx context.Context, name string) (pop3.Maildrop, error) { return s.store.Open(ctx, name) },
		NameOf:   func(netip.Addr) string { return "pc.aurora.test" },
		TLS:      &tls.Config{Certificates: []tls.Certificate{*s.stack.Certificate("mda.aurora.test")}},
		Events:   s.events,
		Log:      slog.New(slog.DiscardHandler),
		Limits:   pop3.Limits{AuthDelay: time.Millisecond},
	}
	if change != nil {
		change(&s.cfg)
	}
	s.run()
	return s
}

func openStore(t testing.TB, dir string) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// accounts know ana and joão, whose passwords are their names, and alice, whose
// has spaces.
type accounts struct{}

// Secret implements sasl.Credentials.
func (accounts) Secret(_ context.Context, user string) (sasl.Secret, error) {
	name, domain, full := strings.Cut(strings.ToLower(user), "@")
	password, ok := map[string]string{"ana": "ana", "joão": "joão", "alice": "two words "}[name]
	switch {
	case name == "erro":
		return sasl.Secret{}, errors.New("the directory is down")
	case !ok, full && domain != "aurora.test":
		return sasl.Secret{}, sasl.ErrNobody
	}
	return sasl.Secret{Account: name, Password: password}, nil
}

func (s *server) run() {
	srv := pop3.New(s.cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	listen := func(implicit bool) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.t.Fatal(err)
		}
		serving.Go(func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				serving.Go(func() { srv.Serve(ctx, c, implicit) })
			}
		})
		context.AfterFunc(ctx, func() { ln.Close() })
		return ln.Addr().String()
	}
	s.plain, s.secure = listen(false), listen(true)
	s.stop = sync.OnceFunc(func() {
		cancel()
		serving.Wait()
	})
	s.t.Cleanup(s.stop)
}

// deliver puts messages into a mailbox and returns the head and body of each
// as a client must see it.
func (s *server) deliver(owner string, bodies ...string) {
	s.t.Helper()
	deliver(s.t, s.store, owner, bodies...)
}

func deliver(t testing.TB, st *store.Store, owner string, bodies ...string) {
	t.Helper()
	for i, body := range bodies {
		d := st.NewDraft(0)
		if _, err := io.WriteString(d, body); err != nil {
			t.Fatal(err)
		}
		err := st.Deliver(t.Context(), &store.Delivery{
			Draft: d, MessageID: fmt.Sprintf("%d@boreal.test", i+1), Received: time.Unix(1e9, 0),
			Copies: []*store.Copy{{Owner: owner, ID: fmt.Sprintf("%012X", i+1), Head: []byte(head)}},
		})
		d.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// client types at a server.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (s *server) dial() *client {
	s.t.Helper()
	c, err := net.Dial("tcp", s.plain)
	if err != nil {
		s.t.Fatal(err)
	}
	return newClient(s.t, c)
}

func (s *server) clientTLS() *tls.Config {
	return &tls.Config{RootCAs: s.stack.Roots(), ServerName: "mda.aurora.test"}
}

func newClient(t testing.TB, c net.Conn) *client {
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return &client{t: t, Conn: c, r: bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("send %q: %v", text, err)
	}
}

func (c *client) line() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("after %q: %v", line, err)
	}
	if !strings.HasSuffix(line, "\r\n") {
		c.t.Errorf("line %q does not end in CRLF", line)
	}
	return strings.TrimRight(line, "\r\n")
}

// ask sends a line and returns the first line of the answer.
func (c *client) ask(line string) string {
	c.t.Helper()
	c.send(line + "\r\n")
	return c.line()
}

// multi reads a multi-line response up to its dot and takes the stuffing off.
func (c *client) multi() string {
	c.t.Helper()
	var b strings.Builder
	for {
		line := c.line()
		if line == "." {
			return b.String()
		}
		b.WriteString(strings.TrimPrefix(line, ".") + "\r\n")
	}
}

func (c *client) want(line, answer string) {
	c.t.Helper()
	if got := c.ask(line); !dialogue.Matches(got, answer) {
		c.t.Errorf("%s: got %q, want %q", line, got, answer)
	}
}

func (c *client) greeting() *client {
	c.t.Helper()
	if line := c.line(); !strings.HasPrefix(line, "+OK ") || strings.ContainsAny(line, "<>") {
		c.t.Errorf("greeting %q", line) // a <timestamp> would announce APOP
	}
	return c
}

func (c *client) login() *client {
	c.t.Helper()
	c.greeting().want("USER ana", "+OK...")
	c.want("PASS ana", "+OK...")
	return c
}

// ended checks that the server has closed the connection and said no more.
func (c *client) ended() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); len(rest) > 0 || isTimeout(err) {
		c.t.Errorf("connection is not closed: %q, %v", rest, err)
	}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// records returns what the event log holds of one kind, oldest first.
func (s *server) records(kind event.Kind) []event.Record {
	var found []event.Record
	for _, r := range s.events.After(0, 100_000).Records {
		if r.Kind == kind {
			found = append(found, r)
		}
	}
	return found
}
