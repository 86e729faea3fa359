package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/usage"
	"correio/services/internal/control"
	"correio/services/internal/text"
)

// The exit statuses of every verb. `run -- COMMAND` ends with COMMAND's.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotRunning  = 3
	exitTimedOut    = 4
	exitInterrupted = 130
)

var (
	// errTimedOut marks errors that mean: what was waited for did not come.
	errTimedOut = errors.New("timed out")
	// errReported marks errors of which everything has been said.
	errReported = errors.New("reported")
)

// status is the exit status of a command that has said all there is to say.
type status int

// Error implements error.
func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// report says what went wrong, if anything, and returns the exit status.
func (a *app) report(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	var own status
	if errors.As(err, &own) {
		return int(own)
	}
	if !errors.Is(err, errReported) {
		fmt.Fprintf(a.stderr, "correio: %s\n", a.words(err))
	}
	return exitStatus(ctx, err)
}

// words says an error in the person's language, as far as it knows it.
func (a *app) words(err error) string {
	var speaks interface{ In(text.Lang) string }
	var answer *control.StatusError
	var path *fs.PathError
	switch {
	case errors.As(err, &speaks):
		return speaks.In(a.lang)
	case errors.Is(err, client.ErrNotRunning):
		return labNotRunning.Sprintf(a.lang, a.lab)
	case errors.As(err, &answer):
		return nodeAnswered.Sprintf(a.lang, answer.What)
	case errors.As(err, &path) && errors.Is(err, fs.ErrNotExist):
		return noSuchFile.Sprintf(a.lang, path.Path)
	case errors.Is(err, context.Canceled):
		return wasStopped.In(a.lang)
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut.Sprintf(a.lang, err)
	}
	return err.Error()
}

func exitStatus(ctx context.Context, err error) int {
	var mistake *usage.Error
	switch {
	case errors.As(err, &mistake):
		return exitUsage
	case errors.Is(err, client.ErrNotRunning):
		return exitNotRunning
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.Is(err, errTimedOut), errors.Is(err, context.DeadlineExceeded):
		return exitTimedOut
	}
	return exitFailed
}
