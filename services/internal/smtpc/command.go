package smtpc

import (
	"context"
	"fmt"
	"strings"

	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
)

// Ask asks whether the server would take mail for an address, by MAIL, RCPT and
// RSET, and returns its reply to RCPT, or to MAIL when that was refused. From
// the second question on, the three commands go together where the server
// offers PIPELINING. The error is an *Error.
func (c *Client) Ask(ctx context.Context, from mailaddr.Address, size int64, to mailaddr.Address, queue string) (reply.Reply, error) {
	c.rec.queue = queue
	defer c.cutOn(ctx)()
	c.sent++
	env := Envelope{From: from, Size: size, UTF8: !from.ASCII() || !to.ASCII()}
	commands := [3]string{c.mailLine(env), c.rcptLine(Recipient{To: to}), "RSET"}
	steps := [3]Step{StepMail, StepRcpt, StepRcpt}
	pipelined := c.asks > 0 && c.offers("PIPELINING")
	c.asks++
	if pipelined {
		for i := range commands {
			c.write(steps[i], commands[i])
		}
	}
	var replies [3]reply.Reply
	for i := range commands {
		if !pipelined {
			c.write(steps[i], commands[i])
		}
		var err error
		if replies[i], err = c.answer(steps[i]); err != nil {
			return reply.Reply{}, err
		}
		switch {
		case replies[i].Code == 421:
			return reply.Reply{}, c.fail(&Error{Step: steps[i], Reply: replies[i]})
		case replies[i].Code/100 == 3:
			return reply.Reply{}, c.misplaced(steps[i], replies[i])
		}
	}
	if replies[2].Code != 250 {
		c.broken = true
	}
	if !replies[0].Positive() {
		return replies[0], nil
	}
	return replies[1], nil
}

// mailLine spells MAIL with the parameters that the server offers.
func (c *Client) mailLine(env Envelope) string {
	var b strings.Builder
	b.WriteString("MAIL FROM:" + env.From.Path())
	if env.Size > 0 && c.offers("SIZE") {
		fmt.Fprintf(&b, " SIZE=%d", env.Size)
	}
	switch { // cannot has seen that it is offered
	case env.Body == Binary:
		b.WriteString(" BODY=BINARYMIME")
	case env.EightBit:
		b.WriteString(" BODY=8BITMIME")
	}
	if c.offers("SMTPUTF8") && env.needsUTF8() {
		b.WriteString(" SMTPUTF8")
	}
	if c.offers("DSN") {
		if env.Ret == "FULL" || env.Ret == "HDRS" {
			b.WriteString(" RET=" + env.Ret)
		}
		if isParam(env.EnvID) {
			b.WriteString(" ENVID=" + env.EnvID)
		}
	}
	return b.String()
}

func (c *Client) rcptLine(r Recipient) string {
	line := "RCPT TO:" + r.To.Path()
	if c.offers("DSN") {
		if isParam(r.Notify) {
			line += " NOTIFY=" + r.Notify
		}
		if isParam(r.ORcpt) {
			line += " ORCPT=" + r.ORcpt
		}
	}
	return line
}

// isParam reports whether s is an esmtp-value (RFC 5321 §4.1.2, RFC 6531 §3.3)
// or, for ORCPT, several joined by ";" and "=": nothing that ends a parameter.
func isParam(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != "" && len(s) <= 1000
}
