package mta

import (
	"crypto/tls"
	"fmt"
	"net/mail"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/smtpc"
)

const (
	pc      = "198.18.1.100"
	message = "From: ana@aurora.test\r\nTo: bruno@boreal.test\r\nSubject: Oi\r\nMessage-ID: <1@pc.aurora.test>\r\nDate: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nOi, Bruno!\r\n.\r\n"
)

func TestMailCrossesOrganisations(t *testing.T) {
	w := newWorld(t)
	aurora, boreal := w.mta("aurora", "mx1.aurora.test", 1), w.mta("boreal", "mx1.boreal.test", 1)
	box := w.mda("198.19.2.110:24")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	res := w.send(c, "ana@aurora.test", message, "bruno@boreal.test")
	id := smtpc.QueuedAs(res[0].Reply)
	if !res[0].Delivered() || id == "" {
		t.Fatalf("submission: %+v", res[0])
	}

	got := box.wait(t, 1)[0]
	if got.from != "ana@aurora.test" || got.to != "bruno@boreal.test" || !strings.HasSuffix(got.message, message) {
		t.Errorf("stored %+v", got)
	}
	m, err := mail.ReadMessage(strings.NewReader(got.message))
	if err != nil {
		t.Fatal(err)
	}
	hops := m.Header["Received"]
	if len(hops) != 2 || !strings.Contains(hops[0], "by mx1.boreal.test (Correio) with ESMTPS id") ||
		!strings.Contains(hops[1], "from pc.aurora.test ([198.18.1.100])") ||
		!strings.Contains(hops[1], "by mx1.aurora.test (Correio) with ESMTPSA id "+id+" for <bruno@boreal.test>;") {
		t.Errorf("Received: %q", hops)
	}

	sent := aurora.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
	next := sent.Meta.Get(event.NextQueue)
	if sent.Message != "1@pc.aurora.test" || sent.Meta.Get(event.Next) != "mx1.boreal.test" || next == "" {
		t.Errorf("delivered: %+v", sent)
	}
	aurora.waitEvent(t, "the removal", queueEvent(event.Removed, id))
	in := boreal.waitEvent(t, "the acceptance", queueEvent(event.Accepted, next))
	if in.Message != "1@pc.aurora.test" || in.Meta.Get(event.Client) != "mx1.aurora.test [198.18.1.25]" {
		t.Errorf("accepted: %+v", in)
	}
	local := boreal.waitEvent(t, "the local delivery", queueEvent(event.Delivered, next))
	if local.Meta.Get(event.NextQueue) != "STORE0" || local.Meta.Get(event.Next) != "mda.boreal.test" {
		t.Errorf("delivered: %+v", local)
	}
	boreal.waitEvent(t, "the removal", queueEvent(event.Removed, next))
	checkJourney(t, aurora, id)
}

// checkJourney asserts that a node's records tell why the host was chosen.
func checkJourney(t *testing.T, h *host, id string) {
	t.Helper()
	var texts []string
	var why string
	conns := map[string]bool{}
	for _, r := range h.env.Events.After(0, 1000).Records {
		if r.Queue != id {
			continue
		}
		if r.Kind == event.KindQueue && r.Text == event.Attempt {
			why = reason.Describe(reason.Parse(r.Meta.Get(event.Rules)))
		}
		if r.Kind == event.KindDNS || r.Kind == event.KindQueue {
			if n := len(texts); n == 0 || texts[n-1] != r.Text {
				texts = append(texts, r.Text)
			}
		}
		if r.Kind == event.KindConn {
			conns[r.Meta.Get(event.Host)+" "+r.Meta.Get(event.Remote)] = true
		}
	}
	if want := "MX of boreal.test by preference: 10 mx1.boreal.test, 20 mx2.boreal.test"; why != want {
		t.Errorf("reasons %q", why)
	}
	joined := strings.Join(texts, " | ")
	if !strings.HasPrefix(joined, "accepted | boreal.test. MX | mx1.boreal.test. A") || !strings.HasSuffix(joined, "attempt | delivered | removed") {
		t.Errorf("records: %s", joined)
	}
	if !conns["mx1.boreal.test 198.18.2.25:25"] {
		t.Errorf("connections: %v", conns)
	}
}

