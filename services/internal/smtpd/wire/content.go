package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"correio/services/internal/reply"
)

// What can be wrong with a message, or with how it comes.
var (
	ReplyBare   = reply.New(500, "5.5.2", "Message holds a CR or LF that is not part of CRLF; nothing was accepted")
	ReplyTooBig = reply.New(552, "5.3.4", "Message is larger than this server takes")
	ReplySlow   = reply.New(421, "4.4.2", "Message came too slowly; closing the connection").WithClose()
)

// Pace bounds a message: its size, and how slowly it may come. It may take
// Grace, and a second more for each Floor octets that have come, but never more
// than Total, nor may it pause for longer than Idle.
type Pace struct {
	Size               int64 // octets
	Grace, Total, Idle time.Duration
	Floor              int64 // octets a second
}

// Content is the message of one DATA command as the backend reads it: dots
// unstuffed, line ends CRLF, at its end io.EOF. It reads no octet behind that
// end.
//
// Where the commands came with CRLF, only CRLF "." CRLF ends a message, and a
// CR or LF of its own in it spoils it: what one server takes for an end and the
// next one does not is how mail is smuggled (behaviour §4). Where every command
// so far ended in a bare LF, a person types at nc: LF ends lines there, too,
// and is passed on as CRLF.
//
// Lines have no limit of their own: they are never held, and the limit on the
// message bounds them (RFC 5321 §4.5.3.1.6 asks for 1000 octets at least).
type Content struct {
	conn    *Conn
	pace    Pace
	lf      bool // lines may end in bare LF
	observe func(p []byte)

	bol     bool      // at the beginning of a line
	pending bool      // the LF of a CRLF that did not fit
	size    int64     // octets given
	read    int64     // octets of the wire
	began   time.Time // when the first octet could come

	spoiled *reply.Reply // why the message cannot be accepted, though it goes on
	lost    *reply.Reply // why its end will never be seen; Code 0: nobody to tell
	ended   bool         // the end was seen
	err     error        // what Read says from now on
}

// NewContent returns the message that begins with the next octet of conn. lf
// says that lines may end in a bare LF. observe, which may be nil, is shown what
// Read gives.
func NewContent(conn *Conn, pace Pace, lf bool, observe func(p []byte)) *Content {
	conn.Enlarge()
	return &Content{conn: conn, pace: pace, lf: lf, observe: observe, bol: true, began: time.Now()}
}

// Size returns how many octets the message had so far.
func (c *Content) Size() int64 { return c.size }

// LF reports whether lines could end in a bare LF.
func (c *Content) LF() bool { return c.lf }

// Spoiled returns why the message cannot be accepted, or nil.
func (c *Content) Spoiled() *reply.Reply { return c.spoiled }

// Lost returns why the end of the message will never be seen, or nil. Nothing
// more may be read from the connection then. Code 0 means that it is broken.
func (c *Content) Lost() *reply.Reply { return c.lost }

// Read implements io.Reader. Its errors carry a reply where there is somebody
// to tell.
func (c *Content) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := c.next(p)
	if c.spoiled != nil {
		c.err = c.spoiled.Err(nil)
		return 0, c.err
	}
	if c.observe != nil {
		c.observe(p[:n])
	}
	c.err = err
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// Drain reads to the end of the message without keeping it, and reports
// whether anything but the end was left. When it returns, the end was seen or
// lost is set.
func (c *Content) Drain() (left bool) {
	var scratch [1024]byte
	for !c.ended && c.lost == nil {
		n, _ := c.next(scratch[:]) // how it failed is in lost
		left = left || n > 0
	}
	return left
}

