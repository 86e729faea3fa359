package smtpc

import (
	"errors"
	"testing"

	"correio/services/internal/sasl"
)

// A server that asks on after AUTH PLAIN and all it says, twice, left the dialogue
// within AUTH: the next command would have been taken for a password.
func TestAUTHThatGoesOnIsCancelled(t *testing.T) {
	const asks = hello + "S: 250-x\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AGFuYQBhbmE=\nS: 334 \nC: AGFuYQBhbmE=\nS: 334 \nC: *\n"
	for name, test := range map[string]struct {
		script string
		usable bool
		want   error
	}{
		"refused as it must be":  {asks + "S: 501 5.7.0 Cancelled\nC: QUIT\nS: 221 Bye", true, sasl.ErrChallenge},
		"refused in another way": {asks + "S: 454 4.7.0 Later\nC: QUIT\nS: 221 Bye", true, sasl.ErrChallenge},
		"asks again":             {asks + "S: 334 and?", false, sasl.ErrChallenge},
		"takes it for a proof":   {asks + "S: 235 2.7.0 Welcome", false, sasl.ErrChallenge},
		"421":                    {asks + "S: 421 4.7.0 Bye", false, sasl.ErrChallenge},
		"is at another point":    {hello + "S: 250-x\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AGFuYQBhbmE=\nS: 250 Ok", false, ErrOutOfPlace},
	} {
		t.Run(name, func(t *testing.T) {
			conn, finish := converse(t, test.script)
			c, err := Open(t.Context(), conn, Options{Protocol: Submission, Hello: "mx1.aurora.test", AuthInClear: true})
			if err != nil {
				t.Fatal(err)
			}
			err = c.Auth(t.Context(), "ana", "ana")
			var e *Error
			if !errors.Is(err, test.want) || !errors.As(err, &e) || e.Step != StepAuth || c.Usable() != test.usable {
				t.Errorf("got %v, usable %t", err, c.Usable())
			}
			c.Quit(t.Context())
			finish()
		})
	}
}
