package wire

import (
	"bytes"
	"fmt"
	"io"

	"correio/services/internal/reply"
)

// Chunks is the message of a row of BDAT commands (RFC 3030 §2) as the backend
// reads it. Where one chunk is used up, Read asks for the next one, so that
// reading goes on while the conversation does, and nothing is gathered.
//
// Nothing in a chunk can end the message; the rule about bare CR and LF holds
// all the same, for the message goes on to others by DATA. A CRLF may be cut in
// two by the end of a chunk. A message of text whose last line has no end gets
// one; binary ones (Rules.Binary) are left as they are.
type Chunks struct {
	Message
	more    func() error
	left    int64 // octets of the chunk that were not read
	asked   int64 // octets of all chunks
	last    bool  // the chunk is the last
	open    bool  // the chunk was not acknowledged
	aborted bool  // there will be no more
	bol     bool  // at the beginning of a line
	cr      bool  // a CR was read whose meaning the next octet tells
	pending bool  // the LF of a CRLF that did not fit
}

// NewChunks returns a message without any chunk. more is called when one has
// been read that is not the last; it acknowledges it, and calls Begin for the
// next, or returns why there is none. line, which may be nil, is shown the lines
// of the header.
func NewChunks(conn *Conn, rules Rules, line func([]byte), more func() error) *Chunks {
	return &Chunks{Message: newMessage(conn, rules, line), more: more, bol: true}
}

// Begin says that so many octets of the message come next on the connection.
func (c *Chunks) Begin(octets int64, last bool) {
	c.left, c.last, c.open = octets, last, true
	if octets > SmallBuffer {
		c.conn.Enlarge()
	}
	if octets > c.rules.Size-c.size {
		c.spoil(ReplyTooBig)
	}
	if octets > c.mayRead()-c.asked {
		// It would be read for nothing: behaviour as with a DATA without end.
		r := ReplyTooBig.WithClose()
		c.lost = &r
		return
	}
	c.asked += octets
}

// Open reports whether there is a chunk that was not acknowledged.
func (c *Chunks) Open() bool { return c.open }

// Received returns how many octets the chunks have together.
func (c *Chunks) Received() int64 { return c.asked }

// Last reports whether the latest chunk is the last.
func (c *Chunks) Last() bool { return c.last }

// Aborted reports whether the message was given up between two chunks.
func (c *Chunks) Aborted() bool { return c.aborted }

// Read implements io.Reader. Its errors carry a reply where there is somebody
// to tell.
func (c *Chunks) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := 0, error(nil)
	if c.spoiled == nil {
		n, err = c.next(p)
	}
	return c.give(p[:n], err)
}

// Drain reads the rest of the chunk without keeping it. When it returns, the
// end of the chunk was seen or lost is set.
func (c *Chunks) Drain() {
	for c.left > 0 && c.lost == nil {
		if len(c.conn.buffered()) == 0 && c.fill() != nil {
			return // how it failed is in lost
		}
		c.skip(len(c.conn.buffered()))
	}
}

// skip consumes octets of the chunk, as many as it has.
func (c *Chunks) skip(n int) {
	n = int(min(int64(n), c.left))
	c.take(n)
	c.left -= int64(n)
}

// next moves octets from the wire to p, at least one of them, or says why there
// is none.
func (c *Chunks) next(p []byte) (n int, err error) {
	for n < len(p) && c.spoiled == nil {
		var took, gave int
		b := c.conn.buffered()
		b = b[:min(int64(len(b)), c.left)]
		switch {
		case c.lost != nil:
			return n, io.ErrUnexpectedEOF
		case c.pending:
			c.pending = false
			p[n] = '\n'
			gave = 1
		case len(b) > 0 && c.rules.Binary:
			took = copy(p[n:], b)
			gave = took
		case len(b) > 0:
			took, gave = c.text(b, p[n:])
		case c.left == 0 && c.last:
			if gave = c.finish(p[n:]); gave == 0 {
				c.ended = c.spoiled == nil
				return n, io.EOF
			}
		case n > 0: // what is below may wait
			return n, nil
		case c.left > 0:
			if err := c.fill(); err != nil {
				return n, err
			}
		default:
			if err := c.ask(); err != nil {
				return n, err
			}
		}
		c.skip(took)
		n += gave
		c.grow(gave)
	}
	return n, nil
}

// ask goes on to the next chunk.
func (c *Chunks) ask() error {
	c.open = false
	if err := c.more(); err != nil {
		c.aborted = true
		return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return nil
}

// text understands the beginning of b, which is not empty, and writes what it
// means to p, which is not empty either. It returns how much it consumed and
// wrote; one of them is more than nothing.
func (c *Chunks) text(b, p []byte) (took, gave int) {
	switch {
	case c.cr && b[0] == '\n':
		c.cr = false
		return 1, c.crlf(p)
	case c.cr:
		c.cr = false
		return 0, c.stray(p, c.rules.Bare != RefuseBare)
	case b[0] == '\n':
		return 1, c.stray(p, c.rules.LF || c.rules.Bare != RefuseBare)
	case b[0] == '\r':
		c.cr = true
		return 1, 0
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		end = len(b)
	}
	cr := bytes.IndexByte(b[:end], '\r')
	switch {
	case cr >= 0 && cr == end-1 && end < len(b) && end < len(p): // the usual: a whole line
		end++
		c.bol = true
	case cr >= 0:
		end = cr
		fallthrough
	default:
		c.bol = false
	}
	n := copy(p, b[:end])
	return n, n
}

// stray reads a CR or LF that is not part of CRLF, and that may be made one or
// not.
func (c *Chunks) stray(p []byte, may bool) (gave int) {
	if !may {
		c.spoil(ReplyBare)
		return 0
	}
	c.fixed = c.fixed || !c.rules.LF
	return c.crlf(p)
}

func (c *Chunks) crlf(p []byte) (gave int) {
	c.bol = true
	p[0] = '\r'
	if len(p) == 1 {
		c.pending = true
		return 1
	}
	p[1] = '\n'
	return 2
}

// finish writes what is missing at the end of a message of text.
func (c *Chunks) finish(p []byte) (gave int) {
	switch {
	case c.cr:
		c.cr = false
		return c.stray(p, c.rules.Bare != RefuseBare)
	case !c.bol && !c.rules.Binary:
		return c.crlf(p)
	}
	return 0
}

// Discard reads so many octets of the connection and keeps none. It returns why
// their end will never be seen, or nil.
func Discard(conn *Conn, pace Pace, octets int64, await func(*Message)) *reply.Reply {
	c := NewChunks(conn, Rules{Pace: pace}, nil, nil)
	c.Begin(octets, true)
	await(&c.Message)
	c.Drain()
	return c.lost
}
