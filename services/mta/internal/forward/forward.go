// Package forward finds out who is behind an alias or a list, and writes what a
// message needs to go on to them: pure functions over org.yaml's model.
//
//	expand.go  the recipients behind a local part
//	list.go    the header fields of a mailing list
//	srs.go     the envelope sender of mail that goes on to another organisation
//	report.go  whom a report about a sender's mail goes to
//
// Every MTA of a site expands the addresses of the site's own domains when it
// accepts a message, a backup as well: each knows the same org.yaml, and whoever
// is behind an alias elsewhere need not wait until the primary is back. What is
// for mailboxes here still waits for it.
//
// Circles inside one org.yaml are refused when it is loaded. Those by way of
// other organisations are found out when the message comes back: whatever goes
// on carries a Delivered-To with the address that it was expanded from, and an
// address does not expand a message that carries its own.
package forward

import (
	"slices"

	"correio/services/internal/dsn"
	"correio/services/internal/mailaddr"
)

// Same reports whether two addresses are one for the host that has the mailbox.
func Same(a, b mailaddr.Address) bool {
	return mailaddr.SameDomain(a.Domain, b.Domain) && mailaddr.Fold(a.Local) == mailaddr.Fold(b.Local)
}

// DeliveredTo is the value of the field for an address that was expanded. It is
// in 7 bits, as RFC 6533 §3 has them: in UTF-8 it would keep the message from
// hosts without SMTPUTF8 (RFC 6531 §3.2).
func DeliveredTo(at mailaddr.Address) string {
	if at = at.ALabels(); !at.ASCII() {
		at.Local = dsn.Embed(mailaddr.Fold(at.Local))
	}
	return at.String()
}

// Been reports whether one of a message's Delivered-To fields has the address.
func Been(deliveredTo []string, at mailaddr.Address) bool {
	own := mailaddr.Fold(DeliveredTo(at))
	return slices.ContainsFunc(deliveredTo, func(value string) bool {
		a, err := mailaddr.Parse(value)
		return err == nil && Same(a, at) || mailaddr.Fold(value) == own
	})
}
