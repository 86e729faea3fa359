// Package encodedword writes header fields of text that need not be ASCII, as
// encoded words (RFC 2047) on lines as long as these may be.
package encodedword

import (
	"fmt"
	"strings"
)

// MaxLine is how many octets a line with encoded words may have (RFC 2047 §2),
// without its end.
const MaxLine = 76

// maxPlain is how many another line may have (RFC 5322 §2.1.1).
const maxPlain = 998

// Text writes a field of unstructured text (RFC 5322 §3.6.5): as it is, or as
// encoded words where it is not ASCII or too long for a line.
func Text(field, s string) string {
	if line := field + ": " + s; isPlain(line) {
		return line
	}
	return encode(field, s)
}

// Phrase begins a field with a phrase (RFC 5322 §3.2.5): quoted, or as encoded
// words where it is not ASCII or too long for a line.
func Phrase(field, s string) string {
	if line := field + `: "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`; isPlain(line) {
		return line
	}
	return encode(field, s)
}

// isPlain reports whether a line is printable ASCII, and may stand as it is.
func isPlain(line string) bool {
	return len(line) <= maxPlain && !strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' })
}

// encode writes a field in encoded words, one on each line.
func encode(field, s string) string {
	const begin, end = "=?utf-8?q?", "?="
	line := field + ": " + begin
	var b strings.Builder
	for _, r := range s { // RFC 2047 §5: no character is in two words
		q := encodeRune(r)
		if len(line)+len(q)+len(end) > MaxLine {
			b.WriteString(line + end + "\r\n")
			line = " " + begin
		}
		line += q
	}
	return b.String() + line + end
}

// encodeRune writes a character in the Q encoding (RFC 2047 §4.2), of which a
// word in a phrase has these as they are (§5(3)).
func encodeRune(r rune) string {
	switch {
	case r == ' ':
		return "_"
	case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', strings.ContainsRune("!*+-/", r):
		return string(r)
	}
	var b strings.Builder
	for _, c := range []byte(string(r)) {
		fmt.Fprintf(&b, "=%02X", c)
	}
	return b.String()
}
