package reply_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"correio/services/internal/reply"
)

func TestAppendWire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		r    reply.Reply
		want string
	}{
		"one line":                    {reply.New(250, "2.1.0", "Ok"), "250 2.1.0 Ok\r\n"},
		"enhanced code on every line": {reply.New(214, "2.0.0", "a", "b"), "214-2.0.0 a\r\n214 2.0.0 b\r\n"},
		"no enhanced code":            {reply.New(354, "", "Go on"), "354 Go on\r\n"},
		"no text":                     {reply.Reply{Code: 250}, "250 \r\n"},
		"UTF-8 is kept":               {reply.Newf(550, "5.1.1", "<%s> não existe", "josé@café.test"), "550 5.1.1 <josé@café.test> não existe\r\n"},
		"no text breaks out of its line": {
			reply.Reply{Code: 550, Lines: []string{"a\r\n250 ok\x00\x7f\u0085\u2028b"}}, "550 a  250 ok    b\r\n"},
		"what is not UTF-8 is marked": {reply.Newf(550, "", "a\xffb"), "550 a\ufffdb\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := string(c.r.AppendWire([]byte("x")))[1:]; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets.
func TestAppendWire_LongTextIsFoldedAtSpaces(t *testing.T) {
	t.Parallel()
	text := strings.TrimSpace(strings.Repeat("palavra ção ", 200))
	wire := string(reply.New(550, "5.7.1", text).AppendWire(nil))
	lines := strings.Split(strings.TrimSuffix(wire, "\r\n"), "\r\n")
	var joined []string
	for i, line := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		rest, ok := strings.CutPrefix(line, "550"+sep+"5.7.1 ")
		if !ok || len(line)+2 > reply.MaxLine {
			t.Fatalf("line %d is %q (%d octets)", i, line, len(line)+2)
		}
		joined = append(joined, rest)
	}
	if got := strings.Join(joined, " "); len(lines) < 5 || got != text {
		t.Errorf("%d lines hold %q", len(lines), got)
	}
}

func TestNew_PanicsAtWhatIsNoReply(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code     int
		enhanced string
	}{
		{250, "5.1.1"}, {550, "2.1.1"}, {354, "3.0.0"}, {250, "2.1"}, {250, "2.1.1.1"}, {250, "2.1.1 "},
		{250, " 2.1.1"}, {250, "2.01.1"}, {250, "2.-1.1"}, {250, "2.1.1000"}, {250, "2..1"}, {250, "x"},
		{100, ""}, {600, ""}, {0, ""}, {250, "0.0.0"},
	} {
		t.Run(fmt.Sprintf("%d %q", c.code, c.enhanced), func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			reply.New(c.code, c.enhanced, "text")
		})
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]reply.Reply{
		"250 2.0.0 Ok":    reply.New(250, "2.0.0", "Ok"),
		"214 2.0.0 a / b": reply.New(214, "2.0.0", "a", "b"),
		"354 Go on":       reply.New(354, "", "Go on"),
		"250":             {Code: 250},
		"550 a  b":        {Code: 550, Lines: []string{"a\r\nb"}},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	refusal := reply.New(550, "5.1.1", "No such mailbox")
	err := fmt.Errorf("ask the MDA: %w", refusal.Err(io.EOF))
	if got := reply.Of(err).String(); got != "550 5.1.1 No such mailbox" {
		t.Errorf("Of gives %q", got)
	}
	if !errors.Is(err, io.EOF) || err.Error() != "ask the MDA: 550 5.1.1 No such mailbox: EOF" {
		t.Errorf("the error is %q, and does not know its cause", err)
	}
	// An error that carries no reply is ours, temporary, and keeps its secrets.
	got := reply.Of(errors.New("open /var/lib/spool: disk on fire"))
	if got.Code != 451 || got.Enhanced.String() != "4.3.0" || strings.Contains(got.String(), "spool") {
		t.Errorf("Of gives %q", got)
	}
}

func TestClasses(t *testing.T) {
	t.Parallel()
	for code, want := range map[int][3]bool{
		220: {true, false, false}, 354: {true, false, false}, 450: {false, true, false}, 554: {false, false, true},
	} {
		r := reply.Reply{Code: code}
		if got := [3]bool{r.Positive(), r.Temporary(), r.Permanent()}; got != want {
			t.Errorf("%d: got %v, want %v", code, got, want)
		}
	}
	if r := reply.New(421, "4.3.2", "bye"); r.Close || !r.WithClose().Close || r.Close {
		t.Error("WithClose must change its copy alone")
	}
}

func FuzzAppendWire(f *testing.F) {
	f.Add("Ok", "")
	f.Add("a\r\n250 ok", strings.Repeat("é", 600))
	f.Add("\xff\xfe", strings.Repeat("x ", 600))
	f.Fuzz(func(t *testing.T, a, b string) {
		wire := string(reply.Newf(550, "5.7.1", "%s", a).AppendWire(nil))
		wire += string(reply.Reply{Code: 250, Lines: []string{a, b}}.AppendWire(nil))
		if !strings.HasSuffix(wire, "\r\n") || !utf8.ValidString(wire) {
			t.Fatalf("%q", wire)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(wire, "\r\n"), "\r\n") {
			code := strings.HasPrefix(line, "550 5.7.1 ") || strings.HasPrefix(line, "550-5.7.1 ") ||
				strings.HasPrefix(line, "250-") || strings.HasPrefix(line, "250 ")
			if !code || len(line)+2 > reply.MaxLine || strings.ContainsFunc(line, unicode.IsControl) {
				t.Fatalf("line %q of %q", line, wire)
			}
		}
	})
}
