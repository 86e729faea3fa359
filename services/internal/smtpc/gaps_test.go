package smtpc

import (
	"strings"
	"testing"
)

// The gaps of go-smtp's client (behaviour.md §5), each closed here. That bare
// LF and CR are mended, that an endless reply is cut, pipelining and BDAT have
// tests of their own.

const anaToBruno = "C: MAIL FROM:<ana@aurora.test>\nS: 250 Ok\nC: RCPT TO:<bruno@boreal.test>\nS: 250 Ok\n"

// The client compared keywords with their case, and stayed in clear.
func TestGapKeywordsKnowNoCase(t *testing.T) {
	conn, finish := converse(t, hello+"S: 250-x\nS: 250-StartTls\nS: 250-size 77\nS: 250 aUtH plain")
	c, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Extension("STARTTLS"); !ok || c.MaxSize() != 77 || c.ext["AUTH"] != "plain" {
		t.Errorf("got %v", c.ext)
	}
	finish()
}

// It announced 8BITMIME whenever that was offered.
func TestGapBODYIsSaidWhenNeeded(t *testing.T) {
	eight := func(t testing.TB) Envelope {
		env := envelope(t, "ana@aurora.test", "bruno@boreal.test")
		env.EightBit = true
		return env
	}
	const rest = "C: DATA\nS: 354 Go\nC: Oi\nC: .\nS: 250 Ok\n"
	for _, d := range []dialogue{
		{name: "seven bits", message: "Oi\r\n", script: hello + "S: 250-x\nS: 250 8BITMIME\n" + anaToBruno + rest, want: []string{"done: 250 Ok"}, usable: true},
		{name: "eight bits", message: "Oi\r\n", env: eight, script: hello + "S: 250-x\nS: 250 8BITMIME\n" +
			strings.Replace(anaToBruno, "\n", " BODY=8BITMIME\n", 1) + rest, want: []string{"done: 250 Ok"}, usable: true},
		// RFC 6152 §3: never without being told.
		{name: "eight bits, not offered", env: eight, script: hello + "S: 250 x", usable: true,
			want: []string{"we, at mail: 554 5.6.3 mx1.boreal.test does not offer 8BITMIME, which the message needs"}},
		{name: "eight bits, EHLO unknown", env: eight, script: hello + "S: 502 What?\nC: HELO mx1.aurora.test\nS: 250 x", usable: true,
			want: []string{"we, at mail: 554 5.6.3 mx1.boreal.test does not offer 8BITMIME, which the message needs"}},
	} {
		t.Run(d.name, d.run)
	}
}

// It sent what the server had said would be too large.
func TestGapSIZEIsHeeded(t *testing.T) {
	for size, want := range map[int64]string{
		1000: "mail: 552 5.3.4 Yours", 1001: "we, at mail: 552 5.3.4 Message of 1001 octets is larger than the 1000 that mx1.boreal.test takes",
	} {
		script := hello + "S: 250-x\nS: 250 SIZE 1000\n"
		if size <= 1000 {
			script += "C: MAIL FROM:<ana@aurora.test> SIZE=1000\nS: 552 5.3.4 Yours\n"
		}
		dialogue{script: script, want: []string{want}, usable: true, env: func(t testing.TB) Envelope {
			env := envelope(t, "ana@aurora.test", "bruno@boreal.test")
			env.Size = size
			return env
		}}.run(t)
	}
	for _, said := range []string{"", "0", "-1", "x", "99999999999999999999"} { // RFC 1870 §3: no limit is known
		c := &Client{ext: map[string]string{"SIZE": said}}
		if c.MaxSize() != 0 {
			t.Errorf("SIZE %s: a limit of %d", said, c.MaxSize())
		}
	}
}

// Used again without RSET it waited for the replies to earlier recipients.
func TestGapLMTPIsUsedAgain(t *testing.T) {
	const data = "C: DATA\nS: 354 Go\nC: Oi\nC: .\n"
	conn, finish := converse(t, "S: 220 x\nC: LHLO mx1.aurora.test\nS: 250 x\n"+
		anaToBruno+"C: RCPT TO:<b@boreal.test>\nS: 250 Ok\n"+data+"S: 452 4.2.2 Full\nS: 250 Ok\n"+
		anaToBruno+data+"S: 250 Ok\n")
	c, err := Open(t.Context(), conn, Options{Protocol: LMTP, Hello: "mx1.aurora.test"})
	if err != nil {
		t.Fatal(err)
	}
	first := c.Send(t.Context(), envelope(t, "ana@aurora.test", "bruno@boreal.test", "b@boreal.test"), strings.NewReader("Oi\r\n"), SendOptions{})
	second := c.Send(t.Context(), envelope(t, "ana@aurora.test", "bruno@boreal.test"), strings.NewReader("Oi\r\n"), SendOptions{})
	if first[0].Delivered() || !first[1].Delivered() || !second[0].Delivered() {
		t.Errorf("got %v, then %v", told(first), told(second))
	}
	finish()
}

// A 421 that waited for us on a kept connection looked as if it had been lost
// in the middle, when commands were pipelined: nobody tried a new one.
func TestPipelined421IsTheReplyToMAIL(t *testing.T) {
	dialogue{
		opt: SendOptions{Pipelined: true},
		script: hello + `
			S: 250-x
			S: 250 PIPELINING
			C: MAIL FROM:<ana@aurora.test>
			C: RCPT TO:<bruno@boreal.test>
			C: DATA
			S: 421 4.4.2 You were away`,
		want: []string{"mail: 421 4.4.2 You were away"},
	}.run(t)
}
