// Package dnstext says how DNS messages read: as details of event records, so
// that the asker's record and the server's look alike, and as text for people
// in the form that dig made familiar.
package dnstext

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"correio/services/internal/event"
)

// maxAnswer bounds the answer detail of one record, in octets.
const maxAnswer = 4096

// Type returns the mnemonic of a record type, or TYPEn (RFC 3597 §5).
func Type(t uint16) string {
	if s, ok := dns.TypeToString[t]; ok {
		return s
	}
	return fmt.Sprintf("TYPE%d", t)
}

// Class returns the mnemonic of a class, or CLASSn (RFC 3597 §5).
func Class(c uint16) string {
	if s, ok := dns.ClassToString[c]; ok {
		return s
	}
	return fmt.Sprintf("CLASS%d", c)
}

// Rcode returns the mnemonic of a response code, or RCODEn.
func Rcode(rcode int) string {
	// The library knows 16 as BADSIG; in a response it is BADVERS (RFC 6891 §9).
	if rcode == dns.RcodeBadVers {
		return "BADVERS"
	}
	if s, ok := dns.RcodeToString[rcode]; ok {
		return s
	}
	return fmt.Sprintf("RCODE%d", rcode)
}

// Question writes a question as events hold it: "boreal.test. MX".
func Question(q dns.Question) string {
	s := q.Name + " " + Type(q.Qtype)
	if q.Qclass != dns.ClassINET {
		s += " " + Class(q.Qclass)
	}
	return s
}

// ID writes a message id as four hexadecimal digits.
func ID(id uint16) string { return fmt.Sprintf("%04x", id) }

// RR writes one record in presentation form with single spaces between its
// fields.
func RR(rr dns.RR) string { return strings.ReplaceAll(rr.String(), "\t", " ") }

// Join writes records in presentation form, joined by "; ". What exceeds 4096
// octets is left out, and "…" says so.
func Join(records []dns.RR) string {
	var b strings.Builder
	for i, rr := range records {
		if _, opt := rr.(*dns.OPT); opt {
			continue
		}
		if i > 0 {
			b.WriteString("; ")
		}
		s := RR(rr)
		if b.Len()+len(s) > maxAnswer {
			b.WriteString("…")
			break
		}
		b.WriteString(s)
	}
	return b.String()
}

// Flags lists the header flags that are set in a message: "qr aa tc rd ra ad
// cd", in that order, without "qr".
func Flags(m *dns.Msg) string {
	var set []string
	for _, f := range []struct {
		on   bool
		name string
	}{
		{m.Authoritative, "aa"}, {m.Truncated, "tc"}, {m.RecursionDesired, "rd"},
		{m.RecursionAvailable, "ra"}, {m.AuthenticatedData, "ad"}, {m.CheckingDisabled, "cd"},
	} {
		if f.on {
			set = append(set, f.name)
		}
	}
	return strings.Join(set, " ")
}

// Meta returns the details that a response adds to a record: rcode, flags,
// answer and authority. A nil message adds nothing.
func Meta(m *dns.Msg) event.Meta {
	if m == nil {
		return nil
	}
	return event.M(
		event.Rcode, Rcode(m.Rcode),
		event.Flags, Flags(m),
		event.Answer, Join(m.Answer),
		event.Authority, Join(m.Ns),
	)
}
