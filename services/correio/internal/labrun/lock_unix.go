//go:build unix

package labrun

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"correio/services/internal/text"
)

// lockState keeps a second lab away from a state directory; "" needs no lock.
func lockState(dir string) (unlock func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock state directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, text.Errorf(stateInUse, dir)
		}
		return nil, fmt.Errorf("lock state directory: %w", os.NewSyscallError("flock", err))
	}
	return func() { f.Close() }, nil
}
