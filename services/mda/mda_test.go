package mda_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"correio/services/internal/event"
	"correio/services/internal/labtest"
	"correio/services/internal/mailaddr"
	"correio/services/internal/node"
	"correio/services/internal/smtpc"
	"correio/services/mda"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var mx1 = netip.MustParseAddr("198.19.1.25")

// lab is Aurora's MDA on a stack of its own.
type lab struct {
	t     *testing.T
	stack *labtest.Stack
	env   *node.Env
	mda   *mda.Node
	stop  func()
}

func newLab(t *testing.T) *lab {
	t.Helper()
	stack := labtest.NewStack(t)
	l := &lab{t: t, stack: stack, env: labtest.Env(t, stack, "../../deploy/aurora", "mda.aurora.test")}
	l.start()
	return l
}

func (l *lab) start() {
	l.t.Helper()
	var err error
	if l.mda, err = mda.New(l.env); err != nil {
		l.t.Fatal(err)
	}
	l.stop = labtest.Start(l.t, l.mda)
}

// lmtp connects as mx1 does.
func (l *lab) lmtp() *smtpc.Client {
	l.t.Helper()
	c, err := l.stack.Dial(l.t.Context(), "tcp", mx1, netip.AddrPortFrom(l.env.Host.LAN, mda.PortLMTP))
	if err != nil {
		l.t.Fatal(err)
	}
	client, err := smtpc.Open(l.t.Context(), c, smtpc.Options{Protocol: smtpc.LMTP, Hello: "mx1.aurora.test", Host: "mda.aurora.test"})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(client.Close)
	return client
}

func (l *lab) send(c *smtpc.Client, message string, to ...string) []smtpc.Result {
	env := smtpc.Envelope{From: mailaddr.Address{Local: "bruno", Domain: "boreal.test"}}
	for _, name := range to {
		env.To = append(env.To, smtpc.Recipient{To: mailaddr.Address{Local: name, Domain: "aurora.test"}})
	}
	return c.Send(l.t.Context(), env, strings.NewReader(message), smtpc.SendOptions{Pipelined: true})
}

func (l *lab) mailboxes() mda.Mailboxes {
	l.t.Helper()
	rec := httptest.NewRecorder()
	for _, r := range l.mda.Routes() {
		if r.Pattern == "GET /mailboxes" {
			r.Handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/mailboxes", nil))
		}
	}
	var m mda.Mailboxes
	if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil || rec.Code != http.StatusOK {
		l.t.Fatalf("/mailboxes: %d %s: %v", rec.Code, rec.Body, err)
	}
	return m
}

// pop3 logs in as ana and returns the connection.
func (l *lab) pop3(port uint16) *bufio.ReadWriter {
	l.t.Helper()
	c, err := l.stack.Dial(l.t.Context(), "tcp", netip.MustParseAddr("198.19.1.100"), netip.AddrPortFrom(l.env.Host.LAN, port))
	if err != nil {
		l.t.Fatal(err)
	}
	if port == mda.PortPOP3S {
		c = tls.Client(c, &tls.Config{RootCAs: l.stack.Roots(), ServerName: "pop.aurora.test"})
	}
	l.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	rw := bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c))
	l.ask(rw, "USER ana@aurora.test\r\nPASS ana", 3)
	return rw
}

// ask sends a line and returns the last of so many lines.
func (l *lab) ask(rw *bufio.ReadWriter, line string, lines int) (last string) {
	l.t.Helper()
	if _, err := io.WriteString(rw, line+"\r\n"); err != nil {
		l.t.Fatal(err)
	}
	if err := rw.Flush(); err != nil {
		l.t.Fatal(err)
	}
	for range lines {
		var err error
		if last, err = rw.ReadString('\n'); err != nil || !strings.HasPrefix(last, "+OK") {
			l.t.Fatalf("%s: %q, %v", line, last, err)
		}
	}
	return last
}

