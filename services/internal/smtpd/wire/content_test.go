package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"correio/services/internal/smtpd/wire"
)

var pace = wire.Pace{Size: 1000, Grace: time.Minute, Total: time.Hour, Idle: time.Minute, Floor: 100}

// result is what became of one message.
type result struct {
	text, rest      string
	spoiled, ended  bool
	tooBig, endless bool
	smuggled        bool // ended where a strict server would not
}

func run(text string, chunk, room int, rules wire.Rules) result {
	c, s := open(text, chunk)
	in := wire.NewContent(c, rules, nil)
	var got bytes.Buffer
	p := make([]byte, room)
	var err error
	for err == nil {
		var n int
		n, err = in.Read(p)
		got.Write(p[:n])
	}
	in.Drain()
	r := result{text: got.String(), spoiled: in.Spoiled() != nil, ended: in.Lost() == nil}
	if r.spoiled {
		r.text = ""
		r.tooBig = in.Spoiled().Code == 552
	}
	if errors.Is(err, io.EOF) != (r.ended && !r.spoiled) {
		panic(fmt.Sprintf("Read ended with %v, but the result is %+v", err, r))
	}
	r.endless = in.Lost() != nil && in.Lost().Code != 0
	r.smuggled = in.Smuggled()
	if r.ended {
		r.rest = drainRest(c, s)
	}
	return r
}

// drainRest reads what the message left, without line ends.
func drainRest(c *wire.Conn, s *script) string {
	s.text = append(s.text, '\n')
	var b strings.Builder
	for {
		line, _, err := c.Line(limit(wire.SmallBuffer))
		if err != nil {
			return b.String()
		}
		b.Write(line)
	}
}

// model is the same thing said simply, over the whole text at once.
func model(text string, rules wire.Rules) result {
	var r result
	lf, fix := rules.LF || rules.Bare == wire.TrustBare, rules.Bare != wire.RefuseBare
	bol, bare := true, false
	for i := 0; i < len(text); i++ {
		if bol {
			if strings.HasPrefix(text[i:], ".\r\n") {
				r.ended, r.rest, r.smuggled = true, text[i+3:], bare && !rules.LF
				break
			}
			if lf && strings.HasPrefix(text[i:], ".\n") {
				r.ended, r.rest, r.smuggled = true, text[i+2:], !rules.LF
				break
			}
			if text[i] == '.' && i+1 < len(text) {
				i++
			}
		}
		bol = false
		switch c := text[i]; {
		case c == '\r' && i+1 < len(text) && text[i+1] == '\n':
			r.text += "\r\n"
			i++
			bol, bare = true, false
		case c == '\n' && lf:
			r.text += "\r\n"
			bol, bare = true, true
		case fix && (c == '\n' || c == '\r' && i+1 < len(text)):
			r.text += "\r\n"
		case c == '\n', c == '\r' && i+1 < len(text):
			r.spoiled = true
			fallthrough
		default:
			r.text += text[i : i+1]
		}
	}
	if len(r.text) > int(pace.Size) {
		r.tooBig, r.spoiled = !r.spoiled, true
	}
	return r
}

// rulesOf gives each combination of the rules about line ends a number.
func rulesOf(n byte) wire.Rules {
	return wire.Rules{Pace: pace, LF: n&1 != 0, Bare: wire.Bare(n>>1) % 3}
}

const allRules = 6

// TestContent_EveryNearMiss plays the endings that servers have disagreed about
// (rows 1 and 2 of behaviour §6), each also as the first octets, cut at every
// place.
func TestContent_EveryNearMiss(t *testing.T) {
	t.Parallel()
	const after = "MAIL FROM:<mallory@cedro.test>\r\n"
	for _, end := range []string{
		"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r.\r\n", "\n.\r", "\r.\n", "\r\n\x00.\r\n", "\r\n.\x00\r\n", "\r\r\n.\r\r\n", "\n\n.\r\n", "\r\n. \r\n",
	} {
		for _, head := range []string{"text", ""} {
			for chunk := 1; chunk < 12; chunk++ {
				for room := 1; room < 4; room++ {
					text := head + end + after + "\r\n.\r\nQUIT"
					got := run(text, chunk, room, wire.Rules{Pace: pace})
					if !got.ended || got.rest != "QUIT" {
						t.Errorf("%q in chunks of %d, room %d: %+v", text, chunk, room, got)
					}
					bare := strings.ContainsAny(strings.ReplaceAll(end, "\r\n", ""), "\r\n")
					if got.spoiled != bare {
						t.Errorf("%q: spoiled is %v", text, got.spoiled)
					}
				}
			}
		}
	}
}

func TestContent_AgainstTheModel(t *testing.T) {
	t.Parallel()
	for _, text := range contents {
		for n := range byte(allRules) {
			compare(t, text, 1, 1, rulesOf(n))
			compare(t, text, 3, 2, rulesOf(n))
			compare(t, text, 100000, 100000, rulesOf(n))
		}
	}
}

