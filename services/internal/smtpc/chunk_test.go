package smtpc

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/event"
)

const (
	chunking = hello + `
		S: 250-mx1.boreal.test
		S: 250-CHUNKING
		S: 250-BINARYMIME
		S: 250 PIPELINING
	`
	toBruno = `
		C: MAIL FROM:<ana@aurora.test>
		S: 250 Ok
		C: RCPT TO:<bruno@boreal.test>
		S: 250 Ok
	`
)

func binary(t testing.TB) Envelope {
	env := envelope(t, "ana@aurora.test", "bruno@boreal.test")
	env.Body = Binary
	return env
}

// said is the script of an accepted envelope.
func said(env Envelope) string {
	if env.Body == Binary {
		return strings.Replace(toBruno, "test>", "test> BODY=BINARYMIME", 1)
	}
	return toBruno
}

// RFC 3030, as it is spoken.
var chunkDialogues = []dialogue{
	{
		name: "one chunk, dots as they are",
		opt:  SendOptions{Chunking: true},
		script: chunking + toBruno + `
			D: "BDAT 18 LAST\r\nSubject: Oi\r\n\r\n.\r\n"
			S: 250 2.0.0 Ok: queued as 4F0A1122CC`,
		message: "Subject: Oi\r\n\r\n.\r\n",
		want:    []string{"done: 250 2.0.0 Ok: queued as 4F0A1122CC"},
		usable:  true,
	},
	{
		name: "every chunk is answered before the next",
		opt:  SendOptions{Chunking: true, ChunkSize: 4},
		script: chunking + toBruno + `
			D: "BDAT 4\r\nabcd"
			S: 250 2.0.0 4 octets
			D: "BDAT 4\r\nef\r\n"
			S: 250 2.0.0 8 octets
			D: "BDAT 3 LAST\r\ng\r\n"
			S: 250 Ok`,
		message: "abcdef\r\ng\r\n",
		want:    []string{"done: 250 Ok"},
		usable:  true,
	},
	{
		name: "chunks together, the last one when all are answered",
		opt:  SendOptions{Chunking: true, ChunkSize: 4, Pipelined: true},
		script: chunking + `
			C: MAIL FROM:<ana@aurora.test>
			C: RCPT TO:<bruno@boreal.test>
			S: 250 Ok
			S: 250 Ok
			D: "BDAT 4\r\nabcdBDAT 4\r\nefghBDAT 4\r\nijkl"
			S: 250 4
			S: 250 8
			S: 250 12
			D: "BDAT 2 LAST\r\n\r\n"
			S: 250 Ok`,
		message: "abcdefghijkl\r\n",
		want:    []string{"done: 250 Ok"},
		usable:  true,
	},
	{
		name: "not more than eight chunks in flight",
		opt:  SendOptions{Chunking: true, ChunkSize: 1, Pipelined: true},
		script: chunking + `
			C: MAIL FROM:<ana@aurora.test>
			C: RCPT TO:<bruno@boreal.test>
			S: 250 Ok
			S: 250 Ok
			D: "` + strings.Repeat(`BDAT 1\r\nx`, 8) + `"
			S: 250 1
			D: "BDAT 1\r\nx"
			S: 250 2
			D: "BDAT 1\r\n\r"
			` + strings.Repeat("S: 250 more\n", 8) + `
			D: "BDAT 1 LAST\r\n\n"
			S: 250 Ok`,
		message: "xxxxxxxxx\r\n",
		want:    []string{"done: 250 Ok"},
		usable:  true,
	},
	{
		name: "a refused chunk is the end: no other follows, and RSET clears up",
		opt:  SendOptions{Chunking: true, ChunkSize: 4},
		script: chunking + toBruno + `
			D: "BDAT 4\r\nabcd"
			S: 452 4.3.1 No space
			C: RSET
			S: 250 Ok`,
		message: "abcdef\r\n",
		want:    []string{"data: 452 4.3.1 No space"},
		usable:  true,
	},
	{
		name: "a refused chunk in flight: the replies to the others are read",
		opt:  SendOptions{Chunking: true, ChunkSize: 4, Pipelined: true},
		script: chunking + `
			C: MAIL FROM:<ana@aurora.test>
			C: RCPT TO:<bruno@boreal.test>
			S: 250 Ok
			S: 250 Ok
			D: "BDAT 4\r\nabcdBDAT 4\r\nefghBDAT 4\r\nijkl"
			S: 250 4
			S: 552 5.3.4 Enough
			S: 503 5.5.1 It is over
			C: RSET
			S: 250 Ok`,
		message: "abcdefghijklmn\r\n",
		want:    []string{"data: 552 5.3.4 Enough"},
		usable:  true,
	},
	{
		name: "the last chunk is refused",
		opt:  SendOptions{Chunking: true},
		script: chunking + toBruno + `
			D: "BDAT 4 LAST\r\nOi\r\n"
			S: 554 5.6.0 Ugly
			C: RSET
			S: 250 Ok`,
		message: "Oi\r\n",
		want:    []string{"done: 554 5.6.0 Ugly"},
		usable:  true,
	},
	{
		name: "421 to a chunk",
		opt:  SendOptions{Chunking: true, ChunkSize: 2},
		script: chunking + toBruno + `
			D: "BDAT 2\r\nOi"
			S: 421 4.3.2 Going down`,
		message: "Oi\r\n",
		want:    []string{"data: 421 4.3.2 Going down"},
	},
	{
		name: "dropped between chunks: not delivered",
		opt:  SendOptions{Chunking: true, ChunkSize: 2},
		script: chunking + toBruno + `
			D: "BDAT 2\r\nOi"`,
		message: "Oi\r\n",
		want:    []string{"data! EOF"},
	},
	{
		name: "dropped behind the last chunk: nobody knows",
		opt:  SendOptions{Chunking: true},
		script: chunking + toBruno + `
			D: "BDAT 4 LAST\r\nOi\r\n"`,
		message: "Oi\r\n",
		want:    []string{"done! EOF"},
	},
	{
		name: "nobody is accepted: not an octet of the message is sent",
		opt:  SendOptions{Chunking: true, Pipelined: true},
		script: chunking + `
			C: MAIL FROM:<ana@aurora.test>
			C: RCPT TO:<bruno@boreal.test>
			S: 250 Ok
			S: 550 5.1.1 Who?
			C: RSET
			S: 250 Ok`,
		message: "Oi\r\n",
		want:    []string{"rcpt: 550 5.1.1 Who?"},
		usable:  true,
	},
	{
		name: "an empty message",
		opt:  SendOptions{Chunking: true},
		script: chunking + toBruno + `
			D: "BDAT 0 LAST\r\n"
			S: 250 Ok`,
		want:   []string{"done: 250 Ok"},
		usable: true,
	},
	{
		name: "lines are lines by BDAT too: the next host may relay them by DATA",
		opt:  SendOptions{Chunking: true},
		script: chunking + toBruno + `
			D: "BDAT 13 LAST\r\na\r\n.\r\nb . c\r\n"
			S: 250 Ok`,
		message: "a\n.\nb\r.\rc",
		want:    []string{"done: 250 Ok"},
		usable:  true,
	},
	{
		name: "BINARYMIME: every octet as it is",
		env:  binary,
		script: chunking + said(Envelope{Body: Binary}) + `
			D: "BDAT 12 LAST\r\n\x00a\n.\nb\r.\r\xff\r\n"
			S: 250 Ok`,
		message: "\x00a\n.\nb\r.\r\xff\r\n",
		want:    []string{"done: 250 Ok"},
		usable:  true,
	},
	{
		name: "BINARYMIME is not offered: never sent, and not the host's words",
		env:  binary,
		script: hello + `
			S: 250-mx1.boreal.test
			S: 250-8BITMIME
			S: 250 CHUNKING`,
		message: "x",
		want:    []string{"we, at mail: 554 5.6.1 mx1.boreal.test does not offer CHUNKING and BINARYMIME, which the message needs"},
		usable:  true,
	},
	{
		name: "BINARYMIME without CHUNKING is of no use",
		env:  binary,
		script: hello + `
			S: 250-mx1.boreal.test
			S: 250 BINARYMIME`,
		message: "x",
		want:    []string{"we, at mail: 554 5.6.1 mx1.boreal.test does not offer CHUNKING and BINARYMIME, which the message needs"},
		usable:  true,
	},
	{
		name: "CHUNKING is wanted and not offered: DATA",
		opt:  SendOptions{Chunking: true},
		script: hello + `
			S: 250 mx1.boreal.test` + toBruno + `
			C: DATA
			S: 354 Go
			C: Oi
			C: .
			S: 250 Ok`,
		message: "Oi\r\n",
		want:    []string{"done: 250 Ok"},
		usable:  true,
	},
	{
		name:  "LMTP: one reply to a chunk, one for each accepted recipient to the last",
		proto: LMTP,
		opt:   SendOptions{Chunking: true, ChunkSize: 4},
		env: func(t testing.TB) Envelope {
			return envelope(t, "", "bruno@boreal.test", "x@boreal.test", "bruno@boreal.test")
		},
		script: `
			S: 220 mda.boreal.test LMTP
			C: LHLO mx1.aurora.test
			S: 250-mda.boreal.test
			S: 250 CHUNKING
			C: MAIL FROM:<>
			S: 250 Ok
			C: RCPT TO:<bruno@boreal.test>
			S: 250 Ok
			C: RCPT TO:<x@boreal.test>
			S: 550 5.1.1 No
			C: RCPT TO:<bruno@boreal.test>
			S: 250 Ok
			D: "BDAT 4\r\nOlha"
			S: 250 2.0.0 4 octets
			D: "BDAT 2 LAST\r\n\r\n"
			S: 250 2.1.5 stored as AAAA1
			S: 452 4.2.2 Full`,
		message: "Olha\r\n",
		want:    []string{"done: 250 2.1.5 stored as AAAA1", "rcpt: 550 5.1.1 No", "done: 452 4.2.2 Full"},
		usable:  true,
	},
}