func TestWhoMaySendWhatToWhom(t *testing.T) {
	w := newWorld(t)
	w.mta("aurora", "mx1.aurora.test", 1)
	w.mta("boreal", "mx1.boreal.test", 1)
	w.mda("198.19.1.110:24")
	w.mda("198.19.2.110:24")
	for _, test := range []struct {
		name           string
		port, user     string
		from, to, want string
	}{
		{"a mailbox of ours", "198.18.1.25:25", "", "bruno@boreal.test", "ana@aurora.test", "done: 250 2.0.0 Ok: queued as *"},
		{"a domain that is ours as well", "198.18.1.25:25", "", "bruno@boreal.test", "ana@half.casos.test", "done: 250 2.0.0 Ok: queued as *"},
		{"no such user", "198.18.1.25:25", "", "bruno@boreal.test", "ninguem@aurora.test", "rcpt: 550 5.1.1 <ninguem@aurora.test>: no such user"},
		{"over quota", "198.18.1.25:25", "", "bruno@boreal.test", "overquota@aurora.test", "rcpt: 452 4.2.2 Mailbox full"},
		{"busy", "198.18.1.25:25", "", "bruno@boreal.test", "busy@aurora.test", "rcpt: 450 4.2.0 Mailbox busy"},
		{"moved", "198.18.1.25:25", "", "bruno@boreal.test", "moved@aurora.test", "rcpt: 551 5.1.6 User has moved"},
		{"no open relay", "198.18.1.25:25", "", "ana@aurora.test", "bruno@boreal.test", "rcpt: 550 5.7.1 <bruno@boreal.test>: relay access denied"},
		{"a domain that is relayed", "198.18.2.25:25", "", "ana@aurora.test", "x@selfbackup.casos.test", "done: 250 2.0.0 Ok: queued as *"},
		{"postmaster without a domain", "198.18.1.25:25", "", "bruno@boreal.test", "PostMaster", "done: 250 2.0.0 Ok: queued as *"},
		{"postmaster elsewhere", "198.18.1.25:25", "", "bruno@boreal.test", "postmaster@boreal.test", "rcpt: 550 5.7.1 <postmaster@boreal.test>: relay access denied"},
		{"the host's address literal on port 25", "198.18.1.25:25", "", "bruno@boreal.test", "ninguem@[198.18.1.25]", "rcpt: 550 5.1.1 <ninguem@aurora.test>: no such user"},
		{"null sender", "198.18.1.25:25", "", "", "ana@aurora.test", "done: 250 2.0.0 Ok: queued as *"},
		{"submission to elsewhere", "198.18.1.25:587", "ana", "ana@aurora.test", "bruno@boreal.test", "done: 250 2.0.0 Ok: queued as *"},
		{"submission to here", "198.18.1.25:587", "ana", "ana@aurora.test", "ninguem@aurora.test", "rcpt: 550 5.1.1 <ninguem@aurora.test>: no such user"},
		{"submission on the misprinted port", "198.18.1.25:589", "ana", "ana@aurora.test", "bruno@boreal.test", "done: 250 2.0.0 Ok: queued as *"},
		{"submission to an address literal", "198.18.1.25:587", "ana", "ana@aurora.test", "bruno@[198.18.2.25]", "done: 250 2.0.0 Ok: queued as *"},
		{"submission to our own literal", "198.18.1.25:587", "ana", "ana@aurora.test", "ninguem@[198.18.1.25]", "rcpt: 550 5.1.1 <ninguem@aurora.test>: no such user"},
		{"somebody else's name", "198.18.1.25:587", "ana", "alice@aurora.test", "bruno@boreal.test", "mail: 553 5.7.1 <alice@aurora.test> is not an address of ana"},
		{"another organisation's name", "198.18.1.25:587", "ana", "ana@boreal.test", "bruno@boreal.test", "mail: 553 5.7.1 <ana@boreal.test> is not an address of ana"},
		{"an alias of one's own", "198.18.1.25:587", "alice", "postmaster@aurora.test", "bruno@boreal.test", "done: 250 2.0.0 Ok: queued as *"},
		{"a receipt, which has no sender", "198.18.1.25:587", "ana", "", "bruno@boreal.test", "done: 250 2.0.0 Ok: queued as *"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := w.connect(pc, test.port, test.user)
			r := w.send(c, test.from, message, test.to)[0]
			got := fmt.Sprintf("%s: %s", r.Step, r.Reply)
			if id := smtpc.QueuedAs(r.Reply); id != "" {
				got = strings.ReplaceAll(got, id, "*")
			}
			if got != test.want || r.Err != nil {
				t.Errorf("got %s (%v), want %s", got, r.Err, test.want)
			}
		})
	}
}

