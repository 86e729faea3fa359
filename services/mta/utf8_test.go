package mta

import (
	"net/mail"
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/smtpc"
)

const (
	utf8Header  = "From: ana@aurora.test\r\nTo: joão@boreal.test\r\nSubject: Ação\r\nMessage-ID: <8@pc.aurora.test>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nmaçã\r\n"
	asciiHeader = "From: ana@aurora.test\r\nSubject: Oi\r\nMessage-ID: <7@pc.aurora.test>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nmaçã\r\n"
)

// utf8Zone is zoneText with an internationalised name.
const utf8Zone = zoneText + `
	xn--caf-dma.casos.test. MX 10 mx1.aurora.test.
`

// sendUTF8 submits with SMTPUTF8, whatever the message.
func (w *world) sendUTF8(message string, to ...string) []smtpc.Result {
	w.t.Helper()
	env := smtpc.Envelope{From: w.address("ana@aurora.test"), UTF8: true, EightBit: true}
	for _, a := range to {
		env.To = append(env.To, smtpc.Recipient{To: w.address(a)})
	}
	c := w.connect(pc, "198.18.1.25:587", "ana")
	return c.Send(w.t.Context(), env, strings.NewReader(message), smtpc.SendOptions{})
}

// asciiOnly starts an MTA that does not offer SMTPUTF8.
func (w *world) asciiOnly(site, name string) *host {
	w.t.Helper()
	return w.configured(site, name, func(o *lab.Org) { o.SMTP.ASCIIOnly = true })
}

// said lists the commands that a host gave or heard, by their first word.
func (h *host) said(verb string) []string {
	var list []string
	for _, r := range h.env.Events.After(0, 10_000).Records {
		if r.Kind == event.KindLine && strings.HasPrefix(r.Text, verb) {
			list = append(list, r.Text)
		}
	}
	return list
}

func TestUTF8MailCrossesOrganisations(t *testing.T) {
	w := newWorld(t)
	w.mta("aurora", "mx1.aurora.test", 1)
	w.mta("boreal", "mx1.boreal.test", 1)
	box := w.mda("198.19.2.110:24")
	if res := w.sendUTF8(utf8Header, "joão@boreal.test"); !res[0].Delivered() {
		t.Fatalf("submission: %+v", res[0])
	}
	got := box.wait(t, 1)[0]
	if got.to != "joão@boreal.test" || !strings.HasSuffix(got.message, "\r\n"+utf8Header) {
		t.Errorf("stored %+v", got)
	}
	m, err := mail.ReadMessage(strings.NewReader(got.message))
	if err != nil {
		t.Fatal(err)
	}
	// RFC 6531 §4.3; and no trace line holds UTF-8.
	hops := m.Header["Received"]
	if len(hops) != 2 || !strings.Contains(hops[0], "with UTF8SMTPS id") || !strings.Contains(hops[1], "with UTF8SMTPSA id") ||
		strings.Contains(strings.Join(hops, ""), "joão") {
		t.Errorf("Received: %q", hops)
	}
}

// RFC 6531 §3.4: SMTPUTF8 is not said for what does without; §3.2: A-labels are
// ASCII. So mail that was submitted with it goes to a host that lacks it.
func TestWhatDoesWithoutSMTPUTF8GoesWithoutIt(t *testing.T) {
	w := worldOf(t, utf8Zone+"xn--caf-dma.test. MX 10 mx1.boreal.test.\n")
	w.mta("aurora", "mx1.aurora.test", 1)
	boreal := w.asciiOnly("boreal", "mx1.boreal.test")
	aurora, there := w.mda("198.19.1.110:24"), w.mda("198.19.2.110:24")
	for _, r := range w.sendUTF8(asciiHeader, "bruno@boreal.test", "ana@CAFÉ.casos.test", "ana@xn--caf-dma.casos.test") {
		if !r.Delivered() {
			t.Fatalf("submission: %+v", r)
		}
	}
	if got := there.wait(t, 1)[0]; got.to != "bruno@boreal.test" || !strings.HasSuffix(got.message, "\r\n"+asciiHeader) {
		t.Errorf("stored %+v", got)
	}
	for _, line := range boreal.said("MAIL FROM") {
		if strings.Contains(line, "SMTPUTF8") {
			t.Errorf("said to a host without the extension: %s", line)
		}
	}
	if _, offered := w.connect(pc, "198.18.2.25:25", "").Extension("SMTPUTF8"); offered {
		t.Error("an ascii-only organisation offers SMTPUTF8")
	}
	// Two ways to write one domain are one destination, and one address: one copy.
	for _, got := range aurora.wait(t, 1) {
		if got.to != "ana@xn--caf-dma.casos.test" {
			t.Errorf("stored for %s", got.to)
		}
	}
}