func TestChunks(t *testing.T) {
	for _, d := range chunkDialogues {
		t.Run(d.name, d.run)
	}
}

// A message that cannot be read to its end must not look complete.
func TestBrokenSourceIsNeverEndedByALastChunk(t *testing.T) {
	for _, env := range []Envelope{binary(t), envelope(t, "ana@aurora.test", "bruno@boreal.test")} {
		conn, finish := converse(t, chunking+said(env)+"HANG")
		c, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test"})
		if err != nil {
			t.Fatal(err)
		}
		message := io.MultiReader(strings.NewReader("Oi\r\n"), errReader{})
		res := c.Send(t.Context(), env, message, SendOptions{Chunking: true})
		if !errors.Is(res[0].Err, ErrSource) || c.Usable() {
			t.Errorf("got %v, usable %t", told(res), c.Usable())
		}
		finish()
	}
}

// A chunk's command and reply are shown, its octets are nobody's business.
func TestEventsShowChunksWithoutTheirContent(t *testing.T) {
	conn, finish := converse(t, chunking+said(binary(t))+`
		D: "BDAT 8\r\nsegredo "
		S: 250 2.0.0 8 octets
		D: "BDAT 8 LAST\r\nsegredo\n"
		S: 250 Ok`)
	log := event.NewLog("mx1.aurora.test", 0)
	c, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test", Events: log})
	if err != nil {
		t.Fatal(err)
	}
	res := c.Send(t.Context(), binary(t), strings.NewReader("segredo segredo\n"), SendOptions{ChunkSize: 8})
	if !res[0].Delivered() {
		t.Errorf("got %v", told(res))
	}
	c.Close()
	finish()
	var got []string
	for _, r := range log.After(0, 100).Records {
		if strings.Contains(r.Text, "segredo") {
			t.Errorf("content in %+v", r)
		}
		if step := r.Meta.Get(event.Step); step == "data" || step == "done" {
			got = append(got, string(r.Dir)+" "+r.Text)
		}
	}
	if d := cmp.Diff([]string{"> BDAT 8", "< 250 2.0.0 8 octets", "> BDAT 8 LAST", "< 250 Ok"}, got); d != "" {
		t.Errorf("lines (-want +got)\n%s", d)
	}
}

func TestChunkSizeIsBounded(t *testing.T) {
	for n, want := range map[int]int{-1: defaultChunk, 0: defaultChunk, 1: 1, 100_000: 100_000, 1 << 30: maxChunk} {
		if got := chunkSize(n); got != want {
			t.Errorf("%d: got %d, want %d", n, got, want)
		}
	}
}
