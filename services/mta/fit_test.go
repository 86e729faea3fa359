package mta

import (
	"context"
	"fmt"
	"math"
	"net"
	"regexp"
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/labtest"
	"correio/services/internal/smtpc"
	"correio/services/internal/smtpd"
)

// offering is the script of a host with these extensions that takes a message.
func offering(extensions ...string) string {
	return strings.Replace(good, "S: 250 x", "S: 250-"+strings.Join(append([]string{"x"}, extensions...), "\nS: 250-")+"\nS: 250 HELP", 1)
}

// submit sends a message to x@two.casos.test and returns its queue id.
func (w *world) submit(t *testing.T, env smtpc.Envelope, message string) string {
	t.Helper()
	c := w.connect(pc, "198.18.1.25:587", "ana")
	env.From = w.address("ana@aurora.test")
	if env.To == nil {
		env.To = []smtpc.Recipient{{To: w.address("x@two.casos.test")}}
	}
	res := c.Send(t.Context(), env, strings.NewReader(message), smtpc.SendOptions{})
	if !res[0].Delivered() {
		t.Fatalf("submission: %+v", res[0])
	}
	return smtpc.QueuedAs(res[0].Reply)
}

// outcome is the first event that settles an attempt: "event next: reply".
func (h *host) outcome(t *testing.T, id string) string {
	t.Helper()
	r := h.waitEvent(t, "an outcome", func(r event.Record) bool {
		return r.Queue == id && (r.Text == event.Delivered || r.Text == event.Deferred || r.Text == event.Bounced)
	})
	return fmt.Sprintf("%s %s: %s", r.Text, r.Meta.Get(event.Next), r.Meta.Get(event.Reply))
}

var octets = regexp.MustCompile(`of \d+ octets`)