// RFC 5321 §3.4 and §3.9.1: 251, then on by MX to the other organisation, with a
// reverse-path of our own.
func TestForwardedMailGoesOnToTheOtherOrganisation(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.mta("boreal", "mx1.boreal.test", 1)
	box := w.mda("198.19.2.110:24")
	r := w.send(w.connect(pc, "198.18.1.25:25", ""), "carla@cedro.test", message, "Encaminha@aurora.test")[0]
	if !r.Delivered() {
		t.Fatalf("%s: %s (%v)", r.Step, r.Reply, r.Err)
	}
	if got := box.wait(t, 1)[0]; !strings.HasPrefix(got.from, "SRS0=") || !strings.HasSuffix(got.from, "=cedro.test=carla@aurora.test") || got.to != "bruno@boreal.test" || !strings.Contains(got.message, "for <Encaminha@aurora.test>;") {
		t.Errorf("stored %+v", got)
	}
	in := aurora.waitEvent(t, "the acceptance", queueEvent(event.Accepted, smtpc.QueuedAs(r.Reply)))
	if in.Meta.Get(event.To) != "bruno@boreal.test" || in.Meta.Get(event.Original) != "Encaminha@aurora.test" {
		t.Errorf("accepted: %+v", in)
	}
}

func TestSubmissionWithoutLoginIsRefused(t *testing.T) {
	w := newWorld(t)
	w.mta("aurora", "mx1.aurora.test", 1)
	c := w.connect(pc, "198.18.1.25:587", "")
	if r := w.send(c, "ana@aurora.test", message, "bruno@boreal.test")[0]; r.Reply.Code != 530 {
		t.Errorf("in clear: %+v", r)
	}
	if err := c.StartTLS(t.Context(), &tls.Config{RootCAs: w.stack.Roots(), ServerName: "mx1.aurora.test"}); err != nil {
		t.Fatal(err)
	}
	if r := w.send(c, "ana@aurora.test", message, "bruno@boreal.test")[0]; r.Reply.Code != 530 {
		t.Errorf("encrypted: %+v", r)
	}
	if err := c.Auth(t.Context(), "ana", "wrong"); err == nil {
		t.Error("a wrong password is taken")
	}
	if err := c.Auth(t.Context(), "ana@aurora.test", "ana"); err != nil {
		t.Errorf("login by the full address: %v", err)
	}
}

func TestSubmissionCompletesAMessage(t *testing.T) {
	w := newWorld(t)
	w.mta("aurora", "mx1.aurora.test", 1)
	box := w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	for i, typed := range []string{"Subject: Oi\r\n\r\ncorpo\r\n", "Oi, Alice!\r\n"} {
		if r := w.send(c, "ana@aurora.test", typed, "alice@aurora.test")[0]; !r.Delivered() {
			t.Fatalf("%+v", r)
		}
		got := box.wait(t, i+1)[i].message
		m, err := mail.ReadMessage(strings.NewReader(got))
		if err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		if _, err := m.Header.Date(); err != nil || !strings.HasSuffix(m.Header.Get("Message-Id"), "@mx1.aurora.test>") {
			t.Errorf("header %v, %v", m.Header, err)
		}
		if !strings.HasSuffix(got, typed) {
			t.Errorf("%q became\n%s", typed, got)
		}
	}
}

