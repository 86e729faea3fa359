package forward

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"correio/services/internal/clock"
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
)

// SRS rewrites the envelope sender of mail that a site forwards, by the Sender
// Rewriting Scheme (Meng Weng Wong, Shevek, 2003), and turns it back for the
// reports that come.
//
// A host that asks DNS who may send in a domain's name (SPF, RFC 7208) would
// refuse ana@aurora.test from boreal.test's host. So boreal.test sends in a name
// of its own, in which the other is kept:
//
//	SRS0=hash=day=aurora.test=ana@boreal.test
//
// A site further on that forwards such mail does not nest it, but notes whose
// SRS0 it was, so that a report takes one step back and not all of them:
//
//	SRS1=hash=boreal.test==hash=day=aurora.test=ana@cedro.test
//
// Mail that comes by boreal.test again gets the SRS0 that it had there.
//
// The hash is keyed: nobody else can make the site send anything anywhere. It is
// made of letters whose case does not matter, as some hosts change that. The day
// lets an address end MaxAge after it was made; days are the lab's. The key is
// org.yaml's, so that all of a site's hosts have the same: smtp.srs-key, or
// without it the people's passwords.
type SRS struct {
	org *lab.Org
	key []byte
	day time.Duration // in real time
}

// MaxAge is for how many days an SRS address takes reports: longer than a queue
// there and one here may keep a message.
const MaxAge = 21

// Errors of SRS.
var (
	ErrForged  = errors.New("not an address that this site has made")
	ErrExpired = errors.New("the address has expired")
	// ErrTooLong says that the sender's name and domain do not fit into a local
	// part (RFC 5321 §4.5.3.1.1: 64 octets).
	ErrTooLong = errors.New("the sender does not fit into a local part")
)

const (
	srs0, srs1 = "SRS0", "SRS1"
	separators = "=+-" // that may follow; later ones are "=" always
	hashLength = 4
	days       = 32 * 32 // that the two letters of a day tell apart
)

// NewSRS returns a site's, for a lab of that speed.
func NewSRS(org *lab.Org, speed clock.Speed) *SRS {
	h := sha256.New()
	add := func(s string) { h.Write([]byte(s)); h.Write([]byte{0}) }
	add("correio SRS")
	add(org.Domain)
	add(org.SMTP.SRSKey)
	if org.SMTP.SRSKey == "" {
		for _, p := range org.People {
			add(p.Name)
			add(p.Password)
		}
	}
	return &SRS{org: org, key: h.Sum(nil), day: max(speed.Real(24*time.Hour), 1)}
}

// IsSRS reports whether a local part looks like one of the scheme.
func IsSRS(local string) bool {
	_, _, ok := cutScheme(local)
	return ok
}

// cutScheme splits a local part behind SRS0 or SRS1. rest begins with the
// separator.
func cutScheme(local string) (scheme, rest string, ok bool) {
	if len(local) <= len(srs0) || !strings.ContainsRune(separators, rune(local[len(srs0)])) {
		return "", "", false
	}
	scheme = strings.ToUpper(local[:len(srs0)])
	return scheme, local[len(srs0):], scheme == srs0 || scheme == srs1
}

// Rewrite returns the envelope sender with which mail from an address goes on to
// another organisation. The null sender and the site's own stay as they are.
func (s *SRS) Rewrite(from mailaddr.Address, now time.Time) (mailaddr.Address, error) {
	if from.Null() || s.org.SMTP.WithoutSRS || s.org.Local(from.Domain) {
		return from, nil
	}
	local := s.first(from, now)
	switch scheme, rest, _ := cutScheme(from.Local); scheme {
	case srs0:
		if mailaddr.IsDomain(from.Domain) {
			local = s.again(from.Domain, rest)
		}
	case srs1:
		_, host, opaque, ok := cutAgain(rest)
		own, err := whole(srs0+opaque, host)
		if ok && err == nil && s.made(own, now) {
			return own, nil // the mail has been here before
		}
		if ok {
			local = s.again(host, opaque)
		}
	}
	to := mailaddr.Address{Local: local, Domain: s.org.Domain}
	if back, err := mailaddr.Parse(to.String()); err != nil || back != to {
		return from, ErrTooLong
	}
	return to, nil
}

