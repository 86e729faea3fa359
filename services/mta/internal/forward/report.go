package forward

import (
	"slices"
	"time"

	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
)

// accepting are the reserved names that take mail in the end.
var accepting = []lab.Reserved{lab.Forwarded, lab.Slow, lab.Grey}

// ReportTo returns where a report about mail from a sender goes: the address that it
// is for (see ReturnTo), and who gets it, which are others when the site has an alias
// of that name. Nobody else expands it, as what we write does not come in by port 25.
// Nobody is told by way of a list, whose mail is for its members; where there is
// nothing else behind the name, its owner is told.
//
// A report that goes on has the null reverse-path, so that none is ever made about
// it, whoever is behind an address.
func (s *SRS) ReportTo(from mailaddr.Address, now time.Time) (to mailaddr.Address, rcpts []mailaddr.Address) {
	to = s.ReturnTo(from, now)
	if !s.org.Local(to.Domain) || to.Postmaster() { // RFC 5321 §4.5.1: postmaster has a mailbox
		return to, []mailaddr.Address{to}
	}
	if name, ok := s.org.Reserved(to.Local); ok && slices.Contains(accepting, name) {
		return to, []mailaddr.Address{QueuedFor(s.org, name, to.Domain)}
	}
	for _, c := range WithoutLists(s.org, to.Local, to.Domain) {
		rcpts = append(rcpts, c.To)
	}
	if rcpts != nil {
		return to, rcpts
	}
	for _, c := range Expand(s.org, to.Local, to.Domain) {
		if owner := Owner(c.List, to.Domain); !slices.Contains(rcpts, owner) {
			rcpts = append(rcpts, owner)
		}
	}
	if rcpts == nil {
		rcpts = []mailaddr.Address{to}
	}
	return to, rcpts
}
