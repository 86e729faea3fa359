package mda_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"correio/services/internal/labtest"
	"correio/services/internal/smtpc"
	"correio/services/mda"
)

// stateEnv names the state directory to the process that is killed.
const stateEnv = "MDA_TEST_STATE"

// Design §1.3: a 250 means that it is on disk. The MDA is killed while eight
// clients deliver; whatever was answered is in the mailbox afterwards.
func TestKillLosesNothingThatWasAnswered(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	var stored []string
	for _, answers := range []int{1, 50, 300} {
		stored = append(stored, killAfter(t, state, answers)...)
	}
	stack := labtest.NewStack(t)
	l := &lab{t: t, stack: stack, env: labtest.Env(t, stack, "../../deploy/aurora", "mda.aurora.test")}
	l.env.State = state
	l.start()
	messages, ids := l.readAll()
	for _, id := range stored {
		if !ids[id] {
			t.Errorf("%s was answered and is lost", id)
		}
	}
	if len(ids) != messages {
		t.Errorf("%d messages have %d store ids", messages, len(ids))
	}
}

// readAll fetches ana's mail and returns the store ids in it.
func (l *lab) readAll() (messages int, ids map[string]bool) {
	l.t.Helper()
	rw := l.pop3(mda.PortPOP3)
	if _, err := fmt.Sscanf(l.ask(rw, "STAT", 1), "+OK %d", &messages); err != nil {
		l.t.Fatal(err)
	}
	ids = map[string]bool{}
	for n := 1; n <= messages; n++ {
		l.ask(rw, fmt.Sprintf("RETR %d", n), 1)
		whole := ""
		for line := ""; line != ".\r\n"; {
			var err error
			if line, err = rw.ReadString('\n'); err != nil {
				l.t.Fatal(err)
			}
			if _, id, ok := strings.Cut(line, "with LMTP id "); ok {
				ids[strings.TrimSpace(id)] = true
			}
			whole += line
		}
		if !strings.HasSuffix(whole, "\r\n\r\n"+body+".\r\n") {
			l.t.Errorf("message %d is torn: %d octets", n, len(whole))
		}
	}
	return messages, ids
}

// killAfter runs TestDeliverUntilKilled in another process, kills it after so
// many answers, and returns the store ids that it printed.
func killAfter(t *testing.T, state string, answers int) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestDeliverUntilKilled$")
	cmd.Env = append(os.Environ(), stateEnv+"="+state)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for scan := bufio.NewScanner(out); scan.Scan(); {
		id, ok := strings.CutPrefix(scan.Text(), "stored ")
		if !ok {
			continue
		}
		if ids = append(ids, id); len(ids) == answers {
			if err := cmd.Process.Kill(); err != nil { // SIGKILL
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait() // "signal: killed"
	if len(ids) < answers {
		t.Fatalf("%d answers before the end, want %d", len(ids), answers)
	}
	return ids
}

var body = strings.Repeat("a line of text\r\n", 300)

// TestDeliverUntilKilled is the process that is killed, not a test.
func TestDeliverUntilKilled(t *testing.T) {
	state := os.Getenv(stateEnv)
	if state == "" {
		t.Skip("runs as a child of TestKillLosesNothingThatWasAnswered")
	}
	stack := labtest.NewStack(t)
	l := &lab{t: t, stack: stack, env: labtest.Env(t, stack, "../../deploy/aurora", "mda.aurora.test")}
	l.env.State = state
	l.start()
	failed := make(chan error)
	for range 8 {
		c := l.lmtp()
		go func() { // ends with the process
			for {
				r := l.send(c, "Subject: x\r\n\r\n"+body, "ana")[0]
				if !r.Delivered() {
					failed <- fmt.Errorf("%+v", r)
					return
				}
				// One write call a line, so that lines do not mix.
				fmt.Fprintf(os.Stdout, "stored %s\n", smtpc.QueuedAs(r.Reply))
			}
		}()
	}
	t.Fatal(<-failed)
}
