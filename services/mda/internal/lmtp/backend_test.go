package lmtp_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/smtpd"
	"correio/services/mda/internal/dialogue"
	"correio/services/mda/internal/lmtp"
	"correio/services/mda/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	mda  = netip.MustParseAddrPort("198.19.1.110:24")
	mx1  = netip.MustParseAddr("198.19.1.25")
	pc   = netip.MustParseAddr("198.19.1.100")
	home = &lab.Org{
		Title: "Aurora", Domain: "aurora.test", Domains: []string{"implicit.casos.test", "xn--caf-dma.casos.test"},
		Hosts: []lab.Host{
			{Name: "mx1.aurora.test", Role: lab.RoleMTA, Internet: netip.MustParseAddr("198.18.1.25"), LAN: mx1},
			{Name: "mda.aurora.test", Role: lab.RoleMDA, LAN: mda.Addr()},
			{Name: "pc.aurora.test", Role: lab.RolePC, LAN: pc},
		},
		People: []lab.Person{
			{Name: "ana", Password: "ana"}, {Name: "alice", Password: "alice"},
			{Name: "carla", Password: "carla", Quota: 600}, {Name: "caio", Password: "caio", Quota: 10},
			{Name: "josé", Password: "josé"},
		},
		Aliases:   map[string]lab.Targets{"postmaster": {"alice"}, "abuse": {"alice"}, "conceição": {"josé"}, "todos": {"ana", "alice"}},
		Elsewhere: "bruno@boreal.test",
	}
)

// server is an LMTP server with a real store behind it.
type server struct {
	t      *testing.T
	stack  *labtest.Stack
	store  *store.Store
	events *event.Log
}

