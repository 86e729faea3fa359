package smtpc

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dialogue is one transaction and what is to be seen of it.
type dialogue struct {
	name    string
	proto   Protocol
	opt     SendOptions
	env     func(t testing.TB) Envelope // nil: from ana@aurora.test to bruno@boreal.test
	message string
	script  string
	want    []string // of each recipient, see told
	usable  bool
	cut     bool // the client goes before the script has ended
}

func (d dialogue) run(t *testing.T) {
	conn, finish := converse(t, d.script)
	c, err := Open(t.Context(), conn, Options{Protocol: d.proto, Hello: "mx1.aurora.test", Host: "mx1.boreal.test"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	env := envelope(t, "ana@aurora.test", "bruno@boreal.test")
	if d.env != nil {
		env = d.env(t)
	}
	results := c.Send(t.Context(), env, strings.NewReader(d.message), d.opt)
	if diff := cmp.Diff(d.want, told(results)); diff != "" {
		t.Errorf("results (-want +got)\n%s", diff)
	}
	if c.Usable() != d.usable {
		t.Errorf("usable %t, want %t", c.Usable(), d.usable)
	}
	if !d.cut {
		finish()
	}
}

func TestDialogues(t *testing.T) {
	for _, d := range dialogues {
		t.Run(d.name, d.run)
	}
}

var dialogues = []dialogue{
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
		name: "pipelined: one of two recipients is refused",
		opt:  SendOptions{Pipelined: true},
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
		name: "pipelined: nobody is left, but the server says 354",
		opt:  SendOptions{Pipelined: true},
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
		name: "pipelined: MAIL is refused, the other replies are of no interest",
		opt:  SendOptions{Pipelined: true},
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
		want:   []string{"we, at mail: 552 5.3.4 Message of 1001 octets is larger than the 1000 that mx1.boreal.test takes"},
		usable: true,
	},
	{
		name: "SMTPUTF8 needed and not offered (RFC 6531 §3.2)",
		env:  func(t testing.TB) Envelope { return envelope(t, "ana@aurora.test", "joão@boreal.test") },
		script: hello + `
			S: 250 mx1.boreal.test`,
		want:   []string{"we, at mail: 550 5.6.7 mx1.boreal.test does not offer SMTPUTF8, which the message or its addresses need"},
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
