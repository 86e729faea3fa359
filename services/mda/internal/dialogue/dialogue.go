// Package dialogue plays scripts of line protocols in tests.
//
// A script is text: "C: " begins a line that the client sends, "S: " one that
// the server must say ("..." at its end stands for anything), "#" a comment.
// "SKIP prefix" passes over lines that begin so. "DIAL name" connects to another of the servers that the test knows, "END"
// wants the connection closed by the server, "PLAY file" plays another script
// of the same folder first.
package dialogue

import (
	"bufio"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// wait bounds a whole script.
const wait = 30 * time.Second

// Dial connects to the server that a script names; "" is the first.
type Dial func(name string) (net.Conn, error)

// Play plays one script. A script that does not say DIAL connects to "".
func Play(t *testing.T, file string, dial Dial) {
	t.Helper()
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, file: file, dial: dial}
	defer p.hangUp()
	for n, line := range strings.Split(strings.TrimSuffix(string(script), "\n"), "\n") {
		p.line = n + 1
		p.step(line)
	}
}

type player struct {
	t    *testing.T
	file string
	line int
	dial Dial
	conn net.Conn
	r    *bufio.Reader
}

func (p *player) step(line string) {
	p.t.Helper()
	verb, arg, _ := strings.Cut(line, " ")
	switch verb {
	case "", "#":
	case "DIAL":
		p.connect(arg)
	case "PLAY":
		Play(p.t, filepath.Join(filepath.Dir(p.file), arg), p.dial)
	case "C:":
		p.connected()
		if _, err := io.WriteString(p.conn, arg+"\r\n"); err != nil {
			p.failed("send %q: %v", arg, err)
		}
	case "S:":
		p.connected()
		got, err := p.r.ReadString('\n')
		got, crlf := strings.CutSuffix(got, "\r\n")
		if err != nil || !crlf || !Matches(got, arg) {
			p.failed("got %q (%v), want %q", got, err, arg)
		}
	case "SKIP":
		p.skip(arg)
	case "END":
		if rest, err := io.ReadAll(p.r); len(rest) > 0 || err != nil {
			p.failed("connection is not closed: %q, %v", rest, err)
		}
	default:
		p.failed("what is %q?", line)
	}
}

func (p *player) skip(prefix string) {
	p.t.Helper()
	p.connected()
	for {
		next, err := p.r.Peek(len(prefix))
		if err != nil {
			p.failed("skip %q: %v", prefix, err)
		}
		if string(next) != prefix {
			return
		}
		if _, err := p.r.ReadString('\n'); err != nil {
			p.failed("skip %q: %v", prefix, err)
		}
	}
}

func (p *player) failed(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s:%d: "+format, append([]any{p.file, p.line}, args...)...)
}

func (p *player) connected() {
	p.t.Helper()
	if p.conn == nil {
		p.connect("")
	}
}

func (p *player) connect(name string) {
	p.t.Helper()
	p.hangUp()
	c, err := p.dial(name)
	if err != nil {
		p.failed("connect: %v", err)
	}
	c.SetDeadline(time.Now().Add(wait))
	p.conn, p.r = c, bufio.NewReader(c)
}

func (p *player) hangUp() {
	if p.conn != nil {
		p.conn.Close()
	}
}

// Matches compares a line with what a script wants of it.
func Matches(got, want string) bool {
	if prefix, open := strings.CutSuffix(want, "..."); open {
		return strings.HasPrefix(got, prefix)
	}
	return got == want
}
