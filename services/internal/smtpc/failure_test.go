package smtpc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What a failure means to the caller.
const (
	temporary = "temporary" // the server said 4xx
	permanent = "permanent" // the server said 5xx
	lost      = "lost"      // no answer; the server has not got the message
	unknown   = "unknown"   // no answer, and nobody knows whether it has
)

// class is what the caller of a dialogue finds out.
func class(res Result) string {
	switch {
	case res.Err != nil && res.Step == StepDone:
		return unknown
	case res.Err != nil:
		return lost
	case res.Permanent():
		return permanent
	case res.Reply.Temporary():
		return temporary
	}
	return fmt.Sprint(told([]Result{res}))
}

func classOf(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return fmt.Sprint(err)
	}
	return class(Result{Reply: e.Reply, Err: e.Err})
}

// point is where in a dialogue a server fails.
type point struct {
	name   string
	script string // what goes well before
	// talk speaks up to the failure and says what it was.
	talk func(t *testing.T, c *Client) string
	wait time.Duration // the time-out there; 0 means Timeouts.Command
	none string        // the class where there is no answer; "" means lost
	all  string        // the class whatever the server says; "" means it depends
	odd  int           // a positive reply that is none here
}

const mailed = hello + "S: 250-x\nS: 250-PIPELINING\nS: 250 CHUNKING\nC: MAIL FROM:<ana@aurora.test>\n"

func sending(opt SendOptions, message string) func(t *testing.T, c *Client) string {
	return func(t *testing.T, c *Client) string {
		return class(c.Send(t.Context(), envelope(t, "ana@aurora.test", "bruno@boreal.test"), strings.NewReader(message), opt)[0])
	}
}

func points() []point {
	const rcpt = mailed + "S: 250 Ok\nC: RCPT TO:<bruno@boreal.test>\n"
	step, chunks := sending(SendOptions{}, "Oi\r\n"), sending(SendOptions{Chunking: true, ChunkSize: 2}, "Oi\r\n")
	return []point{
		{name: "banner", odd: 250},
		{name: "hello", script: hello, odd: 220},
		{name: "STARTTLS", script: hello + "S: 250-x\nS: 250 STARTTLS\nC: STARTTLS\n", odd: 250,
			talk: func(t *testing.T, c *Client) string { return classOf(c.StartTLS(t.Context(), noVerify())) }},
		{name: "handshake", script: hello + "S: 250-x\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 Go\n", all: lost, odd: 250,
			talk: func(t *testing.T, c *Client) string {
				res := classOf(c.StartTLS(t.Context(), noVerify()))
				if c.Usable() {
					t.Error("usable after a failed handshake")
				}
				return res
			}},
		{name: "AUTH", script: hello + "S: 250-x\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AHgAeQ==\n", odd: 250,
			talk: func(t *testing.T, c *Client) string { return classOf(c.Auth(t.Context(), "x", "y")) }},
		{name: "MAIL", script: mailed, talk: step, odd: 354},
		{name: "RCPT", script: rcpt, talk: step, odd: 354},
		{name: "DATA", script: rcpt + "S: 250 Ok\nC: DATA\n", talk: step, odd: 250},
		{name: "message", script: rcpt + "S: 250 Ok\nC: DATA\nS: 354 Go\nC: Oi\n", all: lost, wait: DefaultTimeouts().Block, odd: 250,
			talk: sending(SendOptions{}, "Oi\r\n"+strings.Repeat("x\r\n", 100_000))},
		{name: "dot", script: rcpt + "S: 250 Ok\nC: DATA\nS: 354 Go\nC: Oi\nC: .\n", talk: step, none: unknown, wait: DefaultTimeouts().Done, odd: 354},
		{name: "chunk", script: rcpt + "S: 250 Ok\nD: \"BDAT 2\\r\\nOi\"\n", talk: chunks, wait: DefaultTimeouts().Done, odd: 354},
		{name: "last chunk", script: rcpt + "S: 250 Ok\nD: \"BDAT 4 LAST\\r\\nOi\\r\\n\"\n", none: unknown, wait: DefaultTimeouts().Done, odd: 354,
			talk: sending(SendOptions{Chunking: true}, "Oi\r\n")},
		{name: "pipelined MAIL", script: mailed + "C: RCPT TO:<bruno@boreal.test>\nC: DATA\n", odd: 354,
			talk: sending(SendOptions{Pipelined: true}, "Oi\r\n")},
		{name: "RSET", script: rcpt + "S: 550 5.1.1 Who?\nC: RSET\n", talk: step, all: permanent, odd: 354},
		{name: "QUIT", script: hello + "S: 250 x\nC: QUIT\n", all: "quit", wait: 2 * time.Second, odd: 250,
			talk: func(t *testing.T, c *Client) string { c.Quit(t.Context()); return "quit" }},
	}
}

