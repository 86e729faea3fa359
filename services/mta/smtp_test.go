package mta

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"correio/services/internal/clock"
	"correio/services/internal/lab"
	"correio/services/internal/labtest"
)

// chosen is an MTA of Aurora whose org.yaml says something of its own.
func chosen(t *testing.T, choose func(o *lab.Org)) *world {
	t.Helper()
	w := newWorld(t)
	env := labtest.Env(t, w.stack, "../../deploy/aurora", "mx1.aurora.test")
	env.Speed = clock.Speed(1)
	choose(env.Org)
	n, err := newNode(env, tuning{})
	if err != nil {
		t.Fatal(err)
	}
	labtest.Start(t, n)
	return w
}

// telnet is a conversation as typed by hand.
type telnet struct {
	t  *testing.T
	c  net.Conn
	in *bufio.Reader
}

func (w *world) telnet(t *testing.T, from, to string) telnet {
	t.Helper()
	c, err := w.stack.Dial(t.Context(), "tcp", netip.MustParseAddr(from), netip.MustParseAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return telnet{t, c, bufio.NewReader(c)}
}

// says types something, and returns the reply; "" is what comes unasked.
func (n telnet) says(text string) string {
	n.t.Helper()
	if _, err := io.WriteString(n.c, text); err != nil {
		n.t.Fatal(err)
	}
	for all := ""; ; {
		line, err := n.in.ReadString('\n')
		if err != nil {
			n.t.Fatalf("%q: got %q, %v", text, all+line, err)
		}
		if all += line; line[3] == ' ' {
			return all
		}
	}
}

const pcOfAurora, pcOfBoreal = "198.18.1.100", "198.18.2.100"

func TestOrgChoosesExtensions(t *testing.T) {
	for on, want := range map[bool]string{false: "502 ", true: "503 5.5.1"} {
		w := chosen(t, func(o *lab.Org) { o.SMTP.Chunking, o.SMTP.BinaryMIME = on, on })
		for _, port := range []int{25, 587, 589} {
			n := w.telnet(t, pcOfAurora, fmt.Sprintf("198.18.1.25:%d", port))
			n.says("")
			hello := n.says("EHLO pc.aurora.test\r\n")
			if strings.Contains(hello, "CHUNKING") != on || strings.Contains(hello, "BINARYMIME") != on {
				t.Errorf("port %d: EHLO says %q", port, hello)
			}
			if got := n.says("BDAT 0\r\n"); !strings.HasPrefix(got, want) {
				t.Errorf("port %d: BDAT is answered %q, want %s", port, got, want)
			}
		}
	}
}

func TestOrgChoosesLineEnds(t *testing.T) {
	const queued = "250 2.0.0 Ok: queued as"
	for _, test := range []struct {
		choice     lab.LineEnds
		says, want string
	}{
		{"", "a\n.\nb\r\n.\r\n", "500 5.5.2"},
		{lab.RefuseBare, "a\n.\nb\r\n.\r\n", "500 5.5.2"},
		{lab.NormaliseBare, "a\n.\nb\r\n.\r\n", queued},
		{lab.TrustBare, "a\n.\n", queued},
	} {
		w := chosen(t, func(o *lab.Org) { o.SMTP.LineEnds = test.choice })
		n := w.telnet(t, pcOfBoreal, "198.18.1.25:25")
		n.says("")
		for _, line := range []string{"EHLO a", "MAIL FROM:<bruno@boreal.test>", "RCPT TO:<ana@aurora.test>", "DATA"} {
			n.says(line + "\r\n")
		}
		if got := n.says(test.says); !strings.HasPrefix(got, test.want) {
			t.Errorf("%q: %q is answered %q, want %s", test.choice, test.says, got, test.want)
		}
	}
}

func TestOrgChoosesLimits(t *testing.T) {
	w := chosen(t, func(o *lab.Org) {
		o.Limits = lab.Limits{Line: 600, Header: 1024, Recipients: 1, Errors: 3, PerClient: 2, Commands: 20, AuthFailures: 1}
	})
	n := w.telnet(t, pcOfBoreal, "198.18.1.25:25")
	n.says("")
	for _, step := range []struct{ says, want string }{
		{"EHLO pc.boreal.test\r\n", "250"},
		{"NOOP " + strings.Repeat("x", 600) + "\r\n", "500 5.5.2 Line too long"},
		{"MAIL FROM:<bruno@boreal.test>\r\n", "250"},
		{"RCPT TO:<ana@aurora.test>\r\n", "250"},
		{"RCPT TO:<alice@aurora.test>\r\n", "452 4.5.3"},
		{"DATA\r\n", "354"},
		{"A: " + strings.Repeat("x", 1024) + "\r\n\r\n.\r\n", "552 5.3.4 Message header"},
		{"XYZZY\r\n", "421 4.7.0 Too many errors"},
	} {
		if got := n.says(step.says); !strings.Contains(got, step.want) {
			t.Fatalf("%.20q: got %q, want %s", step.says, got, step.want)
		}
	}
	// One guard watches all ports: connections, and the commands on them.
	n = w.telnet(t, pcOfAurora, "198.18.1.25:25")
	n.says("")
	other := w.telnet(t, pcOfAurora, "198.18.1.25:587")
	other.says("")
	if got := w.telnet(t, pcOfAurora, "198.18.1.25:589").says(""); !strings.HasPrefix(got, "421 Too many connections") {
		t.Errorf("the third connection of an address hears %q", got)
	}
	for i := range 10 {
		if got := n.says("NOOP\r\n"); !strings.HasPrefix(got, "250") {
			t.Fatalf("command %d: %q", i, got)
		}
	}
	for range 20 { // the bucket leaks meanwhile, but not as fast as this
		got := other.says("NOOP\r\n")
		if strings.HasPrefix(got, "421 4.7.0 Too many commands") {
			return
		}
		if !strings.HasPrefix(got, "250") {
			t.Fatalf("got %q", got)
		}
	}
	t.Error("the limit on commands is not kept")
}

func TestOrgChoosesIdleTime(t *testing.T) {
	w := chosen(t, func(o *lab.Org) { o.Limits.Idle = lab.Duration(time.Second) })
	n := w.telnet(t, pcOfBoreal, "198.18.1.25:25")
	n.says("")
	if got := n.says(""); !strings.HasPrefix(got, "421 4.4.2 Idle") {
		t.Errorf("after a second: %q", got)
	}
}

// Mail to [198.18.2.25] could be submitted, and bounced at the host that has the address.
func TestMailForAnAddressLiteralArrives(t *testing.T) {
	w := newWorld(t)
	w.mta("aurora", "mx1.aurora.test", 1)
	w.mta("boreal", "mx1.boreal.test", 1)
	box := w.mda("198.19.2.110:24")
	w.send(w.connect(pc, "198.18.1.25:587", "ana"), "ana@aurora.test", message, "bruno@[198.18.2.25]")
	if got := box.wait(t, 1)[0]; got.to != "bruno@boreal.test" {
		t.Errorf("stored for %s, want bruno@boreal.test", got.to)
	}
}
