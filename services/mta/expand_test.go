package mta

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/smtpc"
)

// withAliases starts mx1.boreal.test with aliases and a list of these tests.
func (w *world) withAliases() *host {
	w.t.Helper()
	env := labtest.Env(w.t, w.stack, "../../deploy/boreal", "mx1.boreal.test")
	env.Org.Aliases = map[string]lab.Targets{
		"postmaster": {"beatriz"}, "ambos": {"bruno", "beatriz"}, "fora": {"ana@aurora.test"}, "foranao": {"ninguem@aurora.test"}, "grupo": {"dupla"}, "solo": {"unica"},
	}
	env.Org.Lists = []lab.List{{Address: "turma", Owner: "beatriz", Members: lab.Targets{"bruno", "ana@aurora.test", "ninguem@aurora.test"}},
		{Address: "dupla", Owner: "beatriz", Members: lab.Targets{"bruno", "beatriz"}}, {Address: "unica", Owner: "beatriz", Members: lab.Targets{"bruno"}}}
	env.Org.SMTP.Expn = true
	env.Speed = 1
	n, err := New(env)
	if err != nil {
		w.t.Fatal(err)
	}
	return &host{n, env, labtest.Start(w.t, n)}
}

// Each member gets one copy, in the list's name; who cannot be reached is the
// owner's worry, and the sender hears that the list has the message (RFC 3461
// §5.2.7.1).
func TestListsSendInTheirOwnName(t *testing.T) {
	w := newWorld(t)
	boreal := w.withAliases()
	w.mta("aurora", "mx1.aurora.test", 1)
	box, ana := w.mda("198.19.2.110:24"), w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.2.25:25", "")
	id := w.ask(c, smtpc.Envelope{EnvID: "aula", To: []smtpc.Recipient{{To: w.address("turma@boreal.test"), Notify: "SUCCESS"}}}, "alice@aurora.test", message)
	var owners, copies int
	for _, got := range append(box.wait(t, 2), ana.wait(t, 2)...) {
		switch {
		case got.to == "beatriz@boreal.test" || got.to == "turma-owner@boreal.test":
			owners++
			r := parseReport(t, got.message)
			if f := r.Recipients[0]; f.Get("Action") != "failed" || f.Get("Final-Recipient") != "rfc822; ninguem@aurora.test" || f.Get("Original-Recipient") != "" {
				t.Errorf("the owner is told %v", f)
			}
		case got.from == "":
			r := parseReport(t, got.message)
			f := r.Recipients[0]
			if got.to != "alice@aurora.test" || f.Get("Action") != "delivered" || f.Get("Final-Recipient") != "rfc822; turma@boreal.test" ||
				f.Get("Status") != "2.1.5" || r.Message.Get("Original-Envelope-Id") != "aula" || strings.Contains(r.Text, "mailbox") {
				t.Errorf("%s is told %v", got.to, f)
			}
		default:
			copies++
			if got.from != "turma-owner@boreal.test" || !strings.Contains(got.message, "\r\nList-Id: <turma.boreal.test>\r\n") {
				t.Errorf("%+v", got)
			}
		}
	}
	if owners != 1 || copies != 2 {
		t.Errorf("%d reports to the owner, %d copies", owners, copies)
	}
	x := boreal.waitEvent(t, "the expansion", queueEvent(event.Expanded, id))
	if x.Meta.Get(event.To) != "turma@boreal.test" || x.Meta.Get(event.Entries) != id || x.Meta.Get(event.BounceID) == "" ||
		!strings.Contains(x.Meta.Get(event.Rules), "stands-for(turma@boreal.test|bruno@boreal.test, ana@aurora.test, ninguem@aurora.test); list-sender(") {
		t.Errorf("%+v", x)
	}
}

