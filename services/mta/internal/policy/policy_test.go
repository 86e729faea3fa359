package policy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"correio/services/internal/durable"
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
)

func org() *lab.Org {
	return &lab.Org{
		Domain: "boreal.test", Domains: []string{"cname.casos.test"}, Relays: []string{"selfbackup.casos.test"},
		People:  []lab.Person{{Name: "bruno", Password: "bruno"}, {Name: "beatriz", Password: "beatriz"}},
		Aliases: map[string]lab.Targets{"postmaster": {"beatriz"}},
	}
}

func address(t testing.TB, s string) mailaddr.Address {
	t.Helper()
	if s == "" {
		return mailaddr.Address{}
	}
	a, err := mailaddr.Parse(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return a
}

func TestJudge(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("198.18.2.25"), netip.MustParseAddr("198.19.2.25")}
	for _, test := range []struct {
		to             string
		port25, submit Verdict
		queuedAs       string // "" means unchanged
	}{
		{"bruno@boreal.test", AskMDA, AskMDA, ""},
		{"bruno@cname.casos.test", AskMDA, AskMDA, ""},
		{"x@selfbackup.casos.test", Foreign, Foreign, ""},
		{"ana@aurora.test", Denied, Foreign, ""},
		{"bruno@sub.boreal.test", Denied, Foreign, ""},
		{"PostMaster", Take, Take, "PostMaster@boreal.test"},
		{"postmaster@boreal.test", Take, Take, ""},
		{"postmaster@aurora.test", Denied, Foreign, ""},
		{"bruno@[198.18.9.9]", Denied, Foreign, ""},
		{"bruno@[198.19.2.25]", AskMDA, AskMDA, "bruno@boreal.test"},
	} {
		to := address(t, test.to)
		if _, got := Judge(org(), own, false, to); got != test.port25 {
			t.Errorf("port 25, %s: got %d, want %d", test.to, got, test.port25)
		}
		queued, got := Judge(org(), own, true, to)
		want := test.queuedAs
		if want == "" {
			want = test.to
		}
		if got != test.submit || queued.String() != want {
			t.Errorf("submission, %s: got %d as %s, want %d as %s", test.to, got, queued, test.submit, want)
		}
	}
	if _, got := Judge(&lab.Org{}, own, false, address(t, "postmaster")); got != Denied {
		t.Error("a site without a domain takes mail for its postmaster")
	}
}

func TestOwns(t *testing.T) {
	for _, test := range []struct {
		person, from string
		want         bool
	}{
		{"bruno", "bruno@boreal.test", true},
		{"bruno", "Bruno@cname.casos.test", true},
		{"bruno", "beatriz@boreal.test", false},
		{"beatriz", "postmaster@boreal.test", true},
		{"bruno", "postmaster@boreal.test", false},
		{"bruno", "bruno@aurora.test", false},
		{"bruno", "", true},
		{"", "ninguem@boreal.test", false},
	} {
		person, _ := org().Person(test.person)
		if got := Owns(org(), person, address(t, test.from)); got != test.want {
			t.Errorf("%q as %q: got %t", test.person, test.from, got)
		}
	}
}

// session with a disk and an MDA of the test's choice.
func open(t *testing.T, change func(*Config)) (smtpd.Session, map[string]int) {
	t.Helper()
	rejected := map[string]int{}
	cfg := Config{
		Org: org(), Host: lab.Host{Name: "mx1.boreal.test"},
		Ask: func(context.Context, mailaddr.Address, int64, mailaddr.Address, string) (reply.Reply, error) {
			return reply.New(250, "2.1.5", "Ok"), nil
		},
		Buffer:   func(limit int64) *durable.Buffer { return durable.NewBuffer(t.TempDir(), 0, limit) },
		Accept:   func(_ context.Context, a Accepted) error { _, err := io.Copy(io.Discard, a.Body()); return err },
		Free:     func() int64 { return -1 },
		Room:     func() int64 { return 1 << 30 },
		Rejected: func(reason string) { rejected[reason]++ },
		Wait:     func() time.Duration { return 0 },
		Log:      slog.New(slog.DiscardHandler),
	}
	change(&cfg)
	s, err := New(cfg).Open(t.Context(), smtpd.Peer{Remote: netip.MustParseAddrPort("198.18.1.25:1")})
	if err != nil {
		t.Fatal(err)
	}
	return s, rejected
}

