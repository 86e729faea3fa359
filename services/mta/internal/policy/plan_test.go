package policy

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"correio/services/internal/lab"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
)

// withAliases is the organisation of these tests.
func withAliases(c *Config) {
	c.Org.Elsewhere = "carla@cedro.test"
	c.Org.Aliases["todos"] = lab.Targets{"bruno", "beatriz"}
	c.Org.Aliases["fora"] = lab.Targets{"carla@cedro.test"}
	c.Org.Aliases["misto"] = lab.Targets{"bruno", "carla@cedro.test", "ana@aurora.test"}
	c.Org.Lists = []lab.List{{Address: "equipe", Title: "A equipe", Owner: "beatriz", Members: lab.Targets{"bruno", "ana@aurora.test"}}}
}

// outcome is a message that was accepted, with its parts' bodies read.
type outcome struct {
	Accepted
	bodies []string
}

// take sends a message to recipients, and returns what is accepted or the reply.
func take(t *testing.T, change func(*Config), from, message string, rcpts ...smtpd.Recipient) (outcome, reply.Reply) {
	t.Helper()
	var got outcome
	s, _ := open(t, func(c *Config) {
		withAliases(c)
		change(c)
		c.Accept = func(_ context.Context, a Accepted) error {
			got.Accepted = a
			for _, p := range append([]Part{a.Part}, a.More...) {
				b, err := io.ReadAll(p.Body())
				if err != nil {
					return err
				}
				got.bodies = append(got.bodies, string(b))
			}
			return nil
		}
	})
	tr := smtpd.Transaction{Hello: "pc.aurora.test", From: address(t, from), Params: smtpd.MailParams{Ret: "HDRS", EnvID: "e1"}}
	if _, err := s.Mail(t.Context(), &tr); err != nil {
		t.Fatal(err)
	}
	for _, r := range rcpts {
		if _, err := s.Rcpt(t.Context(), &tr, r); err != nil {
			return got, reply.Of(err)
		}
		tr.Rcpts = append(tr.Rcpts, r)
	}
	replies, err := s.Data(t.Context(), &tr, strings.NewReader(message))
	if err != nil {
		return got, reply.Of(err)
	}
	return got, replies[0]
}

// shape is who gets the parts of a message, and in whose name.
func (o outcome) shape() string {
	var parts []string
	for _, p := range append([]Part{o.Part}, o.More...) {
		var to []string
		for _, r := range p.Entry.Rcpts {
			s := r.To.String()
			if r.Notify != "" || r.ORcpt != "" {
				s += "(" + r.Notify + " " + r.ORcpt + ")"
			}
			to = append(to, s)
		}
		from := regexp.MustCompile(`^SRS0=.{4}=..=`).ReplaceAllString(p.Entry.From.String(), "SRS0=*=*=")
		from = regexp.MustCompile(`^SRS1=.{4}=`).ReplaceAllString(from, "SRS1=*=")
		parts = append(parts, p.Entry.Ret+" "+from+" > "+strings.Join(to, " "))
	}
	return strings.Join(parts, "\n")
}

const plain = "Subject: x\r\n\r\nOi\r\n"

func rcpt(t *testing.T, to, notify string) smtpd.Recipient {
	return smtpd.Recipient{To: address(t, to), Notify: notify}
}

