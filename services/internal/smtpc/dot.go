package smtpc

import (
	"bufio"
	"bytes"
)

// dotWriter sends a message as DATA wants it (RFC 5321 §4.5.2): every line
// that begins with a dot gets another, every line ends in CRLF. A bare LF
// becomes CRLF and a bare CR a space: a receiver that took either for a line
// end could otherwise be made to see a second message (SMTP smuggling). BDAT
// wants the same lines without the dots.
type dotWriter struct {
	w    *bufio.Writer
	prev byte // last octet that was handed in; '\n' at the beginning
	size int64
	bare bool // no dots: for BDAT
}

func newDotWriter(w *bufio.Writer) *dotWriter { return &dotWriter{w: w, prev: '\n'} }

// Write implements io.Writer.
func (d *dotWriter) Write(p []byte) (int, error) {
	start := 0 // p[start:i] is still to be copied as it is
	flush := func(end int) error {
		_, err := d.w.Write(p[start:end])
		return err
	}
	for i := 0; i < len(p); i++ {
		if n := d.plain(p[i:]); n > 0 {
			i += n - 1
			d.prev = '\n'
			continue
		}
		c, err := p[i], error(nil)
		switch {
		case d.prev == '\r' && c != '\n':
			// The CR was held back: it is a bare one.
			if err = flush(i); err == nil {
				err = d.w.WriteByte(' ')
			}
			start = i
		case d.prev == '\r':
			err = d.w.WriteByte('\r')
		case c == '\n':
			if err = flush(i); err == nil {
				err = d.w.WriteByte('\r')
			}
			start = i
		}
		if err == nil && c == '.' && d.prev == '\n' && !d.bare {
			if err = flush(i); err == nil {
				err = d.w.WriteByte('.')
			}
			start = i
		}
		if err == nil && c == '\r' {
			err = flush(i)
			start = i + 1
		}
		if err != nil {
			return i, err
		}
		d.prev = c
	}
	d.size += int64(len(p))
	return len(p), flush(len(p))
}

// plain returns how much of p is whole lines that go as they are. They are most
// of a message, and need no look at each octet.
func (d *dotWriter) plain(p []byte) int {
	n := 0
	for d.prev == '\n' && n < len(p) && (p[n] != '.' || d.bare) {
		end := bytes.IndexByte(p[n:], '\n')
		if end < 1 || bytes.IndexByte(p[n:n+end], '\r') != end-1 {
			break
		}
		n += end + 1
	}
	return n
}

// close ends the last line, if it must be, and sends the final dot.
func (d *dotWriter) close() error {
	end := ".\r\n"
	if d.bare {
		end = ""
	}
	switch d.prev {
	case '\r':
		end = " \r\n" + end
	case '\n':
	default:
		end = "\r\n" + end
	}
	_, err := d.w.WriteString(end)
	return err
}
