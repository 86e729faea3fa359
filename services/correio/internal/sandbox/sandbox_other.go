//go:build !linux

package sandbox

import (
	"errors"
	"os"
	"runtime"

	"correio/services/internal/text"
)

var notLinux = text.New(
	"a private internet needs Linux, this is %s: use ./scripts/up, which runs the lab in Docker",
	"uma internet privada precisa de Linux, e isto é %s: use ./scripts/up, que roda o laboratório no Docker")

// Run starts nothing: this system has no namespaces.
func Run(Spec) (int, error) { return 0, Diagnose(errors.ErrUnsupported) }

// Diagnose says that this system cannot do it.
func Diagnose(error) error { return errorf(notLinux, runtime.GOOS) }

// Inner is the inner process, of which there is none here.
type Inner struct {
	Files []*os.File
	Stop  <-chan struct{}
}

// Inside returns an error: nothing can be inside.
func Inside(any) (*Inner, error) { return nil, Diagnose(errors.ErrUnsupported) }

// Build builds nothing.
func (*World) Build() ([]text.Error, error) { return nil, Diagnose(errors.ErrUnsupported) }

// Command runs nothing.
func (*Inner) Command(argv, env []string) (int, error) {
	return 0, Diagnose(errors.ErrUnsupported)
}

func owned(string) error { return nil }
