package smtpc

import (
	"context"
	"errors"
	"fmt"
	"io"

	"correio/services/internal/event"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
)

// Envelope is what MAIL and RCPT carry.
type Envelope struct {
	From mailaddr.Address // zero for the null reverse-path
	To   []Recipient
	Size int64 // octets of the message, 0 when not known
	// EightBit says that the body was announced as 8BITMIME (RFC 6152).
	EightBit bool
	UTF8     bool   // SMTPUTF8 is needed (RFC 6531)
	Ret      string // RFC 3461: "", "FULL" or "HDRS"
	EnvID    string // RFC 3461, as xtext
}

// Recipient is one RCPT.
type Recipient struct {
	To     mailaddr.Address
	Notify string // RFC 3461: "", "NEVER" or a list
	ORcpt  string // RFC 3461: address type ";" xtext
}

// Result is what became of one recipient.
type Result struct {
	// Reply is the server's last word on this recipient: 2xx means that it has
	// taken responsibility. It is zero when Err is not nil.
	Reply reply.Reply
	// Step is where that was said, or where it broke.
	Step Step
	// Err says what broke before there was an answer. At StepDone nobody knows
	// whether the server has taken the message.
	Err error
}

// Delivered reports whether the server took the message for the recipient.
func (r Result) Delivered() bool { return r.Err == nil && r.Step == StepDone && r.Reply.Code/100 == 2 }

// Permanent reports whether the server refused for good.
func (r Result) Permanent() bool { return r.Err == nil && r.Reply.Permanent() }

// SendOptions say how a transaction is spoken.
type SendOptions struct {
	// Queue is the queue id for the transaction's events.
	Queue string
	// Pipelined sends MAIL, RCPT and DATA together where the server offers
	// PIPELINING (RFC 2920). Otherwise each command waits for its reply, as
	// the textbook prints it.
	Pipelined bool
}

// maxPipelined bounds the recipients whose commands are in flight together, so
// that neither side waits for the other to read (RFC 2920 §3.1).
const maxPipelined = 50

// ErrSource says that the message could not be read to its end; the
// connection was cut, and the server has not got it.
var ErrSource = errors.New("read the message")

// Send runs one transaction and returns one Result for each recipient, in
// order. The message is only read when somebody is to get it. Afterwards
// Usable says whether the connection is of any more use; there is nothing to
// reset.
func (c *Client) Send(ctx context.Context, env Envelope, message io.Reader, opt SendOptions) []Result {
	c.rec.queue = opt.Queue
	defer c.cutOn(ctx)()
	t := &transaction{c: c, env: env, results: make([]Result, len(env.To))}
	if refusal := c.cannot(env); refusal.Code != 0 {
		t.all(Result{Reply: refusal, Step: StepMail})
		return t.results
	}
	c.sent++
	c.messages++
	_, offered := c.ext["PIPELINING"]
	t.pipelined = opt.Pipelined && offered && len(env.To) <= maxPipelined
	if t.pipelined {
		t.pipeline(message)
	} else {
		t.stepByStep(message)
	}
	return t.results
}

// cannot finds what makes sending useless before a word is said.
func (c *Client) cannot(env Envelope) reply.Reply {
	if limit := c.MaxSize(); limit > 0 && env.Size > limit {
		// RFC 1870 §6.1: do not even try.
		return reply.Newf(552, "5.3.4", "Message of %d octets is larger than the %d that %s takes", env.Size, limit, c.opt.Host)
	}
	if _, ok := c.ext["SMTPUTF8"]; !ok && env.needsUTF8() {
		// RFC 6531 §3.2: it must not be sent to a server without the extension.
		return reply.Newf(550, "5.6.7", "%s does not offer SMTPUTF8, which the addresses need", c.opt.Host)
	}
	return reply.Reply{}
}

func (e Envelope) needsUTF8() bool {
	if e.UTF8 || !e.From.ASCII() {
		return true
	}
	for _, r := range e.To {
		if !r.To.ASCII() {
			return true
		}
	}
	return false
}

