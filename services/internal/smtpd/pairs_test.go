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
	{"chunking", []string{"250 HELO a", "250 MAIL FROM:<ana@aurora.test>", "250 RCPT TO:<bruno@boreal.test>", "250 BDAT 3\r\nx"}},
	{"unwelcome", nil},
}

// tooBig is a chunk, with the CRLF that ends each line here, that is one octet more
// than a message may have.
var tooBig = strings.Repeat("x", 4999)

// pairs is RFC 5321 §4.1.4 and §4.3.2 once more, as what a client sees: command
// × state → the reply, and the state after it ("." is the same). What stands
// behind a line end is the beginning of a chunk, which the next CRLF ends.
var pairs = []struct {
	command string
	want    [7]string // as ways
}{
	{"HELO a", [7]string{"250 ready", "250 .", "250 ready", "250 ready", "250 ready", "250 ready", "503 ."}},
	{"EHLO a", [7]string{"250 ready", "250 .", "250 ready", "250 ready", "250 ready", "250 ready", "503 ."}},
	{"EHLO", [7]string{"501 .", "501 .", "501 .", "501 .", "501 .", "501 .", "503 ."}},
	{"LHLO a", [7]string{"500 .", "500 .", "500 .", "500 .", "500 .", "500 .", "503 ."}},
	{"MAIL FROM:<a@b>", [7]string{"503 .", "250 opened", "503 .", "503 .", "503 .", "503 .", "503 ."}},
	{"MAIL FROM:<recusado@b>", [7]string{"503 .", "550 .", "503 .", "503 .", "503 .", "503 .", "503 ."}},
	{"MAIL FROM:<a@b> X=1", [7]string{"503 .", "555 .", "503 .", "503 .", "503 .", "503 .", "503 ."}},
	{"MAIL FROM:<a@b> SIZE=99999999999", [7]string{"503 .", "552 .", "503 .", "503 .", "503 .", "503 .", "503 ."}},
	{"MAIL FROM:a", [7]string{"501 .", "501 .", "501 .", "501 .", "501 .", "501 .", "503 ."}},
	{"RCPT TO:<a@b>", [7]string{"503 .", "503 .", "250 addressed", "250 addressed", "250 .", "503 .", "503 ."}},
	{"RCPT TO:<ninguem@b>", [7]string{"503 .", "503 .", "550 refused", "550 .", "550 .", "503 .", "503 ."}},
	{"RCPT TO:<erro@b>", [7]string{"503 .", "503 .", "451 refused", "451 .", "451 .", "503 .", "503 ."}},
	{"RCPT TO:<a@b> X=1", [7]string{"503 .", "503 .", "555 .", "555 .", "555 .", "503 .", "503 ."}},
	{"RCPT TO:a", [7]string{"501 .", "501 .", "501 .", "501 .", "501 .", "501 .", "503 ."}},
	{"DATA", [7]string{"503 .", "503 .", "503 .", "554 .", "354+250 ready", "503 .", "503 ."}},
	{"DATA x", [7]string{"501 .", "501 .", "501 .", "501 .", "501 .", "501 .", "503 ."}},
	{"RSET", [7]string{"250 .", "250 .", "250 ready", "250 ready", "250 ready", "250 ready", "503 ."}},
	{"RSET x", [7]string{"501 .", "501 .", "501 .", "501 .", "501 .", "501 .", "503 ."}},
	{"NOOP", [7]string{"250 .", "250 .", "250 .", "250 .", "250 .", "250 .", "503 ."}},
	{"NOOP x", [7]string{"250 .", "250 .", "250 .", "250 .", "250 .", "250 .", "503 ."}},
	{"VRFY a", [7]string{"252 .", "252 .", "252 .", "252 .", "252 .", "252 .", "503 ."}},
	{"EXPN a", [7]string{"502 .", "502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"HELP", [7]string{"214 .", "214 .", "214 .", "214 .", "214 .", "214 .", "503 ."}},
	{"HELP STATUS", [7]string{"211 .", "211 .", "211 .", "211 .", "211 .", "211 .", "503 ."}},
	{"STARTTLS", [7]string{"503 .", "502 .", "503 .", "503 .", "503 .", "503 .", "503 ."}},
	{"AUTH PLAIN AGEAYg==", [7]string{"503 .", "535 .", "503 .", "503 .", "503 .", "503 .", "503 ."}},
	{"AUTH PLAIN AGEAYQ==", [7]string{"503 .", "235 .", "503 .", "503 .", "503 .", "503 .", "503 ."}},
	{"AUTH X", [7]string{"503 .", "504 .", "503 .", "503 .", "503 .", "503 .", "503 ."}},
	{"BDAT 3\r\nx", [7]string{"503 .", "503 .", "503 .", "554 .", "250 chunking", "250 .", "503 ."}},
	{"BDAT 0", [7]string{"503 .", "503 .", "503 .", "554 .", "250 chunking", "250 .", "503 ."}},
	{"BDAT 3 LAST\r\nx", [7]string{"503 .", "503 .", "503 .", "554 .", "250 ready", "250 ready", "503 ."}},
	{"BDAT 0 LAST", [7]string{"503 .", "503 .", "503 .", "554 .", "250 ready", "250 ready", "503 ."}},
	{"BDAT 4 LAST\r\nx\n", [7]string{"503 .", "503 .", "503 .", "554 .", "500 ready", "500 ready", "503 ."}},
	{"BDAT 5001 LAST\r\n" + tooBig, [7]string{"503 .", "503 .", "503 .", "554 .", "552 ready", "552 ready", "503 ."}},
	{"BDAT 3 FIRST\r\nx", [7]string{"501 .", "501 .", "501 .", "501 .", "501 ready", "501 ready", "503 ."}},
	{"BDAT", [7]string{"501 .", "501 .", "501 .", "501 .", "501 ready", "501 ready", "503 ."}},
	{"BDAT x", [7]string{"501 closed", "501 closed", "501 closed", "501 closed", "501 closed", "501 closed", "503 closed"}},
	{"BDAT 99999999999", [7]string{"552 closed", "552 closed", "552 closed", "552 closed", "552 closed", "552 closed", "552 closed"}},
	{"TURN", [7]string{"502 .", "502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"SEND FROM:<a@b>", [7]string{"502 .", "502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"SOML FROM:<a@b>", [7]string{"502 .", "502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"SAML FROM:<a@b>", [7]string{"502 .", "502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"ETRN a", [7]string{"502 .", "502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"ATRN a", [7]string{"502 .", "502 .", "502 .", "502 .", "502 .", "502 .", "503 ."}},
	{"XYZZY", [7]string{"500 .", "500 .", "500 .", "500 .", "500 .", "500 .", "503 ."}},
	{"", [7]string{"500 .", "500 .", "500 .", "500 .", "500 .", "500 .", "503 ."}},
	{"QUIT x", [7]string{"501 .", "501 .", "501 .", "501 .", "501 .", "501 .", "501 ."}},
	{"QUIT", [7]string{"221 closed", "221 closed", "221 closed", "221 closed", "221 closed", "221 closed", "221 closed"}},
}

// TestCommandTimesState plays every command in every state, and finds out by
// probes which state the session is in afterwards: row 3 of behaviour §6 is
// that a refused command leaves nothing behind.
func TestCommandTimesState(t *testing.T) {
	t.Parallel()
	seen := map[command.Verb]bool{}
	for _, p := range pairs {
		line, _, _ := strings.Cut(p.command, "\r\n")
		c, _ := command.Parse([]byte(line))
		seen[c.Verb] = true
		for i, want := range p.want {
			t.Run(fmt.Sprintf("%.30q in %s", p.command, ways[i].state), func(t *testing.T) {
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
	return reachWith(t, way, smtpd.Config{Proto: smtpd.SMTP, AuthMechanisms: []string{"PLAIN"}, Backend: &memory{}, Chunking: true, Limits: smtpd.Limits{MessageSize: 5000}}, "")
}

// reachWith does so on a server of one's own, leaving out a step.
func reachWith(t *testing.T, way int, cfg smtpd.Config, without string) dialog {
	t.Helper()
	if ways[way].state == "unwelcome" {
		cfg.Backend = refusing{denied.Err(nil)}
	}
	c, in := pipe(context.Background(), t, cfg)
	c.SetDeadline(time.Now().Add(10 * time.Second))
	s := dialog{t, c, in}
	s.code()
	for _, step := range ways[way].to {
		if step == without {
			continue
		}
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
	if s.ask("BDAT 0") == "250" {
		return "chunking"
	}
	return "start"
}

// Where CHUNKING is off, BDAT is a command that is not implemented, whatever its
// arguments, and nothing is read for it.
func TestBdat_WhereItIsOff(t *testing.T) {
	t.Parallel()
	for way := range ways {
		for _, line := range []string{"BDAT 3 LAST", "BDAT", "BDAT x"} {
			s := reachWith(t, way, smtpd.Config{Backend: &memory{}}, "250 BDAT 3\r\nx")
			want := map[bool]string{true: "503", false: "502"}[ways[way].state == "unwelcome"]
			if got := s.ask(line) + s.ask("QUIT"); got != want+"221" {
				t.Errorf("%s in %s: got %s", line, ways[way].state, got)
			}
		}
	}
}
