package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal opens a pair of pseudo-terminals: what a person sees, and what
// programs have as theirs.
func terminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

// atTerminal runs a shell script in the lab, at a terminal of its own.
func atTerminal(t *testing.T, script string) (*exec.Cmd, *os.File, *bufio.Reader) {
	t.Helper()
	person, program := terminal(t)
	cmd := command(t, "run", "--dir", "../../deploy", "--", "bash", "--norc", "-c", script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = program, program, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	program.Close()
	cut := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	t.Cleanup(func() { cut.Stop(); cmd.Process.Kill(); cmd.Wait() })
	return cmd, person, bufio.NewReader(person)
}

// until reads what the terminal shows up to a word.
func until(t *testing.T, screen *bufio.Reader, word string) {
	t.Helper()
	seen := ""
	for !strings.Contains(seen, word) {
		c, err := screen.ReadByte()
		if err != nil {
			t.Fatalf("the terminal showed %q and ended, want %q: %v", seen, word, err)
		}
		seen += string(c)
	}
}

func TestCtrlCReachesTheCommandOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "count")
	cmd, person, screen := atTerminal(t, "n=0; trap 'n=$((n+1))' INT; echo ready; for i in 1 2 3 4 5 6; do sleep 0.1; done; echo $n > "+file+"; exit 9")
	until(t, screen, "ready")
	person.WriteString("\x03")
	cmd.Wait()
	count, err := os.ReadFile(file)
	if err != nil || string(count) != "1\n" || cmd.ProcessState.ExitCode() != 9 {
		t.Errorf("the command heard %q signals (%v) and ended with %d, want 1 and its own 9", count, err, cmd.ProcessState.ExitCode())
	}
}

// TestAShellInsideHasJobControl stops a job and brings it back.
func TestAShellInsideHasJobControl(t *testing.T) {
	cmd, person, screen := atTerminal(t, "exec bash --norc -i")
	for _, step := range []struct{ typed, shown string }{
		{"PS1=; bind 'set enable-bracketed-paste off'; echo re'ady'\n", "ready"},
		{"sleep 60\n", "sleep 60"},
		{"", ""},
		{"jobs | sed 's/Stopped/was-stopped/'\n", "]+  was-stopped"},
		{"kill -9 %1; exit 6\nexit 6\n", ""}, // a shell that knows of a stopped job wants it twice
	} {
		if step.typed == "" {
			stopForeground(t, person)
			continue
		}
		person.WriteString(step.typed)
		until(t, screen, step.shown)
	}
	rest, _ := io.ReadAll(screen) // ends with an error when nobody has the other side open
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 6 {
		t.Errorf("the shell ended with %d, want 6; the terminal showed %q", got, rest)
	}
}

// stopForeground types Ctrl-Z as soon as the shell has handed the terminal to
// the job.
func stopForeground(t *testing.T, person *os.File) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		group, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPGRP)
		if err != nil {
			t.Fatal(err)
		}
		if commandOf(group) == "sleep" {
			break
		}
		<-tick.C
	}
	person.WriteString("\x1a")
}

// commandOf is the name of a process.
func commandOf(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
