package smtpc

import (
	"context"
	"strings"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/sasl"
)

// Errors of Auth that no reply tells.
var (
	// ErrNoMechanism says that the server offers no mechanism that we know and
	// may use on this connection.
	ErrNoMechanism = reason.NewFault(reason.NoMechanism)
	// ErrInClear says that a mechanism would show the password to anybody on
	// the way.
	ErrInClear = reason.NewFault(reason.NotInClear)
)

// Auth proves who the user is (RFC 4954): by Options.Mechanism, or by the
// strongest that the server offers. PLAIN and LOGIN want TLS, unless
// Options.AuthInClear is set. The error is an *Error; after a refusal the
// dialogue may go on.
func (c *Client) Auth(ctx context.Context, user, password string) error {
	mechanism, err := c.mechanism()
	if err != nil {
		return &Error{Step: StepAuth, Err: err}
	}
	x, err := sasl.NewClient(mechanism, user, password)
	if err != nil {
		return &Error{Step: StepAuth, Err: err}
	}
	defer c.cutOn(ctx)()
	rep, given, err := c.exchange(mechanism, x)
	if err != nil {
		return err
	}
	err = c.outcome(rep, given, x)
	if err != nil {
		c.rec.auth(event.Refused, user, mechanism)
		return err
	}
	c.rec.auth(event.Accepted, user, mechanism)
	return nil
}

// mechanism chooses by what Auth is done.
func (c *Client) mechanism() (string, error) {
	bare := c.opt.AuthInClear || c.TLS() != nil
	if m := c.opt.Mechanism; m != "" {
		if sasl.Bare(m) && !bare {
			return "", ErrInClear
		}
		return m, nil // offered or not: the server has its say
	}
	m, ok := sasl.Choose(strings.Fields(c.ext["AUTH"]), bare)
	if !ok {
		return "", ErrNoMechanism
	}
	return m, nil
}

// exchange runs challenges and responses to the reply that ends them; given is
// why we ended them ourselves. err is a dialogue that broke.
func (c *Client) exchange(mechanism string, x sasl.Client) (rep reply.Reply, given, err error) {
	initial, err := x.Start()
	if err != nil {
		return rep, nil, &Error{Step: StepAuth, Err: err}
	}
	line, shown := "AUTH "+mechanism, "AUTH "+mechanism
	if initial != nil {
		line, shown = line+" "+sasl.EncodeInitial(initial), shown+" ****"
	}
	c.rec.hideChallenges = !sasl.Bare(mechanism)
	defer func() { c.rec.hideChallenges = false }()
	for {
		c.writeMasked(StepAuth, line, shown)
		rep, err = c.answer(StepAuth)
		if err != nil || rep.Code != 334 || given != nil {
			return rep, given, err
		}
		if line, given = respond(rep, x); given != nil {
			line, shown = "*", "*" // RFC 4954 §4: the client gives up
			continue
		}
		shown = "****"
	}
}

// respond answers one challenge.
func respond(rep reply.Reply, x sasl.Client) (string, error) {
	if len(rep.Lines) != 1 { // RFC 4954 §4: one line
		return "", sasl.ErrBase64
	}
	challenge, err := sasl.Decode(rep.Lines[0])
	if err != nil {
		return "", err
	}
	response, err := x.Next(challenge)
	return sasl.Encode(response), err
}

// outcome is what the last reply means. RFC 4954 §4: after our "*" it must be
// 501; a success then, and one without the server's own proof, is of a server
// that is not to be trusted.
func (c *Client) outcome(rep reply.Reply, given error, x sasl.Client) error {
	switch {
	case given != nil && rep.Positive():
		return c.fail(&Error{Step: StepAuth, Err: given})
	case given != nil:
		return &Error{Step: StepAuth, Err: given}
	case rep.Positive() && rep.Code != 235:
		return c.misplaced(StepAuth, rep)
	case rep.Code != 235:
		return &Error{Step: StepAuth, Reply: rep}
	}
	if err := x.Done(); err != nil {
		return c.fail(&Error{Step: StepAuth, Err: err})
	}
	return nil
}
