package scenario

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
)

// Talk is a line conversation typed by hand, on any of the lab's text
// protocols.
type Talk struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
}

// NewTalk starts a conversation on a connection.
func NewTalk(t testing.TB, c net.Conn) *Talk { return &Talk{t, c, bufio.NewReader(c)} }

// Hear reads one reply, with its continuation lines, and fails unless its last
// line begins with want.
func (k *Talk) Hear(want string) string {
	k.t.Helper()
	var reply strings.Builder
	for {
		line, err := k.r.ReadString('\n')
		reply.WriteString(line)
		if err != nil {
			k.t.Fatalf("waiting for %q: %v after %q", want, err, reply.String())
		}
		if !strings.HasSuffix(line, "\r\n") {
			k.t.Fatalf("line %q does not end in CRLF", line)
		}
		if len(line) > 3 && line[3] == '-' && line[0] >= '1' && line[0] <= '5' {
			continue
		}
		if !strings.HasPrefix(line, want) {
			k.t.Fatalf("heard %q, want %q", reply.String(), want)
		}
		return reply.String()
	}
}

// Say types a line and hears the reply.
func (k *Talk) Say(line, want string) string {
	k.t.Helper()
	k.Type(line + "\r\n")
	return k.Hear(want)
}

// Type sends octets and expects no reply.
func (k *Talk) Type(octets string) {
	k.t.Helper()
	if _, err := io.WriteString(k.c, octets); err != nil {
		k.t.Fatalf("type %q: %v", octets, err)
	}
}

// Closed fails unless the other side closes the connection now.
func (k *Talk) Closed() {
	k.t.Helper()
	if rest, err := io.ReadAll(k.r); err != nil || len(rest) > 0 {
		k.t.Fatalf("after the end: %q, %v; want the connection closed", rest, err)
	}
}

// Multiline reads the lines of a POP3 answer up to the lone dot, unstuffed,
// with their line ends.
func (k *Talk) Multiline() []byte {
	k.t.Helper()
	var body bytes.Buffer
	for {
		line, err := k.r.ReadString('\n')
		if err != nil {
			k.t.Fatalf("in a multi-line answer: %v", err)
		}
		if line == ".\r\n" {
			return body.Bytes()
		}
		body.WriteString(strings.TrimPrefix(line, "."))
		if strings.HasPrefix(line, ".") && !strings.HasPrefix(line, "..") {
			k.t.Fatalf("line %q is not dot-stuffed", line)
		}
	}
}

// fetch logs in to an MDA by POP3, on 110 in plain text or on 995 by TLS, and
// returns all messages.
func (p *player) fetch(o Org, person string, secure bool) [][]byte {
	p.t.Helper()
	var c net.Conn
	if secure {
		// Whether the certificate is the lab's is tested elsewhere.
		c = tls.Client(p.dial(net.JoinHostPort(o.MDA, "995")), &tls.Config{InsecureSkipVerify: true})
	} else {
		c = p.dial(net.JoinHostPort(o.MDA, "110"))
	}
	return retrieve(p.t, c, person)
}

// Fetch returns all messages of a mailbox, by POP3 on port 110 of an MDA.
func Fetch(t testing.TB, l Lab, mda, person string) [][]byte {
	t.Helper()
	c := Dial(t, l, net.JoinHostPort(mda, "110"))
	defer c.Close()
	return retrieve(t, c, person)
}

// retrieve logs in and fetches all messages; LIST's sizes must be those of
// RETR.
func retrieve(t testing.TB, c net.Conn, person string) [][]byte {
	t.Helper()
	k := NewTalk(t, c)
	k.Hear("+OK")
	k.Say("USER "+person, "+OK")
	k.Say("PASS "+person, "+OK")
	k.Say("LIST", "+OK")
	sizes := strings.Fields(string(k.Multiline()))
	var all [][]byte
	for i := 0; i+1 < len(sizes); i += 2 {
		k.Say("RETR "+sizes[i], "+OK")
		message := k.Multiline()
		if want, err := strconv.Atoi(sizes[i+1]); err != nil || want != len(message) {
			t.Errorf("message %s: LIST says %s octets, RETR sent %d", sizes[i], sizes[i+1], len(message))
		}
		all = append(all, message)
	}
	k.Say("QUIT", "+OK")
	k.Closed()
	return all
}

// find waits until a message that contains mark is in a person's mailbox.
func (p *player) find(o Org, person, mark string, secure bool) []byte {
	p.t.Helper()
	var found []byte
	p.await(fmt.Sprintf("%q in the mailbox of %s@%s", mark, person, o.Domain), func() bool {
		for _, message := range p.fetch(o, person, secure) {
			if bytes.Contains(message, []byte(mark)) {
				found = message
				return true
			}
		}
		return false
	})
	return found
}
