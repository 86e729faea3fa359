package mta

import (
	"io"
	"net/netip"
	"slices"
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
		"postmaster": {"beatriz"}, "ambos": {"bruno", "beatriz"}, "fora": {"ana@aurora.test"}, "foranao": {"ninguem@aurora.test"}, "grupo": {"dupla"}, "solo": {"unica"}, "caso": {"x@one.casos.test"}, "outro": {"x@one.casos.test"},
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

// RCPT named somebody, and an alias that they alone are behind: of the alias the
// sender heard nothing, as its mail had gone already. NOTIFY and ORCPT belong to one
// RCPT each (RFC 3461 §4), and an alias of one passes them on (§5.2.7.2).
func TestAliasesOfWhoHasTheMessageAlreadyAreReported(t *testing.T) {
	const address, alias = "x@one.casos.test", "caso@boreal.test"
	const good, bad = "S: 250 thanks", "S: 554 5.7.1 no"
	for name, test := range map[string]struct {
		to   []string // address, and NOTIFY behind a space
		says string   // the host, to the message
		want string   // what is reported, and by which names
	}{
		"the address, then the alias": {[]string{address, alias + " SUCCESS"}, good, "relayed caso@boreal.test"},
		"the alias, then the address": {[]string{alias + " SUCCESS", address}, good, "relayed caso@boreal.test"},
		"both":                        {[]string{alias + " SUCCESS", address + " SUCCESS"}, good, "relayed x@one.casos.test, relayed caso@boreal.test"},
		"two aliases":                 {[]string{alias + " SUCCESS", "outro@boreal.test SUCCESS"}, good, "relayed caso@boreal.test, relayed outro@boreal.test"},
		"failure":                     {[]string{address + " NEVER", alias + " FAILURE"}, bad, "failed caso@boreal.test"},
		"failure, the alias first":    {[]string{alias + " FAILURE", address + " SUCCESS"}, bad, "failed caso@boreal.test"},
		"failure, without wishes":     {[]string{address + " NEVER", alias}, bad, "failed caso@boreal.test"},
		"failure of both":             {[]string{address + " FAILURE", alias + " FAILURE"}, bad, "failed x@one.casos.test, failed caso@boreal.test"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			boreal, box := w.withAliases(), w.mda("198.19.2.110:24")
			// One RCPT: it is one copy.
			w.scripted("198.18.9.1:25", "S: 220 x\nC: EHLO*\nS: 250 x\nC: MAIL*\nS: 250 Ok\nC: RCPT TO:<x@one.casos.test>\nS: 250 Ok\nC: DATA\nS: 354 Go\nC: ...\n"+test.says+"\nHANG")
			c := w.connect(pc, "198.18.2.25:587", "bruno")
			var env smtpc.Envelope
			for _, to := range test.to {
				to, notify, _ := strings.Cut(to, " ")
				env.To = append(env.To, smtpc.Recipient{To: w.address(to), Notify: notify, ORcpt: "rfc822;" + to})
			}
			id := w.ask(c, env, "bruno@boreal.test", message)
			boreal.waitEvent(t, "the removal", queueEvent(event.Removed, id))
			var got []string
			for _, f := range parseReport(t, box.wait(t, 1)[0].message).Recipients {
				got = append(got, f.Get("Action")+" "+strings.TrimPrefix(f.Get("Original-Recipient"), "rfc822; "))
				if f.Get("Final-Recipient") != "rfc822; "+address {
					t.Errorf("%v", f)
				}
			}
			if got := strings.Join(got, ", "); got != test.want {
				t.Errorf("reported: %s\nwant:     %s", got, test.want)
			}
		})
	}
}

// A host that offers DSN hears what is asked about each name, in one transaction,
// and reports to each.
func TestAHostWithDSNHearsOfEachName(t *testing.T) {
	w := newWorld(t)
	boreal, box := w.withAliases(), w.mda("198.19.2.110:24")
	w.mta("aurora", "mx1.aurora.test", 1)
	ana := w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.2.25:587", "bruno")
	id := w.ask(c, smtpc.Envelope{To: []smtpc.Recipient{
		{To: w.address("fora@boreal.test"), Notify: "SUCCESS"}, {To: w.address("ana@aurora.test"), Notify: "FAILURE"},
	}}, "bruno@boreal.test", message)
	if got := boreal.reportsAbout(t, id); got != "" {
		t.Errorf("Boreal reports %s", got)
	}
	ana.wait(t, 1)
	if f := parseReport(t, box.wait(t, 1)[0].message).Recipients; len(f) != 1 || f[0].Get("Action") != "delivered" || f[0].Get("Original-Recipient") != "rfc822; fora@boreal.test" {
		t.Errorf("%v", f)
	}
	want := []string{"RCPT TO:<ana@aurora.test> NOTIFY=FAILURE", "RCPT TO:<ana@aurora.test> NOTIFY=SUCCESS ORCPT=rfc822;fora@boreal.test"}
	if got := boreal.spoke("RCPT TO:<ana"); !slices.Equal(got, want) || len(boreal.spoke("DATA")) != 2 { // the other is the report's
		t.Errorf("said %q", got)
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
