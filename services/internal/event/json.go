package event

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// AppendJSON appends the record as json.Marshal writes it, to the octet; a node
// that is watched writes every record so, and must hardly notice.
func (r *Record) AppendJSON(out []byte) ([]byte, error) {
	out = append(out, `{"seq":`...)
	out = strconv.AppendUint(out, r.Seq, 10)
	out = append(out, `,"time":"`...)
	out, err := r.Time.AppendText(out)
	if err != nil {
		return nil, fmt.Errorf("event time: %w", err)
	}
	out = append(out, `","node":`...)
	out = appendString(out, r.Node)
	out = appendField(out, `,"conn":`, r.Conn)
	out = appendField(out, `,"queue":`, r.Queue)
	out = appendField(out, `,"message":`, r.Message)
	out = append(out, `,"kind":`...)
	out = appendString(out, string(r.Kind))
	out = appendField(out, `,"dir":`, string(r.Dir))
	out = appendField(out, `,"text":`, r.Text)
	if len(r.Meta) > 0 {
		out = append(out, `,"meta":`...)
		out = r.Meta.appendJSON(out)
	}
	return append(out, '}'), nil
}

// MarshalJSON writes the details as one object, in order.
func (m Meta) MarshalJSON() ([]byte, error) { return m.appendJSON(nil), nil }

func (m Meta) appendJSON(out []byte) []byte {
	out = append(out, '{')
	for i, a := range m {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendString(out, a.Key)
		out = append(out, ':')
		out = appendString(out, a.Value)
	}
	return append(out, '}')
}

// appendField appends a name, which brings its comma and colon, and a value
// unless that is empty.
func appendField(out []byte, name, value string) []byte {
	if value == "" {
		return out
	}
	return appendString(append(out, name...), value)
}

const hexDigits = "0123456789abcdef"

// appendString appends s in quotes, escaped as encoding/json does: also what
// would mean something to HTML, U+2028, U+2029, and what is not UTF-8.
func appendString(out []byte, s string) []byte {
	out = append(out, '"')
	for {
		n := plainLen(s)
		out = append(out, s[:n]...)
		if s = s[n:]; s == "" {
			return append(out, '"')
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r < utf8.RuneSelf:
			out = appendEscape(out, s[0])
		case r == utf8.RuneError && size == 1:
			out = append(out, `\ufffd`...)
		case r == '\u2028' || r == '\u2029':
			out = append(out, `\u202`...)
			out = append(out, hexDigits[r&0xf])
		default:
			out = append(out, s[:size]...)
		}
		s = s[size:]
	}
}

func appendEscape(out []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(out, '\\', c)
	case '\b':
		return append(out, '\\', 'b')
	case '\f':
		return append(out, '\\', 'f')
	case '\n':
		return append(out, '\\', 'n')
	case '\r':
		return append(out, '\\', 'r')
	case '\t':
		return append(out, '\\', 't')
	}
	return append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

// plainLen is how many octets from the beginning are ASCII characters that
// stand for themselves.
func plainLen(s string) int {
	for i := range len(s) {
		if !plain[s[i]] {
			return i
		}
	}
	return len(s)
}

var plain = func() (set [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		set[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return set
}()
