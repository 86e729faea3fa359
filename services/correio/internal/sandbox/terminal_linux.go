package sandbox

import (
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// foreground reports whether standard input is a terminal whose signals go to
// this process's group.
func foreground() bool {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// keepTerminal returns a function that gives the terminal back to the process
// group that has it now: a shell that ran inside made itself the owner and is
// gone.
func keepTerminal() (restore func()) {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	if err != nil {
		return func() {}
	}
	return func() {
		now, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
		if err != nil || now == group {
			return
		}
		signal.Ignore(syscall.SIGTTOU) // who is not in the foreground would be stopped here
		defer signal.Reset(syscall.SIGTTOU)
		_ = unix.IoctlSetPointerInt(0, unix.TIOCSPGRP, group) // the group may be gone as well
	}
}