func TestWhoGetsAMessageAndInWhoseName(t *testing.T) {
	for _, test := range []struct {
		name, from string
		to         []string // address, and NOTIFY behind a space
		want       string
	}{
		{"a person", "ana@aurora.test", []string{"bruno@boreal.test"}, "HDRS ana@aurora.test > bruno@boreal.test"},
		{"several people", "ana@aurora.test", []string{"Todos@boreal.test"},
			"HDRS ana@aurora.test > bruno@boreal.test( rfc822;Todos@boreal.test) beatriz@boreal.test( rfc822;Todos@boreal.test)"},
		{"somebody elsewhere", "ana@aurora.test", []string{"fora@boreal.test SUCCESS,FAILURE"},
			"HDRS SRS0=*=*=aurora.test=ana@boreal.test > carla@cedro.test(SUCCESS,FAILURE rfc822;fora@boreal.test)"},
		{"the reserved part that is forwarded", "ana@aurora.test", []string{"encaminha@boreal.test"},
			"HDRS SRS0=*=*=aurora.test=ana@boreal.test > carla@cedro.test( rfc822;encaminha@boreal.test)"},
		{"from the site itself", "bruno@boreal.test", []string{"fora@boreal.test"},
			"HDRS bruno@boreal.test > carla@cedro.test( rfc822;fora@boreal.test)"},
		{"without a sender", "", []string{"fora@boreal.test"}, "HDRS  > carla@cedro.test( rfc822;fora@boreal.test)"},
		{"from who was forwarded before", "SRS0=h=d=x.test=y@aurora.test", []string{"fora@boreal.test"},
			"HDRS SRS1=*=aurora.test==h=d=x.test=y@boreal.test > carla@cedro.test( rfc822;fora@boreal.test)"},
		{"here and there", "ana@aurora.test", []string{"misto@boreal.test SUCCESS"},
			"HDRS ana@aurora.test > bruno@boreal.test(NEVER rfc822;misto@boreal.test)\n" +
				"HDRS SRS0=*=*=aurora.test=ana@boreal.test > carla@cedro.test(NEVER rfc822;misto@boreal.test) ana@aurora.test(NEVER rfc822;misto@boreal.test)"},
		{"a list", "ana@aurora.test", []string{"equipe@boreal.test SUCCESS"},
			" equipe-owner@boreal.test > bruno@boreal.test ana@aurora.test"},
		{"nobody twice", "ana@aurora.test", []string{"equipe@boreal.test", "todos@boreal.test", "postmaster@boreal.test NEVER", "fora@boreal.test", "misto@boreal.test"},
			// RCPT did not want to hear that postmaster's failed, but who named todos does.
			"HDRS ana@aurora.test > postmaster@boreal.test(NEVER ) bruno@boreal.test( rfc822;todos@boreal.test) postmaster@boreal.test( rfc822;todos@boreal.test)\n" +
				"HDRS SRS0=*=*=aurora.test=ana@boreal.test > carla@cedro.test( rfc822;fora@boreal.test)\n" +
				"HDRS SRS0=*=*=aurora.test=ana@boreal.test > ana@aurora.test( rfc822;misto@boreal.test)"},
		{"a list's member whom an alias reaches", "ana@aurora.test", []string{"equipe@boreal.test SUCCESS", "todos@boreal.test FAILURE"},
			"HDRS ana@aurora.test > bruno@boreal.test(FAILURE rfc822;todos@boreal.test) beatriz@boreal.test(FAILURE rfc822;todos@boreal.test)\n" +
				" equipe-owner@boreal.test > ana@aurora.test"},
		{"who has it already, with wishes of each name", "ana@aurora.test", []string{"fora@boreal.test SUCCESS", "encaminha@boreal.test FAILURE", "misto@boreal.test SUCCESS,FAILURE"},
			"HDRS SRS0=*=*=aurora.test=ana@boreal.test > carla@cedro.test(SUCCESS rfc822;fora@boreal.test) " +
				"carla@cedro.test(FAILURE rfc822;encaminha@boreal.test) carla@cedro.test(FAILURE rfc822;misto@boreal.test)\n" +
				"HDRS ana@aurora.test > bruno@boreal.test(FAILURE rfc822;misto@boreal.test)\n" +
				"HDRS SRS0=*=*=aurora.test=ana@boreal.test > ana@aurora.test(FAILURE rfc822;misto@boreal.test)"},
		{"who has it already, without wishes", "ana@aurora.test", []string{"bruno@boreal.test FAILURE", "fora@boreal.test SUCCESS", "todos@boreal.test", "encaminha@boreal.test NEVER"},
			"HDRS ana@aurora.test > bruno@boreal.test(FAILURE ) beatriz@boreal.test( rfc822;todos@boreal.test)\n" +
				"HDRS SRS0=*=*=aurora.test=ana@boreal.test > carla@cedro.test(SUCCESS rfc822;fora@boreal.test)"},
		{"all have it already", "ana@aurora.test", []string{"todos@boreal.test", "bruno@boreal.test", "beatriz@boreal.test"},
			"HDRS ana@aurora.test > bruno@boreal.test beatriz@boreal.test"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var rcpts []smtpd.Recipient
			for _, to := range test.to {
				to, notify, _ := strings.Cut(to, " ")
				rcpts = append(rcpts, rcpt(t, to, notify))
			}
			got, r := take(t, func(*Config) {}, test.from, plain, rcpts...)
			if r.Code != 250 || got.shape() != test.want {
				t.Errorf("%s\ngot\n%s\nwant\n%s", r, got.shape(), test.want)
			}
			if !strings.HasSuffix(r.String(), " queued as "+got.Entry.ID) {
				t.Errorf("%s, first part %s", r, got.Entry.ID)
			}
			for i, p := range append([]Part{got.Part}, got.More...) {
				if !strings.Contains(got.bodies[i], " id "+p.Entry.ID) || len(p.Original) != len(p.Entry.Rcpts) {
					t.Errorf("part %d, %s:\n%s", i, p.Entry.ID, got.bodies[i])
				}
			}
		})
	}
}

