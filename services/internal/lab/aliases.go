package lab

import (
	"maps"
	"slices"
	"strings"

	"correio/services/internal/mailaddr"
	"correio/services/internal/text"
)

// Targets are whom mail is for: local parts of the site (a person's, an alias's,
// a list's) and addresses of other organisations, one (`postmaster: alice`) or
// more (`todos: [ana, alice]`). Each may lead to others in turn.
type Targets []string

// List is a mailing list: an alias whose mail goes out in the list's own name.
// Reports about it come to the owner, at Address followed by OwnerSuffix, and
// not to whoever has written (RFC 5321 §3.9.2).
type List struct {
	Address string  `yaml:"address"` // the local part
	Title   string  `yaml:"title,omitempty"`
	Owner   string  `yaml:"owner"` // a person of the site, or an alias of one
	Members Targets `yaml:"members"`
}

// OwnerSuffix makes the local part of a list's owner from the list's.
const OwnerSuffix = "-owner"

// Bounds of what may be behind one address.
const (
	MaxNesting = 10  // aliases and lists on the way to a mailbox
	MaxReached = 500 // mailboxes, counted as often as they are reached
)

// List returns the list whose local part it is.
func (o *Org) List(local string) (List, bool) {
	name := mailaddr.Fold(local)
	i := slices.IndexFunc(o.Lists, func(l List) bool { return l.Address == name })
	if i < 0 {
		return List{}, false
	}
	return o.Lists[i], true
}

// Behind returns whom a local part stands for when it is an alias, a list, or a
// list's owner.
func (o *Org) Behind(local string) (to Targets, ok bool) {
	name := mailaddr.Fold(local)
	if to, ok = o.Aliases[name]; ok {
		return to, true
	}
	if l, ok := o.List(name); ok {
		return l.Members, true
	}
	if of, ok := strings.CutSuffix(name, OwnerSuffix); ok {
		if l, ok := o.List(of); ok {
			return Targets{l.Owner}, true
		}
	}
	return nil, false
}

// Person returns the person whom a local part means: their own, or an alias that
// leads to nobody else, by as many others as there are. Local parts of the lab's
// own people are compared by mailaddr.Fold, without regard to case (RFC 5321 §2.4
// leaves that to the receiving host).
func (o *Org) Person(local string) (Person, bool) {
	name := mailaddr.Fold(local)
	for range MaxNesting + 1 {
		if i := slices.IndexFunc(o.People, func(p Person) bool { return p.Name == name }); i >= 0 {
			return o.People[i], true
		}
		to, ok := o.Behind(name)
		if _, list := o.List(name); !ok || list || len(to) != 1 {
			break
		}
		name = to[0]
	}
	return Person{}, false
}

// Expands reports whether mail for a local part goes on to several mailboxes, to
// another organisation, or to the members of a list. An alias of one person does
// not: the mailbox has two names then.
func (o *Org) Expands(local string) bool {
	if _, ok := o.Behind(local); !ok {
		return false
	}
	_, person := o.Person(local)
	return !person
}

var (
	textNobody    = text.New("the alias %s is for %s, who is not among the people", "o alias %s é para %s, que não está entre as pessoas")
	textMember    = text.New("the list %s has the member %s, who is not among the people", "a lista %s tem o membro %s, que não está entre as pessoas")
	textPersonToo = text.New("%s is a person and cannot be an alias", "%s é uma pessoa e não pode ser um alias")
	textAliasToo  = text.New("%s is an alias already (line %d)", "%s já é um alias (linha %d)")
	textListToo   = text.New("%s is a list already (line %d)", "%s já é uma lista (linha %d)")
	textNoTargets = text.New("%s is for nobody", "%s não é para ninguém")
	textOwnDomain = text.New("%s is an address of this site; write its local part alone", "%s é um endereço deste site; escreva só a parte local")
	textGoesRound = text.New("mail for %s goes round in circles: %s", "o correio para %s anda em círculos: %s")
	textNested    = text.New("mail for %s passes more than %d aliases", "o correio para %s passa por mais de %d aliases")
	textReached   = text.New("mail for %s reaches more than %d mailboxes", "o correio para %s alcança mais de %d caixas postais")
	textToOne     = text.New("%s must lead to one person of this site: what nobody else could be told ends there", "%s deve levar a uma pessoa deste site: é onde termina o que não se pode dizer a mais ninguém")
	textListName  = text.New("%q cannot be a list: its name goes into List-Id (RFC 2919), which has letters, digits, hyphens and dots", "%q não pode ser uma lista: o nome vai no List-Id (RFC 2919), que tem letras, dígitos, hífens e pontos")
	textOwnerLong = text.New("%q cannot be a list: reports go to %s, which has more than %d octets", "%q não pode ser uma lista: os relatórios vão para %s, que tem mais de %d octetos")
	textOwner     = text.New("the owner of %s is %s, who is not a person of this site", "o dono de %s é %s, que não é uma pessoa deste site")
)

