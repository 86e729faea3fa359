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
