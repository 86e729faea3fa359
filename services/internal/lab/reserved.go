package lab

import (
	"correio/services/internal/mailaddr"
	"correio/services/internal/text"
)

// Reserved is a local part with a meaning of its own at every organisation: a
// name that answers as mailboxes in trouble do, so that every reply of SMTP can
// be had on purpose.
//
// The table below is the only place where the names are. The MTA acts on them
// (package policy of services/mta): it is the host that the world speaks with,
// and the MDA never hears of them. An organisation's own people and aliases win
// over a reserved name, and neither minds the case of letters. Where Moved and
// Forwarded point to is what org.yaml says as "elsewhere"; without it these two
// are ordinary names. Mail that is accepted for Slow and Grey is postmaster's.
type Reserved string

// The reserved local parts (behaviour.md §1), besides postmaster and abuse,
// which are people's.
const (
	Full        Reserved = "cheio"
	Busy        Reserved = "ocupado"
	Moved       Reserved = "mudou"
	Forwarded   Reserved = "encaminha"
	Slow        Reserved = "lento"
	Grey        Reserved = "cinza"
	RefusesData Reserved = "rejeita-dados"
	Faulty      Reserved = "erro"
)

// ReservedParts lists the reserved local parts with what they do.
var ReservedParts = []struct {
	Local Reserved
	Does  text.Text
}{
	{Full, text.New("452 4.2.2: the mailbox is full", "452 4.2.2: a caixa está cheia")},
	{Busy, text.New("450 4.2.1: the mailbox is busy", "450 4.2.1: a caixa está ocupada")},
	{Moved, text.New("551 5.1.6: has moved to an address elsewhere", "551 5.1.6: mudou-se para outro endereço")},
	{Forwarded, text.New("251 2.1.5: is forwarded to an address elsewhere", "251 2.1.5: é encaminhado a outro endereço")},
	{Slow, text.New("250, ten seconds late", "250, com dez segundos de atraso")},
	{Grey, text.New("450 4.7.1 at first (greylisting), 250 after five seconds", "450 4.7.1 na primeira vez (lista cinza), 250 após cinco segundos")},
	{RefusesData, text.New("250, then 554 5.7.1 behind the message", "250, e 554 5.7.1 depois da mensagem")},
	{Faulty, text.New("451 4.3.0: an error of the server", "451 4.3.0: um erro do servidor")},
}

// reserved looks a name up without regard to case.
func reserved(local string) (Reserved, bool) {
	name := Reserved(mailaddr.Fold(local))
	for _, r := range ReservedParts {
		if r.Local == name {
			return name, true
		}
	}
	return "", false
}

// Reserved returns the reserved name that a local part is at this site.
func (o *Org) Reserved(local string) (Reserved, bool) {
	name, ok := reserved(local)
	_, alias := o.Behind(local)
	if !ok || alias || isPerson(o, mailaddr.Fold(local)) || o.Domain == "" {
		return "", false
	}
	if (name == Moved || name == Forwarded) && o.Elsewhere == "" {
		return "", false
	}
	return name, true
}

var (
	textElsewhere = text.New("%q is not a mail address", "%q não é um endereço de correio")
	textNotThere  = text.New("%s is an address of this site; %q wants another organisation's", "%s é um endereço deste site; %q pede o de outra organização")
	textInstead   = text.New("%s is a reserved local part (%s); here it is this one, and does not answer so", "%s é uma parte local reservada (%s); aqui é esta, e não responde assim")
	textCircle    = text.New("%s is a reserved name itself; mail would go round in circles", "%s é também um nome reservado; o correio andaria em círculos")
)

// warnReserved tells that a person, an alias or a list takes a reserved name.
func (r *report) warnReserved(s *site, local string, line int) {
	name, ok := reserved(local)
	if !ok || s.org.Domain == "" || (name == Moved || name == Forwarded) && s.org.Elsewhere == "" {
		return
	}
	for _, p := range ReservedParts {
		if p.Local == name {
			r.warn(s.file(), line, textInstead, local, word(p.Does))
		}
	}
}

// checkElsewhere keeps forwarded mail from coming back.
func (r *report) checkElsewhere(s *site) {
	to := s.org.Elsewhere
	if to == "" {
		return
	}
	line := s.doc.line("elsewhere")
	a, err := mailaddr.Parse(to)
	if err != nil || a.Domain == "" {
		r.add(s.file(), line, textElsewhere, to)
		return
	}
	if s.org.Local(a.Domain) {
		r.add(s.file(), line, textNotThere, to, "elsewhere")
	}
	if _, ok := reserved(a.Local); ok {
		r.add(s.file(), line, textCircle, to)
	}
}
