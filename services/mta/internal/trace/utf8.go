package trace

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// UTF8 takes a message by Write and finds out whether it needs SMTPUTF8: it
// does when a header has UTF-8, that of the message, of a part or of a message
// within it (RFC 6531 §3.2: "at any level"). It keeps nothing of the message.
//
// Parts are told by lines that begin with "--", whatever their boundary: text
// that only looks so may make a message wait for a better host for nothing, and
// none goes to a host that must not get it. What is not plain text on the wire,
// such as a message in base64, is nobody's business on the way (RFC 6532 §3.7).
type UTF8 struct {
	Needed bool

	line      []byte // of the current line, at most maxLine
	eightBit  bool   // the current line has an octet above 127, kept or not
	body      bool   // not in a header
	multipart bool   // a header has named a multipart: there are boundaries
	kind      []byte // of the header at hand: Content-Type so far
	inKind    bool   // its last field is Content-Type
}

// Write implements io.Writer; it never fails.
func (u *UTF8) Write(p []byte) (int, error) {
	for rest := p; !u.over() && len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		part := rest
		if end >= 0 {
			part = rest[:end]
		}
		u.line = append(u.line, part[:min(len(part), maxLine-len(u.line))]...)
		u.eightBit = u.eightBit || bytes.ContainsFunc(part, func(r rune) bool { return r >= utf8.RuneSelf })
		if end < 0 {
			break
		}
		rest = rest[end+1:]
		u.end()
	}
	return len(p), nil
}

// End tells that the message is complete.
func (u *UTF8) End() {
	if !u.over() {
		u.end()
	}
}

// over reports that nothing that comes will change the answer.
func (u *UTF8) over() bool { return u.Needed || u.body && !u.multipart }

// end takes the line that is complete.
func (u *UTF8) end() {
	line := bytes.TrimSuffix(u.line, []byte("\r"))
	switch {
	case u.multipart && bytes.HasPrefix(line, []byte("--")):
		u.body, u.inKind, u.kind = false, false, u.kind[:0]
	case u.body:
	case len(line) == 0:
		u.headerEnds()
	default:
		u.Needed = u.eightBit
		u.field(line)
	}
	u.line, u.eightBit = u.line[:0], false
}

// field looks for Content-Type.
func (u *UTF8) field(line []byte) {
	if line[0] == ' ' || line[0] == '\t' {
		if u.inKind && len(u.kind) < maxLine {
			u.kind = append(u.kind, line...)
		}
		return
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	u.inKind = strings.EqualFold(string(bytes.TrimRight(name, " \t")), "content-type")
	if u.inKind {
		u.kind = append(u.kind[:0], value...)
	}
}

// headerEnds goes on behind a header: with another one in a part that is a
// message. The status in a report is none (RFC 6533 §4: 8BITMIME carries it).
func (u *UTF8) headerEnds() {
	kind, _, _ := strings.Cut(strings.ToLower(string(u.kind)), ";")
	kind = strings.TrimSpace(kind)
	u.multipart = u.multipart || strings.HasPrefix(kind, "multipart/")
	u.body = kind != "message/rfc822" && kind != "message/global"
	u.inKind, u.kind = false, u.kind[:0]
}
