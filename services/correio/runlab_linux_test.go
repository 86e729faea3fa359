package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inLab runs a shell script inside the lab, with `correio` as a command. The
// test fails where user namespaces are forbidden, with the reason.
func inLab(t *testing.T, script string, flags ...string) result {
	t.Helper()
	bin := t.TempDir()
	if err := os.Symlink(testBinary(t), filepath.Join(bin, "correio")); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"run", "--dir", "../../deploy"}, flags...)
	cmd := command(t, append(args, "--", "sh", "-c", script)...)
	cmd.Env = append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func testBinary(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunIsFastAndReturnsTheCommandsStatus(t *testing.T) {
	start := time.Now()
	if got := inLab(t, "exit 0"); got.status != 0 || got.stdout+got.stderr != "" {
		t.Fatalf("run -- true: %+v, want success without a word", got)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("run -- true took %s, want less than 2 s", took)
	}
	if got := inLab(t, "exit 42"); got.status != 42 {
		t.Errorf("run -- sh -c 'exit 42': %+v", got)
	}
}

// TestTheVerbsWorkInsideTheLab is one person's first ten minutes.
func TestTheVerbsWorkInsideTheLab(t *testing.T) {
	got := inLab(t, `set -e
correio status --json | head -c 10; echo
correio dig boreal.test MX +short
correio dig --trace boreal.test MX | grep -c asked
printf 'Subject: eml\r\n\r\nbody\r\n.\r\nend\r\n' > "$(dirname "$CORREIO_CA")/m.eml"
correio send --from ana@aurora.test --to bruno@boreal.test --eml "$(dirname "$CORREIO_CA")/m.eml" > "$(dirname "$CORREIO_CA")/sent"
correio trace --last --wait delivered --brief | head -1
correio fetch bruno@boreal.test --tls --keep | tail -5
correio fetch bruno@boreal.test --json | head -c 10; echo
printf 'ehlo me\nquit\n' | correio talk mx1.boreal.test 25 | cut -c1-3 | uniq
printf 'user bruno\npass bruno\nstat\nquit\n' | correio talk mda.boreal.test 110 --starttls | grep -c '^+OK'
printf 'quit\n' | correio talk mx1.aurora.test 465 --tls | cut -c1-3
correio down mx1.boreal.test && correio status >/dev/null || echo "status $?"
correio up mx1.boreal.test && correio status --wait >/dev/null && echo up again
correio send --from ana@aurora.test --to ninguem@aurora.test || echo "send $?"
`)
	want := []string{
		`{"nodes":[`, "10 mx1.boreal.test.", "20 mx2.boreal.test.", "4",
		"Delivered to bruno@boreal.test", "", "body", ".", "end", "", `{"ok":true`,
		"220", "250", "221", "6", "220", "221", "status 1", "up again", "send 1",
	}
	lines := strings.Split(strings.TrimRight(got.stdout, "\n"), "\n")
	if got.status != 0 || len(lines) != len(want) {
		t.Fatalf("status %d, %d lines, want %d:\n%s\n%s", got.status, len(lines), len(want), got.stdout, got.stderr)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) || want[i] == "" && lines[i] != "" {
			t.Errorf("line %d is %q, want %q", i+1, lines[i], want[i])
		}
	}
	for _, talk := range []string{"Connected to mx1.boreal.test:25 from pc.boreal.test.", "TLS 1.3", "mx1.boreal.test was stopped", "failed in step 24 (rcpt): 550"} {
		if !strings.Contains(got.stderr, talk) {
			t.Errorf("stderr lacks %q:\n%s", talk, got.stderr)
		}
	}
	if strings.Contains(got.stderr, "would not trust") {
		t.Errorf("the lab's own certificates are not trusted:\n%s", got.stderr)
	}
}

func TestProgramsOfTheUserFindTheLab(t *testing.T) {
	got := inLab(t, `test -s "$CORREIO_CA" && test -d "$CORREIO_DIR" && getent hosts mx1.boreal.test && getent hosts localhost >/dev/null && echo fine`)
	if want := "198.18.2.25     mx1.boreal.test\nfine\n"; got.status != 0 || got.stdout != want {
		t.Errorf("inside: %+v, want %q", got, want)
	}
}