// RFC 3461 §5.2.7.3: the sender who asked is told that the mail went on to
// several, once, and no more by who delivers it.
func TestAliasesOfSeveralAreReportedAsExpanded(t *testing.T) {
	w := newWorld(t)
	boreal := w.withAliases()
	w.mta("aurora", "mx1.aurora.test", 1)
	box, ana := w.mda("198.19.2.110:24"), w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.2.25:25", "")
	id := w.ask(c, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address("ambos@boreal.test"), Notify: "SUCCESS,FAILURE"}}}, "ana@aurora.test", message)
	if got := boreal.reportsAbout(t, id); got != "expanded to ana@aurora.test" {
		t.Errorf("reports: %s", got)
	}
	box.wait(t, 2)
	r := parseReport(t, ana.wait(t, 1)[0].message)
	if f := r.Recipients[0]; f.Get("Action") != "expanded" || f.Get("Final-Recipient") != "rfc822; ambos@boreal.test" ||
		!strings.Contains(f.Get("Diagnostic-Code"), "Expanded to 2 recipients") {
		t.Errorf("%v", f)
	}
}

// The list's envelope asks for no reports, and an alias of one address made none
// either: nobody told the sender.
func TestAliasesOfListsAreReportedAsLists(t *testing.T) {
	w := newWorld(t)
	boreal := w.withAliases()
	w.mta("aurora", "mx1.aurora.test", 1)
	w.mda("198.19.2.110:24")
	w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.2.25:25", "")
	for _, to := range []string{"solo@boreal.test", "grupo@boreal.test"} {
		id := w.ask(c, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address(to), Notify: "SUCCESS"}}}, "ana@aurora.test", message)
		if got := boreal.reportsAbout(t, id); got != "delivered to ana@aurora.test" {
			t.Errorf("%s: %s", to, got)
		}
	}
}

// The report about forwarded mail comes back to who wrote it: by way of the
// address that it was forwarded with when another host reports, and at once when
// we do.
func TestReportsAboutForwardedMailReachTheSender(t *testing.T) {
	w := newWorld(t)
	boreal := w.withAliases()
	w.mta("aurora", "mx1.aurora.test", 1)
	ana := w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.2.25:25", "")
	id := w.ask(c, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address("foranao@boreal.test")}}}, "ana@aurora.test", message)
	got := ana.wait(t, 1)[0]
	r := parseReport(t, got.message)
	if f := r.Recipients[0]; got.to != "ana@aurora.test" || f.Get("Original-Recipient") != "rfc822; foranao@boreal.test" || f.Get("Status") != "5.1.1" {
		t.Errorf("to %s: %v", got.to, f)
	}
	// Carla asked for a report, and whoever delivers makes it: Aurora, which knows
	// her by Boreal's address alone.
	srs := boreal.waitEvent(t, "the acceptance", queueEvent(event.Accepted, id)).Meta.Get(event.From)
	if !strings.HasPrefix(srs, "<SRS0=") {
		t.Fatalf("forwarded from %s", srs)
	}
	report := w.send(c, "", message, strings.Trim(srs, "<>"))[0]
	if !report.Delivered() {
		t.Fatalf("%s: %s", report.Step, report.Reply)
	}
	if got := ana.wait(t, 2)[1]; got.to != "ana@aurora.test" || got.from != "" {
		t.Errorf("%+v", got)
	}
}

// Where org.yaml lets them, VRFY and EXPN tell on the wire who is there.
func TestEXPNOnTheWire(t *testing.T) {
	w := newWorld(t)
	w.withAliases()
	conn, err := w.stack.Dial(t.Context(), "tcp", netip.MustParseAddr(pc), netip.MustParseAddrPort("198.18.2.25:25"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("EHLO x.test\r\nVRFY Beatriz\r\nVRFY turma\r\nEXPN turma\r\nEXPN ação\r\nHELP EXPN\r\nQUIT\r\n")); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(conn)
	for _, want := range []string{
		"250 2.1.5 <beatriz@boreal.test>\r\n252 2.0.0 Others", "250-2.1.5 <bruno@boreal.test>\r\n250-2.1.5 <ana@aurora.test>\r\n250 2.1.5 <ninguem@aurora.test>\r\n",
		"553 5.6.7 A name that is not ASCII", "214 2.0.0 EXPN list",
	} {
		if !strings.Contains(string(said), want) {
			t.Errorf("%v; lacks %q:\n%s", err, want, said)
		}
	}
}
