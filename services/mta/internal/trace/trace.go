// Package trace reads what an MTA must know of a message's header while it
// passes by, and writes the lines that an MTA puts in front of it: Received
// (RFC 5321 §4.4), and on submission the Message-ID and the Date that are
// missing (RFC 6409 §8).
package trace

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"correio/services/internal/headsample"
	"correio/services/internal/mailaddr"
)

// MaxHops is how many Received lines a message may have. RFC 5321 §6.3: at
// least 100 was the advice; the field has settled on 50.
const MaxHops = 50

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
	// DeliveredTo and ListIDs are the values of the fields Delivered-To and
	// List-Id.
	DeliveredTo, ListIDs []string

	scan        headsample.Scanner
	id          headsample.MessageID
	been, lists headsample.Values
}

// Write implements io.Writer; it never fails.
func (h *Header) Write(p []byte) (int, error) {
	h.EightBit = h.EightBit || eightBit(p)
	if h.scan.Line == nil {
		h.scan.Line = h.field
		h.been.Name, h.lists.Name = "Delivered-To", "List-Id"
	}
	_, _ = h.scan.Write(p) // it never fails
	return len(p), nil
}

// eightBit reports whether there is an octet above 127.
func eightBit(p []byte) bool {
	const high = 0x8080808080808080
	for ; len(p) >= 8; p = p[8:] {
		if binary.NativeEndian.Uint64(p)&high != 0 {
			return true
		}
	}
	for _, c := range p {
		if c >= 0x80 {
			return true
		}
	}
	return false
}

// End tells that the message is complete.
func (h *Header) End() {
	h.scan.End()
	h.Bare, h.HasID, h.MessageID = h.scan.Bare(), h.id.Found(), h.id.String()
	h.DeliveredTo, h.ListIDs = h.been.List, h.lists.List
}

// field takes one line of the header.
func (h *Header) field(line []byte) {
	h.id.Line(line)
	h.been.Line(line)
	h.lists.Line(line)
	if line[0] == ' ' || line[0] == '\t' {
		return
	}
	switch name, _, _ := headsample.Field(line); {
	case bytes.EqualFold(name, []byte("received")):
		h.Received++
	case bytes.EqualFold(name, []byte("date")):
		h.HasDate = true
	}
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
		fmt.Fprintf(&b, "\r\n\t(using %s with cipher %s)", strings.ReplaceAll(tls.VersionName(h.TLS.Version), " ", ""), cipherName(h.TLS.CipherSuite))
	}
	fmt.Fprintf(&b, "\r\n\tby %s (Correio) with %s id %s", h.By, h.With, h.ID)
	// A trace line must not be what makes a message need SMTPUTF8.
	if to := h.For.ALabels(); !to.Null() && to.ASCII() {
		fmt.Fprintf(&b, "\r\n\tfor %s", to.Path())
	}
	fmt.Fprintf(&b, ";\r\n\t%s\r\n", Date(h.Time))
	return b.String()
}

// cipherNames are known by number: tls.CipherSuiteName makes its lists anew for
// each question, which a line in every message is too many for.
var cipherNames = sync.OnceValue(func() map[uint16]string {
	names := map[uint16]string{}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		names[suite.ID] = suite.Name
	}
	return names
})

func cipherName(id uint16) string {
	if name, ok := cipherNames()[id]; ok {
		return name
	}
	return tls.CipherSuiteName(id)
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