// failure is what a server does in place of the answer.
type failure struct {
	name  string
	want  string // the class, where it depends on the server's words; "" means there is none
	waits bool   // it lasts until the client loses patience
	play  func(p point, s io.Writer, r *bufio.Reader)
}

// saying gives the same answer to everything that the client says.
func saying(lines string) func(point, io.Writer, *bufio.Reader) {
	return func(_ point, s io.Writer, r *bufio.Reader) {
		for {
			if _, err := io.WriteString(s, lines+"\r\n"); err != nil {
				return
			}
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
	}
}

var failures = []failure{
	{name: "4xx", want: temporary, play: saying("451 4.3.0 Later")},
	{name: "5xx", want: permanent, play: saying("550-5.7.1 No,\r\n550 5.7.1 never")},
	{name: "421 and closes", want: temporary, play: func(_ point, s io.Writer, _ *bufio.Reader) { io.WriteString(s, "421 4.3.2 Bye\r\n") }},
	{name: "control bytes", want: permanent, play: saying("550 5.7.1 \x1b[31mNo\x00\x9b\x7f")},
	{name: "closes", play: func(point, io.Writer, *bufio.Reader) {}},
	{name: "closes in mid-reply", play: func(_ point, s io.Writer, _ *bufio.Reader) { io.WriteString(s, "250-Ok\r\n250") }},
	{name: "says nothing", waits: true, play: func(point, io.Writer, *bufio.Reader) { time.Sleep(time.Hour) }}, // the bubble's
	{name: "drips", waits: true, play: func(_ point, s io.Writer, _ *bufio.Reader) {
		for _, err := io.WriteString(s, "250 "); err == nil; _, err = io.WriteString(s, "x") {
			time.Sleep(time.Second)
		}
	}},
	{name: "drips lines", waits: true, play: func(_ point, s io.Writer, _ *bufio.Reader) {
		for _, err := io.WriteString(s, "250-x\r\n"); err == nil; _, err = io.WriteString(s, "250-x\r\n") {
			time.Sleep(10 * time.Second)
		}
	}},
	{name: "is not SMTP", play: saying("HTTP/1.1 400 Bad Request")},
	{name: "lines of two codes", play: saying("250-a\r\n550 b")},
	{name: "an endless line", play: func(_ point, s io.Writer, _ *bufio.Reader) { endless(s, strings.Repeat("2", 1000)) }},
	{name: "endless lines", play: func(_ point, s io.Writer, _ *bufio.Reader) { endless(s, "250-more\r\n") }},
	{name: "agrees to something else", play: func(p point, s io.Writer, r *bufio.Reader) { saying(fmt.Sprintf("%d Ok", p.odd))(p, s, r) }},
}

func endless(s io.Writer, text string) {
	for {
		if _, err := io.WriteString(s, text); err != nil {
			return
		}
	}
}

// Every failure at every point: what the caller learns, and when. A server that
// goes on without end is left when the time-out of that one wait is over.
func TestFailuresAtEveryPoint(t *testing.T) {
	for _, p := range points() {
		for _, f := range failures {
			t.Run(p.name+"/"+f.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { fail(t, p, f) }) })
		}
	}
}

func fail(t *testing.T, p point, f failure) {
	client, server := net.Pipe()
	played := make(chan error, 1)
	go func() {
		defer server.Close()
		r := bufio.NewReader(server)
		err := play(server, r, p.script)
		if err == nil {
			f.play(p, server, r)
		}
		played <- err
	}()
	start := time.Now()
	got := ""
	c, err := Open(t.Context(), client, Options{Hello: "mx1.aurora.test", AuthInClear: true})
	if err != nil {
		got = classOf(err)
	} else {
		got = p.talk(t, c)
	}
	took := time.Since(start)
	if err == nil {
		c.Close()
	}
	if err := <-played; err != nil {
		t.Fatalf("before the failure: %v", err)
	}
	want := f.want
	switch {
	case p.all != "":
		want = p.all
	case want == "" && p.none != "":
		want = p.none
	case want == "":
		want = lost
	}
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	wait := p.wait
	if wait == 0 {
		wait = DefaultTimeouts().Command
	}
	if f.waits && took != wait || !f.waits && took > wait {
		t.Errorf("it took %s, the time-out is %s", took, wait)
	}
}