// checkAddresses looks at what is behind aliases and lists. Circles by way of
// other organisations are not seen here; they are stopped when they happen.
func (r *report) checkAddresses(s *site) {
	o := s.org
	for _, alias := range slices.Sorted(maps.Keys(o.Aliases)) {
		line := s.doc.line("aliases", alias)
		r.warnReserved(s, alias, line)
		switch {
		case !isLocal(alias):
			r.add(s.file(), line, textLocal, alias)
		case isPerson(o, alias):
			r.add(s.file(), line, textPersonToo, alias)
		default:
			r.checkTargetsOf(s, alias, textNobody, o.Aliases[alias], "aliases", alias)
		}
	}
	r.duplicates(s, "lists", "address", len(o.Lists), func(i int) string { return o.Lists[i].Address })
	for i, l := range o.Lists {
		r.checkList(s, i, l)
	}
}

func (r *report) checkList(s *site, i int, l List) {
	at := func(key string) int { return s.doc.line("lists", i, key) }
	for _, key := range []string{"address", "owner", "members"} {
		r.missing(s, key, "lists", i)
	}
	if l.Address == "" {
		return
	}
	// RFC 2919 §3: a list-label is a dot-atom-text; and no more than hosts have.
	if !isName(l.Address) || !isLocal(l.Address) {
		r.add(s.file(), at("address"), textListName, l.Address)
		return
	}
	r.warnReserved(s, l.Address, at("address"))
	owner := l.Address + OwnerSuffix
	if len(owner) > mailaddr.MaxLocal {
		r.add(s.file(), at("address"), textOwnerLong, l.Address, owner, mailaddr.MaxLocal)
	}
	if i := slices.IndexFunc(s.org.Lists, func(l List) bool { return l.Address == owner }); i >= 0 {
		r.add(s.file(), at("address"), textListToo, owner, s.doc.line("lists", i, "address"))
	}
	for _, name := range []string{l.Address, owner} {
		if _, dup := s.org.Aliases[name]; dup {
			r.add(s.file(), at("address"), textAliasToo, name, s.doc.line("aliases", name))
		}
		if isPerson(s.org, name) {
			r.add(s.file(), at("address"), textPersonToo, name)
		}
	}
	if _, ok := s.org.Person(l.Owner); !ok && l.Owner != "" {
		r.add(s.file(), at("owner"), textOwner, l.Address, l.Owner)
	}
	if l.Members != nil {
		r.checkTargetsOf(s, l.Address, textMember, l.Members, "lists", i, "members")
	}
}

// checkTargetsOf looks at what is right behind a name, and then at all of it.
func (r *report) checkTargetsOf(s *site, name string, nobody text.Text, to Targets, path ...any) {
	before := len(r.faults)
	if len(to) == 0 {
		r.add(s.file(), s.doc.line(path...), textNoTargets, name)
	}
	for i, target := range to {
		line := s.doc.line(append(slices.Clone(path), i)...)
		_, alias := s.org.Behind(target)
		switch a, err := mailaddr.Parse(target); {
		case slices.Index(to, target) < i:
			first := s.doc.line(append(slices.Clone(path), slices.Index(to, target))...)
			r.add(s.file(), line, textTwice, target, first)
		case isPerson(s.org, target) || alias && target == mailaddr.Fold(target):
		case err != nil || a.Domain == "":
			r.add(s.file(), line, nobody, name, target)
		case s.org.Local(a.ALabels().Domain):
			r.add(s.file(), line, textOwnDomain, target)
		}
	}
	if len(r.faults) == before {
		r.checkReach(s, name, s.doc.line(path...))
	}
}

// checkReach walks along everything that is behind a name.
func (r *report) checkReach(s *site, name string, line int) {
	reached, visits := 0, 0
	var walk func(at string, way []string) *text.Error
	walk = func(at string, way []string) *text.Error {
		to, ok := s.org.Behind(at)
		mailbox := !ok || isPerson(s.org, at)
		if mailbox {
			reached++
		}
		switch visits++; {
		case reached > MaxReached || visits > MaxReached*MaxNesting:
			return text.Errorf(textReached, name, MaxReached)
		case mailbox:
			return nil
		case slices.Contains(way, at):
			return text.Errorf(textGoesRound, name, strings.Join(append(way, at), " → "))
		case len(way) == MaxNesting:
			return text.Errorf(textNested, name, MaxNesting)
		}
		for _, target := range to {
			if err := walk(target, append(slices.Clip(way), at)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(name, nil); err != nil {
		r.faults = append(r.faults, Fault{File: s.file(), Line: line, Err: err})
	}
}

// checkPostmaster: RFC 5321 §4.5.1, any system that receives mail MUST support
// postmaster.
func (r *report) checkPostmaster(s *site) {
	const name = "postmaster"
	_, person := s.org.Person(name)
	_, alias := s.org.Behind(name)
	line := s.doc.line("aliases", name)
	faulty := slices.ContainsFunc(r.faults, func(f Fault) bool { return f.File == s.file() && f.Line == line })
	switch {
	case person:
	case !alias:
		r.add(s.file(), s.doc.line("aliases"), textPostmaster, s.org.Domain)
	case !faulty:
		r.add(s.file(), line, textToOne, name)
	}
}
