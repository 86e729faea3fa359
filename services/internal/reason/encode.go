package reason

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of what is written into a record: some arguments are other people's
// words, and zones may have any number of hosts.
const (
	maxArg  = 300  // octets of an argument
	maxText = 4000 // octets of all reasons, before the one that says how many are left out
)

// Encode writes reasons as the value of a detail of a record:
//
//	sorted(boreal.test|10 mx1.boreal.test, 20 mx2.boreal.test); self(mx2.boreal.test|20)
//
// Characters of that form, control characters and what is not UTF-8 are written
// as %XX within arguments. What is too long is cut, and More counts the reasons
// that are left out.
func Encode(reasons ...Reason) string {
	var room [256]byte // most fit
	out := room[:0]
	for i, r := range reasons {
		before := len(out)
		if before > 0 {
			out = append(out, "; "...)
		}
		start := len(out)
		out = appendReason(out, r)
		if before+len(out)-start > maxText {
			out = appendReason(out[:start], New(More, strconv.Itoa(len(reasons)-i)))
			break
		}
	}
	return string(out)
}

func appendReason(out []byte, r Reason) []byte {
	out = escape(out, string(r.Rule))
	if len(r.Args) == 0 {
		return out
	}
	for i, arg := range r.Args {
		out = escape(append(out, "(|"[min(i, 1)]), bounded(arg))
	}
	return append(out, ')')
}

func bounded(arg string) string {
	if len(arg) <= maxArg {
		return arg
	}
	return strings.ToValidUTF8(arg[:maxArg], "") + "…"
}

// escape writes what would mean something to Parse, or to a terminal, as %XX.
func escape(out []byte, s string) []byte {
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r < ' ' || r == 0x7f || r == utf8.RuneError && size == 1 || strings.ContainsRune("%|();", r) {
			out = fmt.Appendf(out, "%%%02X", s[0])
		} else {
			out = append(out, s[:size]...)
		}
		s = s[size:]
	}
	return out
}

// Parse reads what Encode has written. Of any other text it makes what it can;
// every text without rules makes no reasons.
func Parse(s string) []Reason {
	var reasons []Reason
	for one := range strings.SplitSeq(s, ";") {
		rule, args, has := strings.Cut(strings.TrimSpace(one), "(")
		if rule == "" {
			continue
		}
		r := Reason{Rule: Rule(unescape(rule))}
		if has {
			for arg := range strings.SplitSeq(strings.TrimSuffix(args, ")"), "|") {
				r.Args = append(r.Args, unescape(arg))
			}
		}
		reasons = append(reasons, r)
	}
	return reasons
}

// ParseKnown reads what Encode has written of rules that are known here, all of
// them; of any other text it makes nothing.
func ParseKnown(s string) []Reason {
	why := Parse(s)
	if slices.ContainsFunc(why, func(r Reason) bool { _, known := texts[r.Rule]; return !known }) {
		return nil
	}
	return why
}

// unescape puts octets back for %XX; another percent sign stands for itself.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(n))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}