func TestWhatIsToldAboutExpansion(t *testing.T) {
	got, _ := take(t, func(*Config) {}, "ana@aurora.test", plain, rcpt(t, "Misto@boreal.test", ""), rcpt(t, "bruno@boreal.test", ""), rcpt(t, "equipe@boreal.test", ""))
	if len(got.Expanded) != 2 || got.Sender.String() != "ana@aurora.test" || got.EnvID != "e1" {
		t.Fatalf("%+v", got.Accepted)
	}
	x, list := got.Expanded[0], got.Expanded[1]
	if x.At.To.String() != "Misto@boreal.test" || x.List || len(x.To) != 3 || len(x.Senders) != 1 || x.Senders[0] != got.More[0].Entry.From ||
		len(x.Entries) != 1 || x.Entries[0] != got.More[0].Entry.ID {
		t.Errorf("the alias: %+v", x)
	}
	if !list.List || len(list.To) != 2 || len(list.Entries) != 0 || len(list.Senders) != 0 {
		t.Errorf("the list, whose members have it already: %+v", list)
	}
}

func TestAliasesOfListsAreLists(t *testing.T) {
	for to, want := range map[string]bool{"equipe@boreal.test": true, "grupo@boreal.test": true, "misto@boreal.test": false} {
		got, _ := take(t, withGroups, "ana@aurora.test", plain, rcpt(t, to, "SUCCESS"))
		if len(got.Expanded) != 1 || got.Expanded[0].List != want {
			t.Errorf("%s: %+v", to, got.Expanded)
		}
	}
}

func TestForwardingWithoutSRSKeepsTheSender(t *testing.T) {
	got, _ := take(t, func(c *Config) { c.Org.SMTP.WithoutSRS = true }, "ana@aurora.test", plain, rcpt(t, "fora@boreal.test", ""))
	if want := "HDRS ana@aurora.test > carla@cedro.test( rfc822;fora@boreal.test)"; got.shape() != want {
		t.Errorf("got %s", got.shape())
	}
	long := strings.Repeat("l", 60) + "@aurora.test"
	got, r := take(t, func(*Config) {}, long, plain, rcpt(t, "fora@boreal.test", ""))
	if r.Code != 250 || got.Entry.From.String() != long {
		t.Errorf("a sender that does not fit: %s, %s", r, got.Entry.From)
	}
}

func TestWhatExpandedMailCarries(t *testing.T) {
	got, _ := take(t, func(*Config) {}, "ana@aurora.test",
		"List-Id: <outra.cedro.test>\r\nSubject: x\r\nPrecedence: bulk\r\n\r\nList-Id: in the text\r\n",
		rcpt(t, "bruno@boreal.test", ""), rcpt(t, "fora@boreal.test", ""), rcpt(t, "equipe@boreal.test", ""))
	for i, want := range []string{
		"List-Id: <outra.cedro.test>\r\nSubject: x\r\nPrecedence: bulk\r\n\r\nList-Id: in the text\r\n",
		"Delivered-To: fora@boreal.test\r\nList-Id: <outra.cedro.test>\r\nSubject: x\r\nPrecedence: bulk\r\n\r\nList-Id: in the text\r\n",
		"Delivered-To: equipe@boreal.test\r\nList-Id: \"A equipe\" <equipe.boreal.test>\r\nList-Post: <mailto:equipe@boreal.test>\r\n" +
			"List-Owner: <mailto:equipe-owner@boreal.test>\r\nPrecedence: list\r\nSubject: x\r\n\r\nList-Id: in the text\r\n",
	} {
		if _, rest, _ := strings.Cut(got.bodies[i], "+0000\r\n"); rest != want {
			t.Errorf("part %d behind Received:\n%s\nwant\n%s", i, rest, want)
		}
	}
	// What was typed without a header is all body.
	got, _ = take(t, func(*Config) {}, "ana@aurora.test", "Precedence is mine\r\n", rcpt(t, "equipe@boreal.test", ""))
	if !strings.HasSuffix(got.bodies[0], "Precedence: list\r\n\r\nPrecedence is mine\r\n") {
		t.Errorf("typed:\n%s", got.bodies[0])
	}
}

