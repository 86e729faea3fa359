package lab

import (
	"slices"
	"strings"
	"time"

	"correio/services/internal/mailaddr"
	"correio/services/internal/text"
)

var (
	textLocal      = text.New("%q is not a local part in lower case", "%q não é uma parte local em minúsculas")
	textPassword   = text.New("%s has no password", "%s não tem senha")
	textLogin      = text.New("%s cannot log in: the name or the password is too long, or has characters that no login has (RFC 4013)", "%s não pode autenticar-se: o nome ou a senha é longo demais ou tem caracteres que nenhum login tem (RFC 4013)")
	textNoPeople   = text.New("mail for %s needs people", "o correio de %s precisa de pessoas")
	textPostmaster = text.New("%s needs an alias postmaster (RFC 5321 section 4.5.1)", "%s precisa de um alias postmaster (RFC 5321, seção 4.5.1)")
	textRange      = text.New("%q is %d; it must be from %d to %d", "%q é %d; deve ficar entre %d e %d")
	textOnlyMail   = text.New("%q is for sites that have a domain", "%q é para sites que têm domínio")
	textBetween    = text.New("%q is %s; it must be from %s to %s", "%q é %s; deve ficar entre %s e %s")
	textChunking   = text.New("BINARYMIME cannot do without CHUNKING (RFC 3030): set \"chunking\" as well", "BINARYMIME não existe sem CHUNKING (RFC 3030): ligue também \"chunking\"")
	textChoice     = text.New("%q is none of %s", "%q não é nenhum de %s")
	textBoth       = text.New("%s is both local and relayed", "%s é local e repassado ao mesmo tempo")
)

// useALabels writes the domains of mail as DNS has them. What is no U-label
// stays, and is refused by checkDomains.
func (o *Org) useALabels() {
	in := func(domain *string) {
		if a, err := mailaddr.ToASCII(*domain); err == nil && *domain == mailaddr.Fold(*domain) {
			*domain = a
		}
	}
	in(&o.Domain)
	for _, list := range [][]string{o.Domains, o.Relays} {
		for i := range list {
			in(&list[i])
		}
	}
}

func (r *report) checkDomains(s *site) {
	o := s.org
	if o.Domain != "" && !isName(o.Domain) {
		r.add(s.file(), s.doc.line("domain"), textName, o.Domain)
	}
	for _, list := range []struct {
		key   string
		names []string
	}{{"domains", o.Domains}, {"relays", o.Relays}} {
		for i, name := range list.names {
			switch {
			case !isName(name):
				r.add(s.file(), s.doc.line(list.key, i), textName, name)
			case name == o.Domain:
				r.add(s.file(), s.doc.line(list.key, i), textTwice, name, s.doc.line("domain"))
			case list.key == "relays" && slices.Contains(o.Domains, name):
				r.add(s.file(), s.doc.line(list.key, i), textBoth, name)
			}
		}
		r.duplicates(s, list.key, "", len(list.names), func(i int) string { return list.names[i] })
	}
	if o.Domain != "" || s.doc.given("domain") {
		return
	}
	for key, given := range map[string]bool{
		"domains": len(o.Domains) > 0, "relays": len(o.Relays) > 0,
		"smtp":   s.doc.given("smtp"),
		"people": len(o.People) > 0, "aliases": len(o.Aliases) > 0, "lists": len(o.Lists) > 0,
		"elsewhere": o.Elsewhere != "",
	} {
		if given {
			r.add(s.file(), s.doc.line(key), textOnlyMail, key)
		}
	}
}

func (r *report) checkPeople(s *site) {
	o := s.org
	for i, p := range o.People {
		r.warnReserved(s, p.Name, s.doc.line("people", i, "name"))
		switch {
		case p.Name == "":
			r.missing(s, "name", "people", i)
		case !isLocal(p.Name):
			r.add(s.file(), s.doc.line("people", i, "name"), textLocal, p.Name)
		case p.Password == "":
			r.add(s.file(), s.doc.line("people", i), textPassword, p.Name)
		case !canLogIn(p):
			r.add(s.file(), s.doc.line("people", i), textLogin, p.Name)
		}
		r.within(s, p.Quota, quotaLow, quotaHigh, "people", i, "quota")
	}
	r.duplicates(s, "people", "name", len(o.People), func(i int) string { return o.People[i].Name })
	r.checkAddresses(s)
	if o.Domain == "" {
		return
	}
	if len(o.People) == 0 {
		r.add(s.file(), s.doc.line("domain"), textNoPeople, o.Domain)
	}
	r.checkPostmaster(s)
}

