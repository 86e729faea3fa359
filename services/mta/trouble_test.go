package mta

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"correio/services/internal/event"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
	"correio/services/internal/smtpd"
	"correio/services/mta/internal/queue"
	"correio/services/mta/internal/spool"
)

// stopped sends a message that nobody takes, and stops the node in which it is
// queued. wound is done to its spool.
func (w *world) stopped(t *testing.T, wound ...string) (aurora *host, id string) {
	t.Helper()
	aurora = w.mta("aurora", "mx1.aurora.test", 1)
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id = smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@one.casos.test")[0].Reply)
	aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	c.Close()
	aurora.stop()
	for _, statement := range append(wound, "UPDATE recipient SET next=0") {
		damage(t, aurora.env.State, statement)
	}
	env := *aurora.env
	env.Events = event.NewLog("mx1.aurora.test", 0)
	aurora.env = &env
	return aurora, id
}

// The attempt itself panicked, and with it ended the node; started again, it
// took up the same message first.
func TestMessageThatPanicsDoesNotEndTheNode(t *testing.T) {
	w := newWorld(t)
	stopped, id := w.stopped(t)
	again := w.restart(stopped.env)
	again.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	again.Node.queue.Add(queue.Job{ID: id, Domain: "one.casos.test", Carry: &spool.Entry{Message: spool.Message{ID: id}}})
	r := again.waitEvent(t, "the quarantine", queueEvent(event.Quarantined, id))
	if !strings.HasPrefix(r.Meta.Get(event.Rules), "unreadable(panic: ") {
		t.Errorf("quarantined: %+v", r)
	}
	if err := again.Ready(); err != nil || !strings.Contains(again.queue(t), `"state":"quarantined"`) {
		t.Errorf("node: %v, queue %s", err, again.queue(t))
	}
}

// The report about a message whose body is gone could not be written, which was
// tried again every 30 seconds for ever.
func TestUnreadableMessageThatIsRefusedIsQuarantined(t *testing.T) {
	w := newWorld(t)
	stopped, id := w.stopped(t, "DELETE FROM durable_chunk")
	w.scripted("198.18.9.1:25", upToRcpt+"S: 550 5.1.1 Who?\nC: RSET\nS: 250 Ok\nHANG")
	again := w.restart(stopped.env)
	again.waitEvent(t, "the quarantine", queueEvent(event.Quarantined, id))
}

// forgetful is a host whose customer loses the message while it is taken.
type forgetful struct {
	*mailboxes
	lose func()
}

// Open implements smtpd.Backend.
func (f *forgetful) Open(context.Context, smtpd.Peer) (smtpd.Session, error) { return f, nil }

// Data implements smtpd.Session.
func (f *forgetful) Data(ctx context.Context, tx *smtpd.Transaction, message io.Reader) ([]reply.Reply, error) {
	replies, err := f.mailboxes.Data(ctx, tx, message)
	f.lose()
	return replies, err
}

// Who had the message was forgotten when the report about the others could not be
// written: after a release it arrived again.
func TestQuarantineRemembersWhoHasTheMessage(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.serveMail("198.18.9.1:25", smtpd.SMTP, &forgetful{
		&mailboxes{next: make(chan struct{})}, func() { damage(t, aurora.env.State, "DELETE FROM durable_chunk") },
	})
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@one.casos.test", "ninguem@one.casos.test")[0].Reply)
	aurora.waitEvent(t, "the quarantine", queueEvent(event.Quarantined, id))
	if r := aurora.waitEvent(t, "the delivery", queueEvent(event.Delivered, id)); r.Meta.Get(event.To) != "x@one.casos.test" {
		t.Errorf("%+v", r)
	}
	if l := aurora.list(t, ""); l.states() != "quarantined" || strings.Join(l.Messages[0].To, " ") != "ninguem@one.casos.test" {
		t.Errorf("left: %+v", l)
	}
}

// A message that could not even be put into quarantine was neither tried again
// nor kept aside.
func TestQuarantineThatTheDiskDoesNotTakeIsMadeLater(t *testing.T) {
	w := newWorld(t)
	stopped, id := w.stopped(t, "DELETE FROM durable_chunk",
		"CREATE TRIGGER full BEFORE UPDATE OF quarantined ON message BEGIN SELECT RAISE(ABORT, 'disk full'); END")
	box := w.mda("198.18.9.1:25")
	w.again.trouble = 20 * time.Millisecond
	again := w.restart(stopped.env)
	for again.deliverer.Unwritten() == 0 {
		time.Sleep(time.Millisecond)
	}
	damage(t, again.env.State, "DROP TRIGGER full")
	again.waitEvent(t, "the quarantine", queueEvent(event.Quarantined, id))
	if n := box.copies("x@one.casos.test"); n != 0 {
		t.Errorf("%d copies", n)
	}
}

