package mta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/durable"
	"correio/services/internal/event"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
	"correio/services/internal/smtpd"
)

// What an MDA says up to the end of the message.
const (
	lmtpHello  = "S: 220 x\nC: LHLO*\nS: 250 x\n"
	lmtpToRcpt = lmtpHello + "C: MAIL*\nS: 250 Ok\nC: RCPT*\nS: 250 Ok\n"
	lmtpToDot  = lmtpToRcpt + "C: DATA\nS: 354 Go\nC: ...\n"
	lmtpGood   = lmtpToDot + "S: 250 2.1.5 Ok: stored as GOOD1234\nHANG"
)

// What the client hears and what follows, by what the MDA says. The message is
// with the client, with the MDA or in the queue at any time.
func TestMailForMailboxesIsBroughtWhileTheClientWaits(t *testing.T) {
	const slow = 400 * time.Millisecond
	for _, test := range []struct {
		name, notify string
		mda          []string // scripts
		heard        string
		events       string // of the queue, in order
		spooled      bool
		last         string // what the last event says
	}{
		{"stored", "", []string{lmtpGood}, "250 2.0.0 Ok: queued as *", "attempt accepted delivered removed", false, ""},
		{"stored, and the sender wants to know", "SUCCESS", []string{lmtpGood}, "250 2.0.0 Ok: queued as *",
			"attempt accepted delivered removed", true, ""},
		{"refused for good", "", []string{lmtpToDot + "S: 552 5.2.3 Too large\nHANG"}, "552 5.2.3 Too large", "attempt", false, ""},
		{"refused at DATA", "", []string{lmtpToRcpt + "C: DATA\nS: 554 5.7.1 Not today\nC: RSET\nS: 250 Ok\nHANG"},
			"554 5.7.1 Not today", "attempt", false, ""},
		{"refused for now", "", []string{lmtpToDot + "S: 452 4.3.1 Disk full\nHANG"}, "250 2.0.0 Ok: queued as *",
			"attempt accepted deferred", true, "452 4.3.1 Disk full"},
		// Nobody knows whether the MDA has it; RFC 5321 §4.5.4.1 and §6.1 rather have two copies than none.
		{"lost behind the dot", "", []string{lmtpToDot}, "250 2.0.0 Ok: queued as *",
			"attempt accepted deferred", true, "451 4.4.2 Lost the connection to mda.aurora.test behind the message: EOF"},
		{"lost before the dot", "", []string{lmtpToRcpt, lmtpGood}, "250 2.0.0 Ok: queued as *",
			"attempt accepted attempt delivered removed", true, ""},
		{"silent behind the dot", "", []string{lmtpToDot + "HANG"}, "250 2.0.0 Ok: queued as *",
			"attempt accepted deferred", true, "451 4.4.2 Lost the connection to mda.aurora.test behind the message: timed out"},
		{"silent at DATA", "", []string{lmtpToRcpt + "C: DATA\nHANG", lmtpGood}, "250 2.0.0 Ok: queued as *",
			"attempt accepted attempt delivered removed", true, ""},
		{"cannot be asked", "", []string{"", "", lmtpGood}, "250 2.0.0 Ok: queued as *", "accepted attempt deferred", true,
			"451 4.4.1 Cannot connect to mda.aurora.test*"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.scripted("198.19.1.110:24", test.mda...)
			aurora := w.tuned("aurora", "mx1.aurora.test", 1, tuning{direct: slow, timeouts: smtpc.Timeouts{Done: 2 * slow, Command: 2 * slow}})
			c := w.connect(pc, "198.18.1.25:25", "")
			env := smtpc.Envelope{From: w.address("bruno@boreal.test"), To: []smtpc.Recipient{{To: w.address("ana@aurora.test"), Notify: test.notify}}}
			r := c.Send(t.Context(), env, strings.NewReader(message), smtpc.SendOptions{})[0]
			heard, id := r.Reply.String(), smtpc.QueuedAs(r.Reply)
			if id != "" {
				heard = strings.ReplaceAll(heard, id, "*")
			}
			if heard != test.heard || r.Err != nil {
				t.Errorf("heard %q (%v), want %q", heard, r.Err, test.heard)
			}
			words := strings.Fields(test.events)
			last := aurora.waitEvent(t, "the end", queueEvent(words[len(words)-1], id))
			if want, prefix := strings.CutSuffix(test.last, "*"); last.Meta.Get(event.Reply) != want && !(prefix && strings.HasPrefix(last.Meta.Get(event.Reply), want)) && want != "" {
				t.Errorf("it ends with %+v", last)
			}
			if got := aurora.queueWords(last.Queue); got != test.events {
				t.Errorf("events %q, want %q", got, test.events)
			}
			c.Close()
			aurora.stop()
			if got := spooled(t, aurora.env.State); got != test.spooled {
				t.Errorf("in the spool: %t", got)
			}
		})
	}
}

