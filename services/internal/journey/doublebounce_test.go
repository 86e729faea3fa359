package journey_test

import (
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/journey"
	"correio/services/internal/reason"
	"correio/services/internal/text"
)

// The journey of a double bounce said that the message had no sender, and then that
// the sender was told by the report; its headline said that it had been returned.
func TestReportOfADoubleBounceGoesToThePostmaster(t *testing.T) {
	l := newLab()
	l.queue(mx1a, "s-1", q1, message, event.Accepted, event.From, "<>", event.To, bruno)
	l.queue(mx1a, "", q1, "", event.Bounced, event.To, bruno, event.Reply, "550 5.1.1 no such user",
		event.BounceID, q2, event.Rules, reason.Encode(reason.New(reason.DoubleBounce)))
	l.queue(mx1a, "", q2, "r@mx1.aurora.test", event.Accepted, event.From, "<>", event.To, "postmaster@aurora.test")
	j, _ := journey.Assemble(l.records, message)
	for lang, want := range map[text.Lang][]string{
		text.English:    {"Failed, and the sender was not told: bruno@boreal.test", "the postmaster is told by the report " + q2, "the sender is told"},
		text.Portuguese: {"Falhou, e o remetente não foi avisado: bruno@boreal.test", "o postmaster fica sabendo pelo relatório " + q2, "o remetente fica sabendo"},
	} {
		var b strings.Builder
		if err := journey.Render(&b, j, lang, journey.Options{}); err != nil {
			t.Fatal(err)
		}
		if got := b.String(); !strings.HasPrefix(got, want[0]) || !strings.Contains(got, want[1]) || strings.Contains(got, want[2]) {
			t.Errorf("got\n%s\nwant %q, %q, and no %q", got, want[0], want[1], want[2])
		}
	}
}
