package pop3_test

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"correio/services/mda/internal/dialogue"
)

// anas are the messages of the dialogues.
var anas = []string{
	"Subject: one\r\n\r\nfirst line\r\n\r\nend\r\n",
	"Subject: two\r\n\r\nsecond\r\n\r\n",
	"Subject: dots\r\n\r\n.\r\n..twice\r\nno line end behind it",
}

func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			s := newServer(t, nil)
			s.deliver("ana", anas...)
			s.deliver("joão", "Subject: ação\r\n\r\nmaçã\r\n")
			dialogue.Play(t, file, func(name string) (net.Conn, error) {
				if name == "tls" {
					return tls.Dial("tcp", s.secure, s.clientTLS())
				}
				return net.Dial("tcp", s.plain)
			})
		})
	}
}

// Every command in every state: the answer, and that there is exactly one.
func TestCommandByState(t *testing.T) {
	t.Parallel()
	const (
		fresh = iota // just connected
		named        // after USER
		in           // logged in
	)
	table := []struct {
		command string
		want    [3]string // by state
	}{
		{"USER ana", [3]string{"+OK now", "+OK now", "-ERR USER comes before login"}},
		{"PASS ana", [3]string{"-ERR USER comes", "+OK ana has", "-ERR PASS comes before login"}},
		{"AUTH PLAIN AGFuYQBhbmE=", [3]string{"+OK ana has", "+OK ana has", "-ERR AUTH comes before login"}},
		{"AUTH PLAIN AGFuYQB4", [3]string{"-ERR [AUTH] wrong", "-ERR [AUTH] wrong", "-ERR AUTH comes before login"}},
		{"AUTH", [3]string{"-ERR AUTH has", "-ERR AUTH has", "-ERR AUTH comes before login"}},
		{"AUTH X", [3]string{"-ERR unknown auth", "-ERR unknown auth", "-ERR AUTH comes before login"}},
		{"STLS x", [3]string{"-ERR STLS has", "-ERR STLS has", "-ERR STLS comes"}},
		{"UTF8", [3]string{"+OK UTF-8", "+OK UTF-8", "-ERR UTF8 comes before login"}},
		{"UTF8 x", [3]string{"-ERR UTF8 has", "-ERR UTF8 has", "-ERR UTF8 comes before login"}},
		{"CAPA", [3]string{"+OK", "+OK", "+OK"}},
		{"STAT", [3]string{"-ERR STAT comes after", "-ERR STAT comes after", "+OK 3 215"}},
		{"LIST", [3]string{"-ERR LIST comes", "-ERR LIST comes", "+OK 3"}},
		{"LIST 1", [3]string{"-ERR LIST comes", "-ERR LIST comes", "+OK 1 69"}},
		{"UIDL", [3]string{"-ERR UIDL comes", "-ERR UIDL comes", "+OK 3"}},
		{"UIDL 1", [3]string{"-ERR UIDL comes", "-ERR UIDL comes", "+OK 1 "}},
		{"RETR 1", [3]string{"-ERR RETR comes", "-ERR RETR comes", "+OK 69"}},
		{"TOP 1 0", [3]string{"-ERR TOP comes", "-ERR TOP comes", "+OK top"}},
		{"DELE 1", [3]string{"-ERR DELE comes", "-ERR DELE comes", "+OK message 1"}},
		{"NOOP", [3]string{"-ERR NOOP comes", "-ERR NOOP comes", "+OK"}},
		{"RSET", [3]string{"-ERR RSET comes", "-ERR RSET comes", "+OK 3"}},
		{"XYZZY", [3]string{"-ERR unknown", "-ERR unknown", "-ERR unknown"}},
		{"QUIT", [3]string{"+OK mda", "+OK mda", "+OK mda"}},
	}
	s := newServer(t, nil)
	s.deliver("ana", anas...)
	for _, row := range table {
		for state, want := range row.want {
			c := s.dial().greeting()
			if state >= named {
				c.want("USER ana", "+OK...")
			}
			if state == in {
				c.want("PASS ana", "+OK...")
			}
			c.want(row.command, want+"...")
			if multiLine(row.command, want) {
				c.multi()
			}
			if row.command != "QUIT" {
				c.send("RSET\r\nQUIT\r\n") // leave the mailbox as it was
				c.line()
				c.line()
			}
			c.ended()
		}
	}
}

func multiLine(command, answer string) bool {
	verb, arg, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(command)), " ")
	switch verb {
	case "LIST", "UIDL":
		return arg == "" && strings.HasPrefix(answer, "+OK")
	case "CAPA", "RETR", "TOP":
		return strings.HasPrefix(answer, "+OK")
	}
	return false
}
