package smtpd_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"correio/services/internal/smtpd"
	"correio/services/internal/smtpd/command"
)

// ways leads to each state, and says what the next reply will be to commands
// that tell states apart.
var ways = []struct {
	state string
	to    []string // commands and the codes of their replies
}{
	{"start", nil},
	{"ready", []string{"250 HELO a"}},
	{"opened", []string{"250 HELO a", "250 MAIL FROM:<ana@aurora.test>"}},
	{"refused", []string{"250 HELO a", "250 MAIL FROM:<ana@aurora.test>", "550 RCPT TO:<ninguem@boreal.test>"}},
	{"addressed", []string{"250 HELO a", "250 MAIL FROM:<ana@aurora.test>", "250 RCPT TO:<bruno@boreal.test>"}},
	{"unwelcome", nil},
}

// pairs is RFC 5321 §4.1.4 and §4.3.2 once more, as what a client sees: command
// × state → the reply, and the state after it ("." is the same).
var pairs = []struct {
	command string
	want    [6]string // as ways
}{
	{"HELO a", [6]string{"250 ready", "250 .", "250 ready", "250 ready", "250 ready", "503 ."}},
	{"EHLO a", [6]string{"250 ready", "250 .", "250 ready", "250 ready", "250 ready", "503 ."}},
	{"EHLO", [6]string{"501 .", "501 .", "501 .", "501 .", "501 .", "503 ."}},
	{"LHLO a", [6]string{"500 .", "500 .", "500 .", "500 .", "500 .", "503 ."}},
	{"MAIL FROM:<a@b>", [6]string{"503 .", "250 opened", "503 .", "503 .", "503 .", "503 ."}},
	{"MAIL FROM:<recusado@b>", [6]string{"503 .", "550 .", "503 .", "503 .", "503 .", "503 ."}},
	{"MAIL FROM:<a@b> X=1", [6]string{"503 .", "555 .", "503 .", "503 .", "503 .", "503 ."}},
	{"MAIL FROM:<a@b> SIZE=99999999999", [6]string{"503 .", "552 .", "503 .", "503 .", "503 .", "503 ."}},
	{"MAIL FROM:a", [6]string{"501 .", "501 .", "501 .", "501 .", "501 .", "503 ."}},
	{"RCPT TO:<a@b>", [6]string{"503 .", "503 .", "250 addressed", "250 addressed", "250 .", "503 ."}},
	{"RCPT TO:<ninguem@b>", [6]string{"503 .", "503 .", "550 refused", "550 .", "550 .", "503 ."}},
	{"RCPT TO:<erro@b>", [6]string{"503 .", "503 .", "451 refused", "451 .", "451 .", "503 ."}},
	{"RCPT TO:<a@b> X=1", [6]string{"503 .", "503 .", "555 .", "555 .", "555 .", "503 ."}},
	{"RCPT TO:a", [6]string{"501 .", "501 .", "501 .", "501 .", "501 .", "503 ."}},
	{"DATA", [6]string{"503 .", "503 .", "503 .", "554 .", "354+250 ready", "503 ."}},
	{"DATA x", [6]string{"501 .", "501 .", "501 .", "501 .", "501 .", "503 ."}},
	{"RSET", [6]string{"250 .", "250 .", "250 ready", "250 ready", "250 ready", "503 ."}},
	{"RSET x", [6]string{"501 .", "501 .", "501 .", "501 .", "501 .", "503 ."}},
	{"NOOP", [6]string{"250 .", "250 .", "250 .", "250 .", "250 .", "503 ."}},
	{"NOOP x", [6]string{"250 .", "250 .", "250 .", "250 .", "250 .", "503 ."}},
	{"VRFY a", [6]string{"252 .", "252 .", "252 .", "252 .", "252 .", "503 ."}},
	{"EXPN a", [6]string{"502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"HELP", [6]string{"214 .", "214 .", "214 .", "214 .", "214 .", "503 ."}},
	{"HELP STATUS", [6]string{"211 .", "211 .", "211 .", "211 .", "211 .", "503 ."}},
	{"STARTTLS", [6]string{"503 .", "502 .", "503 .", "503 .", "503 .", "503 ."}},
	{"AUTH PLAIN AGEAYg==", [6]string{"503 .", "535 .", "503 .", "503 .", "503 .", "503 ."}},
	{"AUTH PLAIN AGEAYQ==", [6]string{"503 .", "235 .", "503 .", "503 .", "503 .", "503 ."}},
	{"AUTH X", [6]string{"503 .", "504 .", "503 .", "503 .", "503 .", "503 ."}},
	{"BDAT 1 LAST", [6]string{"502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"TURN", [6]string{"502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"SEND FROM:<a@b>", [6]string{"502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"SOML FROM:<a@b>", [6]string{"502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"SAML FROM:<a@b>", [6]string{"502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"ETRN a", [6]string{"502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"ATRN a", [6]string{"502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"XYZZY", [6]string{"500 .", "500 .", "500 .", "500 .", "500 .", "503 ."}},
	{"", [6]string{"500 .", "500 .", "500 .", "500 .", "500 .", "503 ."}},
	{"QUIT x", [6]string{"501 .", "501 .", "501 .", "501 .", "501 .", "501 ."}},
	{"QUIT", [6]string{"221 closed", "221 closed", "221 closed", "221 closed", "221 closed", "221 closed"}},
}

// TestCommandTimesState plays every command in every state, and finds out by
// probes which state the session is in afterwards: row 3 of behaviour §6 is
// that a refused command leaves nothing behind.
func TestCommandTimesState(t *testing.T) {
	t.Parallel()
	seen := map[command.Verb]bool{}
	for _, p := range pairs {
		c, _ := command.Parse([]byte(p.command))
		seen[c.Verb] = true
		for i, want := range p.want {
			t.Run(fmt.Sprintf("%s in %s", p.command, ways[i].state), func(t *testing.T) {
				t.Parallel()
				code, after, _ := strings.Cut(want, " ")
				if after == "." {
					after = ways[i].state
				}
				s := reach(t, i)
				for j, part := range strings.Split(code, "+") {
					line := p.command
					if j > 0 {
						line = "."
					}
					if got := s.ask(line); got != part {
						t.Fatalf("got %s, want %s", got, part)
					}
				}
				if got := s.state(); got != after {
					t.Errorf("the session is in state %s, want %s", got, after)
				}
			})
		}
	}
	for v := command.Unknown; int(v) < command.NumVerbs; v++ {
		if !seen[v] && v != command.HTTP { // see testdata/http.dialog
			t.Errorf("%s is in no pair", v)
		}
	}
}

type dialog struct {
	t  *testing.T
	c  net.Conn
	in *bufio.Reader
}

// reach brings a session into a state.
func reach(t *testing.T, way int) dialog {
	t.Helper()
	cfg := smtpd.Config{Proto: smtpd.SMTP, AuthMechanisms: []string{"PLAIN"}, Backend: &memory{}}
	if ways[way].state == "unwelcome" {
		cfg.Backend = refusing{denied.Err(nil)}
	}
	c, in := pipe(context.Background(), t, cfg)
	c.SetDeadline(time.Now().Add(10 * time.Second))
	s := dialog{t, c, in}
	s.code()
	for _, step := range ways[way].to {
		if got := s.ask(step[4:]); got != step[:3] {
			t.Fatalf("%s: got %s", step, got)
		}
	}
	return s
}

// ask sends a line and returns the code of the reply.
func (s dialog) ask(line string) string {
	s.t.Helper()
	write(s.t, s.c, line+"\r\n")
	return s.code()
}

func (s dialog) code() string {
	s.t.Helper()
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if line[3] == ' ' {
			return line[:3]
		}
	}
}

// state tells the state from how the session answers.
func (s dialog) state() string {
	if _, err := s.c.Write([]byte("NOOP\r\n")); err != nil {
		return "closed"
	}
	line, err := s.in.ReadString('\n')
	switch {
	case err != nil:
		return "closed"
	case strings.HasPrefix(line, "503"):
		return "unwelcome"
	}
	// DATA tells opened (503, RCPT is allowed), refused (554), addressed (354).
	switch s.ask("DATA") {
	case "354":
		return "addressed"
	case "554":
		return "refused"
	}
	switch s.ask("RCPT TO:<ninguem@boreal.test>") {
	case "550":
		return "opened"
	}
	if s.ask("MAIL FROM:<ana@aurora.test>") == "250" {
		return "ready"
	}
	return "start"
}
