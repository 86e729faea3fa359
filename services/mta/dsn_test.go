package mta

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/smtpc"
	"correio/services/mta/internal/bounce/bouncetest"
	"correio/services/mta/internal/spool"
)

// parseReport reads a report that was delivered, behind its trace lines.
func parseReport(t *testing.T, raw string) bouncetest.Report {
	t.Helper()
	r, err := bouncetest.Parse([]byte(raw))
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.ReplaceAll(raw, "\r", ""))
	}
	return r
}

// ask sends a message from Ana's workstation with wishes, and returns its queue
// id.
func (w *world) ask(c *smtpc.Client, env smtpc.Envelope, from, message string) string {
	w.t.Helper()
	env.From = w.address(from)
	res := c.Send(w.t.Context(), env, strings.NewReader(message), smtpc.SendOptions{})
	if !res[0].Delivered() {
		w.t.Fatalf("%s: %s %v", res[0].Step, res[0].Reply, res[0].Err)
	}
	return smtpc.QueuedAs(res[0].Reply)
}

// reportsAbout waits until a message has gone, and returns what its reports are
// about.
func (h *host) reportsAbout(t *testing.T, id string) string {
	t.Helper()
	h.waitEvent(t, "the removal", queueEvent(event.Removed, id))
	var list []string
	for _, r := range h.env.Events.After(0, 100_000).Records {
		if r.Text == event.Accepted && r.Meta.Get(event.Client) == "report about "+id {
			list = append(list, r.Meta.Get(event.Reason)+" to "+r.Meta.Get(event.To))
		}
	}
	return strings.Join(list, "; ")
}

// spoke returns the lines that a node has said as a client.
func (h *host) spoke(prefix string) []string {
	var lines []string
	for _, r := range h.env.Events.After(0, 100_000).Records {
		if r.Kind == event.KindLine && r.Dir == event.Out && strings.HasPrefix(r.Text, prefix) {
			lines = append(lines, r.Text)
		}
	}
	return lines
}

func TestEveryPortOffersDSN(t *testing.T) {
	w := newWorld(t)
	w.mta("aurora", "mx1.aurora.test", 1)
	for _, port := range []uint16{25, 587, 465, 589} {
		conn, err := w.stack.Dial(t.Context(), "tcp", netip.MustParseAddr(pc), netip.AddrPortFrom(netip.MustParseAddr("198.18.1.25"), port))
		if err != nil {
			t.Fatal(err)
		}
		opt := smtpc.Options{Protocol: smtpc.Submission, Hello: "pc.aurora.test"}
		if port == 465 {
			opt.Protocol = smtpc.Submissions
			conn = tls.Client(conn, &tls.Config{RootCAs: w.stack.Roots(), ServerName: "mx1.aurora.test"})
		}
		c, err := smtpc.Open(t.Context(), conn, opt)
		if err != nil {
			t.Fatalf("port %d: %v", port, err)
		}
		if _, offered := c.Extension("DSN"); !offered {
			t.Errorf("port %d does not offer DSN", port)
		}
		c.Close()
	}
}

