package wire_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"correio/services/internal/smtpd/wire"
)

// readAll reads to the end in pieces of a given size; no error is the end.
func readAll(r io.Reader, room int) (string, error) {
	var b strings.Builder
	p := make([]byte, room)
	for {
		n, err := r.Read(p)
		b.Write(p[:n])
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), fmt.Errorf("read: %w", err)
		}
	}
}

// cut is a text that comes in chunks of given sizes, the rest in the last.
func cut(text string, sizes []int, rules wire.Rules, segment int) (*wire.Chunks, *wire.Conn, *script) {
	c, s := open(text+"QUIT\r\n", segment)
	left := len(text)
	var in *wire.Chunks
	next := func() error {
		if len(sizes) == 0 {
			in.Begin(int64(left), true)
			return nil
		}
		n := min(sizes[0], left)
		sizes, left = sizes[1:], left-n
		in.Begin(int64(n), false)
		return nil
	}
	in = wire.NewChunks(c, rules, nil, next)
	_ = next()
	return in, c, s
}

// chunkModel says simply what chunks mean, whose borders mean nothing.
func chunkModel(text string, rules wire.Rules) (want string, spoiled bool) {
	if rules.Binary {
		return text, false
	}
	fix := rules.Bare != wire.RefuseBare
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\r' && i+1 < len(text) && text[i+1] == '\n':
			want += "\r\n"
			i++
		case fix && (c == '\r' || c == '\n'), c == '\n' && rules.LF:
			want += "\r\n"
		case c == '\r' || c == '\n':
			return "", true
		default:
			want += text[i : i+1]
		}
	}
	if want != "" && !strings.HasSuffix(want, "\r\n") {
		want += "\r\n"
	}
	return want, false
}

func compareChunks(t *testing.T, text string, sizes []int, segment, room int, rules wire.Rules) {
	t.Helper()
	in, c, s := cut(text, sizes, rules, segment)
	got, err := readAll(in, room)
	in.Drain()
	want, spoiled := chunkModel(text, rules)
	spoiled = spoiled || len(want) > int(rules.Size) || len(text) > int(rules.Size)
	if spoiled != (in.Spoiled() != nil) || spoiled == in.Ended() || in.Lost() != nil {
		t.Fatalf("%q in %v, %+v: spoiled %v, ended %v, lost %v, want spoiled %v", text, sizes, rules, in.Spoiled(), in.Ended(), in.Lost(), spoiled)
	}
	if spoiled {
		return
	}
	if got != want || err != nil {
		t.Fatalf("%q in %v, %+v:\n got %q, %v\nwant %q", text, sizes, rules, got, err, want)
	}
	if rest := drainRest(c, s); rest != "QUIT" {
		t.Fatalf("%q in %v: %q is left", text, sizes, rest)
	}
}

func chunkRules(n byte) wire.Rules {
	r := rulesOf(n)
	r.Binary = n >= allRules
	return r
}

var chunkTexts = []string{
	"", "a", "a\r\n", "a\r\nb", "\r\n", "\r", "\n", "a\n", "a\r", "a\r\r\n", "\n.\r\nb", "\r\n.\r\n", "a\n\r\nb\r\n\r", ".\r\n..\r\n", "\x00\r\n\xff",
}

// CRLF may be cut in two, and every octet may be a chunk of its own.
func TestChunks_AgainstTheModel(t *testing.T) {
	t.Parallel()
	for _, text := range chunkTexts {
		for n := range byte(allRules + 1) {
			for _, sizes := range [][]int{nil, {0}, {1}, {2}, {1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {3, 2}} {
				for _, room := range []int{1, 2, 100} {
					compareChunks(t, text, sizes, 1, room, chunkRules(n))
					compareChunks(t, text, sizes, 1000, room, chunkRules(n))
				}
			}
		}
	}
}

func FuzzChunks(f *testing.F) {
	for _, text := range chunkTexts {
		f.Add([]byte(text), []byte{1, 0, 2}, byte(3), byte(5), byte(0))
	}
	f.Fuzz(func(t *testing.T, text, cuts []byte, segment, room, rules byte) {
		var sizes []int
		for _, b := range cuts {
			sizes = append(sizes, int(b))
		}
		compareChunks(t, string(text), sizes, int(segment)+1, int(room)+1, chunkRules(rules%(allRules+1)))
	})
}

// A chunk that is too large is read off; one that is absurd is not even begun.
func TestChunks_TooBig(t *testing.T) {
	t.Parallel()
	for size, lost := range map[int64]bool{1001: false, 2 * 1000: false, math.MaxInt64: true, 2*1000 + wire.LargeBuffer + 1: true} {
		c, s := open(strings.Repeat("x", int(min(size, 5000)))+"QUIT\r\n", 700)
		in := wire.NewChunks(c, wire.Rules{Pace: pace}, nil, nil)
		in.Begin(size, true)
		if text, err := readAll(in, 64); text != "" || err == nil {
			t.Errorf("%d octets: got %q, %v", size, text, err)
		}
		in.Drain()
		switch {
		case in.Spoiled() == nil || in.Spoiled().Code != 552 || (in.Lost() != nil) != lost:
			t.Errorf("%d octets: spoiled %v, lost %v", size, in.Spoiled(), in.Lost())
		case lost && (in.Lost().Code != 552 || !in.Lost().Close):
			t.Errorf("%d octets: lost by %v", size, in.Lost())
		case !lost:
			if rest := drainRest(c, s); rest != "QUIT" {
				t.Errorf("%d octets: %q is left", size, rest)
			}
		}
	}
}

// Chunks that are each small enough make a message that is not.
func TestChunks_TooBigTogether(t *testing.T) {
	t.Parallel()
	compareChunks(t, strings.Repeat("x", 1000)+"y", []int{1000}, 100, 64, wire.Rules{Pace: pace, Binary: true})
	compareChunks(t, strings.Repeat("x", 999), []int{500}, 100, 64, wire.Rules{Pace: pace}) // with the CRLF that it lacks
	compareChunks(t, strings.Repeat("x", 1000), []int{500}, 100, 64, wire.Rules{Pace: pace, Binary: true})
}

func TestChunks_GivenUp(t *testing.T) {
	t.Parallel()
	c, _ := open("abc", 100)
	no := errors.New("RSET")
	in := wire.NewChunks(c, wire.Rules{Pace: pace}, nil, func() error { return no })
	in.Begin(3, false)
	text, err := readAll(in, 10)
	if text != "abc" || !errors.Is(err, no) || !errors.Is(err, io.ErrUnexpectedEOF) || !in.Aborted() || in.Ended() || in.Spoiled() != nil {
		t.Errorf("%q, %v, %+v", text, err, in)
	}
	if _, again := in.Read(make([]byte, 1)); !errors.Is(again, no) {
		t.Errorf("a second Read says %v", again)
	}
}

// A connection that ends inside of a chunk must not look like the message's end.
func TestChunks_Disconnected(t *testing.T) {
	t.Parallel()
	c, _ := open("abc", 100)
	in := wire.NewChunks(c, wire.Rules{Pace: pace}, nil, nil)
	in.Begin(4, true)
	if _, err := readAll(in, 10); !errors.Is(err, io.ErrUnexpectedEOF) || in.Lost() == nil || in.Lost().Code != 0 {
		t.Errorf("%v, %+v", err, in.Lost())
	}
}
