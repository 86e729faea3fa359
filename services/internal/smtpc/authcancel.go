package smtpc

import (
	"errors"

	"correio/services/internal/event"
	"correio/services/internal/reply"
)

// ErrAuthGoesOn says that the server asked for more when all had been said
// that the mechanism has to say.
var ErrAuthGoesOn = errors.New("the server asks for more than the mechanism has")

// authGoesOn gives up an exchange that should be over. RFC 4954 §4: the client
// sends "*", which the server must refuse with 501. When it does, the dialogue
// may go on; any other answer leaves it nobody knows where, and ends it.
func (c *Client) authGoesOn(rep reply.Reply, user, mechanism string) error {
	c.rec.auth(event.Refused, user, mechanism)
	if rep.Code != 334 {
		return c.misplaced(StepAuth, rep)
	}
	rep, err := c.command(StepAuth, "*")
	if err != nil {
		return err
	}
	gaveUp := &Error{Step: StepAuth, Err: ErrAuthGoesOn}
	if rep.Positive() {
		return c.fail(gaveUp)
	}
	return gaveUp
}