// TestTypedTextWithANullSenderIsFromWhoSubmitsIt: it had "From: <>", which is no
// address.
func TestTypedTextWithANullSenderIsFromWhoSubmitsIt(t *testing.T) {
	w := newWorld(t)
	w.mta("aurora", "mx1.aurora.test", 1)
	box := w.mda("198.19.1.110:24")
	if r := w.send(w.connect(pc, "198.18.1.25:587", "ana"), "", "Oi!\r\n", "alice@aurora.test")[0]; !r.Delivered() {
		t.Fatalf("%+v", r)
	}
	if got := box.wait(t, 1)[0].message; !strings.Contains(got, "\r\nFrom: <ana@aurora.test>\r\n") {
		t.Errorf("the message has no such From:\n%s", got)
	}
}

func TestAMessageThatGoesRoundInCirclesIsRefused(t *testing.T) {
	w := newWorld(t)
	w.mta("aurora", "mx1.aurora.test", 1)
	w.mda("198.19.1.110:24")
	for hops, want := range map[int]string{50: "250", 51: "554 5.4.6 Too many hops: the message goes round in circles"} {
		c := w.connect(pc, "198.18.1.25:25", "")
		r := w.send(c, "bruno@boreal.test", strings.Repeat("Received: from a by b; now\r\n", hops)+"\r\n", "ana@aurora.test")[0]
		if !strings.HasPrefix(r.Reply.String(), want) {
			t.Errorf("%d hops: %s", hops, r.Reply)
		}
	}
}

func TestUnreachableMDAMeansQueue(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 50)
	c := w.connect(pc, "198.18.1.25:25", "")
	r := w.send(c, "bruno@boreal.test", message, "ana@aurora.test")[0]
	if !r.Delivered() {
		t.Fatalf("%+v", r)
	}
	id := smtpc.QueuedAs(r.Reply)
	late := aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	if want := "451 4.4.1 Cannot connect to mda.aurora.test (198.19.1.110:24): connection refused"; late.Meta.Get(event.Reply) != want {
		t.Errorf("deferred: %+v", late)
	}
	if q := aurora.queue(t); !strings.Contains(q, `"id":"`+id+`"`) || !strings.Contains(q, `"state":"deferred"`) ||
		!strings.Contains(q, `"to":["ana@aurora.test"]`) {
		t.Errorf("queue %s", q)
	}
	box := w.mda("198.19.1.110:24")
	box.wait(t, 1)
	aurora.waitEvent(t, "the removal", queueEvent(event.Removed, id))
	if q := aurora.queue(t); !strings.HasPrefix(q, `{"messages":[],"total":0,`) {
		t.Errorf("queue %s", q)
	}
}

func TestBackupKeepsMailForThePrimary(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	backup := w.mta("boreal", "mx2.boreal.test", 50)
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "bruno@boreal.test")[0].Reply)
	sent := aurora.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
	if sent.Meta.Get(event.Next) != "mx2.boreal.test" {
		t.Fatalf("delivered: %+v", sent)
	}
	kept := sent.Meta.Get(event.NextQueue)
	late := backup.waitEvent(t, "the delay", queueEvent(event.Deferred, kept))
	if !strings.Contains(late.Meta.Get(event.Reply), "mx1.boreal.test") {
		t.Errorf("deferred: %+v", late)
	}
	box := w.mda("198.19.2.110:24")
	w.mta("boreal", "mx1.boreal.test", 1)
	if got := box.wait(t, 1)[0]; strings.Count(got.message, "Received: ") != 3 {
		t.Errorf("stored\n%s", got.message)
	}
	handed := backup.waitEvent(t, "the handing on", queueEvent(event.Delivered, kept))
	if handed.Meta.Get(event.Next) != "mx1.boreal.test" {
		t.Errorf("delivered: %+v", handed)
	}
}

