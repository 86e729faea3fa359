package store

import (
	"bytes"
	"io"

	"correio/services/internal/durable"
)

// Draft holds a message while it arrives. It turns whatever is written into
// lines that end in CRLF: a bare LF, a bare CR and a missing last line end are
// completed. The SMTP engine in front of it refuses such messages; that POP3
// frames messages by lines and announces their size must not depend on it.
//
// A BINARYMIME message (RFC 3030 §3) has no lines: its octets mean themselves,
// and Binary keeps them.
type Draft struct {
	buf    *durable.Buffer
	last   byte // last octet written
	binary bool
}

// NewDraft returns an empty draft that refuses, with durable.ErrTooLarge, to
// grow beyond limit octets (0 means no limit). The caller closes it.
func (s *Store) NewDraft(limit int64) *Draft {
	return &Draft{buf: durable.NewBuffer(s.dir, 0, limit)}
}

// Binary makes the draft keep every octet as it comes. It is called before the
// first Write.
func (d *Draft) Binary() { d.binary = true }

// Write implements io.Writer.
func (d *Draft) Write(p []byte) (int, error) {
	if d.binary {
		return d.buf.Write(p)
	}
	if err := d.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (d *Draft) write(p []byte) error {
	for len(p) > 0 {
		if err := d.endBareCR(p[0]); err != nil {
			return err
		}
		n := cleanPrefix(p, d.last)
		if n == 0 { // a bare LF
			if err := d.put(crlf); err != nil {
				return err
			}
			p = p[1:]
			continue
		}
		if err := d.put(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

var crlf = []byte("\r\n")

// endBareCR completes a CR that next does not complete.
func (d *Draft) endBareCR(next byte) error {
	if d.last == '\r' && next != '\n' {
		return d.put(crlf[1:])
	}
	return nil
}

func (d *Draft) put(p []byte) error {
	if _, err := d.buf.Write(p); err != nil {
		return err
	}
	d.last = p[len(p)-1]
	return nil
}

// cleanPrefix returns how much of p, which follows the octet last, can be
// taken as it is: up to a bare LF, or through a CR that ends p or that no LF
// follows.
func cleanPrefix(p []byte, last byte) int {
	for i := 0; i < len(p); {
		j := bytes.IndexAny(p[i:], "\r\n")
		if j < 0 {
			return len(p)
		}
		i += j
		if i > 0 {
			last = p[i-1]
		}
		switch {
		case p[i] == '\n' && last != '\r':
			return i
		case p[i] == '\n':
			i++
		case i+1 == len(p) || p[i+1] != '\n':
			return i + 1
		default:
			i += 2
		}
	}
	return len(p)
}

// finish completes the last line.
func (d *Draft) finish() error {
	switch {
	case d.binary, d.last == '\n', d.Size() == 0:
		return nil
	case d.last == '\r':
		return d.put(crlf[1:])
	}
	return d.put(crlf)
}

// Size returns the octets held so far.
func (d *Draft) Size() int64 { return d.buf.Size() }

// Reader returns a reader over what has arrived so far, from the beginning.
func (d *Draft) Reader() io.Reader { return d.buf.Reader() }

// Close frees the draft.
func (d *Draft) Close() error { return d.buf.Close() }
