package deliver

import (
	"correio/services/internal/dsn"
	"correio/services/internal/mailaddr"
	"correio/services/internal/smtpc"
	"correio/services/mta/internal/bounce"
)

// passOn puts into an envelope what the sender wants to hear (RFC 3461 §5.2.1:
// exactly as it came). Package smtpc does not tell hosts that do not offer DSN
// (§5.2.2 (a)). An MDA is never told: final delivery is ours to report (§5.2.3),
// and one of us is enough.
func (a *attempt) passOn(env *smtpc.Envelope, c *smtpc.Client, t target, to []int) {
	if !hears(c, t) {
		return
	}
	_, utf8 := c.Extension("SMTPUTF8")
	env.Ret, env.EnvID = a.entry.Ret, a.entry.EnvID
	for k, i := range to {
		r := a.entry.Rcpts[i]
		env.To[k].Notify, env.To[k].ORcpt = r.Notify, r.ORcpt
		if !utf8 {
			env.To[k].ORcpt = dsn.SevenBit(r.ORcpt)
		}
	}
}

// hears reports whether a host is told what the sender wants to hear.
func hears(c *smtpc.Client, t target) bool {
	_, dsn := c.Extension("DSN")
	return dsn && t.proto != smtpc.LMTP
}

// success is what a sender who asked for it is told about a recipient whom the
// message was handed over for; "" when that is not for us to say.
func (r result) success() bounce.Action {
	switch {
	case r.proto == smtpc.LMTP:
		return bounce.Delivered // RFC 3461 §5.2.3
	case !r.dsn:
		return bounce.Relayed // RFC 3461 §5.2.2 (b): that host will say nothing
	}
	return "" // RFC 3461 §5.2.1: that host has the duty now
}

// notice is one kind of report.
type notice struct {
	action bounce.Action
	reader bounce.Reader
}

// notices are all kinds, in the order in which reports are written.
var notices = []notice{
	{bounce.Failed, bounce.Sender},
	{bounce.Delayed, bounce.Sender},
	{bounce.Delivered, bounce.Sender},
	{bounce.Relayed, bounce.Sender},
	{bounce.Failed, bounce.LastResort},
	{bounce.Failed, bounce.Postmaster},
}

// news is what there is to tell, with the recipients that it is about. RFC 3461
// §5.2.8: those of one attempt share a report.
type news map[notice][]int

// note notes what happened to a recipient, if the sender wants to know.
func (a *attempt) note(n news, i int, action bounce.Action) {
	// RFC 5321 §6.1: nobody is told about a message with a null reverse-path.
	if action == "" || a.entry.From.Null() || !dsn.Wants(a.entry.Rcpts[i].Notify, keyword(action)) {
		return
	}
	key := notice{action, bounce.Sender}
	n[key] = append(n[key], i)
}

// keyword is what NOTIFY calls an action.
func keyword(action bounce.Action) string {
	switch action {
	case bounce.Failed:
		return dsn.Failure
	case bounce.Delayed:
		return dsn.Delay
	case bounce.Delivered, bounce.Relayed, bounce.Expanded:
	}
	return dsn.Success
}

// noteFailure notes a failure for the sender, for the postmaster where the site
// wants copies, and for the postmaster alone where there is no sender. What the
// postmaster hears does not depend on NOTIFY (RFC 3461 §5.2.2 (d) allows it).
func (a *attempt) noteFailure(n news, i int) {
	a.note(n, i, bounce.Failed)
	switch {
	case a.entry.From.Null():
		key := notice{bounce.Failed, bounce.LastResort}
		n[key] = append(n[key], i)
	case a.d.env.Org.SMTP.BounceCopies && !a.d.isPostmaster(a.entry.From):
		key := notice{bounce.Failed, bounce.Postmaster}
		n[key] = append(n[key], i)
	}
}

// isPostmaster reports whether an address is that of the site's postmaster.
func (d *Deliverer) isPostmaster(a mailaddr.Address) bool {
	return a.Postmaster() && (d.env.Org.Local(a.Domain) || a == d.postmaster())
}
