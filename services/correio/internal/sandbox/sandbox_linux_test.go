package sandbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"correio/services/correio/internal/sandbox"
)

// The test binary plays both parts: TestMain makes it the outer or the inner
// process when it is started with one of these words.
const (
	outerWord = "play-outer"
	innerWord = "play-inner"
)

var (
	alpha   = netip.MustParseAddr("198.18.9.1")
	beta    = netip.MustParseAddr("198.18.9.2")
	visitor = netip.MustParseAddr("198.18.9.200")
	nobody  = netip.MustParseAddr("198.18.9.99")
)

// part is what the inner process is told to do.
type part struct {
	World   sandbox.World
	Probe   string // a function of probes, or
	Command []string
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case outerWord:
			os.Exit(outer(os.Args[2], os.Args[3:]))
		case innerWord:
			os.Exit(inner())
		}
	}
	os.Exit(m.Run())
}

func outer(mountPoint string, args []string) int {
	p := part{World: sandbox.World{
		MountPoint: mountPoint, Addresses: []netip.Addr{alpha, beta}, Visitor: visitor, Resolver: alpha,
		Networks: []netip.Prefix{netip.MustParsePrefix("198.18.0.0/16")},
	}}
	if args[0] == "probe" {
		p.Probe = args[1]
	} else {
		p.Command = args
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 97
	}
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		return 97
	}
	status, err := sandbox.Run(sandbox.Spec{
		Args: []string{innerWord}, Env: os.Environ(), Files: []*os.File{file}, Config: p, Interactive: p.Command != nil,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	return status
}

func inner() int {
	var p part
	in, err := sandbox.Inside(&p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	if warnings, err := p.World.Build(); err != nil || len(warnings) > 0 {
		fmt.Fprintln(os.Stderr, warnings, err)
		if err != nil {
			return 98
		}
	}
	if p.Probe == "stop" {
		fmt.Println("waiting")
		<-in.Stop
		fmt.Println("stopped")
		return 0
	}
	if p.Probe != "" {
		if err := probes[p.Probe](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
	status, err := in.Command(p.Command, os.Environ())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return status
}

// probes run inside and return what is wrong.
var probes = map[string]func() error{
	"network": probeNetwork,
	"nobody":  probeNobody,
	"files":   probeFiles,
	"pid":     probePid,
}

func probeNetwork() error {
	ln, err := net.Listen("tcp", alpha.String()+":25")
	if err != nil {
		return err
	}
	c, err := net.DialTimeout("tcp", alpha.String()+":25", time.Second)
	if err != nil {
		return err
	}
	server, err := ln.Accept()
	if err != nil {
		return err
	}
	if got := server.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); got != visitor {
		return fmt.Errorf("a program without an address of its own speaks from %s, want %s", got, visitor)
	}
	c.Close()
	d := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: beta.AsSlice()}}
	if c, err = d.Dial("tcp", alpha.String()+":25"); err != nil {
		return err
	}
	c.Close()
	if _, err := net.DialTimeout("tcp", alpha.String()+":26", time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("a closed port says %w, want ECONNREFUSED", err)
	}
	local, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return fmt.Errorf("localhost: %w", err)
	}
	if c, err = net.DialTimeout("tcp", local.Addr().String(), time.Second); err != nil {
		return fmt.Errorf("localhost: %w", err)
	}
	return c.Close()
}

func probeNobody() error {
	var timeout net.Error
	_, err := net.DialTimeout("tcp", nobody.String()+":25", 300*time.Millisecond)
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		return fmt.Errorf("an address that nobody has says %w, want no answer", err)
	}
	if _, err = net.DialTimeout("tcp", "192.0.2.1:25", time.Second); !errors.Is(err, syscall.ENETUNREACH) {
		return fmt.Errorf("an address outside says %w, want ENETUNREACH", err)
	}
	return nil
}

func probeFiles() error {
	conf, err := os.ReadFile("/etc/resolv.conf")
	if err != nil || !strings.Contains(string(conf), "nameserver "+alpha.String()+"\n") {
		return fmt.Errorf("resolv.conf is %q, %w", conf, err)
	}
	return nil
}

func probePid() error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && pid != 1 {
			return fmt.Errorf("process %d is seen inside, want none but 1", pid)
		}
	}
	return nil
}

