package mta

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/smtpc"
)

// impatient is a host that ends a session behind some refusals of recipients: of
// "full…" for now, of "gone…" for good.
type impatient struct {
	most int    // refusals in a session
	end  string // what it says then, if anything, before it closes

	mu       sync.Mutex // guards what follows
	sessions int
	allowed  int // further ones hear 421; 0 for any number
	got      []string
}

// impatient serves SMTP.
func (w *world) impatient(at string, h *impatient) {
	w.t.Helper()
	w.listen(at, func(ctx context.Context, ln net.Listener) {
		var all sync.WaitGroup
		defer all.Wait()
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer context.AfterFunc(ctx, func() { c.Close() })()
				defer c.Close()
				h.serve(c)
			})
		}
	})
}

// enter reports whether a session may begin.
func (h *impatient) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions++
	return h.allowed == 0 || h.sessions <= h.allowed
}

func (h *impatient) serve(c net.Conn) {
	if !h.enter() {
		io.WriteString(c, "421 4.3.2 Come back later\r\n")
		return
	}
	io.WriteString(c, "220 x\r\n")
	var to []string
	refused := 0
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		answer := "250 2.0.0 Ok"
		switch who := strings.TrimPrefix(line, "RCPT TO:<"); {
		case strings.HasPrefix(who, "full"):
			answer, refused = "452 4.2.2 Mailbox full", refused+1
		case strings.HasPrefix(who, "gone"):
			answer, refused = "550 5.1.1 Who?", refused+1
		case who != line:
			to = append(to, strings.TrimSuffix(who, ">\r\n"))
		case line == "DATA\r\n":
			io.WriteString(c, "354 Go\r\n")
			for line != ".\r\n" && err == nil {
				line, err = r.ReadString('\n')
			}
			h.mu.Lock()
			h.got = append(h.got, to...)
			h.mu.Unlock()
		}
		io.WriteString(c, answer+"\r\n")
		if refused >= h.most {
			io.WriteString(c, h.end)
			return
		}
	}
}

// allow says how many more sessions may begin.
func (h *impatient) allow(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions, h.allowed = 0, n
}

// outcome is who has the message, in order, and after how many sessions.
func (h *impatient) outcome() (got []string, sessions int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	got = slices.Sorted(slices.Values(h.got))
	return got, h.sessions
}

const tooManyErrors = "421 4.7.0 Error: too many errors\r\n"

// A host that ends the session behind some refusals, as Postfix does behind 20,
// heard of the same recipients in the same order at every attempt: whose mailbox
// had room got nothing, and in the end the mail of all came back.
func TestHostThatEndsTheSessionForItsRefusalsGetsTheMessageForTheOthers(t *testing.T) {
	for _, test := range []struct {
		name     string
		host     *impatient
		sessions int
	}{
		{"421 behind 20 refusals", &impatient{most: 20, end: tooManyErrors}, 3},
		{"closed behind 20 refusals", &impatient{most: 20}, 3},
		{"421 behind each refusal", &impatient{most: 1, end: tooManyErrors}, 51},
		{"421 behind 49 refusals", &impatient{most: 49, end: tooManyErrors}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.mta("aurora", "mx1.aurora.test", 1)
			w.mda("198.19.1.110:24") // for the reports
			w.impatient("198.18.9.1:25", test.host)
			room := many(50, "room", "one.casos.test")
			to := slices.Concat(room, many(25, "full", "one.casos.test"), many(25, "gone", "one.casos.test"))
			id := smtpc.QueuedAs(w.send(w.connect(pc, "198.18.1.25:587", "ana"), "ana@aurora.test", message, to...)[0].Reply)
			for who, want := range map[string]string{
				"room0": "delivered 250", "room49": "delivered 250", "full0": "deferred 452 4.2.2", "full24": "deferred 452 4.2.2",
				"gone0": "bounced 550 5.1.1", "gone24": "bounced 550 5.1.1",
			} {
				if got := aurora.firstWord(t, id, who+"@one.casos.test"); !strings.HasPrefix(got, want) {
					t.Errorf("%s: %s, want %s", who, got, want)
				}
			}
			slices.Sort(room)
			if got, sessions := test.host.outcome(); !slices.Equal(got, room) || sessions != test.sessions {
				t.Errorf("%d copies, in %d sessions, want 50 in %d", len(got), sessions, test.sessions)
			}
		})
	}
}

