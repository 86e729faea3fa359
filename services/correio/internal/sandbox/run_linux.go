package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Run starts the inner process, waits for it and returns its exit status, or
// 128 and the signal that killed it. An error means that it did not start.
//
// The calling goroutine keeps its thread until the inner process has ended: the
// kernel kills a process with the thread that started it.
func Run(spec Spec) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ours, theirs, err := channel()
	if err != nil {
		return 0, err
	}
	defer ours.Close()
	config, err := json.Marshal(spec.Config)
	if err != nil {
		theirs.Close()
		return 0, fmt.Errorf("encode configuration: %w", err)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	defer keepTerminal()()

	cmd, err := start(spec, theirs)
	theirs.Close()
	if err != nil {
		return 0, err
	}
	if err := send(ours, message{Config: config, Files: len(spec.Files)}); err != nil {
		return 0, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	ended := make(chan struct{})
	passing := make(chan struct{})
	go func() {
		defer close(passing)
		pass(signals, ended, spec.Interactive, ours, cmd.Process)
	}()
	err = cmd.Wait()
	close(ended)
	<-passing
	return exitStatus(cmd, err)
}

// channel makes a pair of connected sockets that are closed on exec.
func channel() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a channel: %w", os.NewSyscallError("socketpair", err))
	}
	return os.NewFile(uintptr(fds[0]), "inner process"), os.NewFile(uintptr(fds[1]), "outer process"), nil
}

// start tries the widest mapping of ids that the user may have.
func start(spec Spec, theirs *os.File) (*exec.Cmd, error) {
	var err error
	for _, ids := range mappings(os.Geteuid(), os.Getegid(), readSetting) {
		cmd := exec.Command("/proc/self/exe", spec.Args...)
		cmd.Args[0] = os.Args[0]
		cmd.Env = spec.Env
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.ExtraFiles = append([]*os.File{theirs}, spec.Files...)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
			UidMappings: ids.users,
			GidMappings: ids.groups,
			// Setting groups inside is allowed only to whom may map them all.
			GidMappingsEnableSetgroups: ids.all,
			Pdeathsig:                  syscall.SIGKILL,
		}
		if err = cmd.Start(); err == nil {
			return cmd, nil
		}
		if !errors.Is(err, syscall.EPERM) {
			break
		}
	}
	return nil, Diagnose(fmt.Errorf("make namespaces: %w", err))
}

// pass hands signals on until the inner process has ended.
func pass(signals <-chan os.Signal, ended <-chan struct{}, interactive bool, ours *os.File, p *os.Process) {
	asked := false
	for {
		select {
		case <-ended:
			return
		case s := <-signals:
			number, ok := s.(syscall.Signal)
			switch {
			case !ok, interactive && number == syscall.SIGINT && foreground():
				// The terminal has sent it to the whole process group, of which
				// the command is one.
			case asked && !interactive:
				_ = p.Kill() // it may have ended by now
			case send(ours, message{Signal: int(number)}) != nil:
				_ = p.Kill() // it does not listen any more
			}
			asked = true
		}
	}
}

func exitStatus(cmd *exec.Cmd, err error) (int, error) {
	if cmd.ProcessState == nil {
		return 0, fmt.Errorf("wait for the inner process: %w", err)
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}
