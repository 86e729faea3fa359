package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"correio/services/internal/clock"
	"correio/services/internal/lab"
	"correio/services/internal/smtpd"
	"correio/services/mta/internal/schedule"
)

// grey opens a session of a site that greylists, for a client.
func grey(t *testing.T, b *Backend, client string) smtpd.Session {
	t.Helper()
	s, err := b.Open(t.Context(), smtpd.Peer{Remote: netip.AddrPortFrom(netip.MustParseAddr(client), 1)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func greyBackend(t *testing.T, change func(*Config)) *Backend {
	t.Helper()
	var b *Backend
	_, _ = open(t, func(c *Config) {
		withAliases(c)
		c.Org.SMTP.Greylist = lab.Greylist(time.Minute)
		c.Org.Hosts = []lab.Host{{
			Name: "mx2.boreal.test", Role: lab.RoleMTA, Internet: netip.MustParseAddr("198.18.2.26"), LAN: netip.MustParseAddr("198.19.2.26"),
		}}
		change(c)
		b = New(*c)
	})
	return b
}

func TestStrangersAreTakenAtTheirSecondAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := greyBackend(t, func(*Config) {})
		for _, to := range []string{"bruno@boreal.test", "todos@boreal.test", "fora@boreal.test", "x@selfbackup.casos.test"} {
			if _, r := hear(t, grey(t, b, "198.18.1.25"), "ana@aurora.test", to); r.Code != 450 || r.Enhanced.String() != "4.7.1" {
				t.Errorf("%s at first: %s", to, r)
			}
		}
		time.Sleep(time.Minute - time.Nanosecond)
		if _, r := hear(t, grey(t, b, "198.18.1.25"), "ana@aurora.test", "bruno@boreal.test"); r.Code != 450 {
			t.Errorf("too early: %s", r)
		}
		time.Sleep(time.Nanosecond)
		if _, r := hear(t, grey(t, b, "198.18.1.77"), "ana@aurora.test", "bruno@boreal.test"); r.Code != 0 {
			t.Errorf("later, from the same network: %s", r)
		}
		if _, r := hear(t, grey(t, b, "198.18.3.25"), "ana@aurora.test", "bruno@boreal.test"); r.Code != 450 {
			t.Errorf("from another network: %s", r)
		}
	})
}

func TestGreylistingSpares(t *testing.T) {
	for name, test := range map[string]struct {
		change   func(*Config)
		from, to string
		want     int
	}{
		"the site's own backup":    {nil, "198.18.2.26", "bruno@boreal.test", 0},
		"its LAN":                  {nil, "198.19.2.26", "bruno@boreal.test", 0},
		"postmaster":               {nil, "198.18.1.25", "postmaster@boreal.test", 0},
		"submission":               {func(c *Config) { c.Submission = true }, "198.18.2.100", "carla@cedro.test", 0},
		"a site without":           {func(c *Config) { c.Org.SMTP.Greylist = 0 }, "198.18.1.25", "bruno@boreal.test", 0},
		"who is refused for good":  {nil, "198.18.1.25", "carla@cedro.test", 550},
		"a reserved part":          {nil, "198.18.1.25", "cheio@boreal.test", 452},
		"the reserved part of its": {nil, "198.18.1.25", "cinza@boreal.test", 450},
	} {
		b := greyBackend(t, func(c *Config) {
			if test.change != nil {
				test.change(c)
			}
		})
		s := grey(t, b, test.from).(*session)
		s.person = lab.Person{Name: "bruno"}
		if _, r := hear(t, s, "bruno@boreal.test", test.to); r.Code != test.want {
			t.Errorf("%s: %s, want %d", name, r, test.want)
		}
		if b.strangers != nil && len(b.strangers.waiting.at) > 0 {
			t.Errorf("%s: remembered as a stranger", name)
		}
	}
}