// When the disk did not take the outcome, the message went out again every 30
// seconds to those who had it.
func TestDeliveredMessageIsNotSentAgainWhileTheDiskFails(t *testing.T) {
	w := newWorld(t)
	stopped, id := w.stopped(t, "CREATE TRIGGER full BEFORE DELETE ON recipient BEGIN SELECT RAISE(ABORT, 'disk full'); END")
	box := w.mda("198.18.9.1:25")
	w.again.trouble = 20 * time.Millisecond
	again := w.restart(stopped.env)
	box.wait(t, 1)
	time.Sleep(10 * w.again.trouble)
	damage(t, again.env.State, "DROP TRIGGER full")
	again.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
	again.waitEvent(t, "the removal", queueEvent(event.Removed, id))
	if n := len(box.wait(t, 1)); n != 1 {
		t.Errorf("the message was sent %d times", n)
	}
}

// A host that keeps every single deadline could hold a place in the queue for
// days.
func TestHostThatTakesForEverIsCutOff(t *testing.T) {
	w := newWorld(t)
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, tuning{patience: 300 * time.Millisecond})
	w.scripted("198.18.9.1:25", upToRcpt+"HANG")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@one.casos.test")[0].Reply)
	r := aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	if got := r.Meta.Get(event.Reply); got != "451 4.4.2 The attempt took longer than 300ms" {
		t.Errorf("deferred: %s", got)
	}
}

// A reply may have 128 lines of 2 KB. All of it went into the spool, the events
// and the log, once for each recipient.
func TestEndlessReplyIsCutWhereItIsKept(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.scripted("198.18.9.1:25", upToMail+strings.Repeat("S: 451-4.3.0 "+strings.Repeat("é", 900)+"\n", 100)+"S: 451 4.3.0 end\nHANG")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@one.casos.test")[0].Reply)
	r := aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	said := r.Meta.Get(event.Reply)
	if len(said) > 1100 || !strings.HasPrefix(said, "451 4.3.0 éé") || !utf8.ValidString(said) {
		t.Errorf("deferred with a reply of %d octets: %.40s", len(said), said)
	}
	if q := aurora.queue(t); len(q) > 2000 {
		t.Errorf("the queue is listed in %d octets", len(q))
	}
}

// A node that stops writes down what it still owes: otherwise the message goes
// out again at the next start.
func TestOutcomeThatTheDiskDidNotTakeIsWrittenAtTheEnd(t *testing.T) {
	w := newWorld(t)
	stopped, id := w.stopped(t, "CREATE TRIGGER full BEFORE DELETE ON recipient BEGIN SELECT RAISE(ABORT, 'disk full'); END")
	box := w.mda("198.18.9.1:25")
	w.again.trouble = time.Hour
	again := w.restart(stopped.env)
	box.wait(t, 1)
	for again.deliverer.Unwritten() == 0 {
		time.Sleep(time.Millisecond)
	}
	damage(t, again.env.State, "DROP TRIGGER full")
	again.stop()
	again.waitEvent(t, "the removal", queueEvent(event.Removed, id))
}

// An outcome that the disk had not taken outlived the message: after a drop, the
// report about it was written all the same, at the next attempt or at the end.
func TestDroppedMessageIsNotReportedLater(t *testing.T) {
	w := newWorld(t)
	stopped, id := w.stopped(t, "CREATE TRIGGER full BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'disk full'); END")
	w.scripted("198.18.9.1:25", upToRcpt+"S: 550 5.1.1 Who?\nC: RSET\nS: 250 Ok\nHANG")
	w.again.trouble = time.Hour
	again := w.restart(stopped.env)
	for again.deliverer.Unwritten() == 0 {
		time.Sleep(time.Millisecond)
	}
	damage(t, again.env.State, "DROP TRIGGER full")
	if n := again.order1(t, "drop", byID(id)); n != 1 {
		t.Fatalf("%d dropped", n)
	}
	if n := again.deliverer.Unwritten(); n != 0 {
		t.Errorf("%d outcomes are kept", n)
	}
	again.stop()
	if words := again.queueWords(id); !strings.HasSuffix(words, "dropped removed") { // and not "bounced"
		t.Errorf("after the drop: %s", words)
	}
}
