// Package trace reads what an MTA must know of a message's header while it
// passes by, and writes the lines that an MTA puts in front of it: Received
// (RFC 5321 §4.4), and on submission the Message-ID and the Date that are
// missing (RFC 6409 §8).
package trace

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"correio/services/internal/mailaddr"
)

// MaxHops is how many Received lines a message may have. RFC 5321 §6.3: at
// least 100 was the advice; the field has settled on 50.
const MaxHops = 50

// Bounds of what a Header keeps of one line, in octets.
const (
	maxLine = 1000
	maxName = 76
)

// Header takes a message by Write and remembers, in constant memory, what an
// MTA asks for.
type Header struct {
	Received  int    // lines that hosts have put in front
	MessageID string // without angle brackets; "" when missing or malformed
	HasID     bool   // there is a Message-ID field, however it looks
	HasDate   bool
	// Bare says that the message does not begin with a header field or an
	// empty line: it is all body, as people type it.
	Bare     bool
	EightBit bool // an octet above 127, anywhere

	line  []byte // of the current line, at most maxLine
	lines int    // complete ones
	in    string // name of the field that a folded line continues
	id    []byte // value of Message-ID so far
	done  bool   // the header has ended
}

// Write implements io.Writer; it never fails.
func (h *Header) Write(p []byte) (int, error) {
	if !h.EightBit {
		h.EightBit = bytes.ContainsFunc(p, func(r rune) bool { return r >= 0x80 })
	}
	for rest := p; !h.done && len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		part := rest
		if end >= 0 {
			part = rest[:end]
		}
		h.line = append(h.line, part[:min(len(part), maxLine-len(h.line))]...)
		if end < 0 {
			break
		}
		rest = rest[end+1:]
		h.field(bytes.TrimSuffix(h.line, []byte("\r")))
		h.line = h.line[:0]
		h.lines++
	}
	return len(p), nil
}

// End tells that the message is complete.
func (h *Header) End() {
	if !h.done && len(h.line) > 0 {
		h.field(h.line)
	}
	h.finish()
}

func (h *Header) finish() {
	if h.done {
		return
	}
	h.done = true
	h.line = nil
	if id := bytes.TrimSpace(h.id); len(id) > 2 && id[0] == '<' && id[len(id)-1] == '>' {
		if inner := id[1 : len(id)-1]; isToken(inner) {
			h.MessageID = string(inner)
		}
	}
}

// field takes one line of the header.
func (h *Header) field(line []byte) {
	if len(line) == 0 {
		h.finish()
		return
	}
	if line[0] == ' ' || line[0] == '\t' {
		if h.lines == 0 {
			h.Bare = true
		}
		if h.in == "message-id" && len(h.id) < maxLine {
			h.id = append(h.id, line...)
		}
		return
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	name = bytes.TrimRight(name, " \t")
	if !ok || !isName(name) {
		h.Bare = h.Bare || h.lines == 0
		h.in = ""
		return
	}
	h.in = strings.ToLower(string(name))
	switch h.in {
	case "received":
		h.Received++
	case "date":
		h.HasDate = true
	case "message-id":
		if !h.HasID {
			h.id = append(h.id, value...)
		} else {
			h.in = "" // the first one counts
		}
		h.HasID = true
	}
}

// isName reports whether b is a field name (RFC 5322 §2.2).
func isName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c > '~' || c == ':' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= maxName
}

// isToken keeps a Message-ID that is fit to be quoted in events and reports.
func isToken(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c > '~' || c == '<' || c == '>' {
			return false
		}
	}
	return len(b) <= 250
}

// Hop is what a Received line tells.
type Hop struct {
	Hello string // as the client named itself
	From  netip.Addr
	By    string // our name
	With  string // see With
	ID    string // queue id
	For   mailaddr.Address
	TLS   *tls.ConnectionState
	Time  time.Time
}

// String writes the line, with its line end. Who the message is for is told
// only when it is for one: others must not learn of each other.
func (h Hop) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Received: from %s (%s)", token(h.Hello), literal(h.From))
	if h.TLS != nil {
		fmt.Fprintf(&b, "\r\n\t(using %s with cipher %s)", strings.ReplaceAll(tls.VersionName(h.TLS.Version), " ", ""), tls.CipherSuiteName(h.TLS.CipherSuite))
	}
	fmt.Fprintf(&b, "\r\n\tby %s (Correio) with %s id %s", h.By, h.With, h.ID)
	// A trace line must not be what makes a message need SMTPUTF8.
	if to := h.For.ALabels(); !to.Null() && to.ASCII() {
		fmt.Fprintf(&b, "\r\n\tfor %s", to.Path())
	}
	fmt.Fprintf(&b, ";\r\n\t%s\r\n", Date(h.Time))
	return b.String()
}

// With is the protocol keyword of RFC 3848, or of RFC 6531 §4.3.
func With(esmtp, secure, auth, utf8 bool) string {
	if !esmtp {
		return "SMTP"
	}
	s := "ESMTP"
	if utf8 {
		s = "UTF8SMTP"
	}
	if secure {
		s += "S"
	}
	if auth {
		s += "A"
	}
	return s
}

// Date writes a time as RFC 5322 §3.3 wants it.
func Date(t time.Time) string { return t.Format("Mon, 2 Jan 2006 15:04:05 -0700") }

// token makes the name that a client gave itself fit for a Received line.
func token(s string) string {
	if s == "" {
		return "unknown"
	}
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune(".-_:[]", r) {
			return r
		}
		return '?'
	}, s[:min(len(s), 255)])
}

func literal(a netip.Addr) string {
	if a.Is6() {
		return "[IPv6:" + a.String() + "]"
	}
	return "[" + a.String() + "]"
}