func compare(t *testing.T, text string, chunk, room int, rules wire.Rules) {
	t.Helper()
	got, want := run(text, chunk, room, rules), model(text, rules)
	if !want.ended {
		want.rest = ""
	}
	if want.spoiled {
		got.text, want.text = "", ""
		got.tooBig, want.tooBig = false, false // whichever was first
	}
	if !want.ended {
		got.text, want.text = "", "" // it was not to be used
		got.spoiled, want.spoiled = false, false
		got.tooBig, want.tooBig = false, false
	}
	want.rest = strings.NewReplacer("\r", "", "\n", "").Replace(want.rest)
	got.rest = strings.NewReplacer("\r", "", "\n", "").Replace(got.rest)
	if len(want.rest) > 1000 {
		got.rest, want.rest = "", ""
	}
	got.endless = false
	if got != want && len(text) < int(pace.Size) {
		t.Fatalf("%q, chunk %d, room %d, %+v:\n got %+v\nwant %+v", text, chunk, room, rules, got, want)
	}
}

var contents = []string{
	".\r\n", "..\r\n.\r\n", "a\r\n.\r\nb", "a\n.\nb\r\n.\r\n", "a\r\n..b\r\n...\r\n.\r\n", "\r\n.\r\n", "a\rb\r\n.\r\n",
	".\n", ".\r", ".", "", "a", "a\r", ".a\r\n.\r\n", "a\r\n.\n.\r\n", "\r\r\n\n.\r\n.\r\n",
}

func FuzzContent(f *testing.F) {
	for _, text := range contents {
		f.Add([]byte(text), byte(3), byte(5), byte(0))
		f.Add([]byte(text), byte(1), byte(1), byte(5))
	}
	f.Fuzz(func(t *testing.T, text []byte, chunk, room, rules byte) {
		compare(t, string(text), int(chunk)+1, int(room)+1, rulesOf(rules))
	})
}

func TestContent_TooBigIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	got := run(strings.Repeat("x", 1001)+"\r\n.\r\nQUIT", 100, 64, wire.Rules{Pace: pace})
	if !got.spoiled || !got.tooBig || !got.ended || got.rest != "QUIT" {
		t.Errorf("%+v", got)
	}
}

// Row 7 of behaviour §6: one line that is larger than the message may be.
func TestContent_WithoutEndIsGivenUp(t *testing.T) {
	t.Parallel()
	got := run(strings.Repeat("x", 1<<20), 100000, 64, wire.Rules{Pace: pace})
	if !got.spoiled || got.ended || !got.endless {
		t.Errorf("%+v", got)
	}
}

func TestContent_Deadline(t *testing.T) {
	t.Parallel()
	p := wire.Pace{Size: 1 << 30, Grace: 10 * time.Minute, Total: time.Hour, Idle: 5 * time.Minute, Floor: 100}
	// 30,000 octets have come: 300 seconds are earned.
	c, _ := open(strings.Repeat("x", 30000), 30000)
	in := wire.NewContent(c, wire.Rules{Pace: p}, nil)
	began := time.Now()
	if n, err := in.Read(make([]byte, 1<<16)); n != 30000 || err != nil {
		t.Fatal(n, err)
	}
	for name, s := range map[string]struct{ after, want time.Duration }{
		"a pause is short":       {0, 5 * time.Minute},
		"grace and earned time":  {14 * time.Minute, 15 * time.Minute},
		"the floor is never met": {20 * time.Minute, 15 * time.Minute},
	} {
		got := in.Deadline(began.Add(s.after)).Sub(began)
		if d := got - s.want; d < -time.Second || d > time.Second {
			t.Errorf("%s: %v after the beginning the deadline is at %v, want %v", name, s.after, got, s.want)
		}
	}
}

// The smuggling set under each choice of an organisation: what is stored, and
// what follows the message, which a stricter server would take for part of it.
func TestContent_BareLineEnds(t *testing.T) {
	t.Parallel()
	for end, want := range map[string]struct {
		normalised string // what the end becomes inside of the message
		trusted    string // the message, where it ends there
	}{
		"\n.\n":     {"\r\n.\r\n", "a\r\n"},
		"\n.\r\n":   {"\r\n.\r\n", "a\r\n"},
		"\r\n.\n":   {"\r\n\r\n", "a\r\n"}, // the dot was stuffed: it stands behind CRLF
		"\r.\r\n":   {"\r\n.\r\n", ""},
		"\r.\r":     {"\r\n.\r\n", ""},
		"\r\n.\r":   {"\r\n\r\n", ""},
		"\n.\r":     {"\r\n.\r\n", "*"},
		"\r\r\n.\r": {"\r\n\r\n\r\n", ""},
	} {
		for chunk := 1; chunk < 8; chunk++ {
			for room := 1; room < 4; room++ {
				text := "a" + end + "b\r\n.\r\nQUIT"
				got := run(text, chunk, room, wire.Rules{Pace: pace, Bare: wire.NormaliseBare})
				if got.text != "a"+want.normalised+"b\r\n" || got.rest != "QUIT" || got.spoiled || got.smuggled {
					t.Errorf("normalise %q: %+v", text, got)
				}
				got = run(text, chunk, room, wire.Rules{Pace: pace, Bare: wire.TrustBare})
				inside := want.normalised
				switch want.trusted {
				case "*": // LF begins a line there, and the dot on it is stuffed
					inside = "\r\n\r\n"
					fallthrough
				case "":
					if got.text != "a"+inside+"b\r\n" || got.rest != "QUIT" || got.smuggled {
						t.Errorf("trust %q: %+v", text, got)
					}
				default:
					if got.text != want.trusted || !got.smuggled || got.rest != "b.QUIT" {
						t.Errorf("trust %q: %+v", text, got)
					}
				}
			}
		}
	}
}
