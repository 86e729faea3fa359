// Package labrun is `correio run`: the whole lab in one process inside a
// private internet (package sandbox), with or without a command that runs in
// it.
//
// Outside (Run): check the lab directory, open the listeners of the page and
// of the user ports on the host's loopback, start the inner process.
// Inside (Inside): build the world from the lab's addresses, make keys, start
// every node and the observatory, wait until all are ready; then print where
// to look and wait, or run the command and end with its status.
package labrun

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"correio/services/correio/internal/sandbox"
	"correio/services/internal/clock"
	"correio/services/internal/lab"
	"correio/services/internal/text"
)

// InsideVerb is the hidden command that the inner process is started with.
const InsideVerb = "inside"

// Options are what a person asked for.
type Options struct {
	Dir   string      // the lab directory
	State string      // where to keep the lab's state; "" keeps none
	Speed clock.Speed // divides every waiting time
	// Page is the address of the page on the host; "" for none.
	Page string
	// UserPorts opens the lab's ports on the host's loopback.
	UserPorts bool
	// Log is a file that the nodes' log is appended to; "" for none.
	Log     string
	Verbose bool // the nodes' log goes to standard error
	Lang    text.Lang
	Version string
	Command []string // runs in the lab; empty to run until interrupted
	Env     []string
}

// plan is what the inner process is told. Its files are, in this order: the
// page's listener, those of the user ports, the log.
type plan struct {
	Dir, State, MountPoint string
	Speed                  clock.Speed
	Page                   bool
	PageURL                string
	UserPorts              []int
	Log, Verbose           bool
	Lang                   text.Lang
	Version                string
	Command, Env           []string
}

// Run runs the lab and returns the exit status of the command, or 0 when the
// lab was stopped by a signal. An error means that it did not start.
func Run(ctx context.Context, o Options) (int, error) {
	l, err := Checked(o.Dir)
	if err != nil {
		return 0, err
	}
	p, err := newPlan(o)
	if err != nil {
		return 0, err
	}
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if files, err = p.open(ctx, o, l); err != nil {
		return 0, err
	}
	unlock, err := lockState(p.State)
	if err != nil {
		return 0, err
	}
	defer unlock()
	return sandbox.Run(sandbox.Spec{
		Args: []string{InsideVerb}, Env: o.Env, Files: files, Config: p, Interactive: len(o.Command) > 0,
	})
}

// Checked loads a lab directory of which every part is good, zone files
// included; else the error is a *lab.FaultsError.
func Checked(dir string) (*lab.Lab, error) {
	l, faults := lab.Check(dir)
	broken := slices.DeleteFunc(faults, func(f lab.Fault) bool { return f.Level != lab.Broken })
	if len(broken) > 0 {
		return nil, &lab.FaultsError{Faults: broken}
	}
	return l, nil
}

func newPlan(o Options) (*plan, error) {
	p := &plan{Speed: o.Speed, Verbose: o.Verbose, Lang: o.Lang, Version: o.Version, Command: o.Command, Env: o.Env}
	var err error
	if p.MountPoint, err = sandbox.MountPoint(); err != nil {
		return nil, err
	}
	if p.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("lab directory: %w", err)
	}
	if o.State == "" {
		return p, nil
	}
	if p.State, err = filepath.Abs(o.State); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if err := os.MkdirAll(p.State, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	return p, nil
}

// open opens what the inner process inherits. Either all is opened or nothing.
func (p *plan) open(ctx context.Context, o Options, l *lab.Lab) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			for _, f := range files {
				f.Close()
			}
			files = nil
		}
	}()
	listen := func(addr string, taken text.Text) error {
		f, err := listenFile(ctx, addr, taken)
		if err == nil {
			files = append(files, f)
		}
		return err
	}
	if o.Page != "" {
		if err := listen(o.Page, pageTaken); err != nil {
			return files, err
		}
		p.Page, p.PageURL = true, pageURL(files[0], o.Page)
	}
	if o.UserPorts {
		for _, port := range l.Observatory.UserPorts {
			if err := listen(net.JoinHostPort("127.0.0.1", strconv.Itoa(port.Port)), userPortTaken); err != nil {
				return files, err
			}
			p.UserPorts = append(p.UserPorts, port.Port)
		}
	}
	if o.Log != "" {
		f, err := os.OpenFile(o.Log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return files, fmt.Errorf("log file: %w", err)
		}
		files = append(files, f)
		p.Log = true
	}
	return files, nil
}

// listenFile opens a listener and returns its file, which keeps it open.
func listenFile(ctx context.Context, addr string, taken text.Text) (*os.File, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, text.Errorf(taken, addr)
	}
	if err != nil {
		return nil, text.Errorf(cannotListen, addr, err)
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		return nil, fmt.Errorf("hand listener over: %w", err)
	}
	return f, nil
}

// pageURL says where a browser finds the page: the port may have been 0.
func pageURL(listener *os.File, addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ln, err := net.FileListener(listener); err == nil {
		port = strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
		ln.Close()
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
