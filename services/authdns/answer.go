package authdns

import (
	"context"
	"strings"

	"github.com/miekg/dns"

	"correio/services/authdns/internal/zone"
	"correio/services/internal/dnsserver"
)

// Answer implements dnsserver.Handler.
func (n *Node) Answer(_ context.Context, r *dnsserver.Request) *dns.Msg {
	return n.zones.Load().answer(r.Msg)
}

// answer is the whole of what the server says to a question.
func (s *set) answer(query *dns.Msg) *dns.Msg {
	q := query.Question[0]
	m := new(dns.Msg).SetReply(query)
	switch q.Qtype {
	case dns.TypeAXFR, dns.TypeIXFR:
		return refuse(m, dns.RcodeRefused, dns.ExtendedErrorCodeProhibited, "no zone transfers")
	case dns.TypeMAILA, dns.TypeMAILB:
		return refuse(m, dns.RcodeNotImplemented, dns.ExtendedErrorCodeNotSupported, "")
	}
	e, ok := s.find(q.Name, q.Qtype)
	switch {
	case !ok:
		return refuse(m, dns.RcodeRefused, dns.ExtendedErrorCodeNotAuthoritative, "")
	case e.zone == nil:
		return refuse(m, dns.RcodeServerFailure, dns.ExtendedErrorCodeNotReady, "the zone is not loaded")
	}
	a := e.zone.Lookup(q.Name, q.Qtype)
	m.Rcode, m.Authoritative = a.Rcode, a.Authoritative
	m.Answer, m.Ns = a.Answer, a.Authority
	m.Extra = s.additional(e.zone, a)
	return m
}

// refuse answers with a code and its reason (RFC 8914).
func refuse(m *dns.Msg, rcode int, code uint16, text string) *dns.Msg {
	m.Rcode = rcode
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: code, ExtraText: text}}
	m.Extra = []dns.RR{opt}
	return m
}

// additional returns the addresses of the hosts that an answer names, as far as
// the server has them (RFC 1034 §4.3.2 step 6), each host once.
func (s *set) additional(z *zone.Zone, a zone.Answer) []dns.RR {
	var extra []dns.RR
	var done []string
	add := func(host string, glue bool) {
		for _, d := range done {
			if strings.EqualFold(d, host) {
				return
			}
		}
		done = append(done, host)
		list := s.addresses(host)
		if glue && len(list) == 0 {
			list = z.Glue(host)
		}
		extra = append(extra, list...)
	}
	if a.Referral != "" {
		for _, rr := range a.Authority {
			if ns, ok := rr.(*dns.NS); ok {
				add(ns.Ns, true)
			}
		}
		return extra
	}
	for _, rr := range a.Answer {
		if host := target(rr); host != "" {
			// The root's own servers may be known by glue alone (RFC 8109).
			add(host, rr.Header().Rrtype == dns.TypeNS)
		}
	}
	return extra
}

// target returns the host that a record sends its reader to, "" for none.
func target(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.MX:
		return rr.Mx
	case *dns.NS:
		return rr.Ns
	case *dns.SRV:
		return rr.Target
	}
	return ""
}
