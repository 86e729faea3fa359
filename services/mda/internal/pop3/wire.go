package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// RFC 2449 §4: a command line holds at most 255 octets with its CRLF.
	maxLine = 255
	// RFC 5034 §4 lets the responses of AUTH be longer. The longest of use, of
	// PLAIN, has 1,024 octets; this is what RFC 4954 §4 says of SMTP.
	maxAuthLine = 12288
	// A line that is longer is read away up to this much, and refused.
	maxDiscard = 64 << 10
	readBuffer = 1 << 10
	// flushSize is how much is gathered before it is sent without need.
	flushSize = 32 << 10
)

// errTooLong says that a line was longer than maxLine; it has been read away.
var errTooLong = errors.New("line too long")

// wire is the octets of one connection: lines in, a gathered buffer out.
type wire struct {
	conn    net.Conn
	r       *bufio.Reader
	buf     *[]byte // from pool while something waits to be sent, else nil
	pool    *sync.Pool
	timeout time.Duration // of one write
	err     error         // the first failed write
}

func newWire(conn net.Conn, pool *sync.Pool, timeout time.Duration) *wire {
	return &wire{conn: conn, r: bufio.NewReaderSize(conn, readBuffer), pool: pool, timeout: timeout}
}

// upgrade goes on with another connection on top of the same socket. What was
// received and not read is forgotten (RFC 2595 §4: the client must not send
// commands before the TLS negotiation ends; an attacker could).
func (w *wire) upgrade(conn net.Conn) {
	w.conn = conn
	w.r.Reset(conn)
}

// lineWaiting reports whether a complete line has arrived already.
func (w *wire) lineWaiting() bool {
	waiting, err := w.r.Peek(w.r.Buffered())
	return err == nil && bytes.IndexByte(waiting, '\n') >= 0
}

// readLine returns the next line, of at most limit octets, without its line end,
// which is CRLF or, from people who type through nc, LF. The slice is valid
// until the next read.
func (w *wire) readLine(limit int) ([]byte, error) {
	line, err := w.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		if limit <= readBuffer {
			return nil, w.discardLine()
		}
		line, err = w.longLine(slices.Clone(line), limit)
	}
	if err != nil {
		return nil, readError(err)
	}
	if len(line) > limit {
		return nil, errTooLong
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// longLine goes on with a line that does not fit into the buffer.
func (w *wire) longLine(line []byte, limit int) ([]byte, error) {
	for {
		part, err := w.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > limit:
			return nil, w.discardLine()
		}
	}
}

// discardLine reads the rest of a line away and returns errTooLong.
func (w *wire) discardLine() error {
	for discarded := 0; discarded < maxDiscard; {
		part, err := w.r.ReadSlice('\n')
		if err == nil {
			return errTooLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return readError(err)
		}
		discarded += len(part)
	}
	return errEndless
}

func readError(err error) error {
	switch {
	case errors.Is(err, errTooLong), errors.Is(err, errEndless), errors.Is(err, errIdle), errors.Is(err, errClientGone):
		return err // it is ours already
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errIdle
	case errors.Is(err, io.EOF):
		return errClientGone
	}
	return errors.Join(errClientGone, err)
}

// Write implements io.Writer: it gathers, and sends what fills a buffer. An
// error is the connection's end and stays.
func (w *wire) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 && w.err == nil {
		if w.buf == nil {
			w.buf = w.pool.Get().(*[]byte) // it holds nothing else
		}
		n := min(len(p), flushSize-len(*w.buf))
		*w.buf = append(*w.buf, p[:n]...)
		p = p[n:]
		if len(*w.buf) == flushSize {
			w.send()
		}
	}
	return total - len(p), w.err
}

// flush sends what was gathered and gives the buffer back.
func (w *wire) flush() error {
	if w.buf == nil {
		return w.err
	}
	w.send()
	w.pool.Put(w.buf)
	w.buf = nil
	return w.err
}

func (w *wire) send() {
	if w.err == nil && len(*w.buf) > 0 {
		w.conn.SetWriteDeadline(time.Now().Add(w.timeout))
		if _, err := w.conn.Write(*w.buf); err != nil {
			w.err = errors.Join(errClientGone, err)
		}
	}
	*w.buf = (*w.buf)[:0]
}

// stuffer writes a multi-line response (RFC 1939 §3): a line that begins with
// a dot gets a second one. What is written to it is a part of a message, cut
// anywhere. Its lines end in CRLF, but those of a BINARYMIME message: there a
// dot behind a bare LF is stuffed as well, because many clients end a line
// there, and the last line is completed, or no client would see the end.
type stuffer struct {
	w       io.Writer
	midLine bool
	cr      bool  // the last octet was a CR
	open    bool  // the last line did not end in CRLF
	sent    int64 // octets, stuffed dots not counted
}

// Write implements io.Writer.
func (s *stuffer) Write(p []byte) (int, error) {
	total := len(p)
	if total == 0 {
		return 0, nil
	}
	if !s.midLine && p[0] == '.' {
		if _, err := s.w.Write(dot); err != nil {
			return 0, err
		}
	}
	s.midLine = p[total-1] != '\n'
	s.open = s.midLine || total == 1 && !s.cr || total > 1 && p[total-2] != '\r'
	s.cr = p[total-1] == '\r'
	s.sent += int64(total)
	for {
		i := bytes.Index(p, lineDot)
		if i < 0 {
			_, err := s.w.Write(p)
			return total, err
		}
		// Through the line end and its dot, then that dot again in front of the rest.
		if _, err := s.w.Write(p[:i+2]); err != nil {
			return 0, err
		}
		p = p[i+1:]
	}
}

var (
	dot     = []byte(".")
	lineDot = []byte("\n.")
	lineEnd = []byte("\r\n")
)

// end completes the last line and writes the final dot.
func (s *stuffer) end() error {
	if s.open {
		if _, err := s.w.Write(lineEnd); err != nil {
			return err
		}
	}
	_, err := s.w.Write([]byte(".\r\n"))
	return err
}

// errEnough ends the reading of a message of which TOP has all it wants.
var errEnough = errors.New("enough")

// topFilter passes the header, the empty line and so many lines of the body,
// then fails with errEnough (RFC 1939 §7, TOP).
type topFilter struct {
	w      io.Writer
	lines  int
	inBody bool
	filled bool // the current line holds something
}

// Write implements io.Writer.
func (f *topFilter) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if f.inBody && f.lines == 0 {
			break
		}
		end := bytes.IndexByte(p[n:], '\n')
		if end < 0 {
			f.filled = f.filled || !bytes.Equal(p[n:], lineEnd[:1])
			n = len(p)
			break
		}
		empty := !f.filled && len(bytes.TrimSuffix(p[n:n+end], lineEnd[:1])) == 0
		n += end + 1
		f.filled = false
		switch {
		case f.inBody:
			f.lines--
		case empty:
			f.inBody = true
		}
	}
	if _, err := f.w.Write(p[:n]); err != nil {
		return 0, err
	}
	if f.inBody && f.lines == 0 {
		return n, errEnough
	}
	return n, nil
}
