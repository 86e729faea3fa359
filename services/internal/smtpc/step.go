package smtpc

import (
	"errors"
	"fmt"

	"correio/services/internal/reason"
	"correio/services/internal/reply"
)

// Step is a part of the dialogue. Its number is the exit status of the
// command-line tools for a failure there, close to what swaks uses.
type Step int

// The steps of a dialogue.
const (
	StepNone    Step = 0
	StepConnect Step = 2
	StepBanner  Step = 21
	StepHello   Step = 22
	StepMail    Step = 23
	StepRcpt    Step = 24
	StepData    Step = 25 // DATA and the message
	StepDone    Step = 26 // the reply after the final dot
	StepQuit    Step = 27
	StepAuth    Step = 28
	StepTLS     Step = 29
)

// String names the step as events do.
func (s Step) String() string {
	switch s {
	case StepConnect:
		return "connect"
	case StepBanner:
		return "banner"
	case StepHello:
		return "hello"
	case StepMail:
		return "mail"
	case StepRcpt:
		return "rcpt"
	case StepData:
		return "data"
	case StepDone:
		return "done"
	case StepQuit:
		return "quit"
	case StepAuth:
		return "auth"
	case StepTLS:
		return "tls"
	}
	return ""
}

// Error says why a dialogue did not get on: at which step, and either the
// server's reply or what broke.
type Error struct {
	Step  Step
	Reply reply.Reply // zero when the server did not answer
	Err   error       // nil when it did
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Step, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Step, e.Reply)
}

// reasons says an error of a dialogue as data.
func reasons(err error) []reason.Reason {
	var e *Error
	if !errors.As(err, &e) {
		return reason.Of(err)
	}
	return reason.AtStep(e.Step.String(), e.Reply.String(), e.Err)
}

// Unwrap returns what broke.
func (e *Error) Unwrap() error { return e.Err }

// Permanent reports whether trying the same again is of no use: the server
// answered 5xx.
func (e *Error) Permanent() bool { return e.Err == nil && e.Reply.Permanent() }
