package pop3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"correio/services/internal/event"
	"correio/services/mda/internal/dialogue"
	"correio/services/mda/internal/pop3"
	"correio/services/mda/internal/store"
)

// behaviour.md §6 row 5: what is sent in clear behind STLS is not obeyed.
func TestRow5PlaintextBehindSTLSIsDropped(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := s.dial().greeting()
	c.send("STLS\r\nUSER ana\r\nPASS ana\r\n")
	if got := c.line(); got != "+OK begin TLS negotiation" {
		t.Fatalf("STLS: %q", got)
	}
	secure := tls.Client(c.Conn, s.clientTLS())
	if err := secure.Handshake(); err == nil {
		// The server may have taken the octets for the handshake and failed, which is
		// as good; where it goes on it must know nothing of them.
		c = newClient(t, secure)
		c.want("STAT", "-ERR STAT comes after USER and PASS")
		c.want("PASS ana", "-ERR USER comes before PASS")
	}
	if s.store.Locked("ana") {
		t.Error("the injected login was obeyed")
	}
}

func (s *server) startTLS(c *client) *client {
	s.t.Helper()
	c.want("STLS", "+OK...")
	secure := tls.Client(c.Conn, s.clientTLS())
	if err := secure.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	return newClient(s.t, secure)
}

// RFC 2595 §4: after STLS the session begins anew; RFC 1939 forbids a second
// greeting there.
func TestSTLSForgetsWhatWasSaidBefore(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := s.dial().greeting()
	c.want("USER ana", "+OK...")
	c = s.startTLS(c)
	c.want("PASS ana", "-ERR USER comes before PASS")
	c.want("STLS", "-ERR TLS is on already")
	c.want("USER ana", "+OK...")
	c.want("PASS ana", "+OK...")
	c.want("QUIT", "+OK...")
	for _, r := range s.records(event.KindTLS) {
		if r.Text != event.Established || r.Meta.Get(event.Version) == "" || r.Meta.Get(event.ServerName) != "mda.aurora.test" {
			t.Errorf("TLS event %+v", r)
		}
	}
}

// behaviour.md §6 row 15: TLS is a state of the connection, not of the server.
func TestRow15STLSOfOneSessionLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	first, second := s.dial().greeting(), s.dial().greeting()
	first = s.startTLS(first)
	first.want("CAPA", "+OK...")
	if capa := first.multi(); strings.Contains(capa, "STLS") {
		t.Errorf("STLS offered within TLS: %q", capa)
	}
	second.want("CAPA", "+OK...")
	if capa := second.multi(); !strings.Contains(capa, "STLS\r\n") {
		t.Errorf("STLS hidden from a session in clear: %q", capa)
	}
	s.startTLS(second).want("QUIT", "+OK...")
}

func TestSTLSWithoutACertificateIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *pop3.Config) { c.TLS = nil })
	c := s.dial().greeting()
	c.want("STLS", "-ERR no TLS here")
	c.want("CAPA", "+OK...")
	if capa := c.multi(); strings.Contains(capa, "STLS") {
		t.Errorf("STLS is offered: %q", capa)
	}
}

// RFC 1939 §4: one session at a time; RFC 2449 §8.1.2 names the reason.
func TestSecondSessionIsToldInUse(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.deliver("ana", anas...)
	first := s.dial().login()
	second := s.dial().greeting()
	second.want("USER ana@aurora.test", "+OK...")
	second.want("PASS ana", "-ERR [IN-USE] another session has this mailbox open")
	second.want("STAT", "-ERR STAT comes after...")
	first.want("DELE 1", "+OK...")
	first.want("QUIT", "+OK...")
	// Whoever hears the answer to QUIT finds the mailbox free.
	second.want("USER ana", "+OK...")
	second.want("PASS ana", "+OK ana has 2 messages...")
}

// RFC 1939 §6: only QUIT enters UPDATE.
func TestBrokenSessionDeletesNothingAndFreesTheMailbox(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.deliver("ana", anas...)
	c := s.dial().login()
	c.want("DELE 1", "+OK...")
	c.Close()
	s.waitUnlocked("ana")
	s.dial().login().want("STAT", "+OK 3 215")
}

func (s *server) waitUnlocked(owner string) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); s.store.Locked(owner); <-tick.C {
		if time.Now().After(deadline) {
			s.t.Fatal("the mailbox stays locked")
		}
	}
}

