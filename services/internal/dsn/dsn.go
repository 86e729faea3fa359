// Package dsn holds what the parameters of RFC 3461 carry: original recipients
// in the encodings that commands (xtext) and reports want, and who wants to hear
// of what. Addresses that are not ASCII are those of RFC 6533.
package dsn

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"correio/services/internal/mailaddr"
	"correio/services/internal/smtpd/command"
	"correio/services/internal/text"
)

// The keywords of NOTIFY (RFC 3461 §4.1).
const (
	Never   = "NEVER"
	Success = "SUCCESS"
	Failure = "FAILURE"
	Delay   = "DELAY"
)

// The address types of ORCPT and of reports.
const (
	rfc822   = "rfc822"
	utf8Kind = "utf-8"
)

// Wants reports whether a sender who said NOTIFY=notify is to hear of an event.
// RFC 3461 §4.1: without NOTIFY, of failures, and of delays where the MTA tells
// about them.
func Wants(notify, event string) bool {
	if notify == "" {
		return event != Success
	}
	for word := range strings.SplitSeq(notify, ",") {
		if strings.EqualFold(word, event) {
			return true
		}
	}
	return false
}

// Notify reads what a person wants to hear of: "never", or a list of the others
// without repetition, in any case. It returns the value of NOTIFY (RFC 3461
// §4.1).
func Notify(s string) (value string, ok bool) {
	value = strings.ToUpper(s)
	if value == Never {
		return value, true
	}
	seen := map[string]bool{}
	for word := range strings.SplitSeq(value, ",") {
		if word != Success && word != Failure && word != Delay || seen[word] {
			return "", false
		}
		seen[word] = true
	}
	return value, true
}

// Ret reads what a person wants back of a message that failed: "full" or
// "hdrs". It returns the value of RET (RFC 3461 §4.3).
func Ret(s string) (value string, ok bool) {
	value = strings.ToUpper(s)
	return value, value == "FULL" || value == "HDRS"
}

// EncodeEnvID writes a name for an envelope as the value of ENVID: up to 100
// characters (RFC 3461 §4.4) of what is printable ASCII before it is encoded.
func EncodeEnvID(s string) (value string, ok bool) {
	value = command.EncodeXtext(s)
	return value, isTrimmed(s) && len(value) <= 100
}

// Original writes an address as the value of ORCPT, in 7 bits.
func Original(a mailaddr.Address) string {
	if a.ASCII() {
		return rfc822 + ";" + command.EncodeXtext(a.String())
	}
	return utf8Kind + ";" + Embed(a.String())
}

// SevenBit writes a value of ORCPT so that a server without SMTPUTF8 takes it
// (RFC 6533 §3: utf-8-addr-xtext).
func SevenBit(orcpt string) string {
	kind, address, _ := strings.Cut(orcpt, ";")
	if !strings.EqualFold(kind, utf8Kind) || text.IsASCII(address) {
		return orcpt
	}
	return kind + ";" + Embed(unembed(address))
}

// International reports whether a value of ORCPT is an address that is not
// ASCII.
func International(orcpt string) bool {
	kind, address, _ := strings.Cut(orcpt, ";")
	return strings.EqualFold(kind, utf8Kind) && !text.IsASCII(unembed(address))
}

// Field writes a value of ORCPT as a report has it (RFC 3464 §2.3.1): its type
// as it came, and the address decoded. What does not decode to something that a
// header field can hold stays as it came. In a report that may have UTF-8
// (RFC 6533 §4) global is true. ok is false when there is nothing to write.
func Field(orcpt string, global bool) (field string, ok bool) {
	kind, address, ok := strings.Cut(orcpt, ";")
	if !ok || !isType(kind) || address == "" {
		return "", false
	}
	switch {
	case !strings.EqualFold(kind, utf8Kind):
		if plain, ok := command.DecodeXtext(address); ok && isPrintable(plain) {
			address = plain
		}
	case global:
		if plain := unembed(address); isField(plain) {
			address = plain
		}
	default:
		address = Embed(unembed(address))
	}
	if !isField(address) || !global && !text.IsASCII(address) {
		return "", false
	}
	return kind + "; " + address, true
}

// Address writes an address with its type for Final-Recipient (RFC 3464
// §2.3.2).
func Address(a mailaddr.Address, global bool) string {
	switch {
	case a.ASCII():
		return rfc822 + "; " + a.String()
	case global:
		return utf8Kind + "; " + a.String()
	}
	return utf8Kind + "; " + Embed(a.String())
}

// EnvID returns what ENVID stands for, or the value itself when a report could
// not hold that, or "" when it could not hold either.
func EnvID(xtext string) string {
	plain, ok := command.DecodeXtext(xtext)
	switch {
	case ok && isTrimmed(plain):
		return plain
	case isTrimmed(xtext):
		return xtext
	}
	return ""
}

func isTrimmed(s string) bool { return isPrintable(s) && strings.TrimSpace(s) == s }

// Embed writes text in 7 bits, as a utf-8-addr-xtext (RFC 6533 §3).
func Embed(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r > ' ' && r <= '~' && r != '\\' && r != '+' && r != '=' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\x{%02X}`, r)
		}
	}
	return b.String()
}

// unembed undoes Embed; what is malformed stays.
func unembed(s string) string {
	var b strings.Builder
	for s != "" {
		i := strings.Index(s, `\x{`)
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		digits, rest, closed := strings.Cut(s[i+3:], "}")
		n, err := strconv.ParseUint(digits, 16, 21)
		if r := rune(n); closed && err == nil && len(digits) <= 6 && utf8.ValidRune(r) && r != utf8.RuneError {
			b.WriteRune(r)
			s = rest
			continue
		}
		b.WriteString(s[i : i+3])
		s = s[i+3:]
	}
	return b.String() + s
}

// isType accepts the name of an address type.
func isType(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// isPrintable accepts printable ASCII with inner spaces.
func isPrintable(s string) bool { return isField(s) && text.IsASCII(s) }

// isField accepts what may stand in a header field: no control characters, no
// broken UTF-8, not only spaces.
func isField(s string) bool {
	return strings.TrimSpace(s) != "" && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' })
}
