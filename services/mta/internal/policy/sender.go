package policy

import (
	"context"

	"correio/services/internal/dnsclient"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
)

// DNS answers questions about the domains of senders; *dnsclient.Client does.
type DNS interface {
	LookupMX(ctx context.Context, domain string) dnsclient.Answer
	LookupAddrs(ctx context.Context, host string) dnsclient.Addrs
}

// checkSenderDomain refuses a reverse-path that no report could be sent to, where
// the site wants that (smtp.check-sender-domain): the domain does not exist, has
// neither a mail host nor an address, or takes no mail (RFC 7505 §4.2). While DNS
// cannot tell, it says 451. The null reverse-path, our own domains and people who
// have logged in are not asked about.
func (s *session) checkSenderDomain(ctx context.Context, from mailaddr.Address) error {
	if !s.cfg.Org.SMTP.CheckSenderDomain || s.cfg.Submission || from.Null() {
		return nil
	}
	domain := from.ALabels().Domain
	if _, literal := from.Literal(); literal || s.cfg.Org.Local(domain) {
		return nil
	}
	dns := s.cfg.DNS(s.queue)
	mx := dns.LookupMX(ctx, domain)
	status, err := mx.Status, mx.Err
	if status == dnsclient.NoData {
		addrs := dns.LookupAddrs(ctx, domain)
		status, err = addrs.Status, addrs.Err
	}
	switch status {
	case dnsclient.Found:
		if mx.NullMX() {
			return s.refuse(Sender, reply.Newf(550, "5.7.27", "%s: the sender's domain takes no mail (null MX)", from.Path()), nil)
		}
		return nil
	case dnsclient.NXDomain, dnsclient.NoData:
		return s.refuse(Sender, reply.Newf(550, "5.1.8", "%s: the sender's domain has no mail host", from.Path()), nil)
	}
	return s.refuse(Sender, reply.Newf(451, "4.4.3", "%s: DNS cannot tell about the sender's domain; try again later", from.Path()), err)
}