// isPerson follows no alias, unlike Org.Person.
func isPerson(o *Org, name string) bool {
	return slices.ContainsFunc(o.People, func(p Person) bool { return p.Name == name })
}

// isLocal accepts names that need no quotes before the @, in lower case and NFC.
func isLocal(s string) bool {
	a, err := mailaddr.Parse(s + "@lab.test")
	return err == nil && a.Local == s && s == mailaddr.Fold(s) && !strings.ContainsAny(s, `" @`)
}

// Bounds of what a site may set, in the units of Limits.
const (
	quotaLow, quotaHigh           = 1 << 10, 1 << 40
	messageLow, messageHigh       = 1 << 10, 1 << 30
	headerLow, headerHigh         = 1 << 10, 16 << 20
	lineLow, lineHigh             = 512, 4096 // RFC 5321 §4.5.3.1.4
	recipientsLow, recipientsHigh = 1, 100_000
	connsLow, connsHigh           = 1, 100_000
	countLow, countHigh           = 1, 1_000_000
	idleLow, idleHigh             = time.Second, time.Hour
	greyLow, greyHigh             = time.Second, 24 * time.Hour
)

func (r *report) checkLimits(s *site) {
	l := s.org.Limits
	for _, c := range []struct {
		key          string
		v, low, high int64
	}{
		{"message-size", l.MessageSize, messageLow, messageHigh},
		{"header", l.Header, headerLow, headerHigh},
		{"line", int64(l.Line), lineLow, lineHigh},
		{"quota", l.Quota, quotaLow, quotaHigh},
		{"queue", l.Queue, quotaLow, quotaHigh},
		{"recipients", int64(l.Recipients), recipientsLow, recipientsHigh},
		{"connections", int64(l.Connections), connsLow, connsHigh},
		{"per-client", int64(l.PerClient), connsLow, connsHigh},
		{"commands", int64(l.Commands), countLow, countHigh},
		{"errors", int64(l.Errors), countLow, countHigh},
		{"refusals", int64(l.Refusals), countLow, countHigh},
		{"auth-failures", int64(l.AuthFailures), countLow, countHigh},
	} {
		r.within(s, c.v, c.low, c.high, "limits", c.key)
	}
	r.between(s, time.Duration(l.Idle), idleLow, idleHigh, "limits", "idle")
}

// checkSMTP reports choices that there are not, or that do not go together.
func (r *report) checkSMTP(s *site) {
	c := s.org.SMTP
	if c.BinaryMIME && !c.Chunking {
		r.add(s.file(), s.doc.line("smtp", "binarymime"), textChunking)
	}
	for i, m := range c.Auth {
		if !slices.Contains(AuthMechanisms, m) {
			r.add(s.file(), s.doc.line("smtp", "auth", i), textChoice, m, strings.Join(AuthMechanisms, ", "))
		}
	}
	if known := []string{string(OpportunisticTLS), string(EncryptedTLS), string(VerifiedTLS)}; !slices.Contains(known, string(c.Wanted())) {
		r.add(s.file(), s.doc.line("smtp", "tls"), textChoice, string(c.TLS), strings.Join(known, ", "))
	}
	if known := []string{string(RefuseBare), string(NormaliseBare), string(TrustBare)}; !slices.Contains(known, string(c.Bare())) {
		r.add(s.file(), s.doc.line("smtp", "line-ends"), textChoice, string(c.LineEnds), strings.Join(known, ", "))
	}
	if c.Greylist != 0 { // 0 is none
		r.between(s, time.Duration(c.Greylist), greyLow, greyHigh, "smtp", "greylist")
	}
}

// between is within for times.
func (r *report) between(s *site, v, low, high time.Duration, path ...any) {
	if (v != 0 || s.doc.zero(path...)) && (v < low || v > high) {
		r.add(s.file(), s.doc.line(path...), textBetween, path[len(path)-1], v, low, high)
	}
}

// within reports a value out of its range. One that was not given has none; a
// zero that was written does not mean the default.
func (r *report) within(s *site, v, low, high int64, path ...any) {
	if (v != 0 || s.doc.zero(path...)) && (v < low || v > high) {
		r.add(s.file(), s.doc.line(path...), textRange, path[len(path)-1], v, low, high)
	}
}
