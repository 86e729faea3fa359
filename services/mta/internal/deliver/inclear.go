package deliver

import (
	"errors"
	"strings"

	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
)

// mayWantTLS reports whether TLS might have kept a host from refusing a message in
// clear. RFC 3207 §4: 530 is what a host says that wants TLS, and it may offer other
// extensions behind TLS (§4.2), so our own verdict about it is no more than that of
// the moment. Servers also put it as a matter of policy, whose enhanced codes are
// X.7.X: 550 5.7.1 where Postfix is told to reject plain-text sessions. That there is
// no such mailbox is true in clear as well; and a host that has taken the whole
// message does not refuse it for the way it came.
func mayWantTLS(r smtpc.Result) bool {
	switch {
	case r.Own:
		return true
	case !r.Permanent() || r.Step == smtpc.StepDone:
		return false
	}
	return r.Reply.Code == 530 || r.Reply.Enhanced[1] == 7
}

// withoutTLS is the result where a host does not take a message in clear, and TLS
// with it has failed: the message waits, for TLS or for another host.
func withoutTLS(t target, r smtpc.Result) result {
	said := strings.Join(r.Reply.Lines, " ")
	if !r.Own {
		said = "it said " + bounded(r.Reply.String())
	}
	return result{
		fate: waiting, proto: t.proto, why: []reason.Reason{reason.New(reason.ClearNotFinal, t.name)},
		reply: reply.Newf(451, "4.7.5", "TLS with %s failed (%s), and in clear %s", t.name, whyNoTLS(t.noTLS), said),
	}
}

// whyNoTLS is what a host said to STARTTLS, or what broke.
func whyNoTLS(err error) string {
	var e *smtpc.Error
	switch {
	case !errors.As(err, &e):
		return why(err)
	case e.Err == nil:
		return bounded(e.Reply.String())
	}
	return why(e.Err)
}
