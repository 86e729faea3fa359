package mta

import (
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/smtpc"
)

// TestWhoWasNamedTwiceGetsOneCopyWhereTheHostTakesOneName: a host that refuses to
// hear of a mailbox a second time has the message for it. It was brought a second
// copy for the other name, or the sender was told of a failure.
func TestWhoWasNamedTwiceGetsOneCopyWhereTheHostTakesOneName(t *testing.T) {
	for name, says := range map[string]string{
		"too many": "452 4.5.3 Too many", "later": "450 4.7.1 Slow down", "never": "550 5.7.1 Named already",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			boreal, box := w.withAliases(), w.mda("198.19.2.110:24")
			again := "C: MAIL*\nS: 250 Ok\nC: RCPT TO:<x@*\nS: 250 Ok\nC: DATA\nS: 354 Go\nC: ...\nS: 250 thanks\nHANG"
			w.scripted("198.18.9.1:25", "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 DSN\nC: MAIL*\nS: 250 Ok\nC: RCPT TO:<x@*\nS: 250 Ok\nC: RCPT TO:<x@*\nS: "+says+
				"\nC: DATA\nS: 354 Go\nC: ...\nS: 250 thanks\n"+again)
			c := w.connect(pc, "198.18.2.25:587", "bruno")
			id := w.ask(c, smtpc.Envelope{To: []smtpc.Recipient{
				{To: w.address("x@one.casos.test"), Notify: "FAILURE"}, {To: w.address("caso@boreal.test"), Notify: "SUCCESS,FAILURE"},
			}}, "bruno@boreal.test", message)
			boreal.waitEvent(t, "the removal", queueEvent(event.Removed, id))
			f := parseReport(t, box.wait(t, 1)[0].message).Recipients
			if len(f) != 1 || f[0].Get("Action") != "relayed" || f[0].Get("Original-Recipient") != "rfc822; caso@boreal.test" {
				t.Errorf("reported %v", f)
			}
			if n := len(boreal.spoke("MAIL FROM:<bruno")); n != 1 {
				t.Errorf("%d copies", n)
			}
		})
	}
}

// TestNamesOfOneMailboxCountAsRecipients: a host that takes two in a transaction
// was told of four, where two people had two names each.
func TestNamesOfOneMailboxCountAsRecipients(t *testing.T) {
	const taken = "C: DATA\nS: 354 Go\nC: ...\nS: 250 thanks\n"
	w := newWorld(t)
	boreal := w.withAliases()
	pair := func(who string) string {
		rcpt := "C: RCPT TO:<" + who + "@*\nS: 250 Ok\n"
		return "C: MAIL*\nS: 250 Ok\n" + rcpt + rcpt + taken
	}
	w.scripted("198.18.9.1:25", "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250-DSN\nS: 250 LIMITS RCPTMAX=2\n"+pair("x")+pair("y")+"HANG")
	c := w.connect(pc, "198.18.2.25:587", "bruno")
	var env smtpc.Envelope
	for _, to := range []string{"x@one.casos.test", "y@one.casos.test", "x@one.casos.test", "y@one.casos.test"} {
		env.To = append(env.To, smtpc.Recipient{To: w.address(to), Notify: "FAILURE"})
	}
	id := w.ask(c, env, "bruno@boreal.test", message)
	boreal.waitEvent(t, "the removal", queueEvent(event.Removed, id))
	if got := boreal.reportsAbout(t, id); got != "" || len(boreal.spoke("DATA")) != 2 {
		t.Errorf("%d transactions, reports %s", len(boreal.spoke("DATA")), got)
	}
}