// RFC 3461 §5.2.1 and §5.2.3: the parameters go on exactly as they came to a host
// that offers DSN, and whoever delivers finally reports.
func TestDeliveryIsReportedByWhoDelivers(t *testing.T) {
	w := newWorld(t)
	aurora, boreal := w.mta("aurora", "mx1.aurora.test", 1), w.mta("boreal", "mx1.boreal.test", 1)
	box, ana := w.mda("198.19.2.110:24"), w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := w.ask(c, smtpc.Envelope{Ret: "HDRS", EnvID: "aula+201", To: []smtpc.Recipient{
		{To: w.address("bruno@boreal.test"), Notify: "SUCCESS,FAILURE", ORcpt: "rfc822;Bruno+2B@x.test"},
	}}, "ana@aurora.test", message)
	if got := aurora.reportsAbout(t, id); got != "" {
		t.Errorf("Aurora reports %s", got)
	}
	box.wait(t, 1)
	got := ana.wait(t, 1)[0]
	r := parseReport(t, got.message)
	f := r.Recipients[0]
	for name, want := range map[string]string{
		"Action": "delivered", "Status": "2.1.5", "Final-Recipient": "rfc822; bruno@boreal.test", "Original-Recipient": "rfc822; Bruno+@x.test",
		"Remote-MTA": "dns; mda.boreal.test", "Diagnostic-Code": "smtp; 250 2.1.5 <bruno@boreal.test> Ok: stored as STORE0",
	} {
		if f.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, f.Get(name), want)
		}
	}
	if r.Message.Get("Original-Envelope-Id") != "aula 1" || r.Message.Get("Reporting-MTA") != "dns; mx1.boreal.test" ||
		r.Message.Get("Received-From-MTA") != "dns; mx1.aurora.test (198.18.1.25)" || r.Kind != "text/rfc822-headers" || got.from != "" {
		t.Errorf("from %q, %v, %s", got.from, r.Message, r.Kind)
	}
	for prefix, want := range map[string]string{
		"MAIL FROM:<ana": " RET=HDRS ENVID=aula+201", "RCPT TO:<bruno": "RCPT TO:<bruno@boreal.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bruno+2B@x.test",
	} {
		if lines := aurora.spoke(prefix); len(lines) != 1 || !strings.HasSuffix(lines[0], want) {
			t.Errorf("said %q, want %s", lines, want)
		}
	}
	// The MDA is told nothing, and the report belongs to the delivery.
	delivered := boreal.waitEvent(t, "the delivery", queueEvent(event.Delivered, ""))
	report := boreal.waitEvent(t, "the report", queueEvent(event.Accepted, delivered.Meta.Get(event.BounceID)))
	if report.Meta.Get(event.Reason) != "delivered" || report.Meta.Get(event.To) != "ana@aurora.test" {
		t.Errorf("report %+v", report)
	}
	// RFC 3461 §6.1: a report asks for none.
	if lines := boreal.spoke("RCPT TO:<ana"); len(lines) != 1 || lines[0] != "RCPT TO:<ana@aurora.test> NOTIFY=NEVER" {
		t.Errorf("the report goes with %q", lines)
	}
	if lines := boreal.spoke("RCPT TO:<bruno"); len(lines) != 1 || strings.Contains(lines[0], "NOTIFY") { // asked, and the message followed
		t.Errorf("the MDA is told %q", lines)
	}
}

// Who is told what: RFC 3461 §4.1, §5.2.2, §5.2.3, §5.2.5, §5.2.6; RFC 5321 §6.1.
func TestWhatNOTIFYAsksForIsReportedAndNothingElse(t *testing.T) {
	const local, relay, refused, late = "alice@aurora.test", "x@one.casos.test", "x@nx.casos.test", "x@closed.casos.test"
	type cases map[string]string // NOTIFY → reports
	for name, test := range map[string]struct {
		from, to string
		want     cases
	}{
		"delivered here": {"ana@aurora.test", local, cases{
			"": "", "NEVER": "", "FAILURE,DELAY": "", "SUCCESS": "delivered to ana@aurora.test", "SUCCESS,FAILURE,DELAY": "delivered to ana@aurora.test"}},
		"handed to a host without DSN": {"ana@aurora.test", relay, cases{
			"": "", "NEVER": "", "FAILURE,DELAY": "", "SUCCESS": "relayed to ana@aurora.test", "SUCCESS,FAILURE,DELAY": "relayed to ana@aurora.test"}},
		"failed": {"ana@aurora.test", refused, cases{
			"": "failed to ana@aurora.test", "NEVER": "", "SUCCESS,DELAY": "", "FAILURE": "failed to ana@aurora.test", "SUCCESS,FAILURE,DELAY": "failed to ana@aurora.test"}},
		"late, then failed": {"ana@aurora.test", late, cases{
			"": "delayed to ana@aurora.test; failed to ana@aurora.test", "NEVER": "", "SUCCESS": "", "DELAY": "delayed to ana@aurora.test", "FAILURE": "failed to ana@aurora.test"}},
		"no sender: delivered here":               {"", local, cases{"": "", "SUCCESS,FAILURE,DELAY": ""}},
		"no sender: handed to a host without DSN": {"", relay, cases{"": "", "SUCCESS,FAILURE,DELAY": ""}},
		"no sender: failed": {"", refused, cases{
			"NEVER": "failed; double-bounce to postmaster@aurora.test", "SUCCESS,FAILURE,DELAY": "failed; double-bounce to postmaster@aurora.test"}},
		"no sender: late, then failed": {"", late, cases{"DELAY": "failed; double-bounce to postmaster@aurora.test"}},
	} {
		for notify, want := range test.want {
			t.Run(name+" NOTIFY="+notify, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				aurora := w.mta("aurora", "mx1.aurora.test", 86_400)
				w.mda("198.19.1.110:24")
				w.mda("198.18.9.1:25") // offers no DSN
				c := w.connect(pc, "198.18.1.25:587", "ana")
				id := w.ask(c, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address(test.to), Notify: notify}}}, test.from, message)
				if got := aurora.reportsAbout(t, id); got != want {
					t.Errorf("reports: %q, want %q", got, want)
				}
			})
		}
	}
}