// Who had come back was a stranger again after a day without mail. RFC 6647 §5
// wants a week at least.
func TestWhoHasComeBackIsKnownForAWeek(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name string
		asks []time.Duration // one behind the other
		want string          // what each hears: a stranger, or known
	}{
		{"mail each week", []time.Duration{0, time.Minute, 7 * day, 7 * day}, "-+++"},
		{"mail behind a week", []time.Duration{0, time.Minute, 7*day + 1}, "-+-"},
		{"back within a day", []time.Duration{0, day}, "-+"},
		{"back behind a day", []time.Duration{0, day + 1, time.Minute}, "--+"},
	} {
		for _, speed := range []time.Duration{1, 60} {
			g, now, got := newGreylist(time.Minute, greyPasses, clock.Speed(speed)), time.Unix(0, 0), ""
			for _, later := range test.asks {
				now = now.Add((later + speed - 1) / speed)
				if g.Pass(netip.MustParseAddr("198.18.1.25"), address(t, "ana@aurora.test"), address(t, "bruno@boreal.test"), now) {
					got += "+"
				} else {
					got += "-"
				}
			}
			if got != test.want {
				t.Errorf("%s, at speed %d: %s, want %s", test.name, speed, got, test.want)
			}
		}
	}
}

// Its recipients were counted: one mail for five made all of its network known.
func TestGreylistTrustsForMailsAndNotForRecipients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := greyBackend(t, func(*Config) {})
		const client = "198.18.1.25"
		send := func(from string) {
			s := grey(t, b, client)
			tr := smtpd.Transaction{Hello: "x", From: address(t, from)}
			if _, err := s.Mail(t.Context(), &tr); err != nil {
				t.Fatal(err)
			}
			for _, to := range []string{"bruno", "beatriz", "todos", "fora", "misto", "equipe"} {
				r := rcpt(t, to+"@boreal.test", "")
				if _, err := s.Rcpt(t.Context(), &tr, r); err == nil {
					tr.Rcpts = append(tr.Rcpts, r)
				}
			}
			if len(tr.Rcpts) == 0 {
				return
			}
			if _, err := s.Data(t.Context(), &tr, strings.NewReader(plain)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range greyPasses {
			to := fmt.Sprintf("new%d@boreal.test", i)
			if _, r := hear(t, grey(t, b, client), "ana@aurora.test", to); r.Code != 450 {
				t.Errorf("behind %d mails: %s", i, r)
			}
			send(fmt.Sprintf("s%d@aurora.test", i))
			time.Sleep(time.Minute)
			send(fmt.Sprintf("s%d@aurora.test", i))
		}
		if _, r := hear(t, grey(t, b, client), "ana@aurora.test", "new@boreal.test"); r.Code != 0 {
			t.Errorf("behind %d mails: %s", greyPasses, r)
		}
	})
}

// Whose mail has come back five times need not do so again, until it stays away
// for long.
func TestNetworksOfMailServersAreKnownInTheEnd(t *testing.T) {
	g, now := newGreylist(time.Minute, greyPasses, 60), time.Unix(0, 0)
	client, bruno := netip.MustParseAddr("198.18.1.25"), address(t, "bruno@boreal.test")
	pass := func(client netip.Addr, sender int) bool {
		passes, back := g.pass(client, address(t, fmt.Sprintf("s%d@aurora.test", sender)), bruno, now)
		if back {
			g.Trust(client, now)
		}
		return passes
	}
	for i := range greyPasses {
		if pass(client, i) {
			t.Fatalf("sender %d is no stranger", i)
		}
		now = now.Add(time.Second) // a minute of the lab
		for range 2 {              // which count once
			if !pass(client, i) {
				t.Fatalf("sender %d does not pass", i)
			}
		}
	}
	if !pass(client, 100) || pass(netip.MustParseAddr("198.18.3.25"), 100) {
		t.Error("the network is not known, or all are")
	}
	now = now.Add(netKeep/60 + 1)
	if pass(client, 101) {
		t.Error("the network is known for ever")
	}
	for i := range greyNets + 10 { // each passes once
		at := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
		pass(at, 0)
		now = now.Add(time.Second)
		pass(at, 0)
	}
	if len(g.net.at) != greyNets || g.net.order.Len() != greyNets {
		t.Errorf("%d networks are kept", len(g.net.at))
	}
}

// README: strangers are taken at their second attempt, which is the lab's own.
func TestTheLabsOwnHostsComeBackLateEnough(t *testing.T) {
	if wait, _ := schedule.Default().Wait(1, 0, 0); wait < GreyDelay {
		t.Errorf("they come back after %v, and are let in after %v", wait, GreyDelay)
	}
}
