package policy

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"correio/services/internal/dnsclient"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
)

// fakeDNS knows some domains by name and fails for all others.
type fakeDNS struct{ asked *[]string }

func (f fakeDNS) LookupMX(_ context.Context, domain string) dnsclient.Answer {
	*f.asked = append(*f.asked, domain)
	mx := func(host string) dnsclient.Answer {
		return dnsclient.Answer{Status: dnsclient.Found, Records: []dns.RR{&dns.MX{Mx: host}}}
	}
	switch domain {
	case "aurora.test", "xn--caf-dma.test":
		return mx("mx1.aurora.test.")
	case "nullmx.test":
		return mx(".")
	case "nx.test":
		return dnsclient.Answer{Status: dnsclient.NXDomain}
	case "implicit.test", "nomail.test", "silent.test":
		return dnsclient.Answer{Status: dnsclient.NoData}
	}
	return dnsclient.Answer{Status: dnsclient.Failed, Err: errors.New("SERVFAIL")}
}

func (f fakeDNS) LookupAddrs(_ context.Context, host string) dnsclient.Addrs {
	switch host {
	case "implicit.test":
		return dnsclient.Addrs{Status: dnsclient.Found, List: []netip.Addr{netip.MustParseAddr("198.18.1.25")}}
	case "nomail.test":
		return dnsclient.Addrs{Status: dnsclient.NoData}
	}
	return dnsclient.Addrs{Status: dnsclient.Failed, Err: errors.New("SERVFAIL")}
}

func TestSenderDomainIsChecked(t *testing.T) {
	const asked = "asked"
	for _, test := range []struct{ name, from, want, dns string }{
		{"a domain with a mail host", "ana@aurora.test", "", asked},
		{"one in U-labels", "ana@café.test", "", asked},
		{"one with an address alone", "ana@implicit.test", "", asked},
		{"null MX, RFC 7505 §4.2", "ana@nullmx.test", "550 5.7.27", asked},
		{"no such domain", "ana@nx.test", "550 5.1.8", asked},
		{"no mail host and no address", "ana@nomail.test", "550 5.1.8", asked},
		{"DNS fails", "ana@servfail.test", "451 4.4.3", asked},
		{"DNS fails about the address", "ana@silent.test", "451 4.4.3", asked},
		{"the null reverse-path", "", "", ""},
		{"our own domain", "bruno@boreal.test", "", ""},
		{"another one of ours", "bruno@cname.casos.test", "", ""},
		{"an address literal", "ana@[198.18.1.25]", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, where := range []struct {
				name              string
				check, submission bool
			}{{"port 25", true, false}, {"submission", true, true}, {"not wanted", false, false}} {
				var questions []string
				s, rejected := open(t, func(c *Config) {
					c.Submission, c.Org.SMTP.CheckSenderDomain = where.submission, where.check
					c.DNS = func(string) DNS { return fakeDNS{&questions} }
				})
				_, err := s.Mail(t.Context(), &smtpd.Transaction{From: address(t, test.from)})
				if where.submission || !where.check {
					if len(questions) > 0 {
						t.Errorf("%s: DNS was asked about %v", where.name, questions)
					}
					continue
				}
				got := ""
				if err != nil {
					r := reply.Of(err)
					got = r.String()[:len("451 ")] + r.Enhanced.String()
				}
				if got != test.want || rejected[Sender] > 0 != (got != "") || len(questions) > 0 != (test.dns == asked) {
					t.Errorf("%q, want %q; rejected %v, DNS was asked about %v", got, test.want, rejected, questions)
				}
			}
		})
	}
}
