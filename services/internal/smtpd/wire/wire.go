// Package wire is the octets of one SMTP connection: bounded lines, replies that
// gather until the end of a pipeline, and the text of a message. It knows line
// ends and dots, but no commands.
package wire

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"time"
)

// A connection owns one small buffer; a large one is borrowed for messages and
// for the longest lines. A line is never longer than the buffer that holds it.
const (
	SmallBuffer = 4 << 10
	LargeBuffer = 32 << 10
	// keepReplies is what an idle connection keeps for its next replies.
	keepReplies = 1 << 10
	// MaxDiscard is how much of a line that is too long is read to find its
	// end, before ErrEndless.
	MaxDiscard = 64 << 10
)

// Errors of Line, besides those of the connection.
var (
	ErrTooLong = errors.New("line too long")
	ErrEndless = errors.New("line without end")
	ErrNoLine  = errors.New("not a line")
)

// NoLine is what the limit of Line is for octets that are no line at all.
const NoLine = -1

// Conn is one connection's octets: those read and not yet understood, and those
// to be written. It belongs to one goroutine.
type Conn struct {
	conn net.Conn
	buf  []byte // nil before the first read
	r, w int    // buf[r:w] is read and not consumed
	// small is the connection's own buffer while a large one is in use.
	small []byte
	// Out gathers replies until Flush.
	Out    []byte
	broken error // why nothing more can be written
	// Await runs before the connection is read from: it sends what is waiting,
	// and sets the deadline.
	Await func() error
}

// New returns the octets of c. Await must be set before anything is read.
func New(c net.Conn) *Conn { return &Conn{conn: c} }

// Conn returns the connection below.
func (w *Conn) Conn() net.Conn { return w.conn }

// Upgrade goes on with another connection on top of the one below.
func (w *Conn) Upgrade(c net.Conn) { w.conn = c }

var largeBuffers = sync.Pool{New: func() any { return new([LargeBuffer]byte) }}

func (w *Conn) buffered() []byte { return w.buf[w.r:w.w] }

// Enlarge swaps the small buffer for a large one.
func (w *Conn) Enlarge() {
	if len(w.buf) >= LargeBuffer {
		return
	}
	large := largeBuffers.Get().(*[LargeBuffer]byte)[:]
	n := copy(large, w.buffered())
	w.small, w.buf, w.r, w.w = w.buf, large, 0, n
}

// shrink gives a large buffer back, unless it holds more than a small one can.
func (w *Conn) shrink() {
	if len(w.buf) < LargeBuffer || w.w-w.r > SmallBuffer {
		return
	}
	if w.small == nil {
		w.small = make([]byte, SmallBuffer)
	}
	n := copy(w.small, w.buffered())
	largeBuffers.Put((*[LargeBuffer]byte)(w.buf))
	w.buf, w.small, w.r, w.w = w.small, nil, 0, n
}

// fill reads more octets behind the buffered ones. There must be room.
func (w *Conn) fill() error {
	if err := w.Await(); err != nil {
		return err
	}
	switch {
	case w.buf == nil:
		w.buf = make([]byte, SmallBuffer)
	case w.r == w.w:
		w.r, w.w = 0, 0
	case w.w == len(w.buf):
		w.w = copy(w.buf, w.buffered())
		w.r = 0
	}
	n, err := w.conn.Read(w.buf[w.w:])
	w.w += n
	if n > 0 {
		return nil // an error will come again
	}
	return err
}

// Line reads up to a line end and returns the line without it; lf says that
// the end was a bare LF. limit gives the longest line to accept, in octets with
// the end, from how it begins; NoLine says that it is none. The line is valid
// until the next read.
func (w *Conn) Line(limit func(begin []byte) int) (line []byte, lf bool, err error) {
	w.shrink()
	for scanned := 0; ; {
		b := w.buffered()
		most := limit(b)
		if most == NoLine {
			return nil, false, ErrNoLine
		}
		if i := bytes.IndexByte(b[scanned:], '\n'); i >= 0 {
			i += scanned
			if i+1 > most {
				w.r += i + 1
				return nil, false, ErrTooLong
			}
			w.r += i + 1
			if line, cr := bytes.CutSuffix(b[:i], []byte{'\r'}); cr {
				return line, false, nil
			}
			return b[:i], true, nil
		}
		if len(b) >= most {
			return nil, false, w.discardLine()
		}
		if len(b) >= SmallBuffer {
			w.Enlarge()
		}
		scanned = len(b)
		if err := w.fill(); err != nil {
			return nil, false, err
		}
	}
}

// discardLine reads on to the end of a line without keeping it.
func (w *Conn) discardLine() error {
	for total := 0; total < MaxDiscard; {
		total += w.w - w.r
		w.r, w.w = 0, 0
		if err := w.fill(); err != nil {
			return err
		}
		if i := bytes.IndexByte(w.buffered(), '\n'); i >= 0 {
			w.r += i + 1
			return ErrTooLong
		}
	}
	return ErrEndless
}

// Flush sends the gathered replies in one write, which the peer must take within
// timeout. After a failure it fails at once: half a reply may be out.
func (w *Conn) Flush(timeout time.Duration) error {
	if len(w.Out) == 0 || w.broken != nil {
		return w.broken
	}
	w.conn.SetWriteDeadline(time.Now().Add(timeout))
	_, w.broken = w.conn.Write(w.Out)
	if w.Out = w.Out[:0]; cap(w.Out) > keepReplies {
		w.Out = nil
	}
	return w.broken
}

// Buffered returns how much was read and not consumed.
func (w *Conn) Buffered() int { return w.w - w.r }

// Drop forgets what was read and not consumed, and says how much it was.
func (w *Conn) Drop() int {
	n := w.w - w.r
	w.r, w.w = 0, 0
	return n
}

// Release ends the use of the buffers.
func (w *Conn) Release() {
	w.r, w.w = 0, 0
	w.shrink()
	w.buf, w.small, w.Out = nil, nil, nil
}
