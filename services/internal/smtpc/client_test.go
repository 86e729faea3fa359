package smtpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"correio/services/internal/event"
	"correio/services/internal/mailaddr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// converse runs a client against a server that follows a script: "S: " lines
// it says, "C: " lines it expects, "S! " says the rest of the line without a
// line end, and "HANG" waits until the client has gone. When the script ends
// it closes. The function returned fails the test if the client strayed.
func converse(t *testing.T, script string) (net.Conn, func()) {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() {
		defer server.Close()
		done <- play(server, script)
	}()
	return client, func() {
		t.Helper()
		client.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func play(server net.Conn, script string) error {
	server.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(server)
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case line == "HANG":
			io.Copy(io.Discard, r)
		case strings.HasPrefix(line, "S: "):
			if _, err := io.WriteString(server, line[3:]+"\r\n"); err != nil {
				return fmt.Errorf("server says %q: %w", line[3:], err)
			}
		case strings.HasPrefix(line, "C:"):
			want := strings.TrimPrefix(line[2:], " ")
			got, err := r.ReadString('\n')
			if err != nil || got != want+"\r\n" {
				return fmt.Errorf("got %q, want %q: %w", got, want, err)
			}
		default:
			return fmt.Errorf("bad script line %q", line)
		}
	}
	return nil
}

