// Package smtputf8 finds out which messages need the extension SMTPUTF8 (RFC
// 6531) for what is in them. Whether their addresses do, package mailaddr knows.
package smtputf8

import (
	"bytes"
	"strings"

	"correio/services/internal/text"
)

// maxLine bounds what is kept of one line, in octets.
const maxLine = 1000

// Scan takes a message by Write and finds out whether it needs SMTPUTF8: it
// does when a header has UTF-8, that of the message, of a part or of a message
// within it (RFC 6531 §3.2: "at any level"). It keeps nothing of the message.
//
// Parts are told by lines that begin with "--", whatever their boundary: text
// that only looks so may make a message wait for a better host for nothing, and
// none goes to a host that must not get it. What is not plain text on the wire,
// such as a message in base64, is nobody's business on the way (RFC 6532 §3.7).
type Scan struct {
	Needed bool

	line      []byte // of the current line, at most maxLine
	eightBit  bool   // the current line has an octet above 127, kept or not
	body      bool   // not in a header
	multipart bool   // a header has named a multipart: there are boundaries
	kind      []byte // of the header at hand: Content-Type so far
	inKind    bool   // its last field is Content-Type
}

// Write implements io.Writer; it never fails.
func (s *Scan) Write(p []byte) (int, error) {
	for rest := p; !s.over() && len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		part := rest
		if end >= 0 {
			part = rest[:end]
		}
		s.line = append(s.line, part[:min(len(part), maxLine-len(s.line))]...)
		s.eightBit = s.eightBit || !text.IsASCII(part)
		if end < 0 {
			break
		}
		rest = rest[end+1:]
		s.end()
	}
	return len(p), nil
}

// End tells that the message is complete.
func (s *Scan) End() {
	if !s.over() {
		s.end()
	}
}

// over reports that nothing that comes will change the answer.
func (s *Scan) over() bool { return s.Needed || s.body && !s.multipart }

// end takes the line that is complete.
func (s *Scan) end() {
	line := bytes.TrimSuffix(s.line, []byte("\r"))
	switch {
	case s.multipart && bytes.HasPrefix(line, []byte("--")):
		s.body, s.inKind, s.kind = false, false, s.kind[:0]
	case s.body:
	case len(line) == 0:
		s.headerEnds()
	default:
		s.Needed = s.eightBit
		s.field(line)
	}
	s.line, s.eightBit = s.line[:0], false
}

// field looks for Content-Type.
func (s *Scan) field(line []byte) {
	if line[0] == ' ' || line[0] == '\t' {
		if s.inKind && len(s.kind) < maxLine {
			s.kind = append(s.kind, line...)
		}
		return
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	s.inKind = strings.EqualFold(string(bytes.TrimRight(name, " \t")), "content-type")
	if s.inKind {
		s.kind = append(s.kind[:0], value...)
	}
}

// headerEnds goes on behind a header: with another one in a part that is a
// message. The status in a report is none (RFC 6533 §4: 8BITMIME carries it).
func (s *Scan) headerEnds() {
	kind, _, _ := strings.Cut(strings.ToLower(string(s.kind)), ";")
	kind = strings.TrimSpace(kind)
	s.multipart = s.multipart || strings.HasPrefix(kind, "multipart/")
	s.body = kind != "message/rfc822" && kind != "message/global"
	s.inKind, s.kind = false, s.kind[:0]
}
