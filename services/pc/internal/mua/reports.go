package mua

import (
	"errors"

	"correio/services/internal/dsn"
	"correio/services/internal/smtpc"
)

// Reports are what the sender wants to hear about a mail (RFC 3461). The zero
// value leaves it to the servers: failures, and long delays.
type Reports struct {
	Notify string // "", "NEVER", or a list of SUCCESS, FAILURE, DELAY
	Ret    string // "", "FULL" or "HDRS"
	EnvID  string // xtext
}

var errNoDSN = errors.New("the server does not offer DSN, so it takes no wishes about reports")

// ask puts the wishes into an envelope, with each recipient as the sender knows
// it (ORCPT), so that reports name them so however often mail is forwarded.
func (r Reports) ask(c *smtpc.Client, env *smtpc.Envelope) error {
	if r == (Reports{}) {
		return nil
	}
	if _, ok := c.Extension("DSN"); !ok {
		return &smtpc.Error{Step: smtpc.StepMail, Err: errNoDSN}
	}
	env.Ret, env.EnvID = r.Ret, r.EnvID
	for i := range env.To {
		env.To[i].Notify, env.To[i].ORcpt = r.Notify, dsn.Original(env.To[i].To)
	}
	return nil
}
