package smtpc

import (
	"errors"

	"correio/services/internal/event"
)

// ErrAuthGoesOn says that the server asked for more when all had been said
// that the mechanism has to say.
var ErrAuthGoesOn = errors.New("the server asks for more than the mechanism has")

// cancelAuth gives up an exchange that should be over. RFC 4954 §4: the client
// sends "*", which the server must refuse with 501. When it does, the dialogue
// may go on; any other answer leaves it nobody knows where, and ends it.
func (c *Client) cancelAuth(user, mechanism string) error {
	c.rec.auth(event.Refused, user, mechanism)
	rep, err := c.command(StepAuth, "*")
	if err != nil {
		return err
	}
	gaveUp := &Error{Step: StepAuth, Err: ErrAuthGoesOn}
	if !rep.Permanent() && !rep.Temporary() {
		return c.fail(gaveUp)
	}
	return gaveUp
}