// first is the local part for a sender who is not of the scheme.
func (s *SRS) first(from mailaddr.Address, now time.Time) string {
	signed := stamp(s.today(now)) + "=" + from.Domain + "=" + from.Local
	return srs0 + "=" + s.hash(srs0, signed) + "=" + signed
}

// again is the local part for a sender that host has made. opaque is what came
// behind SRS0 there, and is not looked at.
func (s *SRS) again(host, opaque string) string {
	signed := host + "=" + opaque
	return srs1 + "=" + s.hash(srs1, signed) + "=" + signed
}

// cutAgain reads what is behind SRS1.
func cutAgain(rest string) (hash, host, opaque string, ok bool) {
	hash, rest, _ = strings.Cut(rest[1:], "=")
	host, opaque, ok = strings.Cut(rest, "=")
	return hash, host, opaque, ok && mailaddr.IsDomain(host) && IsSRS(srs0+opaque)
}

// made reports whether an address is one of the site's own for reports.
func (s *SRS) made(a mailaddr.Address, now time.Time) bool {
	_, err := s.Back(a, now)
	return err == nil && s.org.Local(a.Domain)
}

// Back returns whom a report to an SRS address of the site is for. One that the
// site made of its own SRS0 goes both steps back.
func (s *SRS) Back(to mailaddr.Address, now time.Time) (mailaddr.Address, error) {
	scheme, rest, ok := cutScheme(to.Local)
	switch {
	case !ok:
		return mailaddr.Address{}, ErrForged
	case scheme == srs0:
		return s.sender(rest, now)
	}
	hash, host, opaque, ok := cutAgain(rest)
	switch {
	case !ok || !s.signed(hash, srs1, host+"="+opaque):
		return mailaddr.Address{}, ErrForged
	case s.org.Local(host):
		return s.sender(opaque, now)
	}
	return whole(srs0+opaque, host)
}

// sender reads what is behind an SRS0 of the site.
func (s *SRS) sender(rest string, now time.Time) (mailaddr.Address, error) {
	hash, signed, _ := strings.Cut(rest[1:], "=")
	parts := strings.SplitN(signed, "=", 3)
	if len(parts) != 3 || !s.signed(hash, srs0, signed) {
		return mailaddr.Address{}, ErrForged
	}
	// A host's clock may be a little ahead of another's.
	if made, ok := unstamp(parts[0]); !ok || (s.today(now)+1-made+days)%days > MaxAge+1 {
		return mailaddr.Address{}, ErrExpired
	}
	return whole(parts[2], parts[1])
}

// whole puts an address together again. Some hosts change the case of a local
// part, with the domain in it.
func whole(local, domain string) (mailaddr.Address, error) {
	back, err := mailaddr.Parse(mailaddr.Address{Local: local, Domain: domain}.String())
	if err != nil || back.Local != local || !strings.EqualFold(back.Domain, domain) || back.Domain == "" {
		return mailaddr.Address{}, ErrForged
	}
	return back, nil
}

// ReturnTo is where a report about mail from a sender goes: to whom the sender
// was made for, when the site has made it, and else to the sender.
func (s *SRS) ReturnTo(from mailaddr.Address, now time.Time) mailaddr.Address {
	if !s.org.Local(from.Domain) {
		return from
	}
	back, err := s.Back(from, now)
	if err != nil {
		return from
	}
	return back
}

// hash signs what is behind it, in any case.
func (s *SRS) hash(scheme, signed string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(scheme + "=" + strings.ToLower(signed)))
	return base32.StdEncoding.EncodeToString(mac.Sum(nil))[:hashLength]
}

func (s *SRS) signed(hash, scheme, signed string) bool {
	return subtle.ConstantTimeCompare([]byte(strings.ToUpper(hash)), []byte(s.hash(scheme, signed))) == 1
}

// today is the number of the lab's day, from 0 up to days.
func (s *SRS) today(now time.Time) int { return int(now.UnixNano() / int64(s.day) % days) }

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" // RFC 4648 §6

func stamp(day int) string { return string([]byte{digits[day/32], digits[day%32]}) }

func unstamp(s string) (day int, ok bool) {
	if len(s) != 2 {
		return 0, false
	}
	s = strings.ToUpper(s)
	high, low := strings.IndexByte(digits, s[0]), strings.IndexByte(digits, s[1])
	return high*32 + low, high >= 0 && low >= 0
}
