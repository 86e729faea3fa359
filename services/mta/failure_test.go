package mta

import (
	"bufio"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"correio/services/internal/durable"
	"correio/services/internal/event"
	"correio/services/internal/smtpc"
)

// Parts of the scripts of other people's servers.
const (
	upToMail = "S: 220 x\nC: EHLO*\nS: 250 x\nC: MAIL*\n"
	upToRcpt = upToMail + "S: 250 Ok\nC: RCPT*\n"
	upToData = upToRcpt + "S: 250 Ok\nC: DATA\n"
	upToDot  = upToData + "S: 354 Go\nC: ...\n"
	good     = upToDot + "S: 250 Ok: queued as GOOD1234\nHANG"
)

var quick = tuning{
	timeouts: smtpc.Timeouts{Greeting: 200 * time.Millisecond, Command: 200 * time.Millisecond, Done: 200 * time.Millisecond},
	connect:  200 * time.Millisecond,
}

// What becomes of a message whose first host fails, and whether the second one
// (which works) is asked.
func TestFailuresOfTheFirstHost(t *testing.T) {
	for _, test := range []struct {
		name   string
		first  []string // scripts; none: nobody listens
		want   string   // "event next: reply"
		second int32    // connections to the second host
	}{
		{"nobody listens", nil, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"closed at once", []string{""}, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"421 greeting", []string{"S: 421 4.3.2 Busy"}, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"554 greeting", []string{"S: 554 5.3.2 No"}, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"no greeting", []string{"HANG"}, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"EHLO refused for now", []string{"S: 220 x\nC: EHLO*\nS: 451 4.3.0 Later"}, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"MAIL refused for now", []string{upToMail + "S: 451 4.3.0 Later\nHANG"}, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"RCPT refused for now", []string{upToRcpt + "S: 450 4.2.0 Busy\nC: RSET\nS: 250 Ok\nHANG"}, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"silent at RCPT", []string{upToRcpt + "HANG"}, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"DATA refused for now", []string{upToData + "S: 451 4.3.0 Later\nC: RSET\nS: 250 Ok\nHANG"}, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"dropped at the message", []string{upToData}, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"message refused for now", []string{upToDot + "S: 452 4.3.1 Full\nHANG"}, "delivered b.two.casos.test: 250 Ok: queued as GOOD1234", 1},
		{"MAIL refused for good", []string{upToMail + "S: 550 5.7.1 Not you\nHANG"}, "bounced a.two.casos.test: 550 5.7.1 Not you", 0},
		{"RCPT refused for good", []string{upToRcpt + "S: 550 5.1.1 Who?\nC: RSET\nS: 250 Ok\nHANG"}, "bounced a.two.casos.test: 550 5.1.1 Who?", 0},
		{"message refused for good", []string{upToDot + "S: 554 5.6.0 Ugly\nHANG"}, "bounced a.two.casos.test: 554 5.6.0 Ugly", 0},
		// Nobody knows whether a has it: b must not get it as well.
		{"dropped behind the dot", []string{upToDot}, "deferred : 451 4.4.2 Lost the connection to a.two.casos.test behind the message: EOF", 0},
		{"silent behind the dot", []string{upToDot + "HANG"}, "deferred : 451 4.4.2 Lost the connection to a.two.casos.test behind the message: timed out", 0},
		{"TLS is offered and broken: in clear", []string{"S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 Go\nS: no TLS here", good},
			"delivered a.two.casos.test: 250 Ok: queued as GOOD1234", 0},
		{"TLS is offered and refused: in clear", []string{"S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 4.7.0 Not now\n" + strings.TrimPrefix(good, "S: 220 x\nC: EHLO*\nS: 250 x\n")},
			"delivered a.two.casos.test: 250 Ok: queued as GOOD1234", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.tuned("aurora", "mx1.aurora.test", 1, quick)
			if test.first != nil {
				w.scripted("198.18.9.1:25", test.first...)
			}
			second := w.scripted("198.18.9.2:25", good)
			c := w.connect(pc, "198.18.1.25:587", "ana")
			id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@two.casos.test")[0].Reply)
			r := aurora.waitEvent(t, "an outcome", func(r event.Record) bool {
				return r.Queue == id && (r.Text == event.Delivered || r.Text == event.Deferred || r.Text == event.Bounced)
			})
			if got := fmt.Sprintf("%s %s: %s", r.Text, r.Meta.Get(event.Next), r.Meta.Get(event.Reply)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if n := second.Load(); n != test.second {
				t.Errorf("%d connections to the second host, want %d", n, test.second)
			}
			if test.second == 0 {
				return
			}
			next := aurora.waitEvent(t, "the second host", func(r event.Record) bool {
				return r.Queue == id && r.Text == event.Attempt && r.Meta.Get(event.Next) == "b.two.casos.test"
			})
			if why := next.Meta.Get(event.Rules); !strings.Contains(why, "next-host(a.two.casos.test|4") && !strings.Contains(why, "next-host(a.two.casos.test|5") {
				t.Errorf("the journey does not say why: %q", why)
			}
		})
	}
}

