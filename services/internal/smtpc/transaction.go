package smtpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/transfer"
)

// maxPipelined bounds the recipients whose commands are in flight together, so
// that neither side waits for the other to read (RFC 2920 §3.1).
const maxPipelined = 50

// Errors of a transaction.
var (
	// ErrSource says that the message could not be read to its end; the
	// connection was cut, and the server has not got it.
	ErrSource = reason.NewFault(reason.SourceFailed)
	// ErrOutOfPlace says that the server agreed to something that was not
	// asked, such as 250 to DATA: it is at another point of the dialogue.
	ErrOutOfPlace = reason.NewFault(reason.OutOfPlace)
)

// Send runs one transaction and returns one Result for each recipient, in
// order. The message is only read when somebody is to get it. Afterwards
// Usable says whether the connection is of any more use; there is nothing to
// reset.
func (c *Client) Send(ctx context.Context, env Envelope, message io.Reader, opt SendOptions) []Result {
	c.rec.queue = opt.Queue
	defer c.cutOn(ctx)()
	t := &transaction{c: c, env: env, results: make([]Result, len(env.To))}
	if refusal := c.cannot(env); refusal.Code != 0 {
		t.all(Result{Reply: refusal, Step: StepMail, Own: true})
		return t.results
	}
	c.sent++
	c.messages++
	t.pipelined = opt.Pipelined && c.offers("PIPELINING")
	if env.Body == Binary || opt.Chunking && c.offers("CHUNKING") {
		t.chunk = chunkSize(opt.ChunkSize)
	}
	if t.pipelined && len(env.To) <= maxPipelined {
		t.pipeline(message)
	} else {
		t.stepByStep(message)
	}
	return t.results
}

// transaction is one run of MAIL, RCPT, and DATA or BDAT.
type transaction struct {
	c         *Client
	env       Envelope
	results   []Result
	pipelined bool
	chunk     int // octets of a BDAT chunk; 0 for DATA
}

// all gives every recipient that was not refused before the same result.
func (t *transaction) all(r Result) {
	for i := range t.results {
		if t.open(i) {
			t.results[i] = r
		}
	}
}

// open reports whether recipient i may still get the message.
func (t *transaction) open(i int) bool {
	r := t.results[i]
	return r.Err == nil && (r.Reply.Code == 0 || r.Step == StepRcpt && r.Reply.Code/100 == 2)
}

func (t *transaction) accepted() int {
	n := 0
	for i := range t.results {
		if t.results[i].Reply.Code != 0 && t.open(i) {
			n++
		}
	}
	return n
}

// broke is the result of an error of the dialogue.
func broke(err error) Result {
	var e *Error
	if errors.As(err, &e) {
		return Result{Step: e.Step, Err: e.Err}
	}
	return Result{Err: err}
}

func (t *transaction) stepByStep(message io.Reader) {
	if !t.mailed(t.c.command(StepMail, t.c.mailLine(t.env))) {
		return
	}
	for i, to := range t.env.To {
		rep, err := t.c.command(StepRcpt, t.c.rcptLine(to))
		if !t.named(i, rep, err) {
			return
		}
	}
	switch {
	case t.accepted() == 0:
		t.reset()
	case t.chunk > 0:
		t.chunks(message)
	default:
		rep, err := t.c.command(StepData, "DATA")
		t.data(rep, err, message)
	}
}

// mailed takes the reply to MAIL and reports whether a transaction has begun.
func (t *transaction) mailed(rep reply.Reply, err error) bool {
	if err == nil && rep.Positive() && rep.Code != 250 {
		err = t.c.misplaced(StepMail, rep)
	}
	switch {
	case err != nil:
		t.all(broke(err))
		return false
	case rep.Code != 250:
		t.all(Result{Reply: rep, Step: StepMail})
		return false
	}
	return true
}

// named takes the reply to the RCPT of recipient i and reports whether the
// dialogue goes on. After a 421 nobody else will be asked.
func (t *transaction) named(i int, rep reply.Reply, err error) bool {
	if err == nil && rep.Code/100 == 3 {
		err = t.c.misplaced(StepRcpt, rep)
	}
	if err != nil {
		t.all(broke(err))
		return false
	}
	if t.open(i) {
		t.results[i] = Result{Reply: rep, Step: StepRcpt}
	}
	if rep.Code == 421 {
		t.all(Result{Reply: rep, Step: StepRcpt})
		return false
	}
	return true
}

