package mta

import (
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/reason"
	"correio/services/internal/smtpc"
)

// configured starts an MTA whose org.yaml says something else.
func (w *world) configured(site, name string, change func(o *lab.Org)) *host {
	w.t.Helper()
	env := labtest.Env(w.t, w.stack, "../../deploy/"+site, name)
	change(env.Org)
	n, err := newNode(env, tuning{})
	if err != nil {
		w.t.Fatal(err)
	}
	return &host{n, env, labtest.Start(w.t, n)}
}

// behaviour.md §6 row 18: whoever sent a report hears nothing about it. It is
// the site's postmaster who gets it, as Postfix's 2bounce_notice_recipient does.
func TestRow18AReportIsNeverReportedAbout(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	box := w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "", message, "x@nx.casos.test")[0].Reply)
	r := aurora.waitEvent(t, "the failure", queueEvent(event.Bounced, id))
	if r.Meta.Get(event.Rules) != string(reason.DoubleBounce) {
		t.Errorf("%+v", r)
	}
	aurora.waitEvent(t, "the removal", queueEvent(event.Removed, id))
	notice := aurora.waitEvent(t, "the postmaster's notice", queueEvent(event.Accepted, r.Meta.Get(event.BounceID)))
	aurora.waitEvent(t, "its delivery", queueEvent(event.Removed, notice.Queue))
	got := box.wait(t, 1)
	if len(got) != 1 || got[0].from != "" || got[0].to != "postmaster@aurora.test" {
		t.Fatalf("stored %+v", got)
	}
	report := parseReport(t, got[0].message)
	if f := report.Recipients[0]; f.Get("Final-Recipient") != "rfc822; x@nx.casos.test" || f.Get("Status") != "5.1.2" ||
		report.Kind != "message/rfc822" || !strings.HasSuffix(report.Returned, message) {
		t.Errorf("%s: %v\n%s", report.Kind, f, report.Returned)
	}
}

// When the postmaster cannot be told either, the message is kept, shown and left
// alone.
func TestDoubleBounceThatNobodyGetsIsKeptInQuarantine(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.scripted("198.19.1.110:24", "S: 220 x\nC: LHLO*\nS: 250 x\nC: MAIL*\nS: 250 Ok\nC: RCPT TO:<postmaster@aurora.test>\nS: 550 5.1.1 Who?\nC: RSET\nS: 250 Ok\nHANG")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "", message, "x@nx.casos.test")[0].Reply)
	notice := aurora.waitEvent(t, "the failure", queueEvent(event.Bounced, id)).Meta.Get(event.BounceID)
	r := aurora.waitEvent(t, "the quarantine", queueEvent(event.Quarantined, notice))
	if want := "postmaster-not-told(postmaster@aurora.test|550 5.1.1 Who?)"; r.Meta.Get(event.Rules) != want {
		t.Errorf("quarantined: %+v", r)
	}
	q := aurora.queue(t)
	for _, want := range []string{`"id":"` + notice + `"`, `"to":["postmaster@aurora.test"]`, `"state":"quarantined"`, `"last_reply":"double bounce that postmaster@`, `"why":[{"rule":"postmaster-not-told","args":["postmaster@aurora.test","550 5.1.1 Who?"]}]`} {
		if !strings.Contains(q, want) {
			t.Errorf("no %s in queue %s", want, q)
		}
	}
	if bounced := aurora.waitEvent(t, "its failure", queueEvent(event.Bounced, notice)); bounced.Meta.Get(event.BounceID) != "" {
		t.Errorf("bounced: %+v", bounced)
	}
}