// What one MX host does not offer another one may. Our own verdict about a host
// was final, and was quoted as what the host had said.
func TestAHostThatCannotTakeTheMessageIsNotTheEnd(t *testing.T) {
	const taken = "delivered b.two.casos.test: 250 Ok: queued as GOOD1234"
	const utf8 = "Subject: x\r\n\r\nx\r\n"
	large := strings.Replace(message, "Oi, Bruno!", strings.Repeat("Oi, Bruno!\r\n", 100), 1)
	for _, test := range []struct {
		name          string
		first, second string // scripts; "" means that nobody listens
		message       string // to João where it is utf8
		want          string
	}{
		{"SIZE", offering("SIZE 1000"), offering("SIZE 100000"), large, taken},
		{"SMTPUTF8", offering("8BITMIME"), offering("8BITMIME", "SMTPUTF8"), utf8, taken},
		{"nobody offers SMTPUTF8", offering("8BITMIME"), offering(), utf8,
			"bounced : 550 5.6.7 b.two.casos.test does not offer SMTPUTF8, which the message or its addresses need"},
		{"8BITMIME", offering(), offering("8BITMIME"), message + "ç\r\n", taken},
		{"nobody offers it", offering("SIZE 100"), offering("SIZE 101"), message,
			"bounced : 552 5.3.4 Message of n octets is larger than the 101 that b.two.casos.test takes"},
		{"the second refuses", offering("SIZE 100"), upToRcpt + "S: 550 5.1.1 Who?\nC: RSET\nS: 250 Ok\nHANG", message,
			"bounced b.two.casos.test: 550 5.1.1 Who?"},
		{"the second refuses for now", offering("SIZE 100"), upToRcpt + "S: 450 4.2.0 Busy\nC: RSET\nS: 250 Ok\nHANG", message,
			"deferred b.two.casos.test: 450 4.2.0 Busy"},
		{"the second is down", offering("SIZE 100"), "", message,
			"deferred : 451 4.4.1 Cannot connect to b.two.casos.test (198.18.9.2:25): connection refused"},
		{"the first is down", "", offering("SIZE 100"), message,
			"deferred : 451 4.4.1 Cannot connect to a.two.casos.test (198.18.9.1:25): connection refused"},
		{"the first refuses for now", upToMail + "S: 451 4.3.0 Later\nHANG", offering("SIZE 100"), message,
			"deferred a.two.casos.test: 451 4.3.0 Later"},
		{"nobody knows whether the first has it", upToDot, offering(), message,
			"deferred : 451 4.4.2 Lost the connection to a.two.casos.test behind the message: EOF"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.mta("aurora", "mx1.aurora.test", 1)
			for at, script := range map[string]string{"198.18.9.1:25": test.first, "198.18.9.2:25": test.second} {
				if script != "" {
					w.scripted(at, script)
				}
			}
			env := smtpc.Envelope{EightBit: strings.Contains(test.message, "ç")}
			if test.message == utf8 {
				env.To = []smtpc.Recipient{{To: w.address("joão@two.casos.test")}}
			}
			id := w.submit(t, env, test.message)
			// How long it is depends on the day of the month in its trace line.
			if got := octets.ReplaceAllString(aurora.outcome(t, id), "of n octets"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// The report says that it is our own verdict.
func TestOwnVerdictIsReportedAsOurs(t *testing.T) {
	w := newWorld(t)
	w.mta("aurora", "mx1.aurora.test", 1)
	box := w.mda("198.19.1.110:24")
	w.scripted("198.18.9.1:25", offering("SIZE 100"))
	w.scripted("198.18.9.2:25", offering("SIZE 100"))
	w.submit(t, smtpc.Envelope{}, message)
	report := box.wait(t, 1)[0].message
	for _, want := range []string{"Status: 5.3.4\r\n", "reason: 552 5.3.4 Message of", "Diagnostic-Code: X-Correio; 552 5.3.4 Message of"} {
		if !strings.Contains(report, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
	for _, not := range []string{"said:", "respondeu:", "Remote-MTA:"} {
		if strings.Contains(report, not) {
			t.Errorf("%q in\n%s", not, report)
		}
	}
}

// The address of a host that could not be found out may be that of the one who
// can take the message.
func TestNoHostIsFitButOneIsUnknown(t *testing.T) {
	w := worldOf(t, zoneText+"SERVFAIL b.two.casos.test.")
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.scripted("198.18.9.1:25", offering("SIZE 100"))
	id := w.submit(t, smtpc.Envelope{}, message)
	const want = "deferred : 451 4.4.3 DNS could not tell the addresses of all mail hosts of two.casos.test; trying again later"
	if got := aurora.outcome(t, id); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A BINARYMIME message keeps every octet from hop to hop, passes by the host
// that cannot take it, and comes back as its header alone where nobody can.
func TestBinaryMessageKeepsItsOctets(t *testing.T) {
	const binary = "Subject: x\r\nMessage-ID: <1@pc.aurora.test>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\nFrom: ana@aurora.test\r\n" +
		"Content-Transfer-Encoding: binary\r\n\r\n\x00\n.\n\r.\r\xff\xfe bare\r\n.\r\nno line end"
	w := newWorld(t)
	env := labtest.Env(t, w.stack, "../../deploy/aurora", "mx1.aurora.test")
	env.Org.SMTP.Chunking, env.Org.SMTP.BinaryMIME = true, true
	n, err := newNode(env, tuning{})
	if err != nil {
		t.Fatal(err)
	}
	aurora := &host{n, env, labtest.Start(t, n)}
	w.scripted("198.18.9.1:25", offering("CHUNKING", "8BITMIME"))
	second := &mailboxes{next: make(chan struct{})}
	server, err := smtpd.New(smtpd.Config{Hostname: "b.test", Proto: smtpd.SMTP, Backend: second, Chunking: true, BinaryMIME: true, Log: labtest.Logger(t, "b")})
	if err != nil {
		t.Fatal(err)
	}
	w.listen("198.18.9.2:25", func(ctx context.Context, ln net.Listener) { server.Serve(ctx, ln) })
	w.submit(t, smtpc.Envelope{Body: smtpc.Binary}, binary)
	if got := second.wait(t, 1)[0].message; !strings.HasSuffix(got, binary) || !strings.HasPrefix(got, "Received: ") {
		t.Errorf("arrived as %q", got)
	}

	box := w.mda("198.19.1.110:24")
	id := w.submit(t, smtpc.Envelope{Body: smtpc.Binary, To: []smtpc.Recipient{{To: w.address("x@one.casos.test")}}}, binary)
	const want = "bounced : 554 5.6.1 a.two.casos.test does not offer CHUNKING and BINARYMIME, which the message needs"
	if got := aurora.outcome(t, id); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	report := box.wait(t, 1)[0].message
	if strings.Contains(report, "bare") || !strings.Contains(report, "text/rfc822-headers") || !strings.Contains(report, "Subject: x\r\n") {
		t.Errorf("report\n%q", report)
	}
}

// A site that has CHUNKING on speaks it as well.
func TestASiteWithCHUNKINGSendsByBDAT(t *testing.T) {
	w := newWorld(t)
	env := labtest.Env(t, w.stack, "../../deploy/aurora", "mx1.aurora.test")
	env.Org.SMTP.Chunking = true
	n, err := newNode(env, tuning{})
	if err != nil {
		t.Fatal(err)
	}
	aurora := &host{n, env, labtest.Start(t, n)}
	count := w.scripted("198.18.9.1:25", "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250-PIPELINING\nS: 250 CHUNKING\nC: MAIL*\nS: 250 Ok\nC: RCPT*\nS: 250 Ok\nC: BDAT*\nS: 250 Ok: queued as AAAA1\nHANG")
	id := w.submit(t, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address("x@one.casos.test")}}}, message)
	if got := aurora.outcome(t, id); got != "delivered a.two.casos.test: 250 Ok: queued as AAAA1" || count.Load() != 1 {
		t.Errorf("got %s on connection %d", got, count.Load())
	}
}

// TestHostIsToldNoMoreRecipientsThanItTakes: a host that takes two in a
// transaction (RFC 9422) hears of three in two transactions, one right after the
// other. It was told all of them, and who was too many waited for a retry.
func TestHostIsToldNoMoreRecipientsThanItTakes(t *testing.T) {
	const taken = "C: DATA\nS: 354 Go\nC: ...\nS: 250 Ok: queued as GOOD1234\n"
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	count := w.scripted("198.18.9.1:25", "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 LIMITS MAILMAX=9 RCPTMAX=2\n"+
		"C: MAIL*\nS: 250 Ok\nC: RCPT TO:<a@*\nS: 250 Ok\nC: RCPT TO:<b@*\nS: 250 Ok\n"+taken+
		"C: MAIL*\nS: 250 Ok\nC: RCPT TO:<c@*\nS: 250 Ok\n"+taken+"HANG")
	env := smtpc.Envelope{}
	for _, to := range []string{"a", "b", "c"} {
		env.To = append(env.To, smtpc.Recipient{To: w.address(to + "@one.casos.test")})
	}
	w.submit(t, env, message)
	aurora.waitEmpty(t)
	delivered := 0
	for _, r := range aurora.env.Events.After(0, math.MaxInt).Records {
		if r.Kind == event.KindQueue && r.Text == event.Delivered {
			delivered++
		}
	}
	if n := count.Load(); n != 1 || delivered == 0 {
		t.Errorf("%d connections, %d records of deliveries; want one connection and some", n, delivered)
	}
}

// Who is one recipient too many for a host, which had not said how many it takes,
// waited for the next attempt; where it said 552 the mail was given back.
func TestRecipientsThatAreTooManyFollowAtOnce(t *testing.T) {
	const begin, taken = "C: MAIL*\nS: 250 Ok\n", "C: DATA\nS: 354 Go\nC: ...\nS: 250 Ok: queued as GOOD1234\n"
	rcpt := func(who, answer string) string { return "C: RCPT TO:<" + who + "@*\nS: " + answer + "\n" }
	for _, test := range []struct{ name, script, want string }{
		{"452 4.5.3", rcpt("a", "250 Ok") + rcpt("b", "452 4.5.3 Too many") + rcpt("c", "452 4.5.3 Too many") + taken +
			begin + rcpt("b", "250 Ok") + taken + begin + rcpt("c", "250 Ok") + taken, "a delivered, b delivered, c delivered"},
		{"452 alone", rcpt("a", "250 Ok") + rcpt("b", "250 Ok") + rcpt("c", "452 Too many") + taken +
			begin + rcpt("c", "250 Ok") + taken, "a delivered, b delivered, c delivered"},
		{"552, as RFC 821 had it", rcpt("a", "250 Ok") + rcpt("b", "552 Too many") + rcpt("c", "550 5.1.1 Who?") + taken +
			begin + rcpt("b", "250 Ok") + taken, "a delivered, b delivered, c bounced"},
		{"452 about the mailbox", rcpt("a", "250 Ok") + rcpt("b", "452 4.2.2 Full") + rcpt("c", "250 Ok") + taken,
			"a delivered, b deferred, c delivered"},
		{"452 about the mailbox, without saying so", rcpt("a", "250 Ok") + rcpt("b", "452 Full") + rcpt("c", "250 Ok") + taken +
			begin + rcpt("b", "452 Full") + "C: RSET\nS: 250 Ok\n", "a delivered, b deferred, c delivered"},
		{"552 about the mailbox, without saying so", rcpt("a", "250 Ok") + rcpt("b", "552 Full") + rcpt("c", "250 Ok") + taken +
			begin + rcpt("b", "552 Full") + "C: RSET\nS: 250 Ok\n", "a delivered, b bounced, c delivered"},
		{"everybody is too many", rcpt("a", "452 4.5.3 No") + rcpt("b", "452 4.5.3 No") + rcpt("c", "452 4.5.3 No") + "C: RSET\nS: 250 Ok\n",
			"a deferred, b deferred, c deferred"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.mta("aurora", "mx1.aurora.test", 1)
			w.mda("198.19.1.110:24") // for reports
			count := w.scripted("198.18.9.1:25", "S: 220 x\nC: EHLO*\nS: 250 x\n"+begin+test.script+"HANG")
			env := smtpc.Envelope{}
			for _, to := range []string{"a", "b", "c"} {
				env.To = append(env.To, smtpc.Recipient{To: w.address(to + "@one.casos.test")})
			}
			id := w.submit(t, env, message)
			var got []string
			for _, who := range []string{"a", "b", "c"} {
				r := aurora.waitEvent(t, "what became of "+who, func(r event.Record) bool {
					return r.Queue == id && r.Meta.Get(event.To) == who+"@one.casos.test" &&
						(r.Text == event.Delivered || r.Text == event.Deferred || r.Text == event.Bounced)
				})
				got = append(got, who+" "+r.Text)
			}
			if s := strings.Join(got, ", "); s != test.want || count.Load() != 1 {
				t.Errorf("%s on %d connections, want %s on one", s, count.Load(), test.want)
			}
		})
	}
}
