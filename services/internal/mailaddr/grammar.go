package mailaddr

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"correio/services/internal/text"
)

// cutLocal splits s behind its local part. rest is "" or begins with "@".
func cutLocal(s string) (local, rest string, err error) {
	if !utf8.ValidString(s) {
		return "", "", ErrSyntax
	}
	if strings.HasPrefix(s, `"`) {
		local, rest, err = cutQuoted(s)
	} else {
		local, rest = s, ""
		if i := strings.IndexByte(s, '@'); i >= 0 {
			local, rest = s[:i], s[i:]
		}
		if !isDotString(local) {
			err = ErrSyntax
		}
	}
	switch {
	case err != nil:
		return "", "", err
	case len(local) > MaxLocal:
		return "", "", ErrTooLong
	case rest != "" && rest[0] != '@':
		return "", "", ErrSyntax
	}
	return local, rest, nil
}

// cutQuoted reads a Quoted-string (RFC 5321 §4.1.2) and takes its quotes off.
// An empty one is refused: no mailbox has that name.
func cutQuoted(s string) (local, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			if b.Len() == 0 {
				return "", "", ErrSyntax
			}
			return b.String(), s[i+1:], nil
		case c == '\\':
			// quoted-pairSMTP: any printable ASCII behind a backslash.
			i++
			if i >= len(s) || s[i] < ' ' || s[i] > '~' {
				return "", "", ErrSyntax
			}
			b.WriteByte(s[i])
		case c < utf8.RuneSelf:
			if c < ' ' || c == 0x7f {
				return "", "", ErrSyntax
			}
			b.WriteByte(c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			if !isText(r) {
				return "", "", ErrSyntax
			}
			b.WriteString(s[i : i+size])
			i += size - 1
		}
	}
	return "", "", ErrSyntax
}

// parseDomain reads a Domain or an address-literal.
func parseDomain(s string) (string, error) {
	if len(s) > MaxDomain {
		return "", ErrTooLong
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		if !ok {
			return "", ErrSyntax
		}
		return parseLiteral(inner)
	}
	d := nameCase(strings.TrimSuffix(s, "."))
	if !hasLabels(d) {
		if !text.IsASCII(d) {
			return "", ErrIDN
		}
		return "", ErrSyntax
	}
	if _, err := ToASCII(d); err != nil {
		return "", err
	}
	return d, nil
}

// parseLiteral reads what stands between the brackets: an IPv4 address, or
// "IPv6:" and an IPv6 address (RFC 5321 §4.1.3).
func parseLiteral(inner string) (string, error) {
	if six, ok := cutPrefixFold(inner, "IPv6:"); ok {
		ip, err := netip.ParseAddr(six)
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", ErrSyntax
		}
		return "[IPv6:" + ip.String() + "]", nil
	}
	ip, err := netip.ParseAddr(inner)
	if err != nil || !ip.Is4() {
		return "", ErrSyntax
	}
	return "[" + ip.String() + "]", nil
}

// IsDomain reports whether s is a Domain of RFC 5321 §4.1.2 (with U-labels, as
// RFC 6531 §3.3 adds), without a final dot: labels of 1 to 63 letters, digits
// and inner hyphens. Underscores are accepted: hosts have them in their names.
func IsDomain(s string) bool {
	if !hasLabels(s) {
		return false
	}
	_, err := ToASCII(s)
	return err == nil
}

// maxLabel is how many octets a label has in DNS (RFC 1035 §2.3.4). A U-label
// is measured as an A-label (RFC 5890 §4.2).
const maxLabel = 63

// hasLabels checks a domain character by character. Whether what is not ASCII
// makes U-labels is for ToASCII to say.
func hasLabels(s string) bool {
	if s == "" || len(s) > MaxDomain {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > maxLabel && text.IsASCII(label) || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if !isAlnum(r) && r != '-' && r != '_' && !isLabelRune(r) {
				return false
			}
		}
	}
	return true
}

func isAlnum(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// isText reports whether r is a UTF8-non-ascii (RFC 6531 §3.3) that a local
// part may hold here: no control characters, no line or paragraph ends, no
// spaces that look like ASCII's, and not the mark of broken UTF-8. Nor a format
// character: those are not seen, and some turn around the text that they are
// shown in. Spared are the joiners, which scripts need, and the tags of emoji.
func isText(r rune) bool {
	switch {
	case r < utf8.RuneSelf, r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Z, r):
		return false
	case r == '\u200c', r == '\u200d', r >= 0xe0020 && r <= 0xe007f:
		return true
	}
	return !unicode.Is(unicode.Cf, r)
}

// isLabelRune reports whether r may stand in a U-label: letters, marks and
// digits, and the few others that RFC 5892 lets in by context. Above all not
// the full stops that UTS 46 would turn into dots.
func isLabelRune(r rune) bool {
	if r < utf8.RuneSelf {
		return false
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd) || strings.ContainsRune("\u00b7\u0375\u05f3\u05f4\u30fb\u200c\u200d", r)
}

// isDotString reports whether s is a Dot-string: atoms joined by single dots.
func isDotString(s string) bool {
	if s == "" || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for _, r := range s {
		if !isAlnum(r) && !isText(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r) {
			return false
		}
	}
	return true
}

// quote makes a Quoted-string of a local part. What Parse would never have let
// in (control characters, broken UTF-8) becomes "?", so that no Address, however
// it was made, breaks out of its line.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
		case r >= utf8.RuneSelf && !isText(r), r < ' ', r == 0x7f:
			r = '?'
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) {
		return s[len(prefix):], true
	}
	return s, false
}
