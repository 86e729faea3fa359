package policy

import (
	"context"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
	"correio/services/mta/internal/spool"
)

func utf8Org() *lab.Org {
	o := org()
	o.Domains = append(o.Domains, "xn--caf-dma.casos.test")
	o.Aliases["joão"] = lab.Targets{"bruno"}
	return o
}

func TestJudgeOfNamesBeyondASCII(t *testing.T) {
	for _, test := range []struct {
		to, queuedAs string
		port25       Verdict
	}{
		{"joão@boreal.test", "joão@boreal.test", AskMDA},
		{"bruno@CAFÉ.casos.test", "bruno@xn--caf-dma.casos.test", AskMDA},
		{"bruno@xn--caf-dma.casos.test", "bruno@xn--caf-dma.casos.test", AskMDA},
		{"postmaster@café.casos.test", "postmaster@xn--caf-dma.casos.test", Take},
		{"po\u017ftmaster@boreal.test", "po\u017ftmaster@boreal.test", AskMDA},
		{"bruno@cafe.casos.test", "bruno@cafe.casos.test", Denied},
		{"bruno＠x@boreal.test", "bruno＠x@boreal.test", AskMDA}, // a local part: no domain is in it
		{"\u212aunz@boreal.test", "\u212aunz@boreal.test", AskMDA},
		{"cheio\u200d@boreal.test", "cheio\u200d@boreal.test", AskMDA}, // not the reserved name
	} {
		queued, got := Judge(utf8Org(), nil, false, address(t, test.to))
		if got != test.port25 || queued.String() != test.queuedAs {
			t.Errorf("%q: %d as %q, want %d as %q", test.to, got, queued, test.port25, test.queuedAs)
		}
	}
}

func TestOwnsNamesBeyondASCII(t *testing.T) {
	o := utf8Org()
	bruno, _ := o.Person("bruno")
	for from, want := range map[string]bool{
		"joão@boreal.test": true, "JOA\u0303O@boreal.test": true, "bruno@café.casos.test": true,
		"joao@boreal.test": false, "bruno@cafe.casos.test": false, "bruno＠boreal.test@aurora.test": false,
	} {
		if got := Owns(o, bruno, address(t, from)); got != want {
			t.Errorf("bruno as %q: %t", from, got)
		}
	}
}

// What is queued: A-labels, and SMTPUTF8 only for the sake of the header.
func TestQueuedInALabels(t *testing.T) {
	for _, test := range []struct {
		message string
		said    bool
		want    bool
	}{
		{"Subject: ação\r\n\r\n", true, true},
		{"Subject: x\r\n\r\nação\r\n", true, false},
		{"Olá, Bruno!\r\n", true, false},        // typed without a header: all body
		{"Subject: ação\r\n\r\n", false, false}, // broken, and nobody promised otherwise
	} {
		var got Accepted
		var body string
		var asked mailaddr.Address
		s, _ := open(t, func(c *Config) {
			c.Org = utf8Org()
			c.Ask = func(_ context.Context, from mailaddr.Address, _ int64, _ mailaddr.Address, _ string) (reply.Reply, error) {
				asked = from
				return reply.New(250, "2.1.5", "Ok"), nil
			}
			c.Accept = func(_ context.Context, a Accepted) error {
				got = a
				b, err := io.ReadAll(a.Body())
				body = string(b)
				return err
			}
		})
		tr := &smtpd.Transaction{ESMTP: true, From: address(t, "ana@café.test"), Params: smtpd.MailParams{SMTPUTF8: test.said}}
		if _, err := s.Mail(t.Context(), tr); err != nil {
			t.Fatal(err)
		}
		to := smtpd.Recipient{To: address(t, "bruno@CAFÉ.casos.test")}
		if _, err := s.Rcpt(t.Context(), tr, to); err != nil {
			t.Fatal(err)
		}
		tr.Rcpts = append(tr.Rcpts, to)
		if _, err := s.Data(t.Context(), tr, strings.NewReader(test.message)); err != nil {
			t.Fatal(err)
		}
		e := got.Entry
		if e.UTF8 != test.want || e.From.String() != "ana@xn--caf-dma.test" || e.Rcpts[0].To.String() != "bruno@xn--caf-dma.casos.test" ||
			got.Original[0].String() != "bruno@café.casos.test" || asked != e.From {
			t.Errorf("%q: UTF8 %t, from %s to %s, named %s", test.message, e.UTF8, e.From, e.Rcpts[0].To, got.Original[0])
		}
		if with := " with UTF8SMTP id "; strings.Contains(body, with) != test.said || !strings.Contains(body, "\tfor <bruno@xn--caf-dma.casos.test>;") {
			t.Errorf("%q becomes %q", test.message, body)
		}
	}
}

// João types to a list: the message goes out from the list's owner, and its From
// alone has UTF-8.
func TestFromInUTF8NeedsSMTPUTF8(t *testing.T) {
	for from, want := range map[string]bool{"joão@boreal.test": true, "bruno@boreal.test": false} {
		var e *spool.Entry
		s, _ := open(t, func(c *Config) {
			withAliases(c)
			c.Org.Aliases["joão"] = lab.Targets{"bruno"}
			c.Submission = true
			c.Accept = func(_ context.Context, a Accepted) error { e = a.Entry; return nil }
		})
		s.(*session).person = lab.Person{Name: "bruno"}
		tr, _ := hear(t, s, from, "equipe@boreal.test")
		tr.Params.SMTPUTF8 = true
		if _, err := s.Data(t.Context(), &tr, strings.NewReader("Oi, gente\r\n")); err != nil {
			t.Fatal(err)
		}
		if e.From.String() != "equipe-owner@boreal.test" || e.UTF8 != want || e.EightBit != want {
			t.Errorf("%s: from %s, UTF8 %t, EightBit %t", from, e.From, e.UTF8, e.EightBit)
		}
	}
}

func TestGreylistKnowsADomainInBothForms(t *testing.T) {
	g, now := NewGreylist(1), time.Now()
	client := netip.MustParseAddr("198.18.1.25")
	pass := func(from, to string, at time.Time) bool { return g.Pass(client, address(t, from), address(t, to), at) }
	if pass("ana@café.test", "cinza@boreal.test", now) || !pass("ANA@xn--caf-dma.test", "CINZA@boreal.test", now.Add(GreyDelay)) {
		t.Error("one address in two forms is two")
	}
	if pass("\u212aarl@x.test", "cinza@boreal.test", now) || pass("karl@x.test", "cinza@boreal.test", now.Add(GreyDelay)) {
		t.Error("two addresses are one")
	}
}