func TestStateIsKeptWhereItWasAskedFor(t *testing.T) {
	state := t.TempDir()
	if got := inLab(t, "correio send --from ana@aurora.test --to bruno@boreal.test --subject kept && correio trace --last --wait delivered --brief", "--state", state); got.status != 0 {
		t.Fatalf("first run: %+v", got)
	}
	got := inLab(t, "correio fetch bruno@boreal.test", "--state", state)
	if got.status != 0 || !strings.Contains(got.stdout, "Subject: kept") {
		t.Errorf("second run: %+v, want the mail of the first", got)
	}
	got = inLab(t, "correio run --dir '"+mustAbs(t, "../../deploy")+"' --state '"+state+"' -- true", "--state", state)
	if got.status != exitFailed || !strings.Contains(got.stderr, "another lab uses the state directory") {
		t.Errorf("two labs on one state: %+v, want a refusal", got)
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func TestATakenPortIsOneLineAndNothingIsStarted(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	out, err := command(t, "run", "--dir", "../../deploy", "--ports", "off", "--http", ln.Addr().String()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--http 127.0.0.1:8081") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("run: %v, %q, want one line that names the flag", err, out)
	}
}

// started is a lab that runs until it is told to end.
type started struct {
	cmd  *exec.Cmd
	page string
	said string // before it
}

func startLab(t *testing.T) *started {
	t.Helper()
	cmd := command(t, "run", "--dir", "../../deploy", "--ports", "off", "--http", "127.0.0.1:0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(stderr)
	said := ""
	for lines.Scan() {
		said += lines.Text() + "\n"
		if _, page, ok := strings.Cut(lines.Text(), "page "); ok {
			drained := make(chan struct{})
			go func() { defer close(drained); io.Copy(io.Discard, stderr) }()
			t.Cleanup(func() { cmd.Process.Kill(); <-drained })
			return &started{cmd, strings.TrimSpace(page), said}
		}
	}
	t.Fatalf("the lab did not say where its page is:\n%s", said)
	return nil
}

func TestThePageIsReachedFromOutsideUntilASignal(t *testing.T) {
	lab := startLab(t)
	status := execute(t, nil, "", "status", "--lab", lab.page)
	if nodes := strings.Count(status.stdout, "\n") - 1; !strings.HasPrefix(lab.said, fmt.Sprintf("The lab is running: %d nodes.\n", nodes)) {
		t.Errorf("%d nodes in status; run said %q", nodes, lab.said)
	}
	resp, err := http.Get(lab.page + "/readyz")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s/readyz: %v, %v", lab.page, resp, err)
	}
	resp.Body.Close()
	if got := execute(t, nil, "", "send", "--lab", lab.page, "--from", "ana@aurora.test", "--to", "bruno@boreal.test"); got.status != 0 {
		t.Errorf("send from outside: %+v", got)
	}
	lab.cmd.Process.Signal(os.Interrupt)
	if err := lab.cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v, want success", err)
	}
	if resp, err := http.Get(lab.page + "/readyz"); err == nil {
		resp.Body.Close()
		t.Error("the page still answers")
	}
}

func TestNothingAnswersAfterKillMinus9(t *testing.T) {
	lab := startLab(t)
	lab.cmd.Process.Kill()
	lab.cmd.Wait()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("tcp", strings.TrimPrefix(lab.page, "http://"))
		if err != nil {
			return
		}
		c.Close()
		select {
		case <-deadline:
			t.Fatal("the inner process outlives the outer one")
		case <-tick.C:
		}
	}
}

// Its hint at the journey ended in nothing.
func TestSendOfAMailWithoutMessageIDNamesItsJourney(t *testing.T) {
	got := inLab(t, `printf 'Subject: x\r\n\r\nbody\r\n' | correio send --from ana@aurora.test --to bruno@boreal.test --eml - 2>&1 >/dev/null |
	sed 's/.*correio trace //' | xargs correio trace --wait delivered --brief`)
	if got.status != 0 || !strings.HasPrefix(got.stdout, "Delivered to bruno@boreal.test") {
		t.Errorf("following the hint of send: %+v", got)
	}
}

// Who tests a program of their own stands in its directory, not in Correio's.
func TestRunOutsideOfTheRepositorySaysWhatIsMissing(t *testing.T) {
	cmd := exec.Command(testBinary(t), "run", "--", "true")
	cmd.Env, cmd.Dir = command(t).Env, t.TempDir()
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "name it with --dir") {
		t.Errorf("run in an empty directory: %v, %q; want the hint at --dir", err, out)
	}
}

// The person who edits a zone looks at the terminal, which was silent.
func TestARefusedZoneIsSaidInTheTerminal(t *testing.T) {
	dir, log := filepath.Join(t.TempDir(), "lab"), filepath.Join(t.TempDir(), "log")
	if err := os.CopyFS(dir, os.DirFS("../../deploy")); err != nil {
		t.Fatal(err)
	}
	got := inLab(t, `echo 'foo MX ten' >> "$CORREIO_DIR/boreal/boreal.test.zone"; until grep -q refused '`+log+`'; do sleep 0.05; done`, "--dir", dir, "--log", log)
	if got.status != 0 || !strings.Contains(got.stderr, "zone refused") || !strings.Contains(got.stderr, "boreal.test.zone:38") {
		t.Errorf("a zone with a fault: %+v, want the file and line", got)
	}
}

// `down --kill` once went to Docker whatever lab was meant.
func TestKillingANodeOfARunLabIsRefused(t *testing.T) {
	got := inLab(t, "correio down --kill mx1.boreal.test; echo status $?; correio status --lang pt-BR")
	if !strings.Contains(got.stdout, "status 1\n") || !strings.Contains(got.stderr, "can be stopped") {
		t.Errorf("down --kill inside run: %+v, want exit 1 and what to do instead", got)
	}
	if !strings.Contains(got.stdout, "pronto") || strings.Contains(got.stdout, "ready") {
		t.Errorf("status in Portuguese:\n%s", got.stdout)
	}
}
