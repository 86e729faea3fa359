package journey_test

import (
	"slices"
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/journey"
)

// kept plays the transactions of connections that an MTA keeps for its next
// messages.
type kept struct{ *lab }

func (l kept) open() {
	l.lab.open(mx1a, "o-1", "smtp", "client", aMX1aOut, aMX1b)
	l.lab.open(mx1b, "i-1", "smtp", "server", aMX1b, aMX1aOut)
	l.said(q1, event.In, "220 mx1.boreal.test ESMTP")
}

// said plays a line that both ends record, the client with its queue id.
func (l kept) said(q string, dir event.Dir, text string) {
	l.line(mx1a, "o-1", q, dir, text)
	l.line(mx1b, "i-1", "", map[event.Dir]event.Dir{event.Out: event.In, event.In: event.Out}[dir], text)
}

// sends plays the mail of queue id q, which becomes next.
func (l kept) sends(q, next, message string, header ...string) {
	l.said(q, event.Out, "MAIL FROM:<"+q+"@aurora.test>")
	l.said(q, event.In, "250 2.1.0 Ok")
	l.said(q, event.Out, "DATA")
	l.said(q, event.In, "354 go on")
	for _, line := range header {
		l.said(q, event.Out, line)
	}
	l.queue(mx1b, "i-1", next, message, event.Accepted, event.From, "<"+q+"@aurora.test>", event.To, bruno)
	l.line(mx1b, "i-1", next, event.Out, "250 2.0.0 Ok: queued as "+next)
	l.line(mx1a, "o-1", q, event.In, "250 2.0.0 Ok: queued as "+next)
	l.queue(mx1a, "", q, message, event.Delivered, event.To, bruno, event.NextQueue, next)
}

func accept(l *lab, q, message string) {
	l.queue(mx1a, "s-"+q, q, message, event.Accepted, event.From, "<"+q+"@aurora.test>", event.To, bruno)
}

// The trace of the second message showed the Subject of the first.
func TestSubjectIsNotThatOfAnotherMessageOnTheConnection(t *testing.T) {
	l := kept{newLab()}
	accept(l.lab, q1, message)
	accept(l.lab, otherOne, otherMessage)
	l.open()
	l.sends(q1, q2, message, "Subject: ONE")
	l.sends(otherOne, q3, otherMessage, "Subject: TWO")
	for name, want := range map[string]string{message: "ONE", otherMessage: "TWO"} {
		if j, _ := journey.Assemble(l.records, name); j.Subject != want {
			t.Errorf("subject of %s: %q, want %q", name, j.Subject, want)
		}
	}
}

// What is said of another message on a kept connection after ours, and how long
// that took to come, is no part of our step; nor is ours part of the other's.
func TestStepsHoldTheirOwnTransactionAlone(t *testing.T) {
	l := kept{newLab()}
	accept(l.lab, q1, message)
	accept(l.lab, otherOne, otherMessage)
	l.open()
	l.sends(q1, q2, message, "Subject: ONE")
	for range 50 {
		l.line("ns.boreal.test", "", "", event.In, "time goes by")
	}
	l.said(otherOne, event.Out, "QUIT")
	l.see(mx1a, event.Record{Conn: "o-1", Queue: otherOne, Kind: event.KindConn, Text: event.Close})
	j, _ := journey.Assemble(l.records, message)
	s := j.Steps[0]
	if last := s.Lines[len(s.Lines)-1].Text; len(j.Steps) != 1 || last != "250 2.0.0 Ok: queued as "+q2 || s.TookMS > 40 {
		t.Errorf("%d steps; the step took %d ms and ends with %q", len(j.Steps), s.TookMS, last)
	}
	if j, _ := journey.Assemble(l.records, otherMessage); len(j.Steps) != 0 {
		t.Errorf("the other message has the steps %+v", j.Steps)
	}
}

// A transaction that was refused for now showed the queue id that a later one on
// the same connection was given.
func TestOnlyTheStepThatHandedOverShowsTheNextQueueID(t *testing.T) {
	l := kept{newLab()}
	accept(l.lab, q1, message)
	l.open()
	l.said(q1, event.Out, "MAIL FROM:<"+ana+">")
	l.said(q1, event.In, "250 2.1.0 Ok")
	l.said(q1, event.Out, "RCPT TO:<"+bruno+">")
	l.said(q1, event.In, "450 4.7.1 greylisted")
	l.said(q1, event.Out, "RSET")
	l.said(q1, event.In, "250 2.0.0 Ok")
	l.queue(mx1a, "", q1, "", event.Deferred, event.To, bruno, event.Reply, "450 4.7.1 greylisted", event.RetryIn, "5s")
	l.sends(q1, q2, message)
	j, _ := journey.Assemble(l.records, message)
	var got []string
	for _, s := range j.Steps {
		if s.Kind == journey.SMTP {
			got = append(got, s.Outcome+" → "+s.NextQueue)
		}
	}
	if want := []string{"450 4.7.1 greylisted → ", "250 2.0.0 Ok: queued as " + q2 + " → " + q2}; !slices.Equal(got, want) {
		t.Errorf("steps %q, want %q", got, want)
	}
}

// Subjects were shown as they are encoded, and cut at the end of the first line.
func TestSubjectIsReadable(t *testing.T) {
	long := strings.Repeat("ã", 600)
	for _, tt := range []struct {
		name   string
		header []string
		want   string
	}{
		{"encoded on two lines", []string{"subject: =?utf-8?q?A_mensagem_n=C3=A3o_?=", " =?utf-8?b?Y2hlZ291?="}, "A mensagem não chegou"},
		{"folded", []string{"Subject: one", "\ttwo", "  three", "To: bruno"}, "one two three"},
		{"empty at first", []string{"Subject:", " behind"}, "behind"},
		{"line ends in encoded words", []string{"Subject: =?utf-8?q?a=0D=0AMessage-ID:_b?="}, "a Message-ID: b"},
		{"a charset we do not know", []string{"Subject: =?x-none?q?a?= b"}, "=?x-none?q?a?= b"},
		{"Latin-1", []string{"Subject: =?iso-8859-1?q?=E1?="}, "á"},
		{"too long", []string{"Subject: " + long}, long[:998] + "…"},
	} {
		l := kept{newLab()}
		accept(l.lab, q1, message)
		l.open()
		l.sends(q1, q2, message, tt.header...)
		if j, _ := journey.Assemble(l.records, message); j.Subject != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, j.Subject, tt.want)
		}
	}
}