func TestMailGoesInByLMTPAndOutByPOP3(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	results := l.send(l.lmtp(), "Message-ID: <1@boreal.test>\r\n\r\n.hello\r\n", "ana", "nobody", "postmaster")
	for i, want := range []string{"250 2.1.5 <ana@aurora.test> Ok: stored as ", "550 5.1.1 ", "250 2.1.5 <postmaster@aurora.test> Ok: stored as "} {
		if got := results[i].Reply.String(); !strings.HasPrefix(got, want) {
			t.Errorf("recipient %d: %q, want %q", i, got, want)
		}
	}
	for _, port := range []uint16{mda.PortPOP3, mda.PortPOP3S} {
		rw := l.pop3(port)
		boxes := l.mailboxes().Mailboxes
		if len(boxes) != 2 || boxes[0].Name != "ana" || boxes[0].Messages != 1 || boxes[1].Messages != 1 || !boxes[0].Locked || boxes[1].Locked {
			t.Errorf("mailboxes %+v", boxes)
		}
		if got, want := l.ask(rw, "STAT", 1), fmt.Sprintf("+OK 1 %d\r\n", boxes[0].Octets); got != want {
			t.Errorf("STAT: %q, want %q", got, want)
		}
		l.ask(rw, "QUIT", 1)
	}
}

// An MTA asks at RCPT time, on a connection that it keeps.
func TestAskingForAMailbox(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := l.lmtp()
	for i := range 60 { // more than a stranger would be allowed to guess
		for name, want := range map[string]int{"ana": 250, "nobody": 550} {
			r, err := c.Ask(t.Context(), mailaddr.Address{}, 1000, mailaddr.Address{Local: name, Domain: "aurora.test"}, "")
			if err != nil || r.Code != want {
				t.Fatalf("question %d: %s: %v, %v", i, name, r, err)
			}
		}
	}
	if n := l.mailboxes().Mailboxes[0].Messages; n != 0 {
		t.Errorf("%d messages after asking", n)
	}
}

func TestMailOutlivesARestart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	results := l.send(l.lmtp(), "Subject: x\r\n\r\nx\r\n", "ana")
	if !results[0].Delivered() {
		t.Fatalf("not delivered: %+v", results[0])
	}
	l.stop()
	if err := l.mda.Ready(); err == nil {
		t.Error("ready after the stop")
	}
	state := l.env.State
	l.env = labtest.EnvOf(t, l.stack, l.env.Org, "mda.aurora.test") // metrics of its own, as a new process has
	l.env.State = state
	l.start()
	if n := l.mailboxes().Mailboxes[0].Messages; n != 1 {
		t.Errorf("%d messages after the restart", n)
	}
}

func (l *lab) nodeStates() string {
	var states []string
	for _, r := range l.env.Events.After(0, 1000).Records {
		if r.Kind == event.KindNode {
			states = append(states, r.Text)
		}
	}
	return strings.Join(states, " ")
}

func TestNodeTellsItsStates(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.stop()
	if got := l.nodeStates(); got != "starting ready stopping" {
		t.Errorf("states %q", got)
	}
}

func TestPortInUseIsSaidAndLeavesNothingBound(t *testing.T) {
	t.Parallel()
	stack := labtest.NewStack(t)
	env := labtest.Env(t, stack, "../../deploy/aurora", "mda.aurora.test")
	taken, err := stack.Listen(t.Context(), netip.AddrPortFrom(env.Host.LAN, mda.PortPOP3S))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	n, err := mda.New(env)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "listen on port 995") {
		t.Errorf("Run: %v", err)
	}
	free, err := stack.Listen(t.Context(), netip.AddrPortFrom(env.Host.LAN, mda.PortPOP3))
	if err != nil {
		t.Errorf("port 110 stays bound: %v", err)
	} else {
		free.Close()
	}
}

// What an MTA accepted at the limit came with its Received line, was larger than
// the limit by that, and was given back.
func TestMessageAtTheLimitHasRoomForTheTraceOfItsMTAs(t *testing.T) {
	l := newLab(t)
	limit := int(l.env.Org.Limits.Defaults().MessageSize)
	trace := "Received: " + strings.Repeat("x", 988) + "\r\n"
	body := trace + strings.Repeat(strings.Repeat("x", 62)+"\r\n", limit/64)
	env := smtpc.Envelope{Size: int64(len(body)), To: []smtpc.Recipient{{To: mailaddr.Address{Local: "ana", Domain: "aurora.test"}}}}
	res := l.lmtp().Send(t.Context(), env, strings.NewReader(body), smtpc.SendOptions{})
	if len(body) <= limit || !res[0].Delivered() {
		t.Errorf("%d octets, limit %d: %+v", len(body), limit, res[0])
	}
}

// An MTA keeps a connection for each client that waits for its mailbox's answer:
// the bound on connections from one address is not for it.
func TestMTAComesOnceForEachOfItsClients(t *testing.T) {
	l := newLab(t)
	perClient := l.env.Org.Limits.Defaults().PerClient
	for range perClient + 20 {
		l.lmtp() // fails the test if it is turned away
	}
}
