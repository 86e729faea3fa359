package journey_test

import (
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/journey"
	"correio/services/internal/reason"
)

// A message without Message-ID for a list: its entries are joined by the record
// of the expansion alone, and the list itself waits for nothing.
func TestExpandedMailIsFollowedToEachEntry(t *testing.T) {
	l := newLab()
	const list, forwarded, q4 = "turma@boreal.test", "fora@boreal.test", "EEEEEEEEEE"
	const beatriz, carla = "beatriz@boreal.test", "carla@cedro.test"
	l.queue(mx1b, "i-1", q1, "", event.Accepted, event.From, "<"+ana+">", event.To, bruno, event.Original, list)
	l.queue(mx1b, "", q1, "", event.Expanded, event.To, list, event.Entries, q1+", "+q4,
		event.Rules, reason.Encode(reason.New(reason.StandsFor, list, bruno+", "+beatriz), reason.New(reason.ListSender, "<turma-owner@boreal.test>")))
	// Who has it already gets no second one by another address.
	l.queue(mx1b, "", q1, "", event.Expanded, event.To, forwarded, event.Rules, reason.Encode(reason.New(reason.StandsFor, forwarded, bruno)))
	l.queue(mx1b, "i-1", q4, "", event.Accepted, event.From, "<turma-owner@boreal.test>", event.To, carla, event.Original, list)
	l.queue(mx1b, "", q4, "", event.Bounced, event.To, carla, event.Reply, "550 5.1.1 no such user", event.BounceID, otherOne)
	l.see(mda, event.Record{Queue: q3, Kind: event.KindStore, Text: event.Stored, Meta: event.M(event.Mailbox, "bruno", event.UID, "1")})
	l.queue(mx1b, "", q1, "", event.Delivered, event.To, bruno, event.NextQueue, q3, event.Reply, "250 2.1.5 Ok: stored as "+q3)
	j, ok := journey.Assemble(l.records, q1+"@"+mx1b)
	if !ok || j.From != ana || len(j.Recipients) != 2 || j.State != journey.Bounced {
		t.Fatalf("%t, from %s, %s, recipients %+v", ok, j.From, j.State, j.Recipients)
	}
	for i, want := range []journey.Recipient{{Address: bruno, State: journey.Delivered}, {Address: carla, State: journey.Bounced}} {
		if got := j.Recipients[i]; got.Address != want.Address || got.State != want.State {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	step := j.Steps[0]
	if step.Outcome != event.Expanded || step.Detail != list || len(step.Reasons) != 2 ||
		!strings.Contains(step.Reasons[0].Text, list+" stands for "+bruno+", "+beatriz) || step.Failed {
		t.Errorf("step %+v", step)
	}
}

// The sender named Carla, and an alias that she is behind: she is queued for both,
// goes by her own name, and a report about one of them tells that it failed.
func TestWhoIsQueuedTwiceIsOneRecipient(t *testing.T) {
	const carla, alias = "carla@cedro.test", "fora@boreal.test"
	for _, told := range []int{0, 1} {
		l := newLab()
		l.queue(mx1b, "i-1", q1, "", event.Accepted, event.From, "<"+ana+">", event.To, carla+", "+carla, event.Original, carla+", "+alias)
		l.queue(mx1b, "", q1, "", event.Expanded, event.To, alias, event.Entries, q1, event.Rules, reason.Encode(reason.New(reason.StandsFor, alias, carla)))
		for i := range 2 {
			if i == told {
				l.queue(mx1b, "", q1, "", event.Bounced, event.To, carla, event.Reply, "550 5.1.1 no such user", event.BounceID, otherOne)
			} else {
				l.queue(mx1b, "", q1, "", event.Bounced, event.To, carla, event.Reply, "550 5.1.1 no such user", event.Rules, reason.Encode(reason.New(reason.NotToBeTold)))
			}
		}
		j, ok := journey.Assemble(l.records, q1+"@"+mx1b)
		if !ok || len(j.Recipients) != 1 {
			t.Fatalf("%t, recipients %+v", ok, j.Recipients)
		}
		if r := j.Recipients[0]; r.Address != carla || r.Original != "" || r.State != journey.Bounced || r.Untold {
			t.Errorf("%+v", r)
		}
	}
}