func addr(t testing.TB, s string) mailaddr.Address {
	t.Helper()
	if s == "" {
		return mailaddr.Address{}
	}
	a, err := mailaddr.Parse(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return a
}

func envelope(t testing.TB, from string, to ...string) Envelope {
	env := Envelope{From: addr(t, from)}
	for _, s := range to {
		env.To = append(env.To, Recipient{To: addr(t, s)})
	}
	return env
}

const hello = `
	S: 220 mx1.boreal.test ESMTP
	C: EHLO mx1.aurora.test
`

var dialogues = []struct {
	name      string
	proto     Protocol
	pipelined bool
	env       func(t testing.TB) Envelope
	message   string
	script    string
	want      []string // "step: reply" or "step! error" of each recipient
	usable    bool
	cut       bool // the client goes before the script has ended
}{
	{
		name: "step by step, as the textbook prints it",
		script: hello + `
			S: 250 mx1.boreal.test
			C: MAIL FROM:<ana@aurora.test>
			S: 250 2.1.0 Ok
			C: RCPT TO:<bruno@boreal.test>
			S: 250 2.1.5 Ok
			C: DATA
			S: 354 End data with <CR><LF>.<CR><LF>
			C: Subject: Oi
			C:
			C: ..
			C: .
			S: 250 2.0.0 Ok: queued as 4F0A1122CC`,
		message: "Subject: Oi\r\n\r\n.\r\n",
		want:    []string{"done: 250 2.0.0 Ok: queued as 4F0A1122CC"},
		usable:  true,
	},
	{
		name:      "pipelined: one of two recipients is refused",
		pipelined: true,
		env: func(t testing.TB) Envelope {
			return envelope(t, "ana@aurora.test", "x@boreal.test", "bruno@boreal.test")
		},
		script: hello + `
			S: 250-mx1.boreal.test
			S: 250 pipelining
			C: MAIL FROM:<ana@aurora.test>
			C: RCPT TO:<x@boreal.test>
			C: RCPT TO:<bruno@boreal.test>
			C: DATA
			S: 250 2.1.0 Ok
			S: 550 5.1.1 No such user
			S: 250 2.1.5 Ok
			S: 354 Go
			C: Oi
			C: .
			S: 250 Ok`,
		message: "Oi",
		want:    []string{"rcpt: 550 5.1.1 No such user", "done: 250 Ok"},
		usable:  true,
	},
	{
		name:      "pipelined: nobody is left, but the server says 354",
		pipelined: true,
		script: hello + `
			S: 250-mx1.boreal.test
			S: 250 PIPELINING
			C: MAIL FROM:<ana@aurora.test>
			C: RCPT TO:<bruno@boreal.test>
			C: DATA
			S: 250 Ok
			S: 450 4.2.0 Busy
			S: 354 Go
			C: .
			S: 554 5.5.1 No valid recipients
			C: RSET
			S: 250 Ok`,
		want:   []string{"rcpt: 450 4.2.0 Busy"},
		usable: true,
	},
	{
		name:      "pipelined: MAIL is refused, the other replies are of no interest",
		pipelined: true,
		script: hello + `
			S: 250-mx1.boreal.test
			S: 250 PIPELINING
			C: MAIL FROM:<ana@aurora.test>
			C: RCPT TO:<bruno@boreal.test>
			C: DATA
			S: 452 4.3.1 No space
			S: 503 5.5.1 MAIL first
			S: 503 5.5.1 RCPT first
			C: RSET
			S: 250 Ok`,
		want:   []string{"mail: 452 4.3.1 No space"},
		usable: true,
	},
	{
		name: "421 in the middle ends it for who is left",
		env:  func(t testing.TB) Envelope { return envelope(t, "", "a@boreal.test", "b@boreal.test", "c@boreal.test") },
		script: hello + `
			S: 250 mx1.boreal.test
			C: MAIL FROM:<>
			S: 250 Ok
			C: RCPT TO:<a@boreal.test>
			S: 550 5.1.1 No
			C: RCPT TO:<b@boreal.test>
			S: 421 4.3.2 Going down`,
		want: []string{"rcpt: 550 5.1.1 No", "rcpt: 421 4.3.2 Going down", "rcpt: 421 4.3.2 Going down"},
	},
	{
		name: "dropped in the middle of the message",
		script: hello + `
			S: 250 mx1.boreal.test
			C: MAIL FROM:<ana@aurora.test>
			S: 250 Ok
			C: RCPT TO:<bruno@boreal.test>
			S: 250 Ok
			C: DATA
			S: 354 Go
			C: Oi`,
		message: "Oi\r\n" + strings.Repeat("x", 100_000),
		want:    []string{"data! io: read/write on closed pipe"},
	},
	{
		name: "dropped behind the final dot: nobody knows",
		script: hello + `
			S: 250 mx1.boreal.test
			C: MAIL FROM:<ana@aurora.test>
			S: 250 Ok
			C: RCPT TO:<bruno@boreal.test>
			S: 250 Ok
			C: DATA
			S: 354 Go
			C: Oi
			C: .`,
		message: "Oi\r\n",
		want:    []string{"done! EOF"},
	},
	{
		name: "EHLO unknown, HELO it is",
		script: hello + `
			S: 502 5.5.1 What?
			C: HELO mx1.aurora.test
			S: 250 mx1.boreal.test
			C: MAIL FROM:<ana@aurora.test>
			S: 250 Ok
			C: RCPT TO:<bruno@boreal.test>
			S: 250 Ok
			C: DATA
			S: 554 5.3.0 Not today
			C: RSET
			S: 250 Ok`,
		want:   []string{"data: 554 5.3.0 Not today"},
		usable: true,
	},
	{
		name: "larger than the server takes: not a word is said",
		env: func(t testing.TB) Envelope {
			env := envelope(t, "ana@aurora.test", "bruno@boreal.test")
			env.Size = 1001
			return env
		},
		script: hello + `
			S: 250-mx1.boreal.test
			S: 250 SIZE 1000`,
		want:   []string{"mail: 552 5.3.4 Message of 1001 octets is larger than the 1000 that mx1.boreal.test takes"},
		usable: true,
	},
	{
		name: "SMTPUTF8 needed and not offered (RFC 6531 §3.2)",
		env:  func(t testing.TB) Envelope { return envelope(t, "ana@aurora.test", "joão@boreal.test") },
		script: hello + `
			S: 250 mx1.boreal.test`,
		want:   []string{"mail: 550 5.6.7 mx1.boreal.test does not offer SMTPUTF8, which the addresses need"},
		usable: true,
	},
	{
		name: "every parameter that is offered",
		env: func(t testing.TB) Envelope {
			env := envelope(t, "ana@aurora.test", `"x y"@boreal.test`)
			env.Size, env.EightBit, env.Ret, env.EnvID = 6, true, "HDRS", "QQ314"
			env.To[0].Notify, env.To[0].ORcpt = "SUCCESS,FAILURE", "rfc822;x+20y@boreal.test"
			return env
		},
		script: hello + `
			S: 250-mx1.boreal.test
			S: 250-Size 1000
			S: 250-8bitmime
			S: 250 DSN
			C: MAIL FROM:<ana@aurora.test> SIZE=6 BODY=8BITMIME RET=HDRS ENVID=QQ314
			S: 250 Ok
			C: RCPT TO:<"x y"@boreal.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+20y@boreal.test
			S: 452 4.2.2 Full
			C: RSET
			S: 250 Ok`,
		want:   []string{"rcpt: 452 4.2.2 Full"},
		usable: true,
	},
	{
		name:  "behaviour row 20: LMTP answers for each accepted recipient, also the same one twice",
		proto: LMTP,
		env: func(t testing.TB) Envelope {
			return envelope(t, "ana@aurora.test", "bruno@boreal.test", "x@boreal.test", "bruno@boreal.test", "cheio@boreal.test")
		},
		script: `
			S: 220 mda.boreal.test LMTP
			C: LHLO mx1.aurora.test
			S: 250 mda.boreal.test
			C: MAIL FROM:<ana@aurora.test>
			S: 250 Ok
			C: RCPT TO:<bruno@boreal.test>
			S: 250 Ok
			C: RCPT TO:<x@boreal.test>
			S: 550 5.1.1 No
			C: RCPT TO:<bruno@boreal.test>
			S: 250 Ok
			C: RCPT TO:<cheio@boreal.test>
			S: 250 Ok
			C: DATA
			S: 354 Go
			C: Oi
			C: .
			S: 250 2.1.5 <bruno@boreal.test> Ok: stored as AAAA1
			S: 250 2.1.5 <bruno@boreal.test> Ok: stored as AAAA2
			S: 452 4.2.2 <cheio@boreal.test> Full`,
		message: "Oi\r\n",
		want: []string{
			"done: 250 2.1.5 <bruno@boreal.test> Ok: stored as AAAA1", "rcpt: 550 5.1.1 No",
			"done: 250 2.1.5 <bruno@boreal.test> Ok: stored as AAAA2", "done: 452 4.2.2 <cheio@boreal.test> Full",
		},
		usable: true,
	},
	{
		name: "a reply that is not SMTP",
		script: hello + `
			S: 250 mx1.boreal.test
			C: MAIL FROM:<ana@aurora.test>
			S: HTTP/1.1 400 Bad Request`,
		want: []string{`mail! reply is not SMTP: "HTTP/1.1 400 Bad Request"`},
	},
	{
		name: "behaviour row 6: an endless reply line",
		script: hello + `
			S: 250 mx1.boreal.test
			C: MAIL FROM:<ana@aurora.test>
			S: 250 ` + strings.Repeat("x", 4200) + `
			HANG`,
		want: []string{"mail! reply is too long"},
		cut:  true,
	},
}

func TestDialogues(t *testing.T) {
	for _, test := range dialogues {
		t.Run(test.name, func(t *testing.T) {
			conn, finish := converse(t, test.script)
			c, err := Open(t.Context(), conn, Options{Protocol: test.proto, Hello: "mx1.aurora.test", Host: "mx1.boreal.test"})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			env := envelope(t, "ana@aurora.test", "bruno@boreal.test")
			if test.env != nil {
				env = test.env(t)
			}
			results := c.Send(t.Context(), env, strings.NewReader(test.message), SendOptions{Pipelined: test.pipelined})
			var got []string
			for _, r := range results {
				if r.Err != nil {
					got = append(got, fmt.Sprintf("%s! %v", r.Step, r.Err))
				} else {
					got = append(got, fmt.Sprintf("%s: %s", r.Step, r.Reply))
				}
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("results (-want +got)\n%s", d)
			}
			if c.Usable() != test.usable {
				t.Errorf("usable %t, want %t", c.Usable(), test.usable)
			}
			if !test.cut {
				finish()
			}
		})
	}
}

func TestOpenFailures(t *testing.T) {
	for _, test := range []struct{ name, script, want string }{
		{"554 in place of the greeting", "S: 554 5.3.2 No service", "banner: 554 5.3.2 No service"},
		{"421 in place of the greeting", "S: 421 4.3.2 Busy", "banner: 421 4.3.2 Busy"},
		{"closed at once", "", "banner: EOF"},
		{"both hellos refused", hello + "S: 550 5.7.1 Go away\nC: HELO mx1.aurora.test\nS: 550 5.7.1 Go away", "hello: 550 5.7.1 Go away"},
		{"temporary refusal is not answered by HELO", hello + "S: 451 4.3.0 Later", "hello: 451 4.3.0 Later"},
		{"a reply whose lines differ in code", hello + "S: 250-a\nS: 251 b", "hello: reply is not SMTP: 251 within a reply 250"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, finish := converse(t, test.script)
			_, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test"})
			var e *Error
			if !errors.As(err, &e) || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			finish()
		})
	}
}