func TestShutdownTellsIdleSessionsAndDeletesNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.deliver("ana", anas...)
	c := s.dial().login()
	c.want("DELE 1", "+OK...")
	s.stop()
	if got := c.line(); !strings.HasPrefix(got, "-ERR [SYS/TEMP]") {
		t.Errorf("idle session hears %q", got)
	}
	c.ended()
	s.run()
	s.dial().login().want("STAT", "+OK 3 215")
}

// behaviour.md §6 row 16 is TestCommandByState; here all at once, typed
// through nc, which sends bare line feeds.
func TestRow16PipelinedCommandsAllGetTheirReply(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.deliver("ana", anas...)
	c := s.dial().greeting()
	c.send("CAPA\nUSER ana\nPASS ana\nSTAT\nRETR 2\nNOOP\nBOGUS\nDELE 2\nQUIT\nNOOP\n")
	c.line()
	c.multi()
	for _, want := range []string{"+OK now PASS", "+OK ana...", "+OK 3 215", "+OK 60 octets"} {
		if got := c.line(); !dialogue.Matches(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	c.multi()
	for _, want := range []string{"+OK", "-ERR unknown command", "+OK message 2...", "+OK mda..."} {
		if got := c.line(); !dialogue.Matches(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	c.ended()
}

// countingConn counts the writes of a server.
type countingConn struct {
	net.Conn
	writes atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// A fake is a mailbox of messages that cannot be read.
type fake struct {
	entries []store.Entry
	err     error
	removed int
	closed  *atomic.Bool
}

func (f *fake) Entries() []store.Entry      { return f.entries }
func (f *fake) UniqueID(store.Entry) string { return "id" }
func (f *fake) Close()                      { f.closed.Store(true) }

func (f *fake) Message(context.Context, store.Entry) (*store.Message, error) { return nil, f.err }

func (f *fake) Remove(_ context.Context, uids []uint32) ([]store.Removed, error) {
	f.removed += len(uids)
	return nil, f.err
}

// fakeServer serves one connection of a pipe out of a fake mailbox.
func fakeServer(t *testing.T, f *fake, change func(*pop3.Config)) (*client, *countingConn, <-chan struct{}) {
	f.closed = &atomic.Bool{}
	cfg := pop3.Config{
		Host: "mda.aurora.test", Accounts: accounts{}, Log: testLog(),
		Open: func(context.Context, string) (pop3.Maildrop, error) { return f, nil },
	}
	if change != nil {
		change(&cfg)
	}
	near, far := net.Pipe()
	counted := &countingConn{Conn: far}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pop3.New(cfg).Serve(context.Background(), counted, false)
	}()
	return &client{t: t, Conn: near, r: newReader(near)}, counted, ended
}

// RFC 2449 §6.6: commands that arrive together are answered together.
func TestPipelinedRepliesGoOutInOneWrite(t *testing.T) {
	t.Parallel()
	c, counted, ended := fakeServer(t, &fake{entries: make([]store.Entry, 3)}, nil)
	c.login()
	before := counted.writes.Load()
	c.send("STAT\r\nLIST\r\nUIDL 2\r\nNOOP\r\nQUIT\r\n")
	reply, err := io.ReadAll(c.r)
	if err != nil || strings.Count(string(reply), "\r\n") != 9 {
		t.Errorf("reply %q, %v", reply, err)
	}
	if n := counted.writes.Load() - before; n != 1 {
		t.Errorf("%d writes for one packet of commands", n)
	}
	<-ended
}

// RFC 1939 §3: the inactivity timer is 10 minutes at least, and its end removes
// nothing and says nothing. Octets that drip do not extend it.
func TestIdleSessionEndsAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{entries: make([]store.Entry, 1)}
		c, _, ended := fakeServer(t, f, nil)
		c.login()
		c.want("DELE 1", "+OK...")
		start := time.Now()
		for i := range 3 {
			time.Sleep(3 * time.Minute)
			c.send("NOOP"[i : i+1])
		}
		select {
		case <-ended:
			t.Errorf("ended after %s", time.Since(start))
		default:
		}
		c.ended()
		<-ended
		if idle := time.Since(start); idle != 10*time.Minute {
			t.Errorf("ended after %s, want 10m", idle)
		}
		if f.removed != 0 || !f.closed.Load() {
			t.Errorf("removed %d, mailbox given back: %v", f.removed, f.closed.Load())
		}
	})
}

func TestWrongPasswordIsAnsweredLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, ended := fakeServer(t, &fake{}, nil)
		c.greeting().want("USER ana", "+OK...")
		start := time.Now()
		c.want("PASS wrong", "-ERR [AUTH]...")
		if late := time.Since(start); late != time.Second {
			t.Errorf("answered after %s, want 1s", late)
		}
		c.want("QUIT", "+OK...")
		<-ended
	})
}