func TestMailThatWasExpandedHereBefore(t *testing.T) {
	for name, test := range map[string]struct{ header, to string }{
		"an alias":             {"Delivered-To: TODOS@Boreal.test\r\n", "todos@boreal.test"},
		"a forwarded address":  {"Delivered-To: fora@boreal.test\r\n", "fora@boreal.test"},
		"the reserved one":     {"Delivered-To:\r\n encaminha@boreal.test\r\n", "Encaminha@boreal.test"},
		"a list":               {"Delivered-To: equipe@boreal.test\r\n", "equipe@boreal.test"},
		"a list by its number": {"List-Id: x\r\n\t<equipe.boreal.test>\r\n", "equipe@boreal.test"},
	} {
		_, r := take(t, func(*Config) {}, "ana@aurora.test", test.header+plain, rcpt(t, test.to, ""))
		if !strings.HasPrefix(r.String(), "554 5.4.6 ") {
			t.Errorf("%s: %s", name, r)
		}
		// With somebody else there, only the circle is given back: by the MDA.
		got, r := take(t, func(*Config) {}, "ana@aurora.test", test.header+plain, rcpt(t, "bruno@boreal.test", ""), rcpt(t, test.to, ""))
		if r.Code != 250 || len(got.More) != 0 || len(got.Entry.Rcpts) != 2 || !strings.EqualFold(got.Entry.Rcpts[1].To.String(), test.to) {
			t.Errorf("%s, with Bruno: %s, %s", name, r, got.shape())
		}
	}
	for name, header := range map[string]string{
		"another alias of the site": "Delivered-To: todos@boreal.test\r\n",
		"the mailbox itself":        "Delivered-To: bruno@boreal.test\r\n",
		"another list":              "List-Id: <equipe.cedro.test>\r\n",
	} {
		if _, r := take(t, func(*Config) {}, "ana@aurora.test", header+plain, rcpt(t, "misto@boreal.test", "")); r.Code != 250 {
			t.Errorf("%s: %s", name, r)
		}
	}
}

// João's alias is for two at Cedro who forward to him: the copies doubled in each
// round.
func TestAliasesThatAreNotASCIIFindTheirCircles(t *testing.T) {
	toTwo := func(c *Config) { c.Org.Aliases["joão"] = lab.Targets{"josé@cedro.test", "andré@cedro.test"} }
	out, r := take(t, toTwo, "ana@aurora.test", plain, rcpt(t, "JOÃO@boreal.test", ""))
	if r.Code != 250 || !strings.Contains(out.bodies[0], "Delivered-To: ") || out.Entry.UTF8 || out.Entry.EightBit ||
		strings.ContainsFunc(out.bodies[0], func(c rune) bool { return c > '~' }) {
		t.Fatalf("%s: UTF8 %t, EightBit %t\n%s", r, out.Entry.UTF8, out.Entry.EightBit, out.bodies[0])
	}
	if _, r := take(t, toTwo, "ana@aurora.test", out.bodies[0], rcpt(t, "joão@boreal.test", "")); !strings.HasPrefix(r.String(), "554 5.4.6 ") {
		t.Errorf("it comes back: %s", r)
	}
}

func TestTheHopLimitIs50(t *testing.T) {
	for hops, want := range map[int]int{50: 250, 51: 554} {
		_, r := take(t, func(*Config) {}, "ana@aurora.test", strings.Repeat("Received: by x; y\r\n", hops)+plain, rcpt(t, "bruno@boreal.test", ""))
		if r.Code != want {
			t.Errorf("%d hops: %s", hops, r)
		}
	}
}

// withGroups adds aliases with the list behind them.
func withGroups(c *Config) {
	withAliases(c)
	c.Org.Aliases["grupo"] = lab.Targets{"equipe"}
	c.Org.Aliases["avisos"] = lab.Targets{"equipe", "bruno"}
}