func TestReplyOfEndlessLines(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		defer server.Close()
		for {
			if _, err := io.WriteString(server, "220-more\r\n"); err != nil {
				return
			}
		}
	}()
	_, err := Open(t.Context(), client, Options{Hello: "a.test"})
	if !errors.Is(err, ErrReplyTooLong) {
		t.Errorf("got %v", err)
	}
}

func TestEndOfContextCutsTheDialogue(t *testing.T) {
	conn, _ := converse(t, "S: 220 mx1.boreal.test\nHANG")
	ctx, cancel := context.WithCancel(t.Context())
	saidHello := func(l Line) {
		if l.Dir == event.Out {
			cancel()
		}
	}
	if _, err := Open(ctx, conn, Options{Hello: "mx1.aurora.test", Trace: saidHello}); err == nil {
		t.Error("Open succeeded without a reply to EHLO")
	}
}

func TestSilenceMeetsItsDeadline(t *testing.T) {
	conn, finish := converse(t, hello+"HANG")
	_, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test", Timeouts: Timeouts{Command: 20 * time.Millisecond}})
	var e *Error
	var timeout net.Error
	if !errors.As(err, &e) || e.Step != StepHello || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v, want a timeout at hello", err)
	}
	finish()
}

// A message that cannot be read to its end must not look complete.
func TestBrokenSourceIsNeverEndedByADot(t *testing.T) {
	conn, finish := converse(t, hello+`
		S: 250 mx1.boreal.test
		C: MAIL FROM:<ana@aurora.test>
		S: 250 Ok
		C: RCPT TO:<bruno@boreal.test>
		S: 250 Ok
		C: DATA
		S: 354 Go
		HANG`)
	c, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test"})
	if err != nil {
		t.Fatal(err)
	}
	broken := io.MultiReader(strings.NewReader("Oi\r\n"), errReader{})
	res := c.Send(t.Context(), envelope(t, "ana@aurora.test", "bruno@boreal.test"), broken, SendOptions{})
	if !errors.Is(res[0].Err, ErrSource) || c.Usable() {
		t.Errorf("got %+v, usable %t", res[0], c.Usable())
	}
	finish()
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

func TestAskTakesTheTransactionBack(t *testing.T) {
	conn, finish := converse(t, `
		S: 220 mda
		C: LHLO mx1.boreal.test
		S: 250-mda
		S: 250 PIPELINING
		C: MAIL FROM:<ana@aurora.test>
		S: 250 Ok
		C: RCPT TO:<x@boreal.test>
		S: 550 5.1.1 No such user
		C: RSET
		S: 250 Ok
		C: MAIL FROM:<ana@aurora.test>
		C: RCPT TO:<x@boreal.test>
		C: RSET
		S: 250 Ok
		S: 550 5.1.1 No such user
		S: 250 Ok`)
	c, err := Open(t.Context(), conn, Options{Protocol: LMTP, Hello: "mx1.boreal.test"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		rep, err := c.Ask(t.Context(), addr(t, "ana@aurora.test"), 0, addr(t, "x@boreal.test"), "Q1")
		if err != nil || rep.String() != "550 5.1.1 No such user" || !c.Usable() {
			t.Errorf("got %v, %v, usable %t", rep, err, c.Usable())
		}
	}
	finish()
}

// behaviour.md §6 row 5: what follows the reply to STARTTLS in clear may be
// somebody else's.
func TestRow5OctetsBehindStartTLSAreRefused(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		defer server.Close()
		r := bufio.NewReader(server)
		io.WriteString(server, "220 mx\r\n")
		r.ReadString('\n')
		io.WriteString(server, "250-mx\r\n250 STARTTLS\r\n")
		r.ReadString('\n')
		io.WriteString(server, "220 Go\r\n250 injected\r\n")
		io.Copy(io.Discard, r)
	}()
	c, err := Open(t.Context(), client, Options{Hello: "a.test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(t.Context(), noVerify()); !errors.Is(err, ErrInjected) {
		t.Errorf("got %v", err)
	}
}

func TestEventsTellTheDialogueAndMaskSecrets(t *testing.T) {
	conn, finish := converse(t, `
		S: 220 mx1
		C: EHLO pc.aurora.test
		S: 250-mx1
		S: 250 AUTH LOGIN
		C: AUTH LOGIN
		S: 334 VXNlcm5hbWU6
		C: YW5h
		S: 334 UGFzc3dvcmQ6
		C: c2VncmVkbw==
		S: 535 5.7.8 No
		C: QUIT
		S: 221 2.0.0 Bye`)
	log := event.NewLog("pc.aurora.test", 0)
	var traced []string
	c, err := Open(t.Context(), conn, Options{
		Protocol: Submission, Hello: "pc.aurora.test", Host: "mx1", Events: log,
		Trace: func(l Line) { traced = append(traced, string(l.Dir)+" "+l.Text) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := c.Auth(t.Context(), "ana", "segredo"); !errors.As(err, &e) || !e.Permanent() || e.Reply.Code != 535 {
		t.Errorf("auth: %v", err)
	}
	c.Quit(t.Context())
	finish()
	want := []string{
		"< 220 mx1", "> EHLO pc.aurora.test", "< 250-mx1", "< 250 AUTH LOGIN", "> AUTH LOGIN", "< 334 VXNlcm5hbWU6",
		"> ****", "< 334 UGFzc3dvcmQ6", "> ****", "< 535 5.7.8 No", "> QUIT", "< 221 2.0.0 Bye",
	}
	if d := cmp.Diff(want, traced); d != "" {
		t.Errorf("trace (-want +got)\n%s", d)
	}
	var kinds []string
	for _, r := range log.After(0, 100).Records {
		if strings.Contains(r.Text, "c2Vn") {
			t.Errorf("the password is in %+v", r)
		}
		if r.Kind != event.KindLine {
			kinds = append(kinds, string(r.Kind)+" "+r.Text)
		}
	}
	if d := cmp.Diff([]string{"conn open", "auth refused", "conn close"}, kinds); d != "" {
		t.Errorf("events (-want +got)\n%s", d)
	}
}

func TestCommandCannotBeSplit(t *testing.T) {
	conn, _ := converse(t, "S: 220 mx1.boreal.test\nHANG")
	if _, err := Open(t.Context(), conn, Options{Hello: "a.test\r\nQUIT"}); err == nil {
		t.Error("EHLO with a line end in it was sent")
	}
	for _, param := range []string{"x y", "x\r\nQUIT", "\t", "", strings.Repeat("x", 1001)} {
		if isParam(param) {
			t.Errorf("%q passes as a parameter", param)
		}
	}
}
