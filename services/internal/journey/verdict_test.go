package journey_test

import (
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/journey"
	"correio/services/internal/reason"
	"correio/services/internal/text"
)

const carla = "carla@cedro.test"

// headline returns the first line of what people read of a journey.
func headline(t *testing.T, j journey.Journey, lang text.Lang) string {
	t.Helper()
	var b strings.Builder
	if err := journey.Render(&b, j, lang, journey.Options{}); err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(b.String(), "\n")
	return line
}

// The time of one recipient was shown for all, and grew while others waited.
func TestEachRecipientHasItsOwnTime(t *testing.T) {
	l := newLab()
	l.queue(mx1a, "s-1", q1, message, event.Accepted, event.From, "<"+ana+">", event.To, carla+", beto@cedro.test, "+bruno)
	l.queue(mx1a, "", q1, "", event.Delivered, event.To, carla)
	l.queue(mx1a, "", q1, "", event.Deferred, event.To, bruno, event.Reply, "450 later", event.RetryIn, "5s")
	l.queue(mx1a, "", q1, "", event.Delivered, event.To, "beto@cedro.test")
	l.queue(mx1a, "", q1, "", event.Deferred, event.To, bruno, event.Reply, "450 later", event.RetryIn, "5s")
	j, _ := journey.Assemble(l.records, message)
	want := "Waiting for another attempt: bruno@boreal.test (4ms so far) · Handed over: carla@cedro.test (1ms), beto@cedro.test (3ms) · "
	if got := headline(t, j, text.English); !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Of mail that waited, the headline told how long it had been on its way when
// something last happened to it: "2ms so far", half a minute later.
func TestHeadlineTellsHowLongMailHasWaited(t *testing.T) {
	l := newLab()
	l.queue(mx1a, "s-1", q1, message, event.Accepted, event.From, "<"+ana+">", event.To, bruno+", "+carla+", beto@cedro.test")
	l.queue(mx1a, "", q1, "", event.Deferred, event.To, bruno, event.Reply, "450 later", event.RetryIn, "5s")
	l.queue(mx1a, "", q1, "", event.Deferred, event.To, carla, event.Reply, "451 away", event.ProbeIn, "1s",
		event.Rules, reason.Encode(reason.New(reason.DeadHost, "cedro.test", "18:00:00")))
	l.queue(mx1a, "", q1, "", event.Delivered, event.To, "beto@cedro.test")
	j, _ := journey.Assemble(l.records, message)
	for _, test := range []struct {
		now  time.Time
		said map[text.Lang]string
	}{
		{time.Time{}, map[text.Lang]string{text.English: "(3ms so far)", text.Portuguese: "(há 3ms)"}},
		{j.Started.Add(-time.Hour), map[text.Lang]string{text.English: "(3ms so far)", text.Portuguese: "(há 3ms)"}}, // another clock
		{j.Started.Add(31*time.Second + 204*time.Millisecond), map[text.Lang]string{text.English: "(31s so far)", text.Portuguese: "(há 31s)"}},
	} {
		for lang, want := range test.said {
			var b strings.Builder
			if err := journey.Render(&b, j, lang, journey.Options{Now: test.now}); err != nil {
				t.Fatal(err)
			}
			line, _, _ := strings.Cut(b.String(), "\n")
			if strings.Count(line, want) != 2 || !strings.Contains(line, "beto@cedro.test (3ms)") {
				t.Errorf("at %v: %q, want %q for both that wait", test.now, line, want)
			}
		}
	}
}

// The headline of a message that no attempt had been made of was that it waited for
// another one.
func TestHeadlineOfWhatWasNotTriedSaysSo(t *testing.T) {
	l := newLab()
	l.queue(mx1a, "s-1", q1, message, event.Accepted, event.From, "<"+ana+">", event.To, bruno+", "+carla)
	l.queue(mx1a, "", q1, "", event.Deferred, event.To, carla, event.Reply, "450 later", event.RetryIn, "5s")
	l.queue(mx1a, "", q1, "", event.Deferred, event.To, bruno, event.Reply, "451 away", event.ProbeIn, "1s",
		event.Rules, reason.Encode(reason.New(reason.DeadHost, "boreal.test", "18:00:00")))
	parked, _ := journey.Assemble(l.records, message)
	l.tried(mx1a, q1, mx1b)
	l.queue(mx1a, "", q1, "", event.Deferred, event.To, bruno, event.Reply, "451 away", event.RetryIn, "5s")
	tried, _ := journey.Assemble(l.records, message)
	for lang, want := range map[text.Lang][2]string{
		text.English:    {"Waiting for another attempt: carla@cedro.test (2ms so far) · Not tried yet, as it waits for a probe of its dead destination: bruno@", "Waiting for another attempt: bruno@boreal.test, carla@"},
		text.Portuguese: {"À espera de nova tentativa: carla@cedro.test (há 2ms) · Ainda não tentada, à espera de uma sondagem do seu destino morto: bruno@", "À espera de nova tentativa: bruno@boreal.test, carla@"},
	} {
		for i, j := range []journey.Journey{parked, tried} {
			if got := headline(t, j, lang); !strings.Contains(got, want[i]) {
				t.Errorf("got %q, want %q", got, want[i])
			}
		}
	}
}

// With NOTIFY=NEVER the headline said that the mail had been returned.
func TestHeadlineDoesNotSayReturnedWhereTheSenderIsNotTold(t *testing.T) {
	for rule, told := range map[reason.Rule]bool{reason.NotToBeTold: false, reason.DoubleBounce: false, "": true} {
		l := newLab()
		l.queue(mx1a, "s-1", q1, message, event.Accepted, event.From, "<"+ana+">", event.To, bruno)
		rules, report := reason.Encode(reason.New(rule)), ""
		if told {
			rules, report = "", q2
		}
		l.queue(mx1a, "", q1, "", event.Bounced, event.To, bruno, event.Reply, "550 no", event.Rules, rules, event.BounceID, report)
		j, _ := journey.Assemble(l.records, message)
		want := map[text.Lang]string{
			text.English:    "Failed, and the sender was not told: bruno@boreal.test (after 1ms)",
			text.Portuguese: "Falhou, e o remetente não foi avisado: bruno@boreal.test (após 1ms)",
		}
		if told {
			want = map[text.Lang]string{
				text.English:    "Returned to the sender: bruno@boreal.test (after 1ms)",
				text.Portuguese: "Devolvida ao remetente: bruno@boreal.test (após 1ms)",
			}
		}
		for lang, want := range want {
			if got := headline(t, j, lang); !strings.HasPrefix(got, want) || j.State != journey.Bounced {
				t.Errorf("%q: %s, %q, want %q", rule, j.State, got, want)
			}
		}
	}
}

// Mail to an alias was "delivered to postmaster", whom nobody had written to.
func TestHeadlineNamesWhomTheSenderNamed(t *testing.T) {
	const postmaster, lento = "postmaster@cedro.test", "lento@cedro.test"
	l := newLab()
	l.queue(mx1a, "s-1", q1, message, event.Accepted, event.From, "<"+ana+">", event.To, lento+", "+bruno)
	l.queue(mx1b, "i-1", q2, message, event.Accepted, event.From, "<"+ana+">",
		event.To, "plantao@cedro.test, "+bruno, event.Original, lento+", "+bruno)
	l.queue(mx1b, "i-1", q3, message, event.Accepted, event.From, "<"+ana+">", event.To, postmaster, event.Original, "plantao@cedro.test")
	l.queue(mx1b, "", q3, "", event.Delivered, event.To, postmaster)
	j, _ := journey.Assemble(l.records, message)
	for lang, want := range map[text.Lang]string{
		text.English:    "On its way: bruno@boreal.test (3ms so far) · Handed over: postmaster@cedro.test (for lento@cedro.test) (3ms)",
		text.Portuguese: "A caminho: bruno@boreal.test (há 3ms) · Entregue a outro servidor: postmaster@cedro.test (por lento@cedro.test) (3ms)",
	} {
		if got := headline(t, j, lang); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
