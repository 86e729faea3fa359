//go:build unix

package labtest

import (
	"fmt"
	"os"
	"syscall"
)

// bindLoopback binds a new TCP socket to a port of 127.0.0.1 that the kernel
// chooses, and returns the port.
func bindLoopback(raw syscall.RawConn) (uint16, error) {
	var port int
	var err error
	ctlErr := raw.Control(func(fd uintptr) {
		if err = syscall.Bind(int(fd), &syscall.SockaddrInet4{Addr: loopback.As4()}); err != nil {
			err = os.NewSyscallError("bind", err)
			return
		}
		var name syscall.Sockaddr
		if name, err = syscall.Getsockname(int(fd)); err != nil {
			err = os.NewSyscallError("getsockname", err)
			return
		}
		inet, ok := name.(*syscall.SockaddrInet4)
		if !ok {
			err = fmt.Errorf("getsockname: %T", name)
			return
		}
		port = inet.Port
	})
	if ctlErr != nil {
		return 0, ctlErr
	}
	return uint16(port), err
}
