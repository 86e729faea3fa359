package mta

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
	"correio/services/internal/smtpd"
)

// fullBoxes is an MDA where whoever's name begins with "full" is over quota.
type fullBoxes struct{ *mailboxes }

// Open implements smtpd.Backend.
func (m fullBoxes) Open(context.Context, smtpd.Peer) (smtpd.Session, error) { return m, nil }

// Rcpt implements smtpd.Session.
func (m fullBoxes) Rcpt(ctx context.Context, t *smtpd.Transaction, to smtpd.Recipient) (reply.Reply, error) {
	if strings.HasPrefix(to.To.Local, "full") {
		return reply.Reply{}, reply.New(452, "4.2.2", "Mailbox full").Err(nil)
	}
	return m.mailboxes.Rcpt(ctx, t, to)
}

// many are n addresses of a domain.
func many(n int, name, domain string) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s%d@%s", name, i, domain))
	}
	return list
}

// have is how many different people whose name begins so have something stored.
func (m *mailboxes) have(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	var who []string
	for _, s := range m.got {
		if strings.HasPrefix(s.to, name) && !slices.Contains(who, s.to) {
			who = append(who, s.to)
		}
	}
	return len(who)
}

// 50 refusals of recipients ended the transaction by 421, at every attempt alike:
// whose mailbox had room got nothing, and in the end the mail of all came back.
func TestFullMailboxesDoNotKeepTheOthersFromTheirMail(t *testing.T) {
	w := worldOf(t, strings.Replace(zoneText, "boreal.test. MX 20 mx2.boreal.test.", "", 1))
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.mta("boreal", "mx1.boreal.test", 1)
	box := fullBoxes{&mailboxes{next: make(chan struct{})}}
	w.serveMail("198.19.2.110:24", smtpd.LMTP, box)
	c := w.connect(pc, "198.18.1.25:587", "ana")
	res := w.send(c, "ana@aurora.test", message, append(many(50, "room", "boreal.test"), many(50, "full", "boreal.test")...)...)
	id := smtpc.QueuedAs(res[0].Reply)
	for who, want := range map[string]string{"room0": "delivered 250 2.0.0", "room49": "delivered 250 2.0.0", "full0": "deferred 452 4.2.2", "full49": "deferred 452 4.2.2"} {
		if got := aurora.firstWord(t, id, who+"@boreal.test"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", who, got, want)
		}
	}
	box.wait(t, 50)
	if n := box.have("room"); n != 50 {
		t.Errorf("%d of 50 have it", n)
	}
}

// firstWord is how the first attempt ended for a recipient: "event reply".
func (h *host) firstWord(t testing.TB, id, to string) string {
	t.Helper()
	r := h.waitEvent(t, "what became of "+to, func(r event.Record) bool {
		return r.Queue == id && r.Meta.Get(event.To) == to && (r.Text == event.Delivered || r.Text == event.Deferred || r.Text == event.Bounced)
	})
	return r.Text + " " + r.Meta.Get(event.Reply)
}

// Who names more recipients than may be in one transaction hears 452 4.5.3 and goes
// on with those that were taken (RFC 5321 §4.5.3.1.10). The 50th of these 452 was a
// 421 for all.
func TestSurplusRecipientsDoNotKeepTheOthersFromTheirMail(t *testing.T) {
	w := newWorld(t)
	w.mta("aurora", "mx1.aurora.test", 1)
	taken := 0
	for i, r := range w.send(w.connect(pc, "198.18.1.25:587", "ana"), "ana@aurora.test", message, many(160, "x", "boreal.test")...) {
		switch {
		case r.Delivered():
			taken++
		case r.Reply.Enhanced.String() != "4.5.3":
			t.Errorf("recipient %d: %s", i, r.Reply)
		}
	}
	if taken != 100 {
		t.Errorf("taken for %d of the 100 that have room", taken)
	}
}