// A host that ends the session without having answered about anybody is left alone
// until the next attempt.
func TestHostThatEndsTheSessionForAllIsLeftAlone(t *testing.T) {
	const begun = "S: 220 x\nC: EHLO*\nS: 250 x\nC: MAIL*\nS: 250 Ok\nC: RCPT*\n"
	for name, script := range map[string]string{
		"421 to the first":  begun + "S: 421 4.3.2 Bye",
		"421 to the second": begun + "S: 250 Ok\nC: RCPT*\nS: 421 4.3.2 Bye",
		"closed":            begun + "S: 250 Ok\nC: RCPT*",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.mta("aurora", "mx1.aurora.test", 1)
			count := w.scripted("198.18.9.1:25", script)
			id := smtpc.QueuedAs(w.send(w.connect(pc, "198.18.1.25:587", "ana"), "ana@aurora.test", message, many(3, "x", "one.casos.test")...)[0].Reply)
			for i := range 3 {
				got := aurora.firstWord(t, id, fmt.Sprintf("x%d@one.casos.test", i))
				if !strings.HasPrefix(got, "deferred 421 4.3.2") && !strings.HasPrefix(got, "deferred 451 4.4.2 Lost the connection") {
					t.Errorf("x%d: %s", i, got)
				}
			}
			if n := count.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// What a host said to the second message of a connection was taken for what it says
// to every one: the recipients waited for the next attempt, and those whose turn had
// not come did without a word in the queue about why.
func TestHostThatEndsTheSessionBehindAMessageGetsTheNextOne(t *testing.T) {
	const (
		begin = "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 LIMITS RCPTMAX=2\n"
		two   = "C: MAIL*\nS: 250 Ok\nC: RCPT TO:<x0@*\nS: 250 Ok\nC: RCPT TO:<x1@*\nS: 250 Ok\n"
		third = "C: MAIL*\nS: 250 Ok\nC: RCPT TO:<x2@*\nS: 250 Ok\n"
		taken = "C: DATA\nS: 354 Go\nC: ...\nS: 250 Ok: queued as GOOD1234\n"
	)
	for _, test := range []struct {
		name        string
		scripts     []string
		want        string // what each hears
		connections int32
	}{
		{"421 to the second MAIL", []string{begin + two + taken + "C: MAIL*\nS: 421 4.7.0 One each", begin + third + taken + "HANG"}, "delivered 250", 2},
		{"closed behind the first message", []string{begin + two + taken, begin + third + taken + "HANG"}, "delivered 250", 2},
		{"421 to the second RCPT", []string{begin + two + taken + "C: MAIL*\nS: 250 Ok\nC: RCPT*\nS: 421 4.7.0 One each", begin + third + taken + "HANG"}, "delivered 250", 2},
		{"421 to DATA", []string{begin + two + taken + third + "C: DATA\nS: 421 4.7.0 One each", begin + third + taken + "HANG"}, "delivered 250", 2},
		{"421 to the first MAIL", []string{begin + "C: MAIL*\nS: 421 4.7.0 None"}, "deferred 421 4.7.0 None", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.mta("aurora", "mx1.aurora.test", 1)
			count := w.scripted("198.18.9.1:25", test.scripts...)
			id := smtpc.QueuedAs(w.send(w.connect(pc, "198.18.1.25:587", "ana"), "ana@aurora.test", message, many(3, "x", "one.casos.test")...)[0].Reply)
			for i := range 3 {
				if got := aurora.firstWord(t, id, fmt.Sprintf("x%d@one.casos.test", i)); !strings.HasPrefix(got, test.want) {
					t.Errorf("x%d: %s, want %s", i, got, test.want)
				}
			}
			if n := count.Load(); n != test.connections {
				t.Errorf("%d connections, want %d", n, test.connections)
			}
		})
	}
}

// What was refused to other messages on a connection that we keep, and made the host
// close it, was held against the next one.
func TestKeptConnectionThatTheHostEndsAtRCPTIsNoRefusal(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	count := w.scripted("198.18.9.1:25", strings.TrimSuffix(good, "HANG")+"C: MAIL*\nS: 250 Ok\nC: RCPT*\nS: "+tooManyErrors, good)
	c := w.connect(pc, "198.18.1.25:587", "ana")
	for range 2 {
		id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@one.casos.test")[0].Reply)
		if got := aurora.firstWord(t, id, "x@one.casos.test"); !strings.HasPrefix(got, "delivered 250") {
			t.Error(got)
		}
	}
	if n := count.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// What one attempt could not bring to an end the next one does, also behind a
// restart, which forgets all but the last replies.
func TestHostThatEndsTheSessionGetsTheMessageBehindARestart(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	host := &impatient{most: 20, end: tooManyErrors, allowed: 1}
	w.impatient("198.18.9.1:25", host)
	room := many(50, "room", "one.casos.test")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, append(room, many(50, "full", "one.casos.test")...)...)[0].Reply)
	for who, want := range map[string]string{"room0": "deferred 421 4.3.2", "full0": "deferred 452 4.2.2", "full20": "deferred 421 4.3.2"} {
		if got := aurora.firstWord(t, id, who+"@one.casos.test"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", who, got, want)
		}
	}
	c.Close()
	aurora.stop()
	damage(t, aurora.env.State, "UPDATE recipient SET next=0")
	host.allow(0)
	env := *aurora.env
	env.Events = event.NewLog("mx1.aurora.test", 0)
	again := w.restart(&env)
	for who, want := range map[string]string{"room0": "delivered 250", "room49": "delivered 250", "full49": "deferred 452 4.2.2"} {
		if got := again.firstWord(t, id, who+"@one.casos.test"); !strings.HasPrefix(got, want) {
			t.Errorf("again, %s: %s, want %s", who, got, want)
		}
	}
	slices.Sort(room)
	if got, _ := host.outcome(); !slices.Equal(got, room) {
		t.Errorf("%d copies, want 50", len(got))
	}
}