// RFC 3461 §5.2.2 (a): a host without DSN hears no parameters of it.
func TestHostWithoutDSNHearsNothingOfIt(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	ana := w.mda("198.19.1.110:24")
	w.scripted("198.18.9.1:25", "S: 220 x\nC: EHLO*\nS: 250 x\nC: MAIL FROM:<ana@aurora.test>\nS: 250 Ok\nC: RCPT TO:<x@one.casos.test>\nS: 250 Ok\nC: DATA\nS: 354 Go\nC: ...\nS: 250 thanks\nHANG")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	w.ask(c, smtpc.Envelope{Ret: "FULL", EnvID: "E1", To: []smtpc.Recipient{
		{To: w.address("x@one.casos.test"), Notify: "SUCCESS", ORcpt: "rfc822;x@one.casos.test"},
	}}, "ana@aurora.test", message)
	r := parseReport(t, ana.wait(t, 1)[0].message)
	if f := r.Recipients[0]; f.Get("Action") != "relayed" || f.Get("Status") != "2.0.0" || f.Get("Remote-MTA") != "dns; a.two.casos.test" ||
		f.Get("Diagnostic-Code") != "smtp; 250 thanks" || r.Kind != "text/rfc822-headers" || r.Message.Get("Original-Envelope-Id") != "E1" {
		t.Errorf("%v, %v, %s", r.Message, f, r.Kind)
	}
	for _, line := range []string{"MAIL FROM:<ana@aurora.test>", "RCPT TO:<x@one.casos.test>"} {
		if lines := aurora.spoke(line); len(lines) != 1 || lines[0] != line {
			t.Errorf("said %q, want %s alone", lines, line)
		}
	}
}

// RFC 3461 §5.2.7.2: what an alias with one address behind it takes goes on with
// its wishes; RCPT's name goes along.
func TestForwardedMailKeepsItsWishes(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	boreal := w.mta("boreal", "mx1.boreal.test", 1)
	w.mda("198.19.2.110:24")
	ana := w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := w.ask(c, smtpc.Envelope{EnvID: "E1", To: []smtpc.Recipient{{To: w.address("encaminha@aurora.test"), Notify: "SUCCESS"}}}, "ana@aurora.test", message)
	if got := aurora.reportsAbout(t, id); got != "" {
		t.Errorf("the forwarding itself is reported: %s", got)
	}
	r := parseReport(t, ana.wait(t, 1)[0].message)
	if f := r.Recipients[0]; f.Get("Action") != "delivered" || f.Get("Original-Recipient") != "rfc822; encaminha@aurora.test" || f.Get("Final-Recipient") != "rfc822; bruno@boreal.test" {
		t.Errorf("%v", f)
	}
	if got := r.Message.Get("Reporting-MTA"); got != "dns; mx1.boreal.test" {
		t.Errorf("reported by %s", got)
	}
	boreal.waitEmpty(t)
}

// behaviour.md §6 row 20: of two recipients by LMTP one fails behind the message;
// the report about that goes by LMTP as well.
func TestRow20TwoRecipientsByLMTPOneFails(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.scripted("198.19.1.110:24",
		"S: 220 x\nC: LHLO*\nS: 250 x\n"+
			"C: MAIL FROM:<ana*\nS: 250 Ok\nC: RCPT TO:<ana*\nS: 250 Ok\nC: RCPT TO:<alice*\nS: 250 Ok\nC: DATA\nS: 354 Go\nC: ...\n"+
			"S: 250 2.1.5 Ok: stored as STORE0\nS: 552 5.2.3 Too large\n"+
			"C: MAIL FROM:<>*\nS: 250 Ok\nC: RCPT TO:<ana*\nS: 250 Ok\nC: DATA\nS: 354 Go\nC: ...\nS: 250 2.1.5 Ok: stored as STORE1\n"+
			"C: MAIL FROM:<>*\nS: 250 Ok\nC: RCPT TO:<ana*\nS: 250 Ok\nC: DATA\nS: 354 Go\nC: ...\nS: 250 2.1.5 Ok: stored as STORE2\nHANG")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := w.ask(c, smtpc.Envelope{To: []smtpc.Recipient{
		{To: w.address("ana@aurora.test"), Notify: "SUCCESS,FAILURE"}, {To: w.address("alice@aurora.test"), Notify: "SUCCESS,FAILURE"},
	}}, "ana@aurora.test", message)
	if got := aurora.reportsAbout(t, id); got != "failed to ana@aurora.test; delivered to ana@aurora.test" {
		t.Errorf("reports: %s", got)
	}
	for text, to := range map[string]string{event.Delivered: "ana@aurora.test", event.Bounced: "alice@aurora.test"} {
		r := aurora.waitEvent(t, text, queueEvent(text, id))
		if r.Meta.Get(event.To) != to || r.Meta.Get(event.BounceID) == "" {
			t.Errorf("%s: %+v", text, r)
		}
	}
	aurora.waitEmpty(t)
}

