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
	var b strings.Builder
	for i, r := range reasons {
		one := encode(r)
		if b.Len()+len(one) > maxText {
			one = encode(New(More, strconv.Itoa(len(reasons)-i)))
			reasons = nil
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(one)
		if reasons == nil {
			break
		}
	}
	return b.String()
}

func encode(r Reason) string {
	var b strings.Builder
	escape(&b, string(r.Rule))
	if len(r.Args) == 0 {
		return b.String()
	}
	for i, arg := range r.Args {
		b.WriteByte("(|"[min(i, 1)])
		escape(&b, bounded(arg))
	}
	b.WriteByte(')')
	return b.String()
}

func bounded(arg string) string {
	if len(arg) <= maxArg {
		return arg
	}
	return strings.ToValidUTF8(arg[:maxArg], "") + "…"
}

// escape writes what would mean something to Parse, or to a terminal, as %XX.
func escape(b *strings.Builder, s string) {
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r < ' ' || r == 0x7f || r == utf8.RuneError && size == 1 || strings.ContainsRune("%|();", r) {
			fmt.Fprintf(b, "%%%02X", s[0])
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
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