func TestHostThatDoesNotAnswerAtAll(t *testing.T) {
	w := newWorld(t)
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, quick)
	w.stack.Blackhole(netip.MustParseAddr("198.18.9.1"))
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@one.casos.test")[0].Reply)
	r := aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	if want := "451 4.4.1 Cannot connect to a.two.casos.test (198.18.9.1:25): timed out"; r.Meta.Get(event.Reply) != want {
		t.Errorf("deferred: %+v", r)
	}
}

func TestEachRecipientHasAFateOfItsOwn(t *testing.T) {
	w := newWorld(t)
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, quick)
	w.scripted("198.18.9.1:25", upToRcpt+`S: 250 Ok
		C: RCPT TO:<b@one.casos.test>
		S: 550 5.1.1 Who?
		C: RCPT TO:<c@one.casos.test>
		S: 450 4.2.0 Busy
		C: DATA
		S: 354 Go
		C: ...
		S: 250 Ok: queued as GOOD1234
		HANG`)
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "a@one.casos.test", "b@one.casos.test", "c@one.casos.test")[0].Reply)
	for text, want := range map[string]string{
		event.Delivered: "a@one.casos.test 250 Ok: queued as GOOD1234", event.Bounced: "b@one.casos.test 550 5.1.1 Who?",
		event.Deferred: "c@one.casos.test 450 4.2.0 Busy",
	} {
		r := aurora.waitEvent(t, text, queueEvent(text, id))
		if got := r.Meta.Get(event.To) + " " + r.Meta.Get(event.Reply); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	if q := aurora.queue(t); !strings.Contains(q, `"to":["c@one.casos.test"]`) {
		t.Errorf("queue %s", q)
	}
}

// The second message takes the connection of the first and pipelines; when the
// host has closed that meanwhile, a new one is made and nothing is lost.
func TestConnectionsAreKeptAndLostOnesReplaced(t *testing.T) {
	w := newWorld(t)
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, quick)
	const first = "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 PIPELINING\nC: MAIL*\nS: 250 Ok\nC: RCPT*\nS: 250 Ok\nC: DATA\nS: 354 Go\nC: ...\nS: 250 Ok: queued as AAAA\n"
	const second = "C: MAIL*\nC: RCPT*\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 Go\nC: ...\nS: 250 Ok: queued as BBBB\n"
	count := w.scripted("198.18.9.1:25", first+second, strings.ReplaceAll(good, "GOOD1234", "CCCC"))
	c := w.connect(pc, "198.18.1.25:587", "ana")
	for i, want := range []string{"AAAA", "BBBB", "CCCC"} {
		id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@one.casos.test")[0].Reply)
		r := aurora.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
		if got := r.Meta.Get(event.NextQueue); got != want {
			t.Errorf("message %d went to %s, want %s", i, got, want)
		}
		// The connection is put back before the outcome is told.
	}
	if n := count.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// The 421 by which a host had closed a kept connection was overlooked behind