// behaviour.md §6 row 17: the domain is an A-label, and so is its MX.
func TestRow17MailGoesToAnInternationalDomain(t *testing.T) {
	w := worldOf(t, zoneText+`
		xn--caf-dma.two.casos.test. MX 10 mx.xn--caf-dma.two.casos.test.
		mx.xn--caf-dma.two.casos.test. A 198.18.9.1`)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	box := w.mda("198.18.9.1:25")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := w.ask(c, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address("x@xn--caf-dma.two.casos.test")}}}, "ana@aurora.test", message)
	if got := box.wait(t, 1)[0]; got.to != "x@xn--caf-dma.two.casos.test" {
		t.Errorf("stored %+v", got)
	}
	aurora.waitEvent(t, "the removal", queueEvent(event.Removed, id))
}

// Whatever was sent, the report about it is one that parsers read.
func TestReportsAboutEveryKindOfContent(t *testing.T) {
	const utf8 = "From: João <joão@aurora.test>\r\nSubject: Olá\r\nMessage-ID: <1@pc.aurora.test>\r\n\r\nOlá!\r\n"
	for name, test := range map[string]struct {
		entry           spool.Message
		from, to        string
		message         string
		kind, recipient string
	}{
		"ASCII":     {spool.Message{}, "ana@aurora.test", "x@nx.casos.test", message, "message/rfc822", "rfc822; x@nx.casos.test"},
		"8 bits":    {spool.Message{EightBit: true}, "ana@aurora.test", "x@nx.casos.test", "Subject: Oi\r\n\r\nOlá\r\n", "message/rfc822", "rfc822; x@nx.casos.test"},
		"Latin-1":   {spool.Message{EightBit: true}, "ana@aurora.test", "x@nx.casos.test", "Subject: Ol\xe1\r\n\r\n\xe7\r\n", "message/rfc822", "rfc822; x@nx.casos.test"},
		"SMTPUTF8":  {spool.Message{EightBit: true, UTF8: true}, "ana@aurora.test", "joão@nx.casos.test", utf8, "message/global", "utf-8; joão@nx.casos.test"},
		"its head":  {spool.Message{EightBit: true, UTF8: true, Ret: "HDRS"}, "ana@aurora.test", "joão@nx.casos.test", utf8, "message/global-headers", "utf-8; joão@nx.casos.test"},
		"to UTF-8":  {spool.Message{EightBit: true, UTF8: true}, "joão@aurora.test", "x@nx.casos.test", utf8, "message/global", "rfc822; x@nx.casos.test"},
		"binary":    {spool.Message{EightBit: true, Binary: true}, "ana@aurora.test", "x@nx.casos.test", "Subject: Oi\r\n\r\n\x00\xff\n", "text/rfc822-headers", "rfc822; x@nx.casos.test"},
		"quoted":    {spool.Message{}, "ana@aurora.test", `"a> X <b"@nx.casos.test`, message, "message/rfc822", `rfc822; "a> X <b"@nx.casos.test`},
		"very long": {spool.Message{}, "ana@aurora.test", "x@nx.casos.test", message + strings.Repeat("line\r\n", 20_000), "text/rfc822-headers", "rfc822; x@nx.casos.test"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.mta("aurora", "mx1.aurora.test", 1)
			ana := w.mda("198.19.1.110:24")
			e := &spool.Entry{Message: test.entry, Rcpts: []spool.Recipient{{To: w.address(test.to), Next: time.Now().Add(time.Minute)}}}
			e.ID, e.From, e.Arrived = spool.NewID(), w.address(test.from), time.Now()
			if err := aurora.spool.Add(t.Context(), e, strings.NewReader(test.message)); err != nil {
				t.Fatal(err)
			}
			aurora.enqueue(e)
			got := ana.wait(t, 1)[0]
			r := parseReport(t, got.message)
			if f := r.Recipients[0]; got.to != test.from || r.Kind != test.kind || f.Get("Final-Recipient") != test.recipient || f.Get("Status") != "5.1.2" {
				t.Errorf("to %s, %s, %v", got.to, r.Kind, f)
			}
			if whole := r.Kind == "message/rfc822" || r.Kind == "message/global"; whole != (r.Returned == test.message) {
				t.Errorf("returned %q", r.Returned)
			}
		})
	}
}
