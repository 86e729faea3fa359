package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"correio/services/internal/smtpd/wire"
)

// script is a connection that gives its octets in chunks of a given size, then
// io.EOF. It has no other end: a net.Conn is more than the reader needs.
type script struct {
	net.Conn
	text  []byte
	chunk int
	wrote [][]byte
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.chunk)], s.text)
	s.text = s.text[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.wrote = append(s.wrote, bytes.Clone(p))
	return len(p), nil
}

func (s *script) SetWriteDeadline(time.Time) error { return nil }

func open(text string, chunk int) (*wire.Conn, *script) {
	s := &script{text: []byte(text), chunk: chunk}
	c := wire.New(s)
	c.Await = func() error { return nil }
	return c, s
}

func limit(n int) func([]byte) int { return func([]byte) int { return n } }

func TestLine(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 98)
	text := "EHLO a\r\nlf\n\r\n\na\rb\r\n" + long + "\r\n" + long + "x\r\n" + "after\r\nno end"
	for _, chunk := range []int{1, 2, 3, 7, 100000} {
		c, _ := open(text, chunk)
		var got []string
		for {
			line, lf, err := c.Line(limit(100))
			if err != nil {
				got = append(got, err.Error())
			} else {
				got = append(got, fmt.Sprintf("%s %v", line, lf))
			}
			if err != nil && !errors.Is(err, wire.ErrTooLong) {
				break
			}
		}
		want := []string{"EHLO a false", "lf true", " false", " true", "a\rb false", long + " false", "line too long", "after false", "EOF"}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("chunks of %d: got %q, want %q", chunk, got, want)
		}
		c.Release()
	}
}

// A line may be as long as the large buffer, and longer ones cost no memory.
func TestLine_LongerThanTheBuffers(t *testing.T) {
	t.Parallel()
	fits := strings.Repeat("x", wire.LargeBuffer-2)
	c, _ := open(fits+"\r\n"+fits+"x\r\nnext\r\n", 5000)
	if line, _, err := c.Line(limit(wire.LargeBuffer)); err != nil || string(line) != fits {
		t.Errorf("got %d octets, %v", len(line), err)
	}
	if _, _, err := c.Line(limit(wire.LargeBuffer)); !errors.Is(err, wire.ErrTooLong) {
		t.Errorf("got %v", err)
	}
	if line, _, err := c.Line(limit(100)); err != nil || string(line) != "next" {
		t.Errorf("got %q, %v", line, err)
	}
}

// Row 6 of behaviour §6.
func TestLine_Endless(t *testing.T) {
	t.Parallel()
	c, s := open(strings.Repeat("x", 10*wire.MaxDiscard), 4096)
	if _, _, err := c.Line(limit(100)); !errors.Is(err, wire.ErrEndless) {
		t.Errorf("got %v", err)
	}
	if read := 10*wire.MaxDiscard - len(s.text); read > 2*wire.MaxDiscard {
		t.Errorf("%d octets were read before giving up", read)
	}
}

func TestFlush_IsOneWrite(t *testing.T) {
	t.Parallel()
	c, s := open("", 1)
	c.Out = append(c.Out, "250 a\r\n250 b\r\n"...)
	for range 2 {
		if err := c.Flush(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.wrote) != 1 || string(s.wrote[0]) != "250 a\r\n250 b\r\n" {
		t.Errorf("wrote %q", s.wrote)
	}
}

var pace = wire.Pace{Size: 1000, Grace: time.Minute, Total: time.Hour, Idle: time.Minute, Floor: 100}

// result is what became of one message.
type result struct {
	text, rest      string
	spoiled, ended  bool
	tooBig, endless bool
}

func run(text string, chunk, room int, lf bool) result {
	c, s := open(text, chunk)
	in := wire.NewContent(c, pace, lf, nil)
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
func model(text string, lf bool) result {
	var r result
	bol := true
	for i := 0; i < len(text); i++ {
		if bol {
			if strings.HasPrefix(text[i:], ".\r\n") {
				r.ended, r.rest = true, text[i+3:]
				break
			}
			if lf && strings.HasPrefix(text[i:], ".\n") {
				r.ended, r.rest = true, text[i+2:]
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
			bol = true
		case c == '\n' && lf:
			r.text += "\r\n"
			bol = true
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
					got := run(text, chunk, room, false)
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
		for _, lf := range []bool{false, true} {
			compare(t, text, 1, 1, lf)
			compare(t, text, 3, 2, lf)
			compare(t, text, 100000, 100000, lf)
		}
	}
}

func compare(t *testing.T, text string, chunk, room int, lf bool) {
	t.Helper()
	got, want := run(text, chunk, room, lf), model(text, lf)
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
		t.Fatalf("%q, chunk %d, room %d, lf %v:\n got %+v\nwant %+v", text, chunk, room, lf, got, want)
	}
}

var contents = []string{
	".\r\n", "..\r\n.\r\n", "a\r\n.\r\nb", "a\n.\nb\r\n.\r\n", "a\r\n..b\r\n...\r\n.\r\n", "\r\n.\r\n", "a\rb\r\n.\r\n",
	".\n", ".\r", ".", "", "a", "a\r", ".a\r\n.\r\n", "a\r\n.\n.\r\n", "\r\r\n\n.\r\n.\r\n",
}

func FuzzContent(f *testing.F) {
	for _, text := range contents {
		f.Add([]byte(text), byte(3), byte(5), false)
		f.Add([]byte(text), byte(1), byte(1), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, chunk, room byte, lf bool) {
		compare(t, string(text), int(chunk)+1, int(room)+1, lf)
	})
}

func TestContent_TooBigIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	got := run(strings.Repeat("x", 1001)+"\r\n.\r\nQUIT", 100, 64, false)
	if !got.spoiled || !got.tooBig || !got.ended || got.rest != "QUIT" {
		t.Errorf("%+v", got)
	}
}

// Row 7 of behaviour §6: one line that is larger than the message may be.
func TestContent_WithoutEndIsGivenUp(t *testing.T) {
	t.Parallel()
	got := run(strings.Repeat("x", 1<<20), 100000, 64, false)
	if !got.spoiled || got.ended || !got.endless {
		t.Errorf("%+v", got)
	}
}

func TestContent_Deadline(t *testing.T) {
	t.Parallel()
	p := wire.Pace{Size: 1 << 30, Grace: 10 * time.Minute, Total: time.Hour, Idle: 5 * time.Minute, Floor: 100}
	// 30,000 octets have come: 300 seconds are earned.
	c, _ := open(strings.Repeat("x", 30000), 30000)
	in := wire.NewContent(c, p, false, nil)
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

// deaf takes nothing.
type deaf struct{ script }

func (*deaf) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFlush_FailsForEver(t *testing.T) {
	t.Parallel()
	c := wire.New(&deaf{})
	for range 2 {
		c.Out = append(c.Out, "250 a\r\n"...)
		if err := c.Flush(time.Second); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v", err)
		}
	}
}