// By way of an alias they came to a list, which sent them out in its own name.
func TestReportsAreNotRedistributed(t *testing.T) {
	got, r := take(t, withGroups, "", plain, rcpt(t, "avisos@boreal.test", ""))
	if want := "HDRS  > bruno@boreal.test( rfc822;avisos@boreal.test)"; r.Code != 250 || got.shape() != want {
		t.Errorf("%s\n%s\nwant\n%s", r, got.shape(), want)
	}
}

func TestRepliesToAliases(t *testing.T) {
	for _, test := range []struct{ from, to, want string }{
		{"ana@aurora.test", "fora@boreal.test", "251 2.1.5 User not local; will forward to <carla@cedro.test>"},
		{"ana@aurora.test", "todos@boreal.test", "0"},
		{"ana@aurora.test", "misto@boreal.test", "0"},
		{"ana@aurora.test", "equipe@boreal.test", "0"},
		{"ana@aurora.test", "equipe-owner@boreal.test", "0"},
		{"", "todos@boreal.test", "0"},
		{"", "equipe@boreal.test", "550 5.7.1 <equipe@boreal.test>: the list takes no reports; write to its owner"},
		{"", "grupo@boreal.test", "550 5.7.1 <grupo@boreal.test>: the list takes no reports; write to its owner"},
		{"", "avisos@boreal.test", "0"},
		{"", "SRS0=AAAA=BB=aurora.test=ana@boreal.test", "550 5.1.1 <SRS0=AAAA=BB=aurora.test=ana@boreal.test>: not an address that this site has made"},
		{"", "srs1=a@boreal.test", "550 5.1.1 <srs1=a@boreal.test>: not an address that this site has made"},
	} {
		s, _ := open(t, withGroups)
		if _, got := hear(t, s, test.from, test.to); got.String() != test.want {
			t.Errorf("from %q to %s: %s, want %s", test.from, test.to, got, test.want)
		}
	}
}

// A report comes back by the address that the message was forwarded with; other
// mail does not, nor does one whose address was changed.
func TestReportsComeBackBySRS(t *testing.T) {
	out, _ := take(t, func(*Config) {}, "ana@aurora.test", plain, rcpt(t, "fora@boreal.test", ""))
	srs := smtpd.Recipient{To: out.Entry.From}
	in, r := take(t, func(*Config) {}, "", plain, srs)
	if r.Code != 250 || in.shape() != "HDRS  > ana@aurora.test( rfc822;"+strings.ReplaceAll(srs.To.String(), "=", "+3D")+")" {
		t.Errorf("%s, %s", r, in.shape())
	}
	if _, r := take(t, func(*Config) {}, "carla@cedro.test", plain, srs); !strings.HasPrefix(r.String(), "550 5.7.1 ") {
		t.Errorf("not a report: %s", r)
	}
	srs.To.Local = strings.Replace(srs.To.Local, "=ana", "=eva", 1)
	if _, r := take(t, func(*Config) {}, "", plain, srs); !strings.HasPrefix(r.String(), "550 5.1.1 ") {
		t.Errorf("forged: %s", r)
	}
}

// TestAnAliasNamedOftenIsNotQueuedAsOften: with a NOTIFY, an alias of 300 in each of
// 100 RCPTs became 30,000 recipients, after most of a minute of work.
func TestAnAliasNamedOftenIsNotQueuedAsOften(t *testing.T) {
	const members = 300
	many := func(c *Config) {
		for i := range members {
			c.Org.Aliases["muitos"] = append(c.Org.Aliases["muitos"], fmt.Sprintf("u%d@cedro.test", i))
		}
	}
	var same, each []smtpd.Recipient
	for i := range 100 {
		r := rcpt(t, "muitos@boreal.test", "FAILURE")
		same = append(same, r)
		r.ORcpt = fmt.Sprintf("rfc822;n%d@x.test", i)
		each = append(each, r)
	}
	if got, r := take(t, many, "ana@aurora.test", plain, same...); r.Code != 250 || len(got.Entry.Rcpts) != members {
		t.Errorf("asked the same: %s, %d recipients", r, len(got.Entry.Rcpts))
	}
	if got, r := take(t, many, "ana@aurora.test", plain, each...); r.Code != 250 || len(got.Entry.Rcpts) != members+maxMore {
		t.Errorf("asked for each name: %s, %d recipients", r, len(got.Entry.Rcpts))
	}
}