func TestWhatADiskAllows(t *testing.T) {
	for _, test := range []struct {
		name      string
		free, say int64
		accept    error
		want      string
		reason    string
	}{
		{"room enough", spare + 1000, 1000, nil, "250", ""},
		{"nobody knows how much room there is", -1, 1000, nil, "250", ""},
		{"below the floor", spare - 1, 0, nil, "452 4.3.1", Space},
		{"the announced size is too much", spare + 999, 1000, nil, "452 4.3.1", Space},
		{"full when it is written", spare * 2, 0, durable.ErrNoSpace, "452 4.3.1", Space},
		{"too large when it is written", spare * 2, 0, durable.ErrTooLarge, "552 5.3.4", Size},
		{"disk on fire", spare * 2, 0, errors.New("disk on fire"), "451 4.3.0", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, rejected := open(t, func(c *Config) {
				c.Free = func() int64 { return test.free }
				c.Accept = func(context.Context, Accepted) error { return test.accept }
			})
			tx := &smtpd.Transaction{From: address(t, "ana@aurora.test"), Params: smtpd.MailParams{Size: test.say}}
			_, err := s.Mail(t.Context(), tx)
			if err == nil {
				tx.Rcpts = []smtpd.Recipient{{To: address(t, "bruno@boreal.test")}}
				_, err = s.Data(t.Context(), tx, strings.NewReader("Oi\r\n"))
			}
			got := "250"
			if err != nil {
				got = reply.Of(err).String()
			}
			if !strings.HasPrefix(got, test.want) || test.reason != "" && rejected[test.reason] != 1 {
				t.Errorf("got %s, rejected %v", got, rejected)
			}
			if (tx.QueueID != "") != (err == nil) {
				t.Errorf("queue id %q with %v", tx.QueueID, err)
			}
		})
	}
}

func TestMessageThatCannotBeReadIsNotAccepted(t *testing.T) {
	s, _ := open(t, func(c *Config) {
		c.Accept = func(context.Context, Accepted) error { t.Error("accepted"); return nil }
	})
	tx := &smtpd.Transaction{From: address(t, "ana@aurora.test")}
	if _, err := s.Mail(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	gone := errors.New("the client has gone")
	if _, err := s.Data(t.Context(), tx, io.MultiReader(strings.NewReader("Oi\r\n"), failing{gone})); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestTheMDAsAnswersArePassedOn(t *testing.T) {
	for _, test := range []struct {
		rep  reply.Reply
		err  error
		want string // of a refusal, or of a reply that is passed on
	}{
		{reply.New(250, "2.1.5", "Ok"), nil, ""},
		{reply.New(251, "2.1.5", "Will forward"), nil, "251 2.1.5 Will forward"},
		{reply.New(550, "5.1.1", "No"), nil, "550 5.1.1 No"},
		{reply.New(452, "4.2.2", "Full"), nil, "452 4.2.2 Full"},
		{reply.New(551, "5.1.6", "Moved"), nil, "551 5.1.6 Moved"},
		{reply.Reply{}, errors.New("connection refused"), ""},
	} {
		s, _ := open(t, func(c *Config) {
			c.Ask = func(context.Context, mailaddr.Address, int64, mailaddr.Address, string) (reply.Reply, error) {
				return test.rep, test.err
			}
		})
		r, err := s.Rcpt(t.Context(), &smtpd.Transaction{}, smtpd.Recipient{To: address(t, "bruno@boreal.test")})
		got := ""
		if err != nil {
			r = reply.Of(err)
		}
		if r.Code != 0 {
			got = r.String()
		}
		if got != test.want {
			t.Errorf("%v, %v: got %q, want %q", test.rep, test.err, got, test.want)
		}
	}
}