// RFC 6531 §3.2: neither an address nor a header in UTF-8 goes to a host without
// SMTPUTF8. All the domain's hosts lack it, so the mail comes back.
func TestMailThatNeedsSMTPUTF8ComesBackWith567(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.asciiOnly("boreal", "mx1.boreal.test")
	w.asciiOnly("boreal", "mx2.boreal.test")
	box := w.mda("198.19.1.110:24")
	w.mda("198.19.2.110:24")
	for i, test := range []struct{ name, message, to string }{
		{"an address", asciiHeader, "joão@boreal.test"},
		{"a header", utf8Header, "bruno@boreal.test"},
		{"the header of a part", strings.Replace(asciiHeader, "Subject: Oi\r\n", "Content-Type: multipart/mixed; boundary=b\r\n", 1) +
			"--b\r\nContent-Description: ação\r\n\r\nx\r\n--b--\r\n", "bruno@boreal.test"},
	} {
		res := w.sendUTF8(test.message, test.to)[0]
		id := smtpc.QueuedAs(res.Reply)
		if !res.Delivered() {
			t.Fatalf("%s: submission: %+v", test.name, res)
		}
		r := aurora.waitEvent(t, "the bounce", queueEvent(event.Bounced, id))
		if said := r.Meta.Get(event.Reply); !strings.HasPrefix(said, "550 5.6.7 ") {
			t.Errorf("%s: bounced with %q", test.name, said)
		}
		report := box.wait(t, i+1)[i]
		if report.to != "ana@aurora.test" || report.from != "" || !strings.Contains(report.message, "Status: 5.6.7\r\n") {
			t.Errorf("%s: %+v", test.name, report)
		}
	}
}

// Where SMTPUTF8 is not offered, addresses must be ASCII from the beginning.
func TestAsciiOnlySubmissionRefusesUTF8(t *testing.T) {
	w := newWorld(t)
	w.asciiOnly("aurora", "mx1.aurora.test")
	if r := w.sendUTF8(utf8Header, "joão@boreal.test")[0]; !r.Own || r.Reply.Code != 550 || r.Reply.Enhanced.String() != "5.6.7" {
		t.Errorf("got %+v", r)
	}
}

// The transaction with the MDA had begun with an ASCII recipient, without
// SMTPUTF8: the next one, who needs it, was refused for good.
func TestRecipientWhoNeedsSMTPUTF8BehindOneWhoDoesNot(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	box := w.mda("198.19.1.110:24")
	for _, to := range [][]string{{"ana@aurora.test", "joão@aurora.test"}, {"joão@aurora.test", "ana@aurora.test"}, {"ana@aurora.test", "joão@aurora.test", "alice@aurora.test"}} {
		before := len(box.wait(t, 0))
		for i, r := range w.send(w.connect(pc, "198.18.1.25:587", "ana"), "ana@aurora.test", message, to...) {
			if !r.Delivered() {
				t.Errorf("%v: %s: %s: %s", to, to[i], r.Step, r.Reply)
			}
		}
		if n := len(box.wait(t, before+len(to))) - before; n != len(to) {
			t.Errorf("%v: %d copies", to, n)
		}
	}
	aurora.waitEmpty(t)
}

// A host without SMTPUTF8 was brought the message for nobody, when one of its
// recipients needed that.
func TestRecipientsBesideOneWhoNeedsSMTPUTF8GetTheMessage(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.mda("198.19.1.110:24") // for the report
	w.scripted("198.18.9.1:25", "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 8BITMIME\nC: MAIL*\nS: 250 Ok\nC: RCPT TO:<a@*\nS: 250 Ok\nC: RCPT TO:<b@*\nS: 250 Ok\n"+
		"C: DATA\nS: 354 Go\nC: ...\nS: 250 Ok: queued as GOOD1234\nHANG")
	env := smtpc.Envelope{}
	for _, to := range []string{"a", "joão", "b"} {
		env.To = append(env.To, smtpc.Recipient{To: w.address(to + "@one.casos.test")})
	}
	id := w.submit(t, env, message)
	for to, want := range map[string]string{"a": event.Delivered, "b": event.Delivered, "joão": event.Bounced} {
		r := aurora.waitEvent(t, "what became of "+to, func(r event.Record) bool {
			return r.Queue == id && r.Meta.Get(event.To) == to+"@one.casos.test" && r.Text != event.Attempt
		})
		if r.Text != want {
			t.Errorf("%s: %s %s", to, r.Text, r.Meta.Get(event.Reply))
		}
	}
}
