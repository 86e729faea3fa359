package forward

import (
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
)

// Copy is one recipient behind an address.
type Copy struct {
	To   mailaddr.Address // with its domain in A-labels
	List string           // the list whose member it is, the innermost; "" for none
}

// Expand returns whom a local part of one of the site's domains stands for, each
// once, in the order of org.yaml. An address that does not expand stands for
// nobody else: nil.
func Expand(org *lab.Org, local, domain string) []Copy {
	return expand(expansion{org: org, domain: domain}, local)
}

// WithoutLists is Expand for a message without a sender, as reports are: lists
// are left out. In a list's name it could be reported about, and go in circles.
func WithoutLists(org *lab.Org, local, domain string) []Copy {
	return expand(expansion{org: org, domain: domain, noLists: true}, local)
}

func expand(e expansion, local string) []Copy {
	if !e.org.Expands(local) {
		return nil
	}
	e.names, e.taken = map[name]bool{}, map[mailaddr.Address]bool{}
	e.name(mailaddr.Fold(local), "")
	return e.copies
}

// expansion collects copies. That no name is looked at twice for the same list
// ends it, whatever org.yaml says.
type expansion struct {
	org     *lab.Org
	domain  string
	noLists bool
	copies  []Copy
	names   map[name]bool
	taken   map[mailaddr.Address]bool
}

type name struct{ local, list string }

// name goes through what is behind a local part.
func (e *expansion) name(local, list string) {
	if e.names[name{local, list}] {
		return
	}
	e.names[name{local, list}] = true
	if l, ok := e.org.List(local); ok {
		if e.noLists {
			return
		}
		list = l.Address
	}
	to, _ := e.org.Behind(local)
	for _, target := range to {
		if p, ok := e.org.Person(target); ok {
			e.take(mailaddr.Address{Local: p.Name, Domain: e.domain}, list)
		} else if a, err := mailaddr.Parse(target); err == nil && a.Domain != "" {
			e.take(a.ALabels(), list)
		} else {
			e.name(target, list)
		}
	}
}

// take adds a recipient who has no copy yet.
func (e *expansion) take(to mailaddr.Address, list string) {
	if !e.taken[to] && len(e.copies) < lab.MaxReached {
		e.taken[to] = true
		e.copies = append(e.copies, Copy{to, list})
	}
}

// QueuedFor is where mail for a reserved name goes when it is accepted.
func QueuedFor(org *lab.Org, name lab.Reserved, domain string) mailaddr.Address {
	if name == lab.Forwarded || name == lab.Moved {
		if a, err := mailaddr.Parse(org.Elsewhere); err == nil {
			return a.ALabels()
		}
	}
	return mailaddr.Address{Local: "postmaster", Domain: domain}
}
