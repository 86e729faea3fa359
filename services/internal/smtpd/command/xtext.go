package command

import "strings"

// DecodeXtext decodes xtext (RFC 3461 §4): printable ASCII in which "+" and two
// capital hexadecimal digits stand for an octet. What decodes to a control
// character is refused: decoded values go into headers and reports.
func DecodeXtext(s string) (string, bool) {
	if !strings.ContainsAny(s, "+=") && isGraphic(s) {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			if i+2 >= len(s) {
				return "", false
			}
			hi, ok1 := hexDigit(s[i+1])
			lo, ok2 := hexDigit(s[i+2])
			if c = hi<<4 | lo; !ok1 || !ok2 || c < ' ' || c == 0x7f {
				return "", false
			}
			i += 2
		case c <= ' ' || c >= 0x7f || c == '=':
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

// EncodeXtext encodes a string as xtext.
func EncodeXtext(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '+' || c == '=' {
			b.WriteByte('+')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isGraphic(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// hexDigit reads one digit; xtext knows capitals only.
func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
