package mta

import (
	"fmt"
	"strings"
	"testing"

	"correio/services/internal/smtpc"
)

// within is the beginning of a session with a host that names limits (RFC 9422).
func within(limits string) string {
	return "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 LIMITS " + limits + "\n"
}

const (
	afterRcpt    = "C: DATA\nS: 354 Go\nC: ...\nS: 250 Ok: queued as GOOD1234\n"
	tooManyMails = "C: MAIL*\nS: 452 4.5.3 Too many messages on this connection\nHANG"
)

// A host that takes a number of messages on a connection (RFC 9422 §4.1: MAILMAX) got
// one more on it, refused that, and the mail waited for the next attempt, where a new
// connection would have done.
func TestHostGetsNoMoreMessagesOnAConnectionThanItTakes(t *testing.T) {
	for _, test := range []struct {
		name, limits string
		script       string // of each connection, behind its beginning
		messages     int
		to           int // recipients of each
		connections  int32
	}{
		{"one", "MAILMAX=1", takes + tooManyMails, 3, 1, 3},
		{"two", "rcptmax=5 mailmax=2", takes + takes + tooManyMails, 3, 1, 2},
		{"transactions of one message", "MAILMAX=2 RCPTMAX=1", takes + takes + tooManyMails, 1, 5, 3},
		{"transactions of several messages", "MAILMAX=2 RCPTMAX=1", takes + takes + tooManyMails, 2, 3, 3},
		{"a recipient too many", "MAILMAX=2",
			"C: MAIL*\nS: 250 Ok\nC: RCPT*\nS: 250 Ok\nC: RCPT*\nS: 452 4.5.3 Too many recipients\n" + afterRcpt + takes + tooManyMails, 2, 2, 2},
		{"no limit in that", "MAILMAX=0 MAILMAX MAILMAX=x", takes + takes + takes + "HANG", 3, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.mta("aurora", "mx1.aurora.test", 1)
			count := w.scripted("198.18.9.1:25", within(test.limits)+test.script)
			c := w.connect(pc, "198.18.1.25:587", "ana")
			for range test.messages {
				id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, many(test.to, "x", "one.casos.test")...)[0].Reply)
				for i := range test.to {
					if got := aurora.firstWord(t, id, fmt.Sprintf("x%d@one.casos.test", i)); !strings.HasPrefix(got, "delivered 250") {
						t.Errorf("x%d: %s", i, got)
					}
				}
			}
			if n := count.Load(); n != test.connections {
				t.Errorf("%d connections, want %d", n, test.connections)
			}
		})
	}
}

// A host that hears of a number of domains in a session (RFC 9422 §4.3: RCPTDOMAINMAX)
// heard of any that it is an MX host of: a kept connection is now for one.
func TestHostHearsOfOneDomainOnAConnectionWhereItLimitsThem(t *testing.T) {
	for _, test := range []struct {
		name, limits string
		domains      []string
		connections  int32
	}{
		{"one domain", "RCPTDOMAINMAX=1", []string{"one", "one", "one"}, 1},
		{"two domains", "RCPTDOMAINMAX=1", []string{"one", "two", "one", "two"}, 2},
		{"two domains, and no such limit", "RCPTMAX=9", []string{"one", "two", "one", "two"}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.mta("aurora", "mx1.aurora.test", 1)
			count := w.scripted("198.18.9.1:25", within(test.limits)+strings.Repeat(takes, 4))
			for _, domain := range test.domains {
				id := w.submit(t, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address("x@" + domain + ".casos.test")}}}, message)
				if got := aurora.outcome(t, id); !strings.HasPrefix(got, "delivered a.two.casos.test: 250") {
					t.Error(got)
				}
			}
			if n := count.Load(); n != test.connections {
				t.Errorf("%d connections, want %d", n, test.connections)
			}
		})
	}
}

// So it was with an MDA, where a message was not as its MAIL had said.
func TestMDAGetsNoMoreMessagesOnAConnectionThanItTakes(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	const hello = "S: 220 x\nC: LHLO*\nS: 250-x\nS: 250-8BITMIME\nS: 250 LIMITS MAILMAX=1\n"
	count := w.scripted("198.19.1.110:24",
		hello+"C: MAIL*\nS: 250 Ok\nC: RCPT*\nS: 250 Ok\nC: RSET\nS: 250 Ok\n"+tooManyMails, hello+takes+tooManyMails)
	res := w.send(w.connect(pc, "198.18.1.25:25", ""), "bruno@boreal.test", message+"ç\r\n", "ana@aurora.test")[0]
	if !res.Delivered() {
		t.Fatalf("%+v", res)
	}
	if got := aurora.firstWord(t, smtpc.QueuedAs(res.Reply), "ana@aurora.test"); !strings.HasPrefix(got, "delivered 250") || count.Load() != 2 {
		t.Errorf("%s, after %d connections", got, count.Load())
	}
}
