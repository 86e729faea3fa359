package smtpc

import (
	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
)

// Binary is the Body of a message that is no lines of text but octets of any
// kind (RFC 3030 §3).
const Binary = "BINARYMIME"

// Envelope is what MAIL and RCPT carry.
type Envelope struct {
	From mailaddr.Address // zero for the null reverse-path
	To   []Recipient
	Size int64 // octets of the message, 0 when not known
	// EightBit says that the message has octets above 127 (RFC 6152).
	EightBit bool
	Body     string // Binary, or "" for lines of text
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

// Result is what became of one recipient.
type Result struct {
	// Reply is the last word on this recipient: 2xx means that the server has
	// taken responsibility. It is zero when Err is not nil.
	Reply reply.Reply
	// Step is where that was said, or where it broke.
	Step Step
	// Own says that Reply is our own verdict: from what this server announced
	// it cannot take the message, so it was not asked. Another one may.
	Own bool
	// Err says what broke before there was an answer. At StepDone nobody knows
	// whether the server has taken the message.
	Err error
}

// Delivered reports whether the server took the message for the recipient.
func (r Result) Delivered() bool { return r.Err == nil && r.Step == StepDone && r.Reply.Code/100 == 2 }

// Permanent reports whether it was refused for good, by the server or (Own) by
// us.
func (r Result) Permanent() bool { return r.Err == nil && r.Reply.Permanent() }

// SendOptions say how a transaction is spoken.
type SendOptions struct {
	// Queue is the queue id for the transaction's events.
	Queue string
	// Pipelined sends MAIL, RCPT and DATA together where the server offers
	// PIPELINING (RFC 2920), and BDAT chunks without waiting for each reply.
	// Otherwise each command waits for its reply, as the textbook prints it.
	Pipelined bool
	// Chunking sends the message by BDAT where the server offers CHUNKING (RFC
	// 3030). A Binary one always goes that way.
	Chunking bool
	// ChunkSize is how many octets a chunk has, but for the last; 0 means
	// 64 KiB, and 1 MiB is the most.
	ChunkSize int
}

// cannot finds what makes sending useless before a word is said.
func (c *Client) cannot(env Envelope) reply.Reply {
	host := c.opt.Host
	if limit := c.MaxSize(); limit > 0 && env.Size > limit {
		// RFC 1870 §6.1: do not even try.
		return reply.Newf(552, "5.3.4", "Message of %d octets is larger than the %d that %s takes", env.Size, limit, host)
	}
	switch {
	case env.Body == Binary && !(c.offers("CHUNKING") && c.offers("BINARYMIME")):
		// RFC 3030 §3: it must not be sent then. We do not convert.
		return reply.Newf(554, "5.6.1", "%s does not offer CHUNKING and BINARYMIME, which the message needs", host)
	case env.EightBit && env.Body != Binary && !c.offers("8BITMIME"):
		// RFC 6152 §3: it must not be sent then. We do not convert.
		return reply.Newf(554, "5.6.3", "%s does not offer 8BITMIME, which the message needs", host)
	case env.needsUTF8() && !c.offers("SMTPUTF8"):
		// RFC 6531 §3.2: it must not be sent to a server without the extension.
		return reply.Newf(550, "5.6.7", "%s does not offer SMTPUTF8, which the message or its addresses need", host)
	}
	return reply.Reply{}
}