// smtp: {bounce-copies: true} in org.yaml.
func TestPostmasterGetsTheHeaderOfEachFailedMessageIfTheSiteWantsThat(t *testing.T) {
	w := newWorld(t)
	aurora := w.configured("aurora", "mx1.aurora.test", func(o *lab.Org) { o.SMTP.BounceCopies = true })
	box := w.mda("198.19.1.110:24")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	w.send(c, "ana@aurora.test", message, "x@nx.casos.test")
	got := map[string]string{}
	for _, s := range box.wait(t, 2) {
		got[s.to] = s.message
	}
	if r := parseReport(t, got["ana@aurora.test"]); r.Kind != "message/rfc822" {
		t.Errorf("the sender gets %s", r.Kind)
	}
	r := parseReport(t, got["postmaster@aurora.test"])
	if r.Kind != "text/rfc822-headers" || !strings.Contains(r.Returned, "Message-ID: <1@pc.aurora.test>") || !strings.Contains(r.Text, "<ana@aurora.test>") {
		t.Errorf("the postmaster gets %s\n%s\n%s", r.Kind, r.Text, r.Returned)
	}
	// A sender who wants no report: the postmaster still sees it.
	env := smtpc.Envelope{From: w.address("ana@aurora.test"), To: []smtpc.Recipient{{To: w.address("y@nx.casos.test"), Notify: "NEVER"}}}
	c.Send(t.Context(), env, strings.NewReader(message), smtpc.SendOptions{})
	if last := box.wait(t, 3)[2]; last.to != "postmaster@aurora.test" {
		t.Errorf("told: %s", last.to)
	}
	// The postmaster's own failures are told once.
	c = w.connect(pc, "198.18.1.25:587", "alice")
	id := smtpc.QueuedAs(w.send(c, "postmaster@aurora.test", message, "z@nx.casos.test")[0].Reply)
	report := aurora.waitEvent(t, "the failure", queueEvent(event.Bounced, id)).Meta.Get(event.BounceID)
	aurora.waitEvent(t, "the delivery", queueEvent(event.Removed, report))
	if all := box.wait(t, 4); len(all) != 4 {
		t.Errorf("%d messages", len(all))
	}
}

// With the postmaster's copy, those of everybody else were put aside. Since they are
// not, the message was said to be in quarantine and never was: it was left as if
// somebody had held it.
func TestRecipientBesideAPostmasterThatNobodyGetsIsTried(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.scripted("198.19.1.110:24", "S: 220 x\nC: LHLO*\nS: 250 x\nC: MAIL*\nS: 250 Ok\nC: RCPT TO:<postmaster@aurora.test>\nS: 550 5.1.1 Who?\nC: RSET\nS: 250 Ok\nHANG")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "", message, "postmaster@aurora.test", "x@one.casos.test")[0].Reply)
	aurora.waitEvent(t, "the postmaster's failure", queueEvent(event.Bounced, id))
	aurora.waitEvent(t, "the other's delay", queueEvent(event.Deferred, id))
	if words := aurora.queueWords(id); strings.Contains(words, event.Quarantined) {
		t.Errorf("while another recipient waits: %s", words)
	}
	box := w.mda("198.18.9.1:25")
	aurora.order1(t, "retry", `{"all":true}`)
	box.wait(t, 1)
	aurora.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
	r := aurora.waitEvent(t, "the quarantine", queueEvent(event.Quarantined, id))
	if want := "postmaster-not-told(postmaster@aurora.test|550 5.1.1 Who?)"; r.Meta.Get(event.Rules) != want {
		t.Errorf("quarantined: %+v", r)
	}
	l := aurora.list(t, "")
	if l.states() != "quarantined" || strings.Join(l.Messages[0].To, " ") != "postmaster@aurora.test" || len(l.Messages[0].Why) != 1 {
		t.Errorf("left: %+v", l)
	}
}

// So it is when somebody drops the other recipient.
func TestDropOfTheOtherRecipientTellsOfTheQuarantine(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.scripted("198.19.1.110:24", "S: 220 x\nC: LHLO*\nS: 250 x\nC: MAIL*\nS: 250 Ok\nC: RCPT*\nS: 550 5.1.1 Who?\nC: RSET\nS: 250 Ok\nHANG")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "", message, "postmaster@aurora.test", "x@one.casos.test")[0].Reply)
	aurora.waitEvent(t, "the postmaster's failure", queueEvent(event.Bounced, id))
	aurora.order1(t, "drop", oneDomain)
	aurora.waitEvent(t, "the quarantine", queueEvent(event.Quarantined, id))
	if l := aurora.list(t, "?state=quarantined"); len(l.Messages) != 1 {
		t.Errorf("left: %+v", l)
	}
}
