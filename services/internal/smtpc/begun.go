package smtpc

import (
	"context"
	"io"

	"correio/services/internal/reply"
)

// Begun is a transaction that is spoken as it becomes known: its recipients are
// named one by one, while somebody else names them to us, and then it either
// gets its message or is taken back. Until then nothing else may be said on the
// connection.
type Begun struct {
	c     *Client
	env   Envelope // To are those that were accepted
	named []Result // what was said to them
	open  bool     // MAIL was accepted
	both  bool     // MAIL and the first RCPT went together
}

// Begin prepares a transaction without its recipients. Nothing is said before
// the first one is named. queue is for the events.
func (c *Client) Begin(env Envelope, queue string) *Begun {
	c.rec.queue = queue
	c.sent++
	env.To = nil
	return &Begun{c: c, env: env}
}

// Name names a recipient and returns the reply to RCPT, or to MAIL when that was
// refused. From the second question on a connection on, both go together where
// the server offers PIPELINING. The error is an *Error.
func (b *Begun) Name(ctx context.Context, to Recipient) (reply.Reply, error) {
	c := b.c
	defer c.cutOn(ctx)()
	if !b.open {
		b.both = c.asks > 0 && c.offers("PIPELINING")
		mail, err := b.mail(to)
		switch {
		case err != nil:
			return reply.Reply{}, err
		case !b.open && b.both: // RCPT was refused as well
			_, err = b.answer(StepRcpt)
			return mail, err
		case !b.open:
			return mail, nil
		}
	}
	if !b.both {
		c.write(StepRcpt, c.rcptLine(to))
	}
	b.both = false
	rep, err := b.answer(StepRcpt)
	if err == nil && rep.Code/100 == 2 {
		b.env.To = append(b.env.To, to)
		b.named = append(b.named, Result{Reply: rep, Step: StepRcpt})
	}
	return rep, err
}

// mail says MAIL, and RCPT if both go together, and reads the reply to MAIL.
func (b *Begun) mail(to Recipient) (reply.Reply, error) {
	c := b.c
	c.asks++
	c.write(StepMail, c.mailLine(b.env))
	if b.both {
		c.write(StepRcpt, c.rcptLine(to))
	}
	rep, err := b.answer(StepMail)
	b.open = err == nil && rep.Code == 250
	return rep, err
}

// answer reads the reply to a question: one that ends the dialogue, or agrees to
// something else, is an error.
func (b *Begun) answer(step Step) (reply.Reply, error) {
	rep, err := b.c.answer(step)
	switch {
	case err != nil:
		return reply.Reply{}, err
	case rep.Code == 421:
		return reply.Reply{}, b.c.fail(&Error{Step: step, Reply: rep})
	case rep.Code/100 == 3, step == StepMail && rep.Positive() && rep.Code != 250:
		return reply.Reply{}, b.c.misplaced(step, rep)
	}
	return rep, nil
}

// Envelope returns what was said: To are the recipients that were accepted.
func (b *Begun) Envelope() Envelope { return b.env }

// Finish sends the message and returns one Result for each accepted recipient,
// in order. There must be one.
func (b *Begun) Finish(ctx context.Context, message io.Reader, opt SendOptions) []Result {
	c := b.c
	defer c.cutOn(ctx)()
	c.messages++
	t := &transaction{c: c, env: b.env, results: b.named}
	if opt.Chunking && c.offers("CHUNKING") {
		t.chunk, t.pipelined = chunkSize(opt.ChunkSize), opt.Pipelined && c.offers("PIPELINING")
		t.chunks(message)
		return t.results
	}
	rep, err := c.command(StepData, "DATA")
	t.data(rep, err, message)
	return t.results
}

// Drop takes the transaction back.
func (b *Begun) Drop(ctx context.Context) {
	if !b.open || !b.c.Usable() {
		return
	}
	defer b.c.cutOn(ctx)()
	(&transaction{c: b.c}).reset()
}
