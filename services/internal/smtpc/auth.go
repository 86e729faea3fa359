package smtpc

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"correio/services/internal/event"
	"correio/services/internal/reply"
)

// ErrNoMechanism says that the server offers no way to authenticate that we
// know.
var ErrNoMechanism = errors.New("the server offers neither AUTH PLAIN nor AUTH LOGIN")

// Auth proves who the user is (RFC 4954): by PLAIN where it is offered, else
// by LOGIN. The error is an *Error; after a refusal the dialogue may go on.
// Whether the connection is secret enough for a password is the caller's to
// decide.
func (c *Client) Auth(ctx context.Context, user, password string) error {
	offered := strings.Fields(strings.ToUpper(c.ext["AUTH"]))
	mechanism := "PLAIN"
	if !slices.Contains(offered, mechanism) {
		mechanism = "LOGIN"
	}
	if !slices.Contains(offered, mechanism) {
		return &Error{Step: StepAuth, Err: ErrNoMechanism}
	}
	defer c.cutOn(ctx)()
	exchange := c.authPlain
	if mechanism == "LOGIN" {
		exchange = c.authLogin
	}
	rep, err := exchange(user, password)
	if err != nil {
		return err
	}
	if rep.Positive() && rep.Code != 235 {
		return c.authGoesOn(rep, user, mechanism)
	}
	if rep.Code != 235 {
		c.rec.auth(event.Refused, user, mechanism)
		return &Error{Step: StepAuth, Reply: rep}
	}
	c.rec.auth(event.Accepted, user, mechanism)
	return nil
}

func (c *Client) authPlain(user, password string) (reply.Reply, error) {
	response := base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + password))
	c.writeMasked(StepAuth, "AUTH PLAIN "+response, "AUTH PLAIN ****")
	return c.answer(StepAuth)
}

func (c *Client) authLogin(user, password string) (reply.Reply, error) {
	rep, err := c.command(StepAuth, "AUTH LOGIN")
	for _, secret := range []string{user, password} {
		if err != nil || rep.Code != 334 {
			return rep, err
		}
		c.writeMasked(StepAuth, base64.StdEncoding.EncodeToString([]byte(secret)), "****")
		rep, err = c.answer(StepAuth)
	}
	return rep, err
}
