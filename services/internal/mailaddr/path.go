package mailaddr

import "strings"

// ParsePath reads a path in angle brackets from the beginning of s, as MAIL and
// RCPT carry it (RFC 5321 §4.1.2), and returns what follows the bracket. The
// null reverse-path "<>" gives the zero Address. A source route is checked and
// dropped (RFC 5321 §4.1.1.3, appendix C).
func ParsePath(s string) (a Address, rest string, err error) {
	inner, ok := strings.CutPrefix(s, "<")
	if !ok {
		return Address{}, "", ErrSyntax
	}
	end := pathEnd(inner)
	if end < 0 {
		return Address{}, "", ErrSyntax
	}
	inner, rest = inner[:end], inner[end+1:]
	if inner == "" {
		return Address{}, rest, nil
	}
	if len(inner)+len("<>") > MaxPath {
		return Address{}, "", ErrTooLong
	}
	if inner, err = cutRoute(inner); err != nil {
		return Address{}, "", err
	}
	a, err = Parse(inner)
	return a, rest, err
}

// pathEnd returns the index of the ">" that ends a path: the first one outside
// of a quoted local part. It is -1 when there is none.
func pathEnd(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == '>' && !quoted:
			return i
		}
	}
	return -1
}

// cutRoute takes a source route "@a,@b:" off the front of a mailbox.
func cutRoute(s string) (string, error) {
	if !strings.HasPrefix(s, "@") {
		return s, nil
	}
	for {
		var hop string
		var last bool
		i := strings.IndexAny(s, ",:")
		if j := strings.IndexByte(s, ']'); strings.HasPrefix(s, "@[") && j >= 0 {
			i = j + 1 // an IPv6 literal has colons of its own
		}
		if i < 0 || i >= len(s) || s[i] != ',' && s[i] != ':' {
			return "", ErrSyntax
		}
		hop, last, s = s[:i], s[i] == ':', s[i+1:]
		domain, ok := strings.CutPrefix(hop, "@")
		if !ok {
			return "", ErrSyntax
		}
		if _, err := parseDomain(domain); err != nil {
			return "", err
		}
		if last {
			return s, nil
		}
	}
}
