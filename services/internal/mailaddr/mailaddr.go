// Package mailaddr holds mail addresses as a type: parsed once, by the grammar
// of RFC 5321 §4.1.2, and quoted again whenever they are written. Nothing that
// a peer sent reaches a command, a header or a reply but through String.
//
// Both parts may be UTF-8 (RFC 6531 §3.3). A local part keeps its octets; the
// host that has the mailbox compares it by Fold. A domain may be written in
// U-labels or in A-labels, and stays as it was written but for lower case and
// NFC; ALabels gives the form that DNS, queue and comparisons have, Both shows
// the two. A domain that only a mapping would make valid is refused: nothing is
// mapped here.
package mailaddr

import (
	"net/netip"
	"strings"

	"correio/services/internal/text"
)

// Limits of RFC 5321 §4.5.3.1, in octets.
const (
	MaxLocal  = 64
	MaxDomain = 255
	MaxPath   = 256 // with the angle brackets
)

// Address is a mailbox: a local part without its quotes and a domain. The zero
// Address is the null reverse-path "<>" (RFC 5321 §4.5.5). An empty Domain
// with a local part is the bare <postmaster> of RFC 5321 §4.5.1.
type Address struct {
	Local  string // as the sender wrote it, unquoted; its octets are kept
	Domain string // lower case in NFC, without a final dot; "[198.18.2.25]" for an address literal
}

// Errors of Parse.
var (
	ErrSyntax  error = text.Errorf(text.New("not an address", "não é um endereço"))
	ErrTooLong error = text.Errorf(text.New("address too long", "endereço longo demais"))
	ErrIDN     error = text.Errorf(text.New("domain is no valid internationalised name (RFC 5891)", "o domínio não é um nome internacionalizado válido (RFC 5891)"))
)

// Null reports whether the address is the null reverse-path.
func (a Address) Null() bool { return a == Address{} }

// Postmaster reports whether the local part is postmaster, in any case of
// ASCII: U+017F folds to "s", but names another mailbox.
func (a Address) Postmaster() bool {
	return strings.EqualFold(a.Local, "postmaster") && text.IsASCII(a.Local)
}

// Literal returns the IP address of an address literal domain.
func (a Address) Literal() (netip.Addr, bool) {
	inner, ok := strings.CutPrefix(a.Domain, "[")
	if !ok {
		return netip.Addr{}, false
	}
	inner = strings.TrimSuffix(inner, "]")
	if six, ok := cutPrefixFold(inner, "IPv6:"); ok {
		inner = six
	}
	ip, err := netip.ParseAddr(inner)
	return ip, err == nil
}

// String writes the address so that Parse reads the same one: the local part
// is quoted where RFC 5321 §4.1.2 wants it. The null path is "".
func (a Address) String() string {
	local, at, domain := a.parts()
	return local + at + domain
}

// Path writes the address in angle brackets, as MAIL and RCPT carry it.
func (a Address) Path() string {
	local, at, domain := a.parts()
	return "<" + local + at + domain + ">"
}

// parts are what the written form is put together of.
func (a Address) parts() (local, at, domain string) {
	if a.Null() {
		return "", "", ""
	}
	local = a.Local
	if !isDotString(local) {
		local = quote(local)
	}
	if a.Domain == "" {
		return local, "", ""
	}
	return local, "@", a.Domain
}

// Parse reads a mailbox without angle brackets: Local-part "@" ( Domain /
// address-literal ), or the bare word postmaster. UTF-8 is accepted in both
// parts (RFC 6531 §3.3); whoever must not take it checks ASCII.
func Parse(s string) (Address, error) {
	local, rest, err := cutLocal(s)
	if err != nil {
		return Address{}, err
	}
	if rest == "" {
		if a := (Address{Local: local}); a.Postmaster() {
			return a, nil
		}
		return Address{}, ErrSyntax
	}
	domain, err := parseDomain(rest[1:])
	if err != nil {
		return Address{}, err
	}
	return Address{Local: local, Domain: domain}, nil
}

// ASCII reports whether the address as it stands can be sent without SMTPUTF8.
func (a Address) ASCII() bool { return text.IsASCII(a.Local) && text.IsASCII(a.Domain) }