// next is the machine: it moves octets from the wire to p until p is full, the
// wire has nothing buffered, or the message ends.
func (c *Content) next(p []byte) (n int, err error) {
	for n < len(p) {
		b := c.conn.buffered()
		need := 1
		if len(b) > 0 || c.pending {
			var took, gave int
			took, gave, need = c.token(b, p[n:])
			c.conn.r += took
			n += gave
			c.grow(gave)
			if c.ended {
				return n, io.EOF
			}
			if c.lost != nil {
				return n, io.ErrUnexpectedEOF
			}
			if took > 0 || gave > 0 {
				continue
			}
		}
		if n > 0 && len(b) < need {
			return n, nil
		}
		if err := c.fill(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// token understands the beginning of b, which is empty only if an LF is pending, and writes what it
// means to p, which is not empty either. It returns how much it consumed and
// wrote; when that is nothing, how many octets of b it must see. The end of the
// message sets ended.
func (c *Content) token(b, p []byte) (took, gave, need int) {
	if c.pending {
		c.pending = false
		p[0] = '\n'
		return 0, 1, 0
	}
	if c.bol && b[0] == '.' {
		return c.dot(b)
	}
	c.bol = false
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		end = len(b)
	}
	cr := bytes.IndexByte(b[:end], '\r')
	switch {
	case cr < 0 && end > 0:
		n := copy(p, b[:end])
		return n, n, 0
	case cr < 0: // b begins with LF
		if !c.lf {
			c.spoil(ReplyBare)
			p[0] = '\n'
			return 1, 1, 0
		}
		return c.crlf(1, p)
	case cr == end-1 && end < len(b) && end < len(p): // the usual: a whole line
		copy(p, b[:end+1])
		c.bol = true
		return end + 1, end + 1, 0
	case cr > 0:
		n := copy(p, b[:cr])
		return n, n, 0
	case len(b) == 1:
		return 0, 0, 2
	case b[1] == '\n':
		return c.crlf(2, p)
	}
	c.spoil(ReplyBare)
	p[0] = '\r'
	return 1, 1, 0
}

// dot reads a dot at the beginning of a line: the end of the message, or one
// that was stuffed there (RFC 5321 §4.5.2).
func (c *Content) dot(b []byte) (took, gave, need int) {
	switch {
	case len(b) == 1:
		return 0, 0, 2
	case b[1] == '\n' && c.lf:
		c.ended = true
		return 2, 0, 0
	case b[1] == '\r' && len(b) == 2:
		return 0, 0, 3
	case b[1] == '\r' && b[2] == '\n':
		c.ended = true
		return 3, 0, 0
	}
	c.bol = false
	return 1, 0, 0
}

// crlf writes a line end that took so many octets of the wire.
func (c *Content) crlf(took int, p []byte) (_, gave, need int) {
	c.bol = true
	p[0] = '\r'
	if len(p) == 1 {
		c.pending = true
		return took, 1, 0
	}
	p[1] = '\n'
	return took, 2, 0
}

func (c *Content) spoil(r reply.Reply) {
	if c.spoiled == nil {
		c.spoiled = &r
	}
}

// grow counts what was given, and ends what has no end: a message that is too
// large is read on to its end (RFC 1870 §6.3), but not beyond twice the limit.
func (c *Content) grow(n int) {
	c.size += int64(n)
	if c.size > c.pace.Size {
		c.spoil(ReplyTooBig)
	}
	if c.size > 2*c.pace.Size+LargeBuffer {
		r := ReplyTooBig.WithClose()
		c.lost = &r
	}
}

// fill reads from the connection.
func (c *Content) fill() error {
	before := c.conn.w - c.conn.r
	err := c.conn.fill()
	c.read += int64(c.conn.w - c.conn.r - before)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.lost = &ReplySlow
	default:
		c.lost = &reply.Reply{}
	}
	// Not by %w: a connection that ended is an io.EOF, and must not look like
	// the end of the message to anybody who asks errors.Is.
	return fmt.Errorf("%w: %v", io.ErrUnexpectedEOF, err) //nolint:errorlint // see above
}

// Deadline returns until when the next octet must have come. Octets buy time.
func (c *Content) Deadline(now time.Time) time.Time {
	earned := time.Duration(min(c.read/c.pace.Floor, int64(c.pace.Total/time.Second))) * time.Second
	total := min(c.pace.Grace+earned, c.pace.Total)
	by := c.began.Add(total)
	if idle := now.Add(c.pace.Idle); idle.Before(by) {
		return idle
	}
	return by
}
