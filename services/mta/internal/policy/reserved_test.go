package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"correio/services/internal/clock"
	"correio/services/internal/lab"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
)

// withElsewhere is the organisation of these tests: bruno and beatriz, and an
// alias of the name erro.
func withElsewhere(c *Config) {
	c.Org.Elsewhere = "carla@cedro.test"
	c.Org.Aliases["erro"] = lab.Targets{"bruno"}
}

// hear asks for one recipient in a transaction of its own.
func hear(t *testing.T, s smtpd.Session, from, to string) (smtpd.Transaction, reply.Reply) {
	t.Helper()
	tr := smtpd.Transaction{Hello: "pc.aurora.test", From: address(t, from)}
	if _, err := s.Mail(t.Context(), &tr); err != nil {
		t.Fatal(err)
	}
	rcpt := smtpd.Recipient{To: address(t, to)}
	r, err := s.Rcpt(t.Context(), &tr, rcpt)
	if err != nil {
		return tr, reply.Of(err)
	}
	tr.Rcpts = append(tr.Rcpts, rcpt)
	return tr, r
}

func TestReservedPartsAtRCPT(t *testing.T) {
	for to, want := range map[string]string{
		"cheio@boreal.test":         "452 4.2.2 <cheio@boreal.test>: mailbox is full",
		"CHEIO@cname.casos.test":    "452 4.2.2 <CHEIO@cname.casos.test>: mailbox is full",
		"ocupado@boreal.test":       "450 4.2.1 <ocupado@boreal.test>: mailbox is busy; try again later",
		"mudou@boreal.test":         "551 5.1.6 User not local; please try <carla@cedro.test>",
		"encaminha@boreal.test":     "251 2.1.5 User not local; will forward to <carla@cedro.test>",
		"rejeita-dados@boreal.test": "0",
		"erro@boreal.test":          "0", // an alias of the organisation's own
		"bruno@boreal.test":         "0",
		"cheio@aurora.test":         "550 5.7.1 <cheio@aurora.test>: relay access denied",
	} {
		s, rejected := open(t, withElsewhere)
		_, got := hear(t, s, "ana@aurora.test", to)
		if got.String() != want {
			t.Errorf("%s: got %q, want %q", to, got, want)
		}
		if !got.Positive() && got.Code != 0 && len(rejected) != 1 {
			t.Errorf("%s: counted as %v", to, rejected)
		}
	}
	s, _ := open(t, func(*Config) {})
	if _, got := hear(t, s, "", "erro@boreal.test"); got.Code != 451 || got.Enhanced.String() != "4.3.0" {
		t.Errorf("erro: %s", got)
	}
}

// RFC 5321 §3.9.1: the forward-path is the new one; and the journey is told about
// the old one.
func TestForwardedMailIsQueuedForElsewhere(t *testing.T) {
	for from, sender := range map[string]string{"ana@aurora.test": "SRS0=????=??=aurora.test=ana@boreal.test", "bruno@boreal.test": "bruno@boreal.test", "": ""} {
		var got Accepted
		s, _ := open(t, func(c *Config) {
			withElsewhere(c)
			keep := c.Accept
			c.Accept = func(ctx context.Context, a Accepted) error { got = a; return keep(ctx, a) }
		})
		tr, _ := hear(t, s, from, "Encaminha@boreal.test")
		if _, err := s.Data(t.Context(), &tr, strings.NewReader("Subject: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		e := got.Entry
		if ok, _ := path.Match(sender, e.From.String()); !ok || len(e.Rcpts) != 1 || e.Rcpts[0].To.String() != "carla@cedro.test" ||
			got.Original[0].String() != "Encaminha@boreal.test" {
			t.Errorf("from %q: queued as %+v, original %v", from, e, got.Original)
		}
	}
}

func TestAnOrganisationThatForwardsToItselfStopsAtMaxHops(t *testing.T) {
	s, rejected := open(t, withElsewhere)
	tr, _ := hear(t, s, "ana@aurora.test", "encaminha@boreal.test")
	_, err := s.Data(t.Context(), &tr, strings.NewReader(strings.Repeat("Received: by x; y\r\n", 60)+"\r\n"))
	if got := reply.Of(err); got.Code != 554 || got.Enhanced.String() != "5.4.6" || rejected[LoopLimit] != 1 {
		t.Errorf("after 60 hops: %v", err)
	}
}

func TestRejeitaDadosIsRefusedBehindTheMessage(t *testing.T) {
	s, rejected := open(t, func(c *Config) {
		withElsewhere(c)
		c.Accept = func(context.Context, Accepted) error { return errors.New("it was accepted") }
	})
	tr, _ := hear(t, s, "ana@aurora.test", "Rejeita-Dados@boreal.test")
	tr.Rcpts = append([]smtpd.Recipient{{To: address(t, "bruno@boreal.test")}}, tr.Rcpts...)
	message := strings.NewReader("Subject: x\r\n\r\ntext\r\n")
	_, err := s.Data(t.Context(), &tr, message)
	if got := reply.Of(err); got.Code != 554 || got.Enhanced.String() != "5.7.1" || rejected[Reserved] != 1 {
		t.Errorf("Data: %v", err)
	}
	if message.Len() != 0 {
		t.Errorf("%d octets of the message were not read", message.Len())
	}
}

func TestLentoWaitsOnceInATransaction(t *testing.T) {
	for _, speed := range []float64{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := open(t, func(c *Config) { c.Speed = clock.Speed(speed) })
			start := time.Now()
			tr, got := hear(t, s, "ana@aurora.test", "lento@boreal.test")
			if want := time.Duration(float64(Slowness) / speed); got.Code != 0 || time.Since(start) != want {
				t.Errorf("at speed %v: %s after %v, want 250 after %v", speed, got, time.Since(start), want)
			}
			start = time.Now()
			if _, err := s.Rcpt(t.Context(), &tr, tr.Rcpts[0]); err != nil || time.Since(start) != 0 {
				t.Errorf("a second slow recipient: %v after %v", err, time.Since(start))
			}
		})
	}
}

func TestCinzaIsRefusedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := open(t, func(c *Config) { c.Speed = 10 })
		ask := func(from, to string) int {
			_, r := hear(t, s, from, to)
			return r.Code
		}
		const ana, grey = "ana@aurora.test", "cinza@boreal.test"
		if got := ask(ana, grey); got != 450 {
			t.Errorf("first: %d", got)
		}
		time.Sleep(GreyDelay/10 - time.Nanosecond)
		if got := ask(ana, grey); got != 450 {
			t.Errorf("too early: %d", got)
		}
		time.Sleep(time.Nanosecond)
		if got := ask("Ana@aurora.test", "CINZA@boreal.test"); got != 0 {
			t.Errorf("after the delay: %d", got)
		}
		if got := ask("alice@aurora.test", grey); got != 450 {
			t.Errorf("another sender: %d", got)
		}
		time.Sleep(greyKeep/10 + 1)
		if got := ask("alice@aurora.test", grey); got != 450 {
			t.Errorf("another sender, a day later: %d", got)
		}
		if got := ask(ana, grey); got != 0 {
			t.Errorf("a day later: %d", got)
		}
		time.Sleep(knownKeep/10 + 1)
		if got := ask(ana, grey); got != 450 {
			t.Errorf("a week later: %d", got)
		}
	})
}

func TestGreylistKnowsNetworksAndForgetsTheOldestFirst(t *testing.T) {
	g, now := NewGreylist(1), time.Now()
	pass := func(client string, sender int, at time.Time) bool {
		return g.Pass(netip.MustParseAddr(client), address(t, fmt.Sprintf("s%d@aurora.test", sender)), address(t, "cinza@boreal.test"), at)
	}
	later := now.Add(GreyDelay)
	if pass("198.18.1.25", 0, now) || !pass("198.18.1.26", 0, later) || pass("198.18.2.25", 0, later) {
		t.Error("a client is not known by its network")
	}
	if pass("2001:db8::1", 0, now) || !pass("2001:db8::2", 0, later) || pass("2001:db8:0:1::1", 0, later) {
		t.Error("an IPv6 client is not known by its network")
	}
	pass("198.18.4.25", 0, now)
	for i := range greyEntries {
		pass("198.18.3.25", i+1, now)
	}
	if len(g.waiting.at) != greyEntries || g.waiting.order.Len() != greyEntries {
		t.Errorf("%d and %d strangers, want %d", len(g.waiting.at), g.waiting.order.Len(), greyEntries)
	}
	if !pass("198.18.1.25", 0, later) {
		t.Error("strangers make those go who have come back")
	}
	for i := range greyEntries {
		if !pass("198.18.3.25", i+1, later) {
			t.Fatalf("stranger %d is gone", i+1)
		}
	}
	if pass("198.18.4.25", 0, later) {
		t.Error("the oldest stranger is still there")
	}
	if len(g.known.at) != greyEntries || g.known.order.Len() != greyEntries || pass("198.18.1.25", 0, later) {
		t.Errorf("%d and %d have come back, want %d, without the oldest", len(g.known.at), g.known.order.Len(), greyEntries)
	}
}

func TestJudgeOfReservedParts(t *testing.T) {
	o := org()
	o.Elsewhere = "carla@cedro.test"
	for _, r := range lab.ReservedParts {
		to := address(t, string(r.Local)+"@boreal.test")
		want := "postmaster@boreal.test"
		if r.Local == lab.Forwarded || r.Local == lab.Moved {
			want = "carla@cedro.test"
		}
		if queued, got := Judge(o, nil, false, to); got != OnPurpose || queued.String() != want {
			t.Errorf("%s: %d as %s, want %s", to, got, queued, want)
		}
	}
}
