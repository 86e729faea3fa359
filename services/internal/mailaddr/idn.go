package mailaddr

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"correio/services/internal/text"
)

// uLabels is what a U-label must be (RFC 5890 §2.3.2.1), and nothing is mapped
// to become one: RFC 5895 wants mappings in what people type at, not between
// servers, where they would turn one domain into another (U+FF0E into a dot,
// full-width letters into ASCII). Underscores are let through, as IsDomain does.
var uLabels = idna.New(idna.ValidateForRegistration(), idna.StrictDomainName(false))

// ToASCII writes a domain as DNS has it: U-labels as A-labels (RFC 5890
// §2.3.2.1). A name in ASCII stays as it is, whatever it holds; so does an
// address literal. ErrIDN means that some label is no U-label.
func ToASCII(domain string) (string, error) {
	if text.IsASCII(domain) {
		return domain, nil
	}
	name, dot := strings.CutSuffix(domain, ".")
	name = nameCase(name)
	if !hasLabels(name) {
		return "", ErrIDN
	}
	a, err := uLabels.ToASCII(name)
	if err != nil {
		return "", ErrIDN
	}
	if dot {
		a += "."
	}
	return a, nil
}

// ToUnicode writes a domain as people read it: A-labels as U-labels. A name
// whose A-labels are none stays as it is, so that what is shown as one domain
// is never another.
func ToUnicode(domain string) string {
	if !strings.Contains(strings.ToLower(domain), "xn--") {
		return domain
	}
	u, err := uLabels.ToUnicode(strings.ToLower(domain))
	if err != nil {
		return domain
	}
	if back, err := ToASCII(u); err != nil || back != strings.ToLower(domain) {
		return domain
	}
	return u
}

// Both shows a domain, or the domain of an address, in both forms where it has
// two: "ana@café.test (xn--caf-dma.test)". All else comes back as it is. It is
// for people's eyes: nothing reads it again.
func Both(s string) string {
	local, domain := "", s
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		local, domain = s[:i+1], s[i+1:]
	}
	u := ToUnicode(domain)
	a, err := ToASCII(u)
	if err != nil || strings.EqualFold(a, u) {
		return s
	}
	return local + u + " (" + a + ")"
}

// SameDomain reports whether two domains are one: in any case, as U-labels or
// as A-labels.
func SameDomain(a, b string) bool {
	if strings.EqualFold(a, b) && text.IsASCII(a) && text.IsASCII(b) {
		return true
	}
	if text.IsASCII(a) && text.IsASCII(b) {
		return false
	}
	x, errX := ToASCII(a)
	y, errY := ToASCII(b)
	return errX == nil && errY == nil && strings.EqualFold(x, y)
}

// Fold is what local parts are compared by at the host that has the mailbox
// (RFC 5321 §2.4 leaves that to it): lower case and Unicode's composed form,
// NFC (RFC 6532 §3.1, RFC 5198 §3). Nothing else is taken for the same; above
// all nothing that is not ASCII becomes ASCII, so that no name folds into
// somebody else's.
func Fold(local string) string {
	if text.IsASCII(local) {
		return strings.ToLower(local)
	}
	return nameCase(local)
}

// nameCase is lower case in NFC, for names that are compared. A character that
// either would make ASCII of (U+212A KELVIN SIGN, U+0130) stays as it is.
func nameCase(s string) string {
	// Composed first: an accent in between may hide a capital from ToLower.
	if !strings.ContainsFunc(s, becomesASCII) {
		s = norm.NFC.String(s)
	}
	s = strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); r < utf8.RuneSelf || l >= utf8.RuneSelf {
			return l
		}
		return r
	}, s)
	if strings.ContainsFunc(s, becomesASCII) {
		return s
	}
	return norm.NFC.String(s)
}

// becomesASCII reports whether normalisation puts a character of ASCII in the
// place of r.
func becomesASCII(r rune) bool {
	return r >= utf8.RuneSelf && norm.NFC.String(string(r))[0] < utf8.RuneSelf
}

// ALabels returns the mailbox with its domain in A-labels, the form in which
// queue and DNS have it: two spellings of a domain are one there, and an address
// whose local part is ASCII needs no SMTPUTF8 any more (RFC 6531 §3.2 counts
// A-labels as ASCII). The local part is never touched.
func (a Address) ALabels() Address {
	if d, err := ToASCII(a.Domain); err == nil {
		a.Domain = d
	}
	return a
}
