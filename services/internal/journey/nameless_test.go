package journey_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/event"
	"correio/services/internal/journey"
	"correio/services/internal/text"
)

// typed plays a message without Message-ID that somebody types at mx2, which
// hands it to mx1, which stores it; Bruno reads it.
func (l *lab) typed() {
	const mx2b, aMX2b, aMX2bOut = "mx2.boreal.test", "198.18.2.26:25", "198.18.2.26:6000"
	l.open(mx2b, "t-1", "smtp", "server", aMX2b, "198.18.2.100:9000")
	l.line(mx2b, "t-1", "", event.In, "mail from:<"+ana+">")
	l.queue(mx2b, "t-1", q1, "", event.Accepted, event.From, "<"+ana+">", event.To, bruno)
	l.line(mx2b, "t-1", q1, event.Out, "250 2.0.0 Ok: queued as "+q1)
	l.open(mx2b, "o-1", "smtp", "client", aMX2bOut, aMX1b)
	l.open(mx1b, "i-1", "smtp", "server", aMX1b, aMX2bOut)
	l.line(mx2b, "o-1", q1, event.Out, "MAIL FROM:<"+ana+">")
	l.queue(mx1b, "i-1", q2, "", event.Accepted, event.From, "<"+ana+">", event.To, bruno)
	l.line(mx2b, "o-1", q1, event.In, "250 2.0.0 Ok: queued as "+q2)
	l.queue(mx2b, "o-1", q1, "", event.Delivered, event.To, bruno, event.Next, mx1b, event.NextQueue, q2, event.Reply, "250 Ok")
	l.open(mx1b, "o-2", "lmtp", "client", aMX1bOut, aMDA)
	l.open(mda, "i-2", "lmtp", "server", aMDA, aMX1bOut)
	l.line(mx1b, "o-2", q2, event.Out, "MAIL FROM:<"+ana+">")
	l.see(mda, event.Record{Conn: "i-2", Queue: q3, Kind: event.KindStore, Text: event.Stored, Meta: event.M(event.Mailbox, "bruno")})
	l.line(mx1b, "o-2", q2, event.In, "250 2.1.5 Ok: stored as "+q3)
	l.queue(mx1b, "o-2", q2, "", event.Delivered, event.To, bruno, event.Next, mda, event.NextQueue, q3, event.Reply, "250 Ok")
	l.open(mda, "p-1", "pop3", "server", "198.19.2.110:110", "198.19.2.100:8000")
	l.line(mda, "p-1", "", event.In, "RETR 1")
	l.see(mda, event.Record{Conn: "p-1", Queue: q3, Kind: event.KindStore, Text: event.Retrieved, Meta: event.M(event.Mailbox, "bruno")})
	l.line(mda, "p-1", "", event.Out, "+OK 100 octets")
}

// The README's dialogue by telnet has no Message-ID field; `trace --last` after
// it showed another message, or none.
func TestMailTypedByHandWithoutMessageIDHasAJourney(t *testing.T) {
	l := newLab()
	l.submit("c-1", otherOne, otherMessage, "5001")
	l.typed()
	const name = q1 + "@mx2.boreal.test"
	list := journey.List(l.records, 0)
	if len(list) != 2 || list[0].Message != name || list[0].From != ana {
		t.Fatalf("List = %+v, want %s and then %s", list, name, otherMessage)
	}
	for _, called := range []string{name, q1} {
		j, ok := journey.Assemble(l.records, called)
		if !ok {
			t.Fatalf("Assemble(%q) found nothing", called)
		}
		want := []string{
			"delivered",
			"smtp >mx2.boreal.test 250 2.0.0 Ok: queued as " + q1,
			"smtp mx2.boreal.test>mx1.boreal.test 250 2.0.0 Ok: queued as " + q2,
			"lmtp mx1.boreal.test>mda.boreal.test 250 2.1.5 Ok: stored as " + q3,
			"store mda.boreal.test> stored",
			"pop3 >mda.boreal.test +OK 100 octets",
		}
		if diff := cmp.Diff(want, outline(j)); diff != "" {
			t.Errorf("journey of %q (-want +got):\n%s", called, diff)
		}
		if j.Message != name || !j.NoMessageID || !j.Read {
			t.Errorf("message %q, none %v, read %v; want %q, true, true", j.Message, j.NoMessageID, j.Read, name)
		}
		if got := rendered(t, j); !strings.Contains(got, "\nMessage-ID: none (here it goes by "+name+")\n") {
			t.Errorf("Render does not say that the message has no Message-ID:\n%s", got)
		}
	}
}

func TestQueueIDNamesAMessageThatHasAMessageID(t *testing.T) {
	l := newLab()
	l.submit("c-1", q1, message, "5000")
	if j, ok := journey.Assemble(l.records, q1); !ok || j.Message != message || j.NoMessageID {
		t.Errorf("Assemble(%q) = %q, %v; want %q", q1, j.Message, ok, message)
	}
}

// The headline said that all recipients had been returned, and that our own
// server had refused the one.
func TestHeadlineTellsReturnedFromDelivered(t *testing.T) {
	j := journey.Journey{Message: message, From: ana, State: journey.Bounced, TookMS: 15, Recipients: []journey.Recipient{
		{Address: bruno, State: journey.Delivered, Node: mx1b, Reply: "250 Ok", TookMS: 15},
		{Address: "nobody@boreal.test", State: journey.Bounced, Node: mx1a, Reply: "550 5.1.1 no such mailbox here", TookMS: 15},
	}}
	got := rendered(t, j)
	for _, want := range []string{
		"Returned to the sender: nobody@boreal.test (after 15ms) · Delivered to bruno@boreal.test in 15ms · ",
		"nobody@boreal.test: reported by mx1.aurora.test: 550 5.1.1",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("Render lacks %q:\n%s", want, got)
		}
	}
}

// A refused recipient's transaction ends with RSET; its 250 was shown as the
// outcome, so that the refusal looked like a success.
func TestRefusedTransactionShowsTheRefusal(t *testing.T) {
	l := newLab()
	l.submit("c-1", q1, message, "5000")
	l.open(mx1a, "o-1", "smtp", "client", aMX1aOut, aMX1b)
	for _, said := range []struct {
		dir  event.Dir
		text string
	}{
		{event.Out, "MAIL FROM:<" + ana + ">"}, {event.Out, "RCPT TO:<" + bruno + ">"}, {event.Out, "DATA"},
		{event.In, "250 2.1.0 Ok"}, {event.In, "550 5.1.1 no such mailbox here"}, {event.In, "554 5.5.1 No valid recipients"},
		{event.Out, "RSET"}, {event.In, "250 2.0.0 Ok"},
	} {
		l.line(mx1a, "o-1", q1, said.dir, said.text)
	}
	j, _ := journey.Assemble(l.records, message)
	last := j.Steps[len(j.Steps)-1]
	if last.Outcome != "550 5.1.1 no such mailbox here" || !last.Failed {
		t.Errorf("outcome %q, failed %v; want the 550", last.Outcome, last.Failed)
	}
}

func rendered(t *testing.T, j journey.Journey) string {
	t.Helper()
	var b strings.Builder
	if err := journey.Render(&b, j, text.English, journey.Options{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