// queueWords are a message's queue events.
func (h *host) queueWords(id string) string {
	var words []string
	for _, r := range h.env.Events.After(0, 1000).Records {
		if r.Kind == event.KindQueue && r.Queue == id {
			words = append(words, r.Text)
		}
	}
	return strings.Join(words, " ")
}

// spooled reports whether a body was ever written to the spool of a node that has
// stopped.
func spooled(t *testing.T, state string) bool {
	t.Helper()
	db, err := durable.Open(t.Context(), filepath.Join(state, "spool.db"), make([]string, 4))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var last int64
	err = db.Read(t.Context(), func(tx *durable.Tx) error {
		return tx.QueryRow("SELECT seq FROM sqlite_sequence WHERE name='durable_chunk'").Scan(&last)
	})
	if err != nil && !errors.Is(err, durable.ErrNotFound) {
		t.Fatal(err)
	}
	return last > 0
}

// Who goes by the spool although the MDA is there, and what the MDA hears when the
// message is not as its sender announced it.
func TestMailThatIsNotForMailboxesAloneGoesByTheSpool(t *testing.T) {
	for _, test := range []struct {
		name, port, host, user string
		to                     []string
		message                string
		direct                 bool
		spoke                  string // the last of such commands, joined
	}{
		{"one mailbox", "198.18.1.25:25", "mx1.aurora.test", "", []string{"ana@aurora.test"}, message, true,
			"MAIL FROM:<x@boreal.test>, RCPT TO:<ana@aurora.test>"},
		{"two mailboxes", "198.18.1.25:25", "mx1.aurora.test", "", []string{"ana@aurora.test", "alice@aurora.test"}, message, true,
			"MAIL FROM:<x@boreal.test>, RCPT TO:<ana@aurora.test>, RCPT TO:<alice@aurora.test>"},
		{"the same mailbox twice", "198.18.1.25:25", "mx1.aurora.test", "", []string{"ana@aurora.test", "ana@aurora.test"}, message, true,
			"MAIL FROM:<x@boreal.test>, RCPT TO:<ana@aurora.test>, RCPT TO:<ana@aurora.test>"},
		{"one of two has none", "198.18.1.25:25", "mx1.aurora.test", "", []string{"ninguem@aurora.test", "ana@aurora.test"}, message, true,
			"MAIL FROM:<x@boreal.test>, RCPT TO:<ninguem@aurora.test>, RCPT TO:<ana@aurora.test>"},
		{"eight bits that nobody announced", "198.18.1.25:25", "mx1.aurora.test", "", []string{"ana@aurora.test"}, message + "Olá\r\n", true,
			"MAIL FROM:<x@boreal.test>, RCPT TO:<ana@aurora.test>, RSET, MAIL FROM:<x@boreal.test> SIZE=n BODY=8BITMIME, RCPT TO:<ana@aurora.test>"},
		{"from submission", "198.18.1.25:587", "mx1.aurora.test", "ana", []string{"alice@aurora.test"}, message, true,
			"MAIL FROM:<ana@aurora.test>, RCPT TO:<alice@aurora.test>"},
		{"for the postmaster, whom nobody asks about", "198.18.1.25:25", "mx1.aurora.test", "", []string{"postmaster@aurora.test"}, message, false, ""},
		{"a mailbox and the postmaster", "198.18.1.25:25", "mx1.aurora.test", "", []string{"ana@aurora.test", "postmaster@aurora.test"}, message, false, ""},
		{"a mailbox and another organisation", "198.18.1.25:587", "mx1.aurora.test", "ana", []string{"ana@aurora.test", "x@one.casos.test"}, message, false, ""},
		{"forwarded", "198.18.1.25:25", "mx1.aurora.test", "", []string{"encaminha@aurora.test"}, message, false, ""},
		{"at a backup", "198.18.2.26:25", "mx2.boreal.test", "", []string{"bruno@boreal.test"}, message, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			site, _, _ := strings.Cut(strings.TrimPrefix(test.host, test.host[:4]), ".")
			w.mda("198.19.1.110:24")
			w.mda("198.19.2.110:24")
			h := w.mta(site, test.host, 1)
			c := w.connect(pc, test.port, test.user)
			from := "x@boreal.test"
			if test.user != "" {
				from = "ana@aurora.test"
			}
			results := w.send(c, from, test.message, test.to...)
			id := smtpc.QueuedAs(results[len(results)-1].Reply)
			h.waitEvent(t, "the acceptance", queueEvent(event.Accepted, id))
			if direct := strings.HasPrefix(h.queueWords(id), "attempt accepted delivered"); direct != test.direct {
				t.Errorf("brought directly: %t; %s", direct, h.queueWords(id))
			}
			if got := h.askedMDA(); test.spoke != "" && got != test.spoke {
				t.Errorf("said %s\nwant %s", got, test.spoke)
			}
		})
	}
}

