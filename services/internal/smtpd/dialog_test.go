package smtpd_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"correio/services/internal/smtpd"
)

// TestDialogs plays testdata/*.dialog. A script is lines of
//
//	# comment
//	@ option …      configures the server: proto=lmtp tls auth[=MECHANISM,…] needauth dsn utf8 size=N header=N line=N rcpts=N errors=N commands=N
//	                chunking binary bare=normalise bare=trust
//	C: text         the client sends text and CRLF
//	L: text         the client sends text and a bare LF
//	R: "text\r\n"   the client sends exactly that (a Go string)
//	+: text         text and CRLF go out together with the next thing sent
//	S: text         the server's next line; * stands for anything
//	S= 250          the server's next reply, of any number of lines, has that code
//	TLS             the client begins a TLS handshake
//	EOF             the server closes the connection
//	GONE            the client closes the connection
//	M: from to "text"   the message that the backend stored next
func TestDialogs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.dialog")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogs: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".dialog"), func(t *testing.T) {
			t.Parallel()
			play(t, file)
		})
	}
}

type player struct {
	t       *testing.T
	at      string // file:line
	cfg     smtpd.Config
	backend *memory
	conn    net.Conn
	in      *bufio.Reader
	pending string
	seen    int // messages checked
}

func play(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, backend: &memory{}}
	p.cfg.Backend = p.backend
	for i, line := range strings.Split(string(text), "\n") {
		p.at = fmt.Sprintf("%s:%d", file, i+1)
		if line = strings.TrimRight(line, " "); line == "" || line[0] == '#' {
			continue
		}
		if options, ok := strings.CutPrefix(line, "@ "); ok {
			for _, o := range strings.Fields(options) {
				p.option(o)
			}
			continue
		}
		if p.conn == nil {
			p.dial()
		}
		p.line(line)
	}
	if n := len(p.backend.stored()); n != p.seen {
		t.Errorf("%s: %d messages were stored, %d expected", file, n, p.seen)
	}
}

func (p *player) option(o string) {
	key, value, _ := strings.Cut(o, "=")
	n, _ := strconv.Atoi(value)
	switch key {
	case "proto":
		p.cfg.Proto = smtpd.Protocol(value)
	case "tls":
		p.cfg.TLS = testTLS()
	case "auth":
		p.cfg.AuthMechanisms = []string{"PLAIN", "LOGIN"}
		if value != "" {
			p.cfg.AuthMechanisms = strings.Split(value, ",")
		}
	case "authtls":
		p.cfg.RequireTLSForAuth = true
	case "needauth":
		p.cfg.RequireAuth = true
	case "dsn":
		p.cfg.DSN = true
	case "utf8":
		p.cfg.SMTPUTF8 = true
	case "size":
		p.cfg.Limits.MessageSize = int64(n)
	case "rcpts":
		p.cfg.Limits.Recipients = n
	case "errors":
		p.cfg.Limits.Errors = n
	case "header":
		p.cfg.Limits.Header = int64(n)
	case "line":
		p.cfg.Limits.CommandLine = n
	case "commands":
		p.cfg.Limits.Commands = n
	case "chunking":
		p.cfg.Chunking = true
	case "binary":
		p.cfg.BinaryMIME = true
	case "bare":
		p.cfg.LineEnds = smtpd.LineEnds(value)
	default:
		p.t.Fatalf("%s: unknown option %q", p.at, o)
	}
}

func (p *player) dial() {
	conn, err := net.Dial("tcp", serve(p.t, p.cfg))
	if err != nil {
		p.t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	p.conn, p.in = conn, bufio.NewReader(conn)
	p.t.Cleanup(func() { conn.Close() })
}

func (p *player) line(line string) {
	p.t.Helper()
	kind, text, _ := strings.Cut(line, " ")
	switch kind {
	case "C:":
		p.send(text + "\r\n")
	case "L:":
		p.send(text + "\n")
	case "R:":
		raw, err := strconv.Unquote(text)
		if err != nil {
			p.t.Fatalf("%s: %v", p.at, err)
		}
		p.send(raw)
	case "+:":
		p.pending += text + "\r\n"
	case "S:":
		if got := p.read(); !matches(text, got) {
			p.t.Fatalf("%s:\n got %s\nwant %s", p.at, got, text)
		}
	case "S=":
		for {
			got := p.read()
			if !strings.HasPrefix(got, text) {
				p.t.Fatalf("%s:\n got %s\nwant %s", p.at, got, text)
			}
			if len(got) < 4 || got[3] != '-' {
				break
			}
		}
	case "TLS":
		conn := tls.Client(p.conn, clientTLS())
		if err := conn.Handshake(); err != nil {
			p.t.Fatalf("%s: handshake: %v", p.at, err)
		}
		p.conn, p.in = conn, bufio.NewReader(conn)
	case "EOF":
		if got, err := p.in.ReadString('\n'); !errors.Is(err, io.EOF) {
			p.t.Fatalf("%s: got %q, %v; want the connection closed", p.at, got, err)
		}
	case "GONE":
		p.conn.Close()
	case "M:":
		p.message(text)
	default:
		p.t.Fatalf("%s: what is %q?", p.at, line)
	}
}

func (p *player) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, p.pending+s); err != nil {
		p.t.Fatalf("%s: %v", p.at, err)
	}
	p.pending = ""
}

func (p *player) read() string {
	p.t.Helper()
	line, err := p.in.ReadString('\n')
	if err != nil {
		p.t.Fatalf("%s: got %q, %v", p.at, line, err)
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || len(line) > 512 {
		p.t.Fatalf("%s: reply line %q does not end in CRLF, or is too long", p.at, line)
	}
	return text
}

func (p *player) message(want string) {
	p.t.Helper()
	messages := p.backend.stored()
	if p.seen >= len(messages) {
		p.t.Fatalf("%s: no such message was stored", p.at)
	}
	m := messages[p.seen]
	p.seen++
	if got := fmt.Sprintf("%s %s %q", m.t.From.Path(), addresses(m.t.Rcpts), m.text); got != want {
		p.t.Fatalf("%s:\n got %s\nwant %s", p.at, got, want)
	}
}

// matches compares with * for anything.
func matches(pattern, s string) bool {
	re := "^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$"
	return regexp.MustCompile(re).MatchString(s)
}
