package pop3c

import (
	"context"
	"errors"
	"strings"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/sasl"
)

// User stands for USER and PASS among the mechanisms.
const User = "USER"

// ErrInClear says that a login would show the password to anybody on the way.
var ErrInClear = reason.NewFault(reason.NotInClear)

// Login proves who we are, as Options say. Secrets are masked wherever they are
// shown.
func (c *Client) Login(ctx context.Context, user, password string) error {
	defer c.cutOn(ctx)()
	bare := c.rec.secure || c.inClear
	mechanism := c.mechanism
	if mechanism == "" {
		offered, err := c.offered()
		if err != nil {
			return err
		}
		var ok bool
		if mechanism, ok = sasl.Choose(offered, bare); !ok {
			mechanism = User
		}
	}
	if !bare && (mechanism == User || sasl.Bare(mechanism)) {
		return &Error{Step: StepAuth, Err: ErrInClear}
	}
	var err error
	if mechanism == User {
		err = c.userPass(user, password)
	} else {
		err = c.auth(mechanism, user, password)
	}
	c.rec.auth(user, mechanism, err == nil)
	return err
}

// offered asks for the server's mechanisms. A server may not know CAPA (RFC 2449
// §5), or no AUTH: then there are none.
func (c *Client) offered() ([]string, error) {
	_, err := c.command(StepCapa, "CAPA")
	var refused *Error
	if errors.As(err, &refused) && refused.Err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var mechanisms []string
	for range maxCapabilities {
		line, err := c.line(StepCapa)
		if err != nil {
			return nil, err
		}
		c.rec.line(event.In, line)
		if line == "." {
			return mechanisms, nil
		}
		if words := strings.Fields(line); len(words) > 0 && strings.EqualFold(words[0], "SASL") {
			mechanisms = words[1:]
		}
	}
	return nil, &Error{Step: StepCapa, Err: ErrTooLarge}
}

func (c *Client) userPass(user, password string) error {
	if _, err := c.command(StepUser, "USER "+user); err != nil {
		return err
	}
	if err := c.write(StepPass, "PASS "+password, "PASS ****"); err != nil {
		return err
	}
	_, err := c.answer(StepPass)
	return err
}

// maxCommand bounds AUTH with its initial response (RFC 5034 §4).
const maxCommand = 255 - len("\r\n")

// auth is AUTH (RFC 5034 §4).
func (c *Client) auth(mechanism, user, password string) error {
	x, err := sasl.NewClient(mechanism, user, password)
	if err != nil {
		return &Error{Step: StepAuth, Err: err}
	}
	initial, err := x.Start()
	if err != nil {
		return &Error{Step: StepAuth, Err: err}
	}
	line, shown := "AUTH "+mechanism, "AUTH "+mechanism
	if whole := line + " " + sasl.EncodeInitial(initial); initial != nil && len(whole) <= maxCommand {
		line, shown = whole, line+" ****"
	}
	for {
		if err := c.write(StepAuth, line, shown); err != nil {
			return err
		}
		challenge, more, err := c.challenge(mechanism)
		switch {
		case err != nil:
			return err
		case !more:
			return proved(x)
		}
		if line, err = respond(challenge, x); err != nil {
			return c.cancel(err)
		}
		shown = "****"
	}
}

// proved fails when the server had to prove itself, and did not.
func proved(x sasl.Client) error {
	if err := x.Done(); err != nil {
		return &Error{Step: StepAuth, Err: err}
	}
	return nil
}

func respond(challenge string, x sasl.Client) (string, error) {
	octets, err := sasl.Decode(challenge)
	if err != nil {
		return "", err
	}
	response, err := x.Next(octets)
	return sasl.Encode(response), err
}

// challenge reads the answer to AUTH or to a response: a challenge, or the end
// of the exchange. With a challenge and our response anybody could try
// passwords: it is shown by PLAIN and LOGIN alone.
func (c *Client) challenge(mechanism string) (text string, more bool, err error) {
	line, err := c.line(StepAuth)
	if err != nil {
		return "", false, err
	}
	text, more = strings.CutPrefix(line, "+")
	if !more || strings.HasPrefix(text, "OK") {
		c.rec.line(event.In, line)
		_, err := verdict(StepAuth, line)
		return "", false, err
	}
	text = strings.TrimPrefix(text, " ")
	if text != "" && !sasl.Bare(mechanism) {
		line = "+ ****"
	}
	c.rec.line(event.In, line)
	return text, true, nil
}

// cancel gives an exchange up (RFC 5034 §4: a line with "*", which the server
// must refuse).
func (c *Client) cancel(why error) error {
	_, err := c.command(StepAuth, "*")
	var refused *Error
	if errors.As(err, &refused) && refused.Err != nil {
		return err
	}
	return &Error{Step: StepAuth, Err: why}
}