// askedMDA are the commands before DATA that went to the MDA.
func (h *host) askedMDA() string {
	mda := map[string]bool{}
	var lines []string
	for _, r := range h.env.Events.After(0, 1000).Records {
		if r.Kind == event.KindConn && r.Meta.Get(event.Proto) == "lmtp" {
			mda[r.Conn] = true
		}
		if verb, _, _ := strings.Cut(r.Text, " "); mda[r.Conn] && r.Dir == event.Out && (verb == "MAIL" || verb == "RCPT" || verb == "RSET") {
			lines = append(lines, r.Text)
		}
	}
	return regexp.MustCompile(`SIZE=\d+`).ReplaceAllString(strings.Join(lines, ", "), "SIZE=n")
}

// slowBox is an MDA that stores a message when it is told to.
type slowBox struct {
	*mailboxes
	arrived, store chan struct{}
}

func (b *slowBox) Open(context.Context, smtpd.Peer) (smtpd.Session, error) { return b, nil }

func (b *slowBox) Data(ctx context.Context, t *smtpd.Transaction, message io.Reader) ([]reply.Reply, error) {
	replies, err := b.mailboxes.Data(ctx, t, message)
	b.arrived <- struct{}{}
	<-b.store
	return replies, err
}

func (w *world) slowMDA(at string) *slowBox {
	w.t.Helper()
	box := &slowBox{&mailboxes{next: make(chan struct{})}, make(chan struct{}, 10), make(chan struct{}, 10)}
	w.serveMail(at, smtpd.LMTP, box)
	return box
}

// An MDA that answers late gets the message once: the attempt that began while the
// client waited is the queue's first one. Meanwhile nobody waits for the MDA again.
func TestSlowMDAHasTheMessageSpooledAndGetsItOnce(t *testing.T) {
	w := newWorld(t)
	box := w.slowMDA("198.19.1.110:24")
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, tuning{direct: 50 * time.Millisecond})
	c := w.connect(pc, "198.18.1.25:25", "")
	first := smtpc.QueuedAs(w.send(c, "bruno@boreal.test", message, "ana@aurora.test")[0].Reply)
	<-box.arrived
	if q := aurora.queue(t); !strings.Contains(q, `"id":"`+first+`"`) {
		t.Errorf("250 for %s, and the queue is %s", first, q)
	}
	second := smtpc.QueuedAs(w.send(c, "bruno@boreal.test", message, "ana@aurora.test")[0].Reply)
	box.store <- struct{}{}
	box.store <- struct{}{}
	for id, want := range map[string]string{first: "attempt accepted delivered removed", second: "accepted attempt delivered removed"} {
		aurora.waitEvent(t, "the delivery", queueEvent(event.Removed, id))
		if got := aurora.queueWords(id); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if got := box.wait(t, 2); len(got) != 2 {
		t.Errorf("%d copies are stored", len(got))
	}
}