// outside starts the outer process; the test fails where namespaces are
// forbidden, saying what to do, for without them nothing here is proven.
func outside(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{outerWord, t.TempDir()}, args...)...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	t.Cleanup(func() {
		if cmd.ProcessState == nil && cmd.Process != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd
}

func run(t *testing.T, want int, args ...string) string {
	t.Helper()
	out, err := outside(t, args...).CombinedOutput()
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if status == 99 {
		t.Fatalf("no private internet can be made here; run this test on Linux with user namespaces "+
			"(as root outside of a container, or where these settings allow it):\n%s", out)
	}
	if status != want {
		t.Errorf("%v ended with %d, want %d; it said:\n%s", args, status, want, out)
	}
	return string(out)
}

func TestTheWorldInside(t *testing.T) {
	for name := range probes {
		t.Run(name, func(t *testing.T) { run(t, 0, "probe", name) })
	}
}

func TestTheStatusIsTheCommands(t *testing.T) {
	tests := []struct {
		name    string
		command []string
		want    int
	}{
		{"success", []string{"true"}, 0},
		{"its own status", []string{"sh", "-c", "exit 42"}, 42},
		{"killed by a signal", []string{"sh", "-c", "kill -KILL $$"}, 137},
		{"no such command", []string{"no-such-command-here"}, 127},
		{"not executable", []string{"/etc/passwd"}, 126},
		{"orphans are reaped and do not count", []string{"sh", "-c", "(sh -c 'exit 3' &) ; exec sh -c 'exit 7'"}, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { run(t, tt.want, tt.command...) })
	}
}

func TestStandardStreamsPassThrough(t *testing.T) {
	cmd := outside(t, "sh", "-c", "cat; echo to stderr >&2")
	cmd.Stdin = strings.NewReader("to stdout\n")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if stdout.String() != "to stdout\n" || stderr.String() != "to stderr\n" {
		t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
	}
}

func TestACommandInheritsNoSocket(t *testing.T) {
	out := run(t, 0, "ls", "-l", "/proc/self/fd")
	if strings.Contains(out, "socket:") {
		t.Errorf("a command has the listeners or the channel of the inner process:\n%s", out)
	}
}

// start starts the outer process and waits until it has printed a line.
func start(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := outside(t, args...)
	// A process group of its own: signals of the test reach the outer process alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 64)
	if _, err := stdout.Read(first); err != nil {
		t.Fatalf("the outer process said nothing: %v", err)
	}
	var rest bytes.Buffer
	done := make(chan struct{})
	go func() { defer close(done); io.Copy(&rest, stdout) }()
	t.Cleanup(func() { <-done })
	return cmd, &rest
}

func TestASignalReachesTheCommandOnce(t *testing.T) {
	script := "n=0; trap 'n=$((n+1))' TERM; echo ready; while [ $n = 0 ]; do sleep 0.05; done; sleep 0.2; exit $n"
	cmd, _ := start(t, "sh", "-c", script)
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 1 {
		t.Errorf("exit status %d, want 1, the number of signals", got)
	}
}

func TestASignalStopsWhatHasNoCommand(t *testing.T) {
	cmd, out := start(t, "probe", "stop")
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped by a signal: %v, want success", err)
	}
	_ = out
}

// TestNothingIsLeftAfterKill kills the outer process in the hardest way while
// a command with children of its own runs.
func TestNothingIsLeftAfterKill(t *testing.T) {
	mark := "4" + strconv.Itoa(os.Getpid()) + strconv.Itoa(int(time.Now().UnixNano()%1e6)) // seconds nobody else sleeps
	cmd, _ := start(t, "sh", "-c", "sleep "+mark+" & (setsid sleep "+mark+" &); sleep 0.1; echo ready; wait")
	mountPoint := cmd.Args[2]
	if n := sleepers(t, mark); n == 0 {
		t.Fatal("the command's children are not seen from outside: the test proves nothing")
	}
	cmd.Process.Kill()
	cmd.Wait()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for sleepers(t, mark) > 0 {
		select {
		case <-deadline:
			t.Fatalf("%d processes of the command live on", sleepers(t, mark))
		case <-tick.C:
		}
	}
	entries, err := os.ReadDir(mountPoint)
	if err != nil || len(entries) > 0 {
		t.Errorf("the mount point holds %v, %v; want nothing", entries, err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), mountPoint) {
		t.Errorf("a mount on %s stays (%v)", mountPoint, err)
	}
}

// sleepers counts the processes that sleep for so many seconds.
func sleepers(t *testing.T, mark string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err == nil && string(line) == "sleep\x00"+mark+"\x00" {
			n++
		}
	}
	return n
}