// The teacher's exercise: change the MX, and the mail goes to the other host. It
// used to end there in a bounce, 5.4.6. A domain of others' still does.
func TestBackupThatTheZoneNamesBestDeliversToTheMailboxes(t *testing.T) {
	w := worldOf(t, strings.Replace(zoneText, "boreal.test. MX 20 mx2", "boreal.test. MX 5 mx2", 1)+`
		selfbackup.casos.test. MX 5 mx2.boreal.test.`)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	backup := w.mta("boreal", "mx2.boreal.test", 1)
	box := w.mda("198.19.2.110:24")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "bruno@boreal.test")[0].Reply)
	sent := aurora.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
	if sent.Meta.Get(event.Next) != "mx2.boreal.test" {
		t.Errorf("delivered: %+v", sent)
	}
	tried := backup.waitEvent(t, "the attempt", queueEvent(event.Attempt, sent.Meta.Get(event.NextQueue)))
	why := reason.Describe(reason.Parse(tried.Meta.Get(event.Rules)))
	if tried.Meta.Get(event.Next) != "mda.boreal.test" || !strings.Contains(why, "mx2.boreal.test (preference 5) is this host") ||
		!strings.HasSuffix(why, "no host is named before this one for boreal.test, a domain of this site: to the mailboxes by LMTP") {
		t.Errorf("attempt: %+v", tried)
	}
	if got := box.wait(t, 1)[0]; got.to != "bruno@boreal.test" || strings.Count(got.message, "Received: ") != 2 {
		t.Errorf("stored for %s\n%s", got.to, got.message)
	}
	id = smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@selfbackup.casos.test")[0].Reply)
	sent = aurora.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
	loop := backup.waitEvent(t, "the bounce", queueEvent(event.Bounced, sent.Meta.Get(event.NextQueue)))
	if got := loop.Meta.Get(event.Reply); got != "550 5.4.6 Mail for selfbackup.casos.test loops back to this host" {
		t.Errorf("bounced: %s", got)
	}
}

func TestFailureIsReportedToTheSender(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	box := w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	res := w.send(c, "ana@aurora.test", message, "x@nx.casos.test", "y@nullmx.casos.test")
	id := smtpc.QueuedAs(res[0].Reply)
	var bodies []string
	for _, s := range box.wait(t, 2) {
		if s.from != "" || s.to != "ana@aurora.test" {
			t.Errorf("from %q to %q", s.from, s.to)
		}
		bodies = append(bodies, s.message)
	}
	all := strings.Join(bodies, "\n")
	for _, want := range []string{
		"Status: 5.1.2", "Status: 5.1.10", "Final-Recipient: rfc822; x@nx.casos.test", "Diagnostic-Code: X-Correio; 556 5.1.10",
		"In-Reply-To: <1@pc.aurora.test>", "X-Correio-Queue-ID: " + id, "Auto-Submitted: auto-replied", "Oi, Bruno!",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	bounced := aurora.waitEvent(t, "the bounce", queueEvent(event.Bounced, id))
	report := bounced.Meta.Get(event.BounceID)
	aurora.waitEvent(t, "the report", queueEvent(event.Accepted, report))
	aurora.waitEvent(t, "its delivery", queueEvent(event.Delivered, report))
	aurora.waitEvent(t, "the removal", queueEvent(event.Removed, id))
}

// closed.casos.test: attempts, a notice after four hours, a report after five
// days; at this speed in a fraction of a second.
func TestClosedHostMeansRetryNoticeAndReport(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 86_400)
	box := w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@closed.casos.test")[0].Reply)
	got := box.wait(t, 2)
	if !strings.Contains(got[0].message, "Action: delayed") || !strings.Contains(got[0].message, "Will-Retry-Until: ") {
		t.Errorf("first comes\n%s", got[0].message)
	}
	if !strings.Contains(got[1].message, "Action: failed") || !strings.Contains(got[1].message, "Status: 4.4.7") {
		t.Errorf("then comes\n%s", got[1].message)
	}
	aurora.waitEvent(t, "the removal", queueEvent(event.Removed, id))
}

func TestMetricsFollowTheMail(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	w.send(c, "ana@aurora.test", message, "alice@aurora.test")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@nx.casos.test")[0].Reply)
	w.send(c, "ana@aurora.test", message, "ninguem@aurora.test")
	report := aurora.waitEvent(t, "the bounce", queueEvent(event.Bounced, id)).Meta.Get(event.BounceID)
	aurora.waitEvent(t, "its delivery", queueEvent(event.Removed, report))
	families, err := aurora.env.Metrics.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := strings.TrimPrefix(f.GetName(), "correio_mta_")
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"accepted_total submission": 2, "accepted_total report": 1, "rejected_total mailbox": 1, "delivered_total lmtp": 2,
		"deferred_total": 0, "bounced_total": 1, "queue_messages": 0, "queue_octets": 0, "queue_oldest_seconds": 0,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