// A client that does not read holds a session no longer than the write limit.
func TestClientThatDoesNotReadIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{entries: make([]store.Entry, 10_000)}
		c, _, ended := fakeServer(t, f, nil)
		c.login()
		c.send("LIST\r\n")
		start := time.Now()
		<-ended
		if took := time.Since(start); took != time.Minute {
			t.Errorf("cut after %s, want 1m", took)
		}
		if !f.closed.Load() {
			t.Error("the mailbox stays locked")
		}
	})
}

func TestDiskFailureIsTemporaryAndSaid(t *testing.T) {
	t.Parallel()
	f := &fake{entries: make([]store.Entry, 2), err: errors.New("disk is on fire")}
	c, _, ended := fakeServer(t, f, nil)
	c.login()
	c.want("RETR 1", "-ERR [SYS/TEMP] message 1 cannot be read")
	c.want("TOP 1 0", "-ERR [SYS/TEMP] message 1 cannot be read")
	c.want("DELE 1", "+OK...")
	c.want("QUIT", "-ERR [SYS/TEMP] some deleted messages were not removed")
	c.ended()
	<-ended
	c, _, ended = fakeServer(t, f, func(cfg *pop3.Config) {
		cfg.Open = func(context.Context, string) (pop3.Maildrop, error) { return nil, f.err }
	})
	c.greeting().want("USER ana", "+OK...")
	c.want("PASS ana", "-ERR [SYS/TEMP] mailbox cannot be opened, try again later")
	c.want("QUIT", "+OK...")
	<-ended
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.deliver("ana", anas...)
	c := s.dial().login()
	c.want("RETR 1", "+OK...")
	c.multi()
	c.want("DELE 3", "+OK...")
	c.want("QUIT", "+OK...")
	c.ended()
	s.stop()
	var story []string
	for _, r := range s.events.After(0, 1000).Records {
		story = append(story, strings.Trim(fmt.Sprintf("%s %s%s|%s|%s|%s", r.Kind, r.Dir, r.Text, r.Queue, r.Message, r.Meta.Get(event.Summary)), "|"))
	}
	got := strings.Join(story, "\n")
	want := strings.Join([]string{
		"conn open",
		"line >+OK mda.aurora.test POP3 server ready",
		"line <USER ana", "line >+OK now PASS",
		"line <PASS ****", "auth accepted", "line >+OK ana has 3 messages (215 octets)",
		"line <RETR 1", "line >+OK 69 octets|000000000001|1@boreal.test",
		"line >Return-Path: <bruno@boreal.test>|000000000001|1@boreal.test",
		"line >Subject: one|000000000001|1@boreal.test",
		"line >(message: 69 octets)|000000000001|1@boreal.test|message-size(69)",
		"line >.|000000000001|1@boreal.test",
		"store retrieved|000000000001|1@boreal.test",
		"line <DELE 3", "line >+OK message 3 is marked as deleted",
		"line <QUIT", "store deleted|000000000003|3@boreal.test",
		"line >+OK mda.aurora.test signing off (2 messages left)",
		"conn close",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	conns := s.records(event.KindConn)
	if m := conns[0].Meta; m.Get(event.Proto) != "pop3" || m.Get(event.Role) != "server" || m.Get(event.Host) != "pc.aurora.test" ||
		m.Get(event.Local) != s.plain || m.Get(event.Remote) != c.LocalAddr().String() {
		t.Errorf("open event %+v", m)
	}
	if reason := conns[1].Meta.Get(event.Reason); reason != "quit" {
		t.Errorf("close event says %q", reason)
	}
	if m := s.records(event.KindStore)[1].Meta; m.Get(event.Mailbox) != "ana" || m.Get(event.UID) != "3" {
		t.Errorf("deleted event %+v", m)
	}
}
