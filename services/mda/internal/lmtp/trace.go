package lmtp

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"correio/services/internal/mailaddr"
	"correio/services/internal/smtpd"
)

// trace returns the fields that final delivery puts in front of a copy.
//
// RFC 5321 §4.4: Return-Path first, with the reverse-path; Received as at
// every hop, "with" naming the protocol as RFC 3848 and RFC 6531 §4.3 have it.
// Addresses are as LMTP gave them: in UTF-8 only when SMTPUTF8 was said.
func (s *session) trace(t *smtpd.Transaction, to mailaddr.Address, id string, at time.Time) []byte {
	with := "LMTP"
	if t.Params.SMTPUTF8 {
		with = "UTF8LMTP"
	}
	if t.TLS != nil {
		with += "S"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: %s\r\n", t.From.Path())
	fmt.Fprintf(&b, "Delivered-To: %s\r\n", to)
	fmt.Fprintf(&b, "Received: from %s (%s [%s])\r\n", helloName(t.Hello, s.mta.Name), s.mta.Name, s.peer.Remote.Addr())
	fmt.Fprintf(&b, "\tby %s with %s id %s\r\n", s.Host, with, id)
	fmt.Fprintf(&b, "\tfor %s; %s\r\n", to.Path(), at.Format(time.RFC1123Z))
	return b.Bytes()
}

// helloName is the client's name if it may stand in a header field, else what
// we know it by.
func helloName(hello, known string) string {
	if mailaddr.IsDomain(hello) {
		return hello
	}
	return known
}

// maxHead bounds how much of a header is searched for the Message-ID.
const maxHead = 64 << 10

// headScanner keeps the first octets of what is written to it, up to the end
// of the header section.
type headScanner struct {
	head []byte
	done bool
}

// Write implements io.Writer; it never fails.
func (h *headScanner) Write(p []byte) (int, error) {
	if h.done {
		return len(p), nil
	}
	// The empty line may straddle two writes.
	from := max(0, len(h.head)-3)
	h.head = append(h.head, p[:min(len(p), maxHead-len(h.head))]...)
	if i := bytes.Index(h.head[from:], []byte("\r\n\r\n")); i >= 0 {
		h.head = h.head[:from+i+2]
		h.done = true
	} else if len(h.head) == maxHead {
		h.done = true
	}
	return len(p), nil
}

// messageID returns the Message-ID without its angle brackets, or "" when
// there is none that could be one.
func (h *headScanner) messageID() string { return messageID(h.head) }

// messageID finds the first Message-ID field (RFC 5322 §3.6.4) of a header.
func messageID(head []byte) string {
	const name = "message-id:"
	for len(head) > 0 {
		line := head
		if i := bytes.Index(head, []byte("\r\n")); i >= 0 {
			line, head = head[:i], head[i+2:]
		} else {
			head = nil
		}
		if len(line) == 0 {
			return ""
		}
		if len(line) < len(name) || !strings.EqualFold(string(line[:len(name)]), name) {
			continue
		}
		value := line[len(name):]
		// A folded field goes on where a line begins with white space.
		for len(head) > 0 && (head[0] == ' ' || head[0] == '\t') {
			next, rest, _ := bytes.Cut(head, []byte("\r\n"))
			value, head = append(bytes.Clone(value), next...), rest
		}
		return bracketed(string(value))
	}
	return ""
}

// maxMessageID bounds an identification that goes into events and rows.
const maxMessageID = 250

// bracketed returns what stands between < and >, if it is printable ASCII
// without spaces.
func bracketed(s string) string {
	_, s, found := strings.Cut(s, "<")
	s, _, closed := strings.Cut(s, ">")
	if !found || !closed || len(s) > maxMessageID {
		return ""
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return s
}
