package headsample_test

import (
	"fmt"
	"strings"
	"testing"

	"correio/services/internal/headsample"
)

// scan gives a message in pieces, and returns what was seen of its header.
func scan(message string, step int) (lines []string, id headsample.MessageID, s *headsample.Scanner) {
	s = &headsample.Scanner{Line: func(line []byte) {
		lines = append(lines, string(line))
		id.Line(line)
	}}
	for rest := message; rest != ""; {
		n := min(step, len(rest))
		_, _ = s.Write([]byte(rest[:n])) // it never fails
		rest = rest[n:]
	}
	s.End()
	return lines, id, s
}

func TestScanner(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", headsample.MaxLine)
	for name, c := range map[string]struct {
		message string
		lines   []string
		octets  int64
		bare    bool
	}{
		"ordinary":                    {"A: b\r\nC: d\r\n e\r\n\r\nF: g\r\n", []string{"A: b", "C: d", " e"}, 16, false},
		"LF alone":                    {"A: b\nC: d\n\nF: g\n", []string{"A: b", "C: d"}, 10, false},
		"no end":                      {"A: b\r\nC: d", []string{"A: b", "C: d"}, 10, false},
		"no body":                     {"A: b\r\n", []string{"A: b"}, 6, false},
		"empty":                       {"", nil, 0, false},
		"body alone":                  {"\r\nA: b\r\n", nil, 0, false},
		"typed without a header":      {"Oi, Ana!\r\nA: b\r\n", nil, 0, true},
		"typed without a line end":    {"Oi", nil, 0, true},
		"begins with a space":         {" A: b\r\nC: d\r\n", nil, 0, true},
		"a body without empty line":   {"A: b\r\nOi!\r\nC: d\r\n", []string{"A: b"}, 6, false},
		"space before the colon":      {"A : b\r\n\r\n", []string{"A : b"}, 7, false},
		"space in the name":           {"A B: c\r\n\r\n", nil, 0, true},
		"a colon alone":               {": b\r\n\r\n", nil, 0, true},
		"a long line is cut":          {"A: " + long + "\r\nC: d\r\n\r\n", []string{"A: " + long[3:], "C: d"}, 1011, false},
		"a long line without a colon": {long + long + ": b\r\n\r\n", nil, 0, true},
		"a long name":                 {strings.Repeat("n", 76) + ": b\r\n\r\n", []string{strings.Repeat("n", 76) + ": b"}, 81, false},
		"a name too long":             {strings.Repeat("n", 77) + ": b\r\n\r\n", nil, 0, true},
	} {
		for _, step := range []int{1, 2, 7, 100, 100_000} {
			lines, _, s := scan(c.message, step)
			if fmt.Sprintf("%q", lines) != fmt.Sprintf("%q", c.lines) || s.Bare() != c.bare || s.Octets() != c.octets {
				t.Errorf("%s, in steps of %d: %.90q, %d octets, bare %v", name, step, lines, s.Octets(), s.Bare())
			}
		}
	}
}

func TestMessageID(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"Message-ID: <1@a>\r\n":                                  "1@a",
		"message-id:<1@a>\r\n":                                   "1@a",
		"MESSAGE-ID :\r\n\t<1@a>\r\n":                            "1@a",
		"Message-ID:\r\n \r\n <1@a>\r\n":                         "1@a",
		"Message-ID: <1@a> (why not)\r\n":                        "1@a",
		"Message-ID: <1@\r\n a>\r\n":                             "",
		"Message-ID: (why)\r\n\t<1@a> more\r\n":                  "1@a",
		"X-Message-ID: <1@a>\r\n":                                "",
		"Message-ID: <1@a>":                                      "1@a",
		"Message-ID: 1@a\r\n":                                    "",
		"Message-ID: <1@a\r\n":                                   "",
		"Message-ID: <1 @a>\r\n":                                 "",
		"Message-ID: <1@a\x01>\r\n":                              "",
		"Message-ID: <é@a>\r\n":                                  "",
		"Message-ID: <<1@a>\r\n":                                 "",
		"Message-ID: <" + strings.Repeat("x", 251) + ">\r\n":     "",
		"Message-ID: " + strings.Repeat(" ", 2000) + "<1@a>\r\n": "",
		"Message-ID: bad\r\nMessage-ID: <1@a>\r\n":               "", // the first one counts
		"A: b\r\n Message-ID: <0@a>\r\nMessage-ID: <1@a>\r\n":    "1@a",
		"Message-IDs: <1@a>\r\n":                                 "",
		"A: b\r\n\r\nMessage-ID: <1@a>\r\n":                      "",
	} {
		_, id, _ := scan(header, 3)
		if got := id.String(); got != want {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
}

// Neither an endless line nor endless lines are kept.
func TestScanner_KeepsLittle(t *testing.T) { //nolint:paralleltest // it counts allocations
	var id headsample.MessageID
	s := headsample.Scanner{Line: id.Line}
	begin, line, again := []byte("Message-ID: <"), []byte(strings.Repeat("x", 999)), []byte("\r\n\t")
	_, _ = s.Write(begin)
	if n := testing.AllocsPerRun(1000, func() {
		_, _ = s.Write(line)
		_, _ = s.Write(again)
	}); n > 1 {
		t.Errorf("%v allocations for each line", n)
	}
	// All but the last octet, whose line may yet be none of the header.
	if want := int64(len(begin)+1001*(len(line)+len(again))) - 1; s.Octets() != want {
		t.Errorf("%d octets, want %d", s.Octets(), want)
	}
}

func FuzzScanner(f *testing.F) {
	for _, m := range []string{"A: b\r\n c\r\n\r\nd", "Message-ID:\r\n <1@a>\r\n", " x\n:\n", "\xff\r\r\n", strings.Repeat("a", 3000) + ": b\nDate: x\n", "A: " + strings.Repeat("b", 3000)} {
		f.Add(m, byte(3))
	}
	f.Fuzz(func(t *testing.T, message string, step byte) {
		a, idA, sA := scan(message, int(step)+1)
		b, idB, sB := scan(message, len(message)+1)
		if fmt.Sprintf("%q", a) != fmt.Sprintf("%q", b) || idA.String() != idB.String() || sA.Bare() != sB.Bare() {
			t.Fatalf("%q: %q in steps of %d, %q at once", message, a, step+1, b)
		}
		if id := idA.String(); strings.ContainsAny(id, "<> \r\n\t") || len(id) > 250 {
			t.Fatalf("%q: Message-ID %q", message, id)
		}
		if sA.Octets() != sB.Octets() || sA.Octets() > int64(len(message)) {
			t.Fatalf("%q: a header of %d octets, or %d", message, sA.Octets(), sB.Octets())
		}
	})
}