// commands sent together: the message waited, in place of a new connection.
func TestKeptConnectionThatSays421IsReplaced(t *testing.T) {
	w := newWorld(t)
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, quick)
	const first = "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 PIPELINING\nC: MAIL*\nS: 250 Ok\nC: RCPT*\nS: 250 Ok\nC: DATA\nS: 354 Go\nC: ...\n" +
		"S: 250 Ok: queued as AAAA\nS: 421 4.4.2 You were away\nC: MAIL*"
	count := w.scripted("198.18.9.1:25", first, good)
	for i, want := range []string{"AAAA", "GOOD1234"} {
		id := w.submit(t, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address("x@one.casos.test")}}}, message)
		if got := aurora.outcome(t, id); got != "delivered a.two.casos.test: 250 Ok: queued as "+want {
			t.Errorf("message %d: %s", i, got)
		}
	}
	if n := count.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// A node that is stopped in the middle of an attempt goes on with it at once
// when it is back.
func TestInterruptedFirstAttemptIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	talking := w.scripted("198.18.9.1:25", upToData+"HANG", good)
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@one.casos.test")[0].Reply)
	aurora.waitEvent(t, "DATA", func(r event.Record) bool { return r.Queue == id && r.Text == "DATA" && r.Dir == event.Out })
	c.Close()
	aurora.stop()

	env := *aurora.env
	env.Events = event.NewLog("mx1.aurora.test", 0)
	again := w.restart(&env)
	r := again.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
	if r.Meta.Get(event.NextQueue) != "GOOD1234" || r.Message != "1@pc.aurora.test" || talking.Load() != 2 {
		t.Errorf("%+v, %d connections", r, talking.Load())
	}
}

// A message whose body is gone is kept, shown and left alone; others go on.
func TestUnreadableMessageIsQuarantined(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@one.casos.test")[0].Reply)
	aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	c.Close()
	aurora.stop()
	damage(t, aurora.env.State, "DELETE FROM durable_chunk")
	damage(t, aurora.env.State, "UPDATE recipient SET next=0")

	w.scripted("198.18.9.1:25", good)
	env := *aurora.env
	env.Events = event.NewLog("mx1.aurora.test", 0)
	again := w.restart(&env)
	again.waitEvent(t, "the end of the connection", func(r event.Record) bool {
		return r.Kind == event.KindConn && r.Text == event.Close && strings.Contains(r.Meta.Get(event.Reason), "cannot be read")
	})
	c = w.connect(pc, "198.18.1.25:587", "ana")
	other := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "y@one.casos.test")[0].Reply)
	again.waitEvent(t, "the delivery of another one", queueEvent(event.Delivered, other))
	again.waitEvent(t, "the quarantine", queueEvent(event.Quarantined, id))
	if q := again.queue(t); !strings.Contains(q, `"id":"`+id+`"`) || !strings.Contains(q, `"state":"quarantined"`) {
		t.Errorf("queue %s", q)
	}
}

func damage(t *testing.T, state, statement string) {
	t.Helper()
	db, err := durable.Open(t.Context(), filepath.Join(state, "spool.db"), make([]string, 4)) // as many as the spool's migrations
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Write(t.Context(), func(tx *durable.Tx) error { return tx.Exec(statement) }); err != nil {
		t.Fatal(err)
	}
}

func TestMisprintedPortSaysTheRightOne(t *testing.T) {
	w := newWorld(t)
	w.mta("aurora", "mx1.aurora.test", 1)
	conn, err := w.stack.Dial(t.Context(), "tcp", netip.MustParseAddr(pc), netip.MustParseAddrPort("198.18.1.25:589"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "220 mx1.aurora.test ") || !strings.Contains(line, "587, not 589") {
		t.Errorf("%q, %v", line, err)
	}
}
