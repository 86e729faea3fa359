// Package headsample reads the header of a message that passes by, in constant
// memory: its lines, its size, and its Message-ID.
//
// The header ends at the first line that is empty, or that is neither a field
// nor the continuation of one (RFC 5322 §2.2): there readers see the body begin.
package headsample

import "bytes"

// Bounds of what is kept, in octets.
const (
	MaxLine = 1000 // of a line
	maxName = 76   // of a field name, the most that RFC 5322 §2.1.1 has lines for
	maxID   = 250  // of a Message-ID, which goes into events and reports
)

// Scanner is an io.Writer that takes a message and finds its header.
type Scanner struct {
	// Line, unless nil, is called with each line of the header, without its line
	// end and cut at MaxLine. The line is valid until it returns.
	Line func(line []byte)

	octets int64
	held   int64 // octets of a line that may be none of the header
	lines  int
	begun  []byte // the line that is not complete
	field  bool   // the line is a field or a continuation, whatever is still to come
	bare   bool
	ended  bool
}

// Octets returns how large the header is as far as it has come.
func (s *Scanner) Octets() int64 { return s.octets }

// Bare reports whether the message begins neither with a field nor with an empty
// line: it is all body, as people type it.
func (s *Scanner) Bare() bool { return s.bare }

// Write implements io.Writer; it never fails.
func (s *Scanner) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0 && !s.ended; {
		part := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			part = rest[:end+1]
		}
		rest = rest[len(part):]
		s.take(part)
	}
	return len(p), nil
}

// End says that the message is complete: its last line may lack its end.
func (s *Scanner) End() {
	switch {
	case s.ended || len(s.begun) == 0:
	case s.field || s.isHeader(s.begun):
		s.octets += s.held
		s.emit(s.begun)
	default:
		s.body(s.begun)
	}
	s.ended, s.begun = true, nil
}

// take takes a line or part of one.
func (s *Scanner) take(part []byte) {
	line, whole := part, part[len(part)-1] == '\n'
	if !whole || len(s.begun) > 0 {
		s.begun = append(s.begun, part[:min(len(part), MaxLine-len(s.begun))]...)
		line = s.begun
	}
	s.held += int64(len(part))
	if !s.field && (whole || len(line) > maxName) {
		if s.field = s.isHeader(line); !s.field {
			s.body(line)
			return
		}
	}
	if s.field {
		s.octets, s.held = s.octets+s.held, 0
	}
	if whole {
		s.emit(line)
	}
}

// emit gives a line of the header to whoever asked for it.
func (s *Scanner) emit(line []byte) {
	s.lines++
	if line = trimEnd(line); s.Line != nil {
		s.Line(line[:min(len(line), MaxLine)])
	}
	s.begun, s.field = s.begun[:0], false
}

// body ends the header before a line that is none of it.
func (s *Scanner) body(line []byte) {
	s.bare = s.lines == 0 && len(trimEnd(line)) > 0
	s.ended, s.begun = true, nil
}

func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// isHeader reports whether a line, as far as it has come, is a field or goes on
// with one.
func (s *Scanner) isHeader(line []byte) bool {
	if line[0] == ' ' || line[0] == '\t' {
		return s.lines > 0
	}
	_, _, ok := Field(line)
	return ok
}

// Field splits the first line of a field. Spaces before the colon are obsolete
// (RFC 5322 §4.5), and understood.
func Field(line []byte) (name, value []byte, ok bool) {
	colon := bytes.IndexByte(line[:min(len(line), maxName+1)], ':')
	if colon < 0 {
		return nil, nil, false
	}
	name = bytes.TrimRight(line[:colon], " \t")
	for _, c := range name {
		if c <= ' ' || c > '~' { // RFC 5322 §3.6.8
			return nil, nil, false
		}
	}
	return name, line[colon+1:], len(name) > 0
}

// MessageID finds the Message-ID (RFC 5322 §3.6.4) among the lines of a header.
// The first one counts.
type MessageID struct {
	value []byte
	in    bool // the line before was part of it
	found bool
}

// Line takes the next line of the header.
func (m *MessageID) Line(line []byte) {
	if m.in = m.in && len(line) > 0 && (line[0] == ' ' || line[0] == '\t'); m.in {
		m.add(line)
		return
	}
	if m.found {
		return
	}
	name, value, ok := Field(line)
	if ok && len(name) == len("message-id") && bytes.EqualFold(name, []byte("message-id")) {
		m.in, m.found = true, true
		m.add(value)
	}
}

func (m *MessageID) add(b []byte) {
	m.value = append(m.value, b[:min(len(b), MaxLine-len(m.value))]...)
}

// Found reports whether there is such a field, however it looks.
func (m *MessageID) Found() bool { return m.found }

// String returns what stands between the angle brackets, "" unless it is fit to
// be quoted in events and reports.
func (m *MessageID) String() string {
	_, id, opened := bytes.Cut(m.value, []byte("<"))
	id, _, closed := bytes.Cut(id, []byte(">"))
	if !opened || !closed || len(id) > maxID || bytes.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' }) {
		return ""
	}
	return string(id)
}
