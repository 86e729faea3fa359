package reason

import (
	"context"
	"errors"
	"strings"

	"correio/services/internal/network"
)

// Fault is an error that is a reason: what went wrong in words of the lab, which
// records hold as data. Its text is the reason's in English.
type Fault struct{ Reason }

// NewFault makes a Fault. What it is wrapped with stands behind it: "%w: …".
func NewFault(rule Rule, args ...string) error { return &Fault{New(rule, args...)} }

// Error implements error.
func (f *Fault) Error() string { return f.String() }

// troubles are the rules for what kept a connection from working.
var troubles = map[network.Trouble]struct{ any, tls Rule }{
	network.Timeout:     {Silent, TLSSilent},
	network.Refused:     {Refuses, TLSFailed},
	network.Unreachable: {NoWay, TLSFailed},
	network.Broken:      {Broken, TLSBroken},
}

// Of says an error as data: what it wraps of ours, or the trouble of a connection.
// What another library says is a cause, in its own words.
func Of(err error) []Reason {
	if why := fault(err); why != nil || err == nil {
		return why
	}
	if t, ok := troubles[network.TroubleOf(err)]; ok {
		return []Reason{New(t.any)}
	}
	if errors.Is(err, context.Canceled) {
		return []Reason{New(CutShort)}
	}
	return []Reason{New(Cause, err.Error())}
}

// OfSilence says why nothing came back, as a record tells it (event.Error).
func OfSilence(said string) Reason {
	if t, ok := troubles[network.Trouble(said)]; ok {
		return New(t.any)
	}
	switch why := ParseKnown(said); {
	case len(why) != 1:
		return New(Unanswered, said)
	case why[0].Rule == Cause:
		return New(Unanswered, why[0].Args...)
	default:
		return why[0]
	}
}

// OfTLS says as data why a handshake has failed.
func OfTLS(err error) []Reason {
	if why := fault(err); why != nil {
		return why
	}
	if t, ok := troubles[network.TroubleOf(err)]; ok && t.tls != TLSFailed {
		return []Reason{New(t.tls)}
	}
	return []Reason{New(TLSFailed, err.Error())}
}

// fault is what an error wraps of ours, and the words that stand behind it.
func fault(err error) []Reason {
	var ours *Fault
	if !errors.As(err, &ours) {
		return nil
	}
	_, cause, found := strings.Cut(err.Error(), ours.Error()+": ")
	if !found {
		return []Reason{ours.Reason}
	}
	return []Reason{ours.Reason, New(Cause, cause)}
}

// AtStep says why a dialogue did not get on: at which step, and what broke, or
// else what the server replied.
func AtStep(step, reply string, err error) []Reason {
	if err == nil {
		return []Reason{New(InStep, step), New(Replied, reply)}
	}
	return append([]Reason{New(InStep, step)}, Of(err)...)
}