func newServer(t *testing.T) *server {
	t.Helper()
	st, err := store.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, stack: labtest.NewStack(t), store: st, events: event.NewLog("mda.aurora.test", 0)}
	srv, err := smtpd.New(smtpd.Config{
		Hostname: "mda.aurora.test", Proto: smtpd.LMTP, Events: s.events, SMTPUTF8: true,
		Backend: &lmtp.Backend{
			Org: home, Host: "mda.aurora.test", Store: st, Events: s.events, Log: labtest.Logger(t, "mda.aurora.test"),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := s.stack.Listen(t.Context(), mda)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *server) dial(from netip.Addr) (net.Conn, error) {
	return s.stack.Dial(s.t.Context(), "tcp", from, mda)
}

// mail reads all that a mailbox holds.
func (s *server) mail(owner string) []string {
	s.t.Helper()
	m, err := s.store.Open(s.t.Context(), owner)
	if err != nil {
		s.t.Fatal(err)
	}
	defer m.Close()
	var all []string
	for _, e := range m.Entries() {
		msg, err := m.Message(s.t.Context(), e)
		if err != nil {
			s.t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := msg.WriteTo(&b); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, b.String())
	}
	return all
}

// fill puts a message into caio's mailbox that fills it.
func (s *server) fill() {
	s.t.Helper()
	d := s.store.NewDraft(0)
	defer d.Close()
	if _, err := io.WriteString(d, "01234567\r\n"); err != nil {
		s.t.Fatal(err)
	}
	err := s.store.Deliver(s.t.Context(), &store.Delivery{
		Draft: d, Received: time.Now(), Copies: []*store.Copy{{Owner: "caio", ID: store.NewID()}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.fill()
			dialogue.Play(t, file, func(name string) (net.Conn, error) {
				if name == "stranger" {
					return s.dial(pc)
				}
				return s.dial(mx1)
			})
		})
	}
}

// behaviour.md §6 row 20: two recipients, one of them fails at the end; and
// RFC 5321 §4.4: what final delivery puts in front.
func TestRow20WhatIsStored(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	dialogue.Play(t, "testdata/deliver.txt", func(string) (net.Conn, error) { return s.dial(mx1) })
	const body = "Message-ID: <1@boreal.test>\r\nSubject: four recipients, two mailboxes\r\n\r\n.a dot\r\n"
	for owner, address := range map[string]string{"ana": "ana@aurora.test", "alice": "Alice@aurora.test"} {
		mail := s.mail(owner)
		if len(mail) != 1 {
			t.Fatalf("%s has %d messages, want 1", owner, len(mail))
		}
		want := regexp.MustCompile(`^Return-Path: <bruno@boreal\.test>\r\n` +
			`Delivered-To: ` + address + `\r\n` +
			`Received: from mx1\.aurora\.test \(mx1\.aurora\.test \[198\.19\.1\.25\]\)\r\n` +
			`\tby mda\.aurora\.test with LMTP id ([0-9A-F]{12})\r\n` +
			`\tfor <` + address + `>; \w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} [-+]\d{4}\r\n` + body + `$`)
		if !want.MatchString(mail[0]) {
			t.Errorf("%s: got %q, want %s", owner, mail[0], want)
		}
	}
	stored := 0
	for _, r := range s.events.After(0, 1000).Records {
		if r.Kind != event.KindStore {
			continue
		}
		stored++
		owner := r.Meta.Get(event.Mailbox)
		if r.Text != event.Stored || r.Message != "1@boreal.test" || r.Conn == "" || r.Meta.Get(event.UID) != "1" ||
			r.Meta.Get(event.Size) != fmt.Sprint(len(s.mail(owner)[0])) || r.Meta.Get(event.From) != "<bruno@boreal.test>" ||
			!strings.Contains(s.mail(owner)[0], "id "+r.Queue+"\r\n") {
			t.Errorf("store event %+v", r)
		}
	}
	if stored != 2 {
		t.Errorf("%d store events, want 2", stored)
	}
}

// RFC 6531 §4.3: trace fields of a message that came with SMTPUTF8.
func TestWhatIsStoredOfUTF8(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	dialogue.Play(t, "testdata/utf8.txt", func(string) (net.Conn, error) { return s.dial(mx1) })
	for owner, address := range map[string]string{"josé": "JOSÉ@aurora.test", "ana": "ana@café.casos.test"} {
		mail := s.mail(owner)
		if len(mail) != 1 || !strings.HasPrefix(mail[0], "Return-Path: <joão@boreal.test>\r\nDelivered-To: "+address+"\r\n") ||
			!strings.Contains(mail[0], " with UTF8LMTP id ") || !strings.Contains(mail[0], "\tfor <"+address+">; ") ||
			!strings.HasSuffix(mail[0], "Message-ID: <2@boreal.test>\r\nSubject: ação\r\n\r\nmaçã\r\n") {
			t.Errorf("%s has %q", owner, mail)
		}
	}
}

// Only the organisation's own MTAs may deliver, by their LAN addresses.
func TestStrangersHear554(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, from := range []netip.Addr{pc, netip.MustParseAddr("198.18.1.25"), netip.MustParseAddr("198.18.2.25")} {
		dialogue.Play(t, "testdata/stranger.txt", func(string) (net.Conn, error) { return s.dial(from) })
	}
}

// behaviour.md §6 row 2: the internal hop is no way around the rules of lines.
func TestRow2SmugglingThroughLMTP(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, end := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n"} {
		c, err := s.dial(mx1)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(10 * time.Second))
		evil := "MAIL FROM:<evil@x.test>\r\nRCPT TO:<ana@aurora.test>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\n"
		_, err = io.WriteString(c, "LHLO mx1.aurora.test\r\nMAIL FROM:<>\r\nRCPT TO:<ana@aurora.test>\r\nDATA\r\n"+
			"Subject: innocent\r\n\r\ntext"+end+evil+"QUIT\r\n")
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(c)
		c.Close()
		if err != nil || strings.Contains(string(said), "stored as") || !strings.Contains(string(said), "500 5.5.2") {
			t.Errorf("end %q: server says %q, %v", end, said, err)
		}
	}
	if mail := s.mail("ana"); len(mail) != 0 {
		t.Errorf("ana got %q", mail)
	}
}

// A message whose end never comes is not stored.
func TestBrokenConnectionStoresNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c, err := s.dial(mx1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(c, "LHLO mx1.aurora.test\r\nMAIL FROM:<>\r\nRCPT TO:<ana@aurora.test>\r\nDATA\r\nSubject: half\r\n\r\nthe rest is mi")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if said, _ := io.ReadAll(c); strings.Contains(string(said), "stored") {
		t.Errorf("server says %q", said)
	}
	c.Close()
	if mail := s.mail("ana"); len(mail) != 0 {
		t.Errorf("ana got %q", mail)
	}
}
