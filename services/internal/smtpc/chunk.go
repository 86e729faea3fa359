package smtpc

import (
	"bufio"
	"errors"
	"io"
	"strconv"

	"correio/services/internal/reply"
	"correio/services/internal/transfer"
)

// Bounds of BDAT (RFC 3030).
const (
	defaultChunk = 64 << 10 // octets
	maxChunk     = 1 << 20
	// maxInFlight bounds the chunks whose replies are still to be read: few
	// enough that the replies fit what lies between two hosts, so that neither
	// side waits for the other to read.
	maxInFlight = 8
)

// chunkSize keeps what was asked for within the bounds.
func chunkSize(n int) int {
	if n <= 0 {
		return defaultChunk
	}
	return min(n, maxChunk)
}

// chunks sends the message by BDAT and reads what became of it.
//
// RFC 3030 §2: when a chunk is refused no other follows, and RSET clears the
// transaction. We send the last chunk only when all before it were taken, also
// where commands are pipelined: no server can be made to accept a message with
// a hole in it.
func (t *transaction) chunks(message io.Reader) {
	k := &chunker{c: t.c, size: t.chunk, window: 1}
	if t.pipelined {
		k.window = maxInFlight
	}
	err := k.sendAll(message, t.env.Body == Binary)
	var lost *Error
	switch {
	case errors.Is(err, errChunkRefused):
		t.all(Result{Reply: k.refusal, Step: StepData})
		k.drain()
	case errors.As(err, &lost):
		t.all(broke(lost))
	case err != nil:
		t.all(broke(t.c.fail(&Error{Step: StepData, Err: err})))
	default:
		t.verdicts()
	}
	if t.c.Usable() && !t.delivered() {
		t.reset()
	}
}

// delivered reports whether anybody has got the message.
func (t *transaction) delivered() bool {
	for _, r := range t.results {
		if r.Delivered() {
			return true
		}
	}
	return false
}

var errChunkRefused = errors.New("chunk refused")

// chunker is the io.Writer that cuts a message into BDAT chunks. A full one
// leaves when there is more to come, so that the last one is known.
type chunker struct {
	c          *Client
	size       int
	buf        []byte // of the chunk that is not sent yet
	window     int    // chunks that may be in flight
	unanswered int    // chunks that are
	refusal    reply.Reply
}

// sendAll sends the message and returns when the last chunk has left, all
// others being answered. Octets go out as they are; lines are made to end in
// CRLF alone, as DATA sends them: the next host may relay them by DATA.
func (k *chunker) sendAll(message io.Reader, binary bool) error {
	src := &source{r: message}
	if binary {
		if _, err := transfer.Copy(k, src); err != nil {
			return src.blame(err)
		}
		return k.last()
	}
	w := bufio.NewWriterSize(k, 4<<10)
	lines := &dotWriter{w: w, prev: '\n', bare: true}
	if _, err := transfer.Copy(lines, src); err != nil {
		return src.blame(err)
	}
	if err := lines.close(); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return k.last()
}

// Write implements io.Writer.
func (k *chunker) Write(p []byte) (int, error) {
	rest := p
	for len(rest) > 0 {
		if len(k.buf) == k.size {
			if err := k.more(); err != nil {
				return len(p) - len(rest), err
			}
		}
		part := rest[:min(len(rest), k.size-len(k.buf))]
		k.buf = append(k.buf, part...)
		rest = rest[len(part):]
	}
	return len(p), nil
}

// more sends a chunk that is not the last.
func (k *chunker) more() error {
	if err := k.put(""); err != nil {
		return err
	}
	if k.unanswered++; k.unanswered < k.window {
		return nil
	}
	return k.answer()
}

// last sends what is left, when everything before it was taken. It may be
// nothing: BDAT 0 LAST.
func (k *chunker) last() error {
	for k.unanswered > 0 {
		if err := k.answer(); err != nil {
			return err
		}
	}
	if err := k.put(" LAST"); err != nil {
		return err
	}
	return k.c.flush(StepData)
}

// put writes the command and its octets. Only the command is shown.
func (k *chunker) put(end string) error {
	k.c.write(StepData, "BDAT "+strconv.Itoa(len(k.buf))+end)
	_, err := k.c.w.Write(k.buf)
	k.buf = k.buf[:0]
	return err
}

// answer reads the reply to the oldest chunk in flight.
func (k *chunker) answer() error {
	if err := k.c.flush(StepData); err != nil {
		return err
	}
	rep, err := k.c.read(StepData, k.c.opt.Timeouts.Done)
	if err != nil {
		return err
	}
	k.unanswered--
	switch rep.Code / 100 {
	case 2:
		return nil
	case 3:
		return k.c.misplaced(StepData, rep)
	}
	k.refusal = rep
	return errChunkRefused
}

// drain reads the replies to the chunks behind a refused one, which the server
// has thrown away (RFC 3030 §2).
func (k *chunker) drain() {
	for ; k.unanswered > 0 && k.c.Usable(); k.unanswered-- {
		if _, err := k.c.read(StepData, k.c.opt.Timeouts.Done); err != nil {
			return // read has given the connection up
		}
	}
}