// A node that is stopped while a client waits for the MDA spools the message, and
// brings it when it is back: a second time, since nobody knew about the first.
func TestStopWhileTheMessageIsBroughtLosesNothing(t *testing.T) {
	w := newWorld(t)
	box := w.slowMDA("198.19.1.110:24")
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, tuning{direct: 300 * time.Millisecond})
	c := w.connect(pc, "198.18.1.25:25", "")
	heard := make(chan smtpc.Result, 1)
	go func() { heard <- w.send(c, "bruno@boreal.test", message, "ana@aurora.test")[0] }()
	<-box.arrived
	aurora.stop()
	r := <-heard
	id := smtpc.QueuedAs(r.Reply)
	if !r.Delivered() || id == "" {
		t.Fatalf("the client heard %+v", r)
	}
	env := *aurora.env
	env.Events = event.NewLog("mx1.aurora.test", 0)
	box.store <- struct{}{} // to the connection that is gone
	box.store <- struct{}{}
	again := w.restart(&env)
	again.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
	again.waitEmpty(t)
}

// A transaction with the MDA is taken back when the client does not go on with its
// own, leaves, or begins another; its connection serves the next one.
func TestTransactionThatGetsNoMessageIsTakenBack(t *testing.T) {
	for _, test := range []struct {
		name string
		hold time.Duration
		end  func(t *testing.T, c *smtpc.Client)
	}{
		{"the client leaves", 0, func(_ *testing.T, c *smtpc.Client) { c.Close() }},
		{"another transaction", 0, func(t *testing.T, c *smtpc.Client) {
			if _, err := c.Ask(t.Context(), (&world{t: t}).address("x@boreal.test"), 0, (&world{t: t}).address("alice@aurora.test"), ""); err != nil {
				t.Error(err)
			}
		}},
		{"a long pause", 20 * time.Millisecond, func(*testing.T, *smtpc.Client) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.mda("198.19.1.110:24")
			aurora := w.tuned("aurora", "mx1.aurora.test", 1, tuning{hold: test.hold})
			c := w.connect(pc, "198.18.1.25:25", "")
			if _, err := c.Ask(t.Context(), w.address("x@boreal.test"), 0, w.address("ana@aurora.test"), ""); err != nil {
				t.Fatal(err)
			}
			test.end(t, c)
			aurora.waitEvent(t, "RSET", func(r event.Record) bool { return r.Text == "RSET" && r.Dir == event.Out })
		})
	}
}

// What a client has paused over is brought all the same, on its own.
func TestMessageAfterALongPauseIsBroughtOnItsOwn(t *testing.T) {
	w := newWorld(t)
	w.mda("198.19.1.110:24")
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, tuning{hold: time.Millisecond})
	c := w.connect(pc, "198.18.1.25:25", "")
	b := c.Begin(smtpc.Envelope{From: w.address("x@boreal.test")}, "")
	if _, err := b.Name(t.Context(), smtpc.Recipient{To: w.address("ana@aurora.test")}); err != nil {
		t.Fatal(err)
	}
	aurora.waitEvent(t, "RSET", func(r event.Record) bool { return r.Text == "RSET" && r.Dir == event.Out })
	id := smtpc.QueuedAs(b.Finish(t.Context(), strings.NewReader(message), smtpc.SendOptions{})[0].Reply)
	if d := cmp.Diff("attempt accepted delivered removed", aurora.queueWords(id)); d != "" {
		t.Error(d)
	}
}

// Counters say the same as by the queue.
func TestMetricsCountWhatWasNeverInTheSpool(t *testing.T) {
	w := newWorld(t)
	w.mda("198.19.1.110:24")
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.send(w.connect(pc, "198.18.1.25:25", ""), "bruno@boreal.test", message, "ana@aurora.test", "alice@aurora.test")
	families, err := aurora.env.Metrics.(prometheus.Gatherer).Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			counted[f.GetName()] += m.GetCounter().GetValue()
		}
	}
	got := fmt.Sprintf("%v accepted, %v delivered", counted["correio_mta_accepted_total"], counted["correio_mta_delivered_total"])
	if want := "1 accepted, 2 delivered"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