// reset takes MAIL back.
func (t *transaction) reset() {
	if rep, err := t.c.command(StepRcpt, "RSET"); err != nil || rep.Code != 250 {
		t.c.broken = true
	}
}

// pipeline sends the commands together. The first BDAT is not among them: the
// message is only read when somebody is to get it.
func (t *transaction) pipeline(message io.Reader) {
	c := t.c
	c.write(StepMail, c.mailLine(t.env))
	for _, to := range t.env.To {
		c.write(StepRcpt, c.rcptLine(to))
	}
	if t.chunk == 0 {
		c.write(StepData, "DATA")
	}
	if !t.mailed(c.answer(StepMail)) && !c.Usable() {
		return
	}
	// After a refused MAIL nobody is open, and these replies change nothing.
	for i := range t.env.To {
		rep, err := c.read(StepRcpt, c.opt.Timeouts.Command)
		if !t.named(i, rep, err) {
			return
		}
	}
	if t.chunk > 0 {
		if t.accepted() == 0 {
			t.reset()
		} else {
			t.chunks(message)
		}
		return
	}
	rep, err := c.read(StepData, c.opt.Timeouts.Command)
	if err == nil && t.accepted() == 0 {
		t.closeEmpty(rep)
		return
	}
	t.data(rep, err, message)
}

// closeEmpty ends a pipelined transaction that has no recipients: a server that
// said 354 all the same gets an empty message, which it must refuse (RFC 2920
// §3.1); then MAIL is taken back.
func (t *transaction) closeEmpty(rep reply.Reply) {
	if rep.Code == 354 {
		if _, err := t.c.command(StepData, "."); err != nil {
			return
		}
	}
	if t.c.Usable() {
		t.reset()
	}
}

// data sends the message when the server said 354, and reads what became of it.
func (t *transaction) data(rep reply.Reply, err error, message io.Reader) {
	if err == nil && rep.Positive() && rep.Code != 354 {
		err = t.c.misplaced(StepData, rep)
	}
	switch {
	case err != nil:
		t.all(broke(err))
	case rep.Code != 354:
		t.all(Result{Reply: rep, Step: StepData})
		if t.c.Usable() {
			t.reset()
		}
	default:
		if err := t.c.sendMessage(message); err != nil {
			t.all(broke(t.c.fail(&Error{Step: StepData, Err: err})))
			return
		}
		t.verdicts()
	}
}

// sendMessage sends the message and the final dot.
func (c *Client) sendMessage(message io.Reader) error {
	shown := newSummary(&c.rec)
	dots := newDotWriter(c.w)
	src := &source{r: message}
	if _, err := transfer.Copy(io.MultiWriter(shown, dots), src); err != nil {
		return src.blame(err)
	}
	if c.rec.watched() {
		c.rec.instead(reason.New(reason.MessageSize, strconv.FormatInt(dots.size, 10)), StepData)
		c.rec.line(event.Out, ".", StepData)
	}
	if err := dots.close(); err != nil {
		return err
	}
	return c.w.Flush()
}

// source remembers that it was the message, not the connection, that failed.
type source struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// blame returns what made copying fail.
func (s *source) blame(err error) error {
	if s.err != nil {
		return fmt.Errorf("%w: %w", ErrSource, s.err)
	}
	return err
}

// verdicts reads the reply to the end of the message: one in SMTP, one for each
// accepted recipient in LMTP, also when the same one was named twice (RFC 2033
// §4.2).
func (t *transaction) verdicts() {
	var rep reply.Reply
	for i := range t.results {
		if !t.open(i) {
			continue
		}
		if rep.Code == 0 || t.c.opt.Protocol == LMTP {
			var err error
			rep, err = t.c.read(StepDone, t.c.opt.Timeouts.Done)
			if err == nil && rep.Code/100 == 3 {
				err = t.c.misplaced(StepDone, rep)
			}
			if err != nil {
				t.all(broke(err))
				return
			}
		}
		t.results[i] = Result{Reply: rep, Step: StepDone}
	}
}
