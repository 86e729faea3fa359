package policy

import (
	"correio/services/internal/dsn"
	"correio/services/internal/mailaddr"
	"correio/services/internal/smtpd"
)

// originalRecipient is the ORCPT that a recipient is queued with. One that came
// is kept. Where the message goes on under another name than RCPT said, as from
// an alias or to another organisation, that name is added: RFC 3461 §5.2.1 (e)
// allows it, and the sender of a forwarded message knows no other. The rest of
// what the sender wants to hear goes on as it came, and no report is made of the
// forwarding itself (§5.2.7.2: an alias with one address behind it).
func originalRecipient(r smtpd.Recipient, to mailaddr.Address) string {
	if r.ORcpt != "" || to == r.To || r.To.Domain == "" {
		return r.ORcpt
	}
	return dsn.Original(r.To)
}
