package text

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible is one line that others wrote, as a terminal and a page may show it:
// what would command the reader's terminal, end the line or turn its order round
// is written out as Go does, such as "\x1b" and "\u202e", and what is not UTF-8 is
// U+FFFD. A tab becomes spaces.
func Visible(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteString("    ")
		case hidden(r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden reports whether a character is obeyed and not shown.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}