// transaction is one run of MAIL, RCPT, DATA.
type transaction struct {
	c         *Client
	env       Envelope
	results   []Result
	pipelined bool
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

func broke(step Step, err error) Result {
	var e *Error
	if errors.As(err, &e) {
		return Result{Step: e.Step, Err: e.Err}
	}
	return Result{Step: step, Err: err}
}

func (t *transaction) stepByStep(message io.Reader) {
	rep, err := t.c.command(StepMail, t.c.mailLine(t.env))
	if err != nil {
		t.all(broke(StepMail, err))
		return
	}
	if rep.Code != 250 {
		t.all(Result{Reply: rep, Step: StepMail})
		return
	}
	for i, to := range t.env.To {
		rep, err := t.c.command(StepRcpt, t.c.rcptLine(to))
		if err != nil {
			t.all(broke(StepRcpt, err))
			return
		}
		t.results[i] = Result{Reply: rep, Step: StepRcpt}
		if t.stopped(rep) {
			return
		}
	}
	if t.accepted() == 0 {
		t.reset()
		return
	}
	rep, err = t.c.command(StepData, "DATA")
	t.data(rep, err, message)
}

// stopped handles a 421 in the middle: nobody else will be asked.
func (t *transaction) stopped(rep reply.Reply) bool {
	if rep.Code != 421 {
		return false
	}
	t.all(Result{Reply: rep, Step: StepRcpt})
	return true
}

// reset takes MAIL back when no recipient is left.
func (t *transaction) reset() {
	if rep, err := t.c.command(StepRcpt, "RSET"); err != nil || rep.Code != 250 {
		t.c.broken = true
	}
}

func (t *transaction) pipeline(message io.Reader) {
	c := t.c
	c.write(StepMail, c.mailLine(t.env))
	for _, to := range t.env.To {
		c.write(StepRcpt, c.rcptLine(to))
	}
	c.write(StepData, "DATA")
	mail, err := c.answer(StepMail)
	for i := range t.env.To {
		if err != nil {
			break
		}
		var rep reply.Reply
		if rep, err = c.read(StepRcpt, c.opt.Timeouts.Command); err == nil {
			t.results[i] = Result{Reply: rep, Step: StepRcpt}
		}
	}
	if err != nil {
		t.all(broke(StepMail, err))
		return
	}
	if mail.Code != 250 {
		// The replies to RCPT only say that there was no MAIL.
		clear(t.results)
		t.all(Result{Reply: mail, Step: StepMail})
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
	if err != nil {
		t.all(broke(StepData, err))
		return
	}
	if rep.Code != 354 {
		t.all(Result{Reply: rep, Step: StepData})
		if t.c.Usable() {
			t.reset()
		}
		return
	}
	if err := t.c.sendMessage(message); err != nil {
		t.all(broke(StepData, t.c.fail(&Error{Step: StepData, Err: err})))
		return
	}
	t.verdicts()
}

// sendMessage sends the message and the final dot.
func (c *Client) sendMessage(message io.Reader) error {
	shown := newSummary(&c.rec)
	dots := newDotWriter(c.w)
	src := &source{r: message}
	if _, err := io.Copy(io.MultiWriter(shown, dots), src); err != nil {
		if src.err != nil {
			return fmt.Errorf("%w: %w", ErrSource, src.err)
		}
		return err
	}
	if c.rec.watched() {
		c.rec.line(event.Out, fmt.Sprintf("(message: %d octets)", dots.size), StepData)
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

// verdicts reads the reply to the final dot: one in SMTP, one for each accepted
// recipient in LMTP, also when the same one was named twice (RFC 2033 §4.2).
func (t *transaction) verdicts() {
	var rep reply.Reply
	for i := range t.results {
		if !t.open(i) {
			continue
		}
		if rep.Code == 0 || t.c.opt.Protocol == LMTP {
			var err error
			if rep, err = t.c.read(StepDone, t.c.opt.Timeouts.Done); err != nil {
				t.all(broke(StepDone, err))
				return
			}
		}
		t.results[i] = Result{Reply: rep, Step: StepDone}
	}
}
