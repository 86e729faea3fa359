package pop3_test

import (
	"slices"
	"strings"
	"testing"

	"correio/services/mda/internal/pop3"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line, verb string
		args       []string
		rest       string
		bad        bool
	}{
		{line: "QUIT", verb: "QUIT"},
		{line: "quit ", verb: "QUIT"},
		{line: "  Top\t1  2 ", verb: "TOP", args: []string{"1", "2"}, rest: "1  2 "},
		{line: "PASS  a b ", verb: "PASS", args: []string{"a", "b"}, rest: " a b "},
		{line: "USER joão", verb: "USER", args: []string{"joão"}, rest: "joão"},
		{line: "", bad: true},
		{line: " ", bad: true},
		{line: "RETR\x001", bad: true},
		{line: "RETR 1\r", bad: true},
		{line: "USER \x7f", bad: true},
		{line: "USER \xff", bad: true},
		{line: "É 1", bad: true},
		{line: "utf8", verb: "UTF8"},
		{line: "1A x", bad: true},
	} {
		verb, args, rest, err := pop3.Parse([]byte(c.line))
		if verb != c.verb || !slices.Equal(args, c.args) || rest != c.rest || (err != nil) != c.bad {
			t.Errorf("%q: verb %q, args %q, rest %q, error %v", c.line, verb, args, rest, err)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{"0": 0, "1": 1, "007": 7, "999999999": 999999999} {
		if got, ok := pop3.Number(s); !ok || got != want {
			t.Errorf("%q: %d, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "-1", "+1", "1.0", "1e3", "0x1", " 1", "١", "1000000000", strings.Repeat("9", 30)} {
		if got, ok := pop3.Number(s); ok {
			t.Errorf("%q is taken for %d", s, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"RETR 1", "top 1 2", "PASS a b", "", "\x00", "USER \xff", " \t"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		verb, args, rest, err := pop3.Parse(line)
		if err != nil {
			return
		}
		if verb == "" || strings.ContainsFunc(verb, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') }) {
			t.Errorf("%q: verb %q", line, verb)
		}
		if strings.ContainsAny(strings.Join(args, ""), " \t\r\n\x00\x7f") || strings.ContainsAny(rest, "\r\n\x00\x7f") {
			t.Errorf("%q: args %q, rest %q", line, args, rest)
		}
		again, args2, _, err := pop3.Parse([]byte(verb + " " + strings.Join(args, " ")))
		if err != nil || again != verb || !slices.Equal(args, args2) {
			t.Errorf("%q: %q %q reads back as %q %q, %v", line, verb, args, again, args2, err)
		}
	})
}
