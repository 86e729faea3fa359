//go:build !unix

package labtest

import (
	"errors"
	"syscall"
)

// bindLoopback is for systems whose sockets are file descriptors.
func bindLoopback(syscall.RawConn) (uint16, error) { return 0, errors.ErrUnsupported }
