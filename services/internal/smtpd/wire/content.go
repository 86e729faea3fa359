package wire

import (
	"bytes"
	"io"
)

// Content is the message of one DATA command as the backend reads it: dots
// unstuffed, line ends CRLF, at its end io.EOF. It reads no octet behind that
// end.
//
// Where the commands came with CRLF, only CRLF "." CRLF ends a message, and a
// CR or LF of its own in it spoils it: what one server takes for an end and the
// next one does not is how mail is smuggled (behaviour §4). Where every command
// so far ended in a bare LF, a person types at nc: LF ends lines there, too,
// and is passed on as CRLF. Rules.Bare is for those who want it otherwise.
//
// Lines have no limit of their own: they are never held, and the limit on the
// message bounds them (RFC 5321 §4.5.3.1.6 asks for 1000 octets at least).
type Content struct {
	Message
	lf      bool // lines may end in bare LF
	bol     bool // at the beginning of a line
	bare    bool // the line before ended in a bare LF
	odd     bool // the end was not CRLF.CRLF
	pending bool // the LF of a CRLF that did not fit
}

// NewContent returns the message that begins with the next octet of conn.
// line, which may be nil, is shown the lines of its header.
func NewContent(conn *Conn, rules Rules, line func([]byte)) *Content {
	conn.Enlarge()
	return &Content{Message: newMessage(conn, rules, line), lf: rules.LF || rules.Bare == TrustBare, bol: true}
}

// Smuggled reports whether the message ended in a way that only TrustBare takes
// for an end: what followed may be a second message for us, and is still the
// first one for a stricter server (CVE-2023-51764).
func (c *Content) Smuggled() bool { return c.odd && !c.rules.LF }

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
	return c.give(p[:n], err)
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
			c.take(took)
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
		return c.stray('\n', p)
	case cr == end-1 && end < len(b) && end < len(p): // the usual: a whole line
		copy(p, b[:end+1])
		c.bol, c.bare = true, false
		return end + 1, end + 1, 0
	case cr > 0:
		n := copy(p, b[:cr])
		return n, n, 0
	case len(b) == 1:
		return 0, 0, 2
	case b[1] == '\n':
		c.bol, c.bare = true, false
		return c.crlf(2, p)
	}
	return c.stray('\r', p)
}

// stray reads a CR or LF that is not part of CRLF.
func (c *Content) stray(octet byte, p []byte) (took, gave, need int) {
	switch {
	case octet == '\n' && c.lf:
		c.bol, c.bare = true, true
		c.fixed = c.fixed || !c.rules.LF
		return c.crlf(1, p)
	case c.rules.Bare != RefuseBare:
		// The line that begins here is ours alone: whoever sent this stuffed no
		// dot there, and ended no message.
		c.fixed = true
		return c.crlf(1, p)
	}
	c.spoil(ReplyBare)
	p[0] = octet
	return 1, 1, 0
}

// dot reads a dot at the beginning of a line: the end of the message, or one
// that was stuffed there (RFC 5321 §4.5.2).
func (c *Content) dot(b []byte) (took, gave, need int) {
	switch {
	case len(b) == 1:
		return 0, 0, 2
	case b[1] == '\n' && c.lf:
		c.ended, c.odd = true, true
		return 2, 0, 0
	case b[1] == '\r' && len(b) == 2:
		return 0, 0, 3
	case b[1] == '\r' && b[2] == '\n':
		c.ended, c.odd = true, c.bare
		return 3, 0, 0
	}
	c.bol = false
	return 1, 0, 0
}

// crlf writes a line end that took so many octets of the wire.
func (c *Content) crlf(took int, p []byte) (_, gave, need int) {
	p[0] = '\r'
	if len(p) == 1 {
		c.pending = true
		return took, 1, 0
	}
	p[1] = '\n'
	return took, 2, 0
}
