package sandbox

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
)

// Inner is the inner process.
type Inner struct {
	// Files are those of Spec.Files; a command that is run does not have them.
	Files []*os.File
	// Stop is closed when the outer process asks to stop.
	Stop <-chan struct{}

	control *bufio.Reader
	stop    chan struct{}
	once    sync.Once // closes stop

	mu      sync.Mutex // guards command
	command int        // pid of the running command, 0 when there is none
}

// Inside takes over what Run handed down: it reads the configuration into
// config, and from then on listens to the outer process. When that is gone the
// inner one ends at once.
func Inside(config any) (*Inner, error) {
	if os.Getpid() != 1 {
		return nil, errors.New("this command is for `correio run` alone")
	}
	// The terminal's signals reach every process of the group. Handlers, unlike
	// ignored signals, are not inherited by the command that is run.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	syscall.CloseOnExec(controlFile)
	in := &Inner{control: bufio.NewReader(os.NewFile(controlFile, "outer process")), stop: make(chan struct{})}
	in.Stop = in.stop
	first, err := in.next()
	if err != nil {
		return nil, fmt.Errorf("hear from the outer process: %w", err)
	}
	if err := json.Unmarshal(first.Config, config); err != nil {
		return nil, fmt.Errorf("decode configuration: %w", err)
	}
	for i := range first.Files {
		fd := controlFile + 1 + i
		syscall.CloseOnExec(fd)
		in.Files = append(in.Files, os.NewFile(uintptr(fd), fmt.Sprintf("inherited %d", fd)))
	}
	go in.listen() // until the process ends
	go in.heed(signals)
	return in, nil
}

func (in *Inner) next() (message, error) {
	line, err := in.control.ReadBytes('\n')
	if err != nil {
		return message{}, err
	}
	var m message
	return m, json.Unmarshal(line, &m)
}

// listen passes signals to the command, or stops when there is none. It ends
// the process when the outer one is gone.
func (in *Inner) listen() {
	for {
		m, err := in.next()
		if err != nil {
			os.Exit(1)
		}
		if !in.kill(syscall.Signal(m.Signal)) {
			in.once.Do(func() { close(in.stop) })
		}
	}
}

// heed stops when the terminal says so and there is no command, which would
// have heard it as well.
func (in *Inner) heed(signals <-chan os.Signal) {
	for range signals {
		if !in.kill(0) {
			in.once.Do(func() { close(in.stop) })
		}
	}
}

// kill sends the running command a signal, 0 for none; false means that there
// is no command.
func (in *Inner) kill(s syscall.Signal) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.command == 0 {
		return false
	}
	_ = syscall.Kill(in.command, s) // a command that has just ended needs none
	return true
}

// Command runs a program with the process's own standard streams and returns
// its exit status, 128 and the signal that killed it, 127 when there is no such
// program and 126 when it cannot be run; the error then says why. It reaps
// every process that ends meanwhile.
func (in *Inner) Command(argv, env []string) (int, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return 127, errorf(noSuchCommand, argv[0])
		}
		return 126, errorf(cannotExecute, argv[0], err)
	}
	in.mu.Lock()
	pid, err := syscall.ForkExec(path, argv, &syscall.ProcAttr{Env: env, Files: []uintptr{0, 1, 2}})
	in.command = pid
	in.mu.Unlock()
	if err != nil {
		return 126, errorf(cannotExecute, argv[0], err)
	}
	status, err := reap(pid)
	in.mu.Lock()
	in.command = 0
	in.mu.Unlock()
	return status, err
}

// reap waits for every child, for pid 1 is the parent of all orphans, until
// the one with the given pid has ended. Nobody else in the process waits.
func reap(pid int) (int, error) {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for the command: %w", os.NewSyscallError("wait4", err))
		case ended == pid && status.Signaled():
			return 128 + int(status.Signal()), nil
		case ended == pid && status.Exited():
			return status.ExitStatus(), nil
		}
	}
}
