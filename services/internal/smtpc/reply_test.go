package smtpc

import (
	"bufio"
	"bytes"
	"io"
	"net/textproto"
	"strings"
	"testing"
	"testing/iotest"

	"correio/services/internal/reply"
)

func TestReplies(t *testing.T) {
	for _, test := range []struct{ name, wire, want string }{
		{"one line", "250 Ok\r\n", "250 Ok"},
		{"no text", "250\r\n", "250"},
		{"enhanced on every line", "550-5.1.1 No\r\n550 5.1.1 such user\r\n", "550 5.1.1 No / such user"},
		{"enhanced on the first line alone", "550-5.1.1 No\r\n550 such user\r\n", "550 5.1.1 No / such user"},
		{"enhanced code of another class is text", "450 5.1.1 No\r\n", "450 5.1.1 No"},
		{"version number is text", "220 2.4 server\r\n", "220 2.4 server"},
		{"bare LF", "250-a\n250 b\n", "250 a / b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rep, err := readReply(bufio.NewReader(strings.NewReader(test.wire)), func(string) {})
			if err != nil || rep.String() != test.want {
				t.Errorf("got %q, %v; want %q", rep, err, test.want)
			}
		})
	}
	rep, err := readReply(bufio.NewReader(strings.NewReader("450 5.1.1 No\r\n")), func(string) {})
	if err != nil || rep.Enhanced != (reply.Enhanced{}) {
		t.Errorf("enhanced code %v of a class that is not the reply's", rep.Enhanced)
	}
}

func TestQueuedAs(t *testing.T) {
	for text, want := range map[string]string{
		"Ok: queued as 4F0A1122CC":                 "4F0A1122CC",
		"<bruno@boreal.test> Ok: stored as AB12-7": "AB12-7",
		"OK: Queued As 4bKX2Q6Zz1z9rTv.":           "4bKX2Q6Zz1z9rTv",
		"Ok: queued as 1234":                       "1234",
		"Ok: queued as abc":                        "",
		"Ok: queued as <script>":                   "",
		"Ok: queued as -x1234":                     "",
		"Ok: queued as " + strings.Repeat("A", 65): "",
		"Ok":                       "",
		"İİİ queued as 4F0A1122CC": "4F0A1122CC",
		"not queued as you hoped, queued as 99887766": "",
	} {
		if got := QueuedAs(reply.Reply{Code: 250, Lines: []string{text}}); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 Ok\r\n", "250-a\r\n250 b\r\n", "220\r\n", "550-5.1.1 a\n550 5.1.1\n", "2.0", "\x00\xff\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		rep, err := readReply(bufio.NewReaderSize(bytes.NewReader(wire), 2*maxReplyLine), func(string) {})
		if err != nil {
			return
		}
		if rep.Code < 200 || rep.Code > 599 || len(rep.Lines) == 0 || len(rep.Lines) > maxReplyLines {
			t.Fatalf("%q gave %+v", wire, rep)
		}
		if e := rep.Enhanced; e != (reply.Enhanced{}) && e[0] != rep.Code/100 {
			t.Fatalf("%q gave %+v", wire, rep)
		}
		// What we would write ourselves reads as the same reply.
		again, err := readReply(bufio.NewReaderSize(bytes.NewReader(rep.AppendWire(nil)), 2*maxReplyLine), func(string) {})
		if err != nil || again.Code != rep.Code || len(again.Lines) != len(rep.Lines) {
			t.Fatalf("%q gave %+v, then %+v, %v", wire, rep, again, err)
		}
		if id := QueuedAs(rep); id != "" && (len(id) > 64 || strings.ContainsAny(id, " <>\r\n\"")) {
			t.Fatalf("%q gave queue id %q", wire, id)
		}
	})
}

func dotted(t testing.TB, message string, oneByOne bool) string {
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	d := newDotWriter(w)
	var src io.Reader = strings.NewReader(message)
	if oneByOne {
		src = iotest.OneByteReader(src)
	}
	if _, err := io.Copy(struct{ io.Writer }{d}, src); err != nil {
		t.Fatal(err)
	}
	if d.close() != nil || w.Flush() != nil || d.size != int64(len(message)) {
		t.Fatalf("close failed, or size %d of %d", d.size, len(message))
	}
	return out.String()
}

func TestDotWriter(t *testing.T) {
	for message, want := range map[string]string{
		"":                        ".\r\n",
		"Oi\r\n":                  "Oi\r\n.\r\n",
		"Oi":                      "Oi\r\n.\r\n",
		".\r\n":                   "..\r\n.\r\n",
		"a\r\n.b\r\n..c\r\n":      "a\r\n..b\r\n...c\r\n.\r\n",
		"a\n.\nb\n":               "a\r\n..\r\nb\r\n.\r\n",
		"a\r\n.\nMAIL FROM:<x>\n": "a\r\n..\r\nMAIL FROM:<x>\r\n.\r\n",
		"a\r.\rb":                 "a . b\r\n.\r\n",
		"a\n.\r\nb":               "a\r\n..\r\nb\r\n.\r\n",
		"a\r":                     "a \r\n.\r\n",
		"a\r\r\n.b":               "a \r\n..b\r\n.\r\n",
		"\r":                      " \r\n.\r\n",
	} {
		for _, oneByOne := range []bool{false, true} {
			if got := dotted(t, message, oneByOne); got != want {
				t.Errorf("%q (one by one: %t): got %q, want %q", message, oneByOne, got, want)
			}
		}
	}
}

// behaviour.md §6 row 1: whatever the message, the only end on the wire is ours.
func FuzzDotWriter(f *testing.F) {
	for _, s := range []string{"a\n.\nb", "\r\n.\r\n", "\n.\r\n", "\r.\r", ".\n.", "a\r\r\n.\r", "x\r\n.y\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, message string) {
		wire := dotted(t, message, false)
		if other := dotted(t, message, true); other != wire {
			t.Fatalf("%q: %q at once, %q octet by octet", message, wire, other)
		}
		if i := strings.Index("\r\n"+wire, "\r\n.\r\n"); i != len(wire)-3 {
			t.Fatalf("%q: %q ends early, at %d", message, wire, i)
		}
		if left := strings.ReplaceAll(wire, "\r\n", ""); strings.ContainsAny(left, "\r\n") {
			t.Fatalf("%q: bare CR or LF in %q", message, wire)
		}
		got, err := io.ReadAll(textproto.NewReader(bufio.NewReader(strings.NewReader(wire))).DotReader())
		if err != nil {
			t.Fatal(err)
		}
		clean := strings.NewReplacer("\r\n", "\n", "\r", " ").Replace(message)
		if clean != "" && !strings.HasSuffix(clean, "\n") {
			clean += "\n"
		}
		if string(got) != clean {
			t.Fatalf("%q arrived as %q, want %q", message, got, clean)
		}
	})
}
