package zone

import (
	"slices"

	"github.com/miekg/dns"
)

// maxChain bounds the CNAMEs that one answer follows; whoever asks follows the
// rest by asking for the last target.
const maxChain = 16

// Answer is what a zone has to say to a question.
type Answer struct {
	Rcode int // NOERROR, NXDOMAIN or YXDOMAIN
	// Authoritative is false for a referral alone.
	Authoritative bool
	// Answer holds the records asked for, after the CNAMEs that led to them.
	// Authority holds the SOA of a negative answer, or the NS records of a
	// referral.
	Answer, Authority []dns.RR
	// Referral is the zone cut that the question leads to, "" when none: its
	// addresses are glue, which the zone has by Glue.
	Referral string
}

// Lookup answers the question for the records of type qtype at qname, which
// must be in the zone. Owner names keep the case of the question.
func (z *Zone) Lookup(qname string, qtype uint16) Answer {
	a := Answer{Authoritative: true}
	var seen []string
	for name := qname; ; {
		key := Canonical(name)
		seen = append(seen, key)
		next := z.step(&a, name, key, qtype)
		if next == "" {
			return a
		}
		key = Canonical(next)
		if !dns.IsSubDomain(z.Origin, key) || slices.Contains(seen, key) || len(seen) > maxChain {
			return a
		}
		name = next
	}
}

// step answers for one name of a chain and returns the next, "" at its end.
func (z *Zone) step(a *Answer, name, key string, qtype uint16) string {
	n := z.nodes[key]
	if n != nil {
		return z.at(a, n, name, qtype)
	}
	encloser := z.encloser(key)
	if encloser.cut != nil {
		return z.refer(a, encloser.cut)
	}
	if d := dnameOf(encloser); d != nil {
		return z.substitute(a, d, name)
	}
	// RFC 4592 §3.3.1: the wildcard is the one right below the closest encloser.
	if wild := z.nodes[child("*", encloser.name)]; wild != nil {
		return z.at(a, wild, name, qtype)
	}
	a.Rcode = dns.RcodeNameError
	a.Authority = z.negative
	return ""
}

// encloser returns the node of the longest existing name above key.
func (z *Zone) encloser(key string) *node {
	for key != z.Origin {
		key = Parent(key)
		if n := z.nodes[key]; n != nil {
			return n
		}
	}
	return z.nodes[z.Origin]
}

// dnameOf returns the node whose DNAME stands for every name below n.
func dnameOf(n *node) *node {
	if n.dname != nil {
		return n.dname
	}
	if n.set(dns.TypeDNAME) != nil {
		return n
	}
	return nil
}

// at answers from a node, for its own name or, from a wildcard, for another.
func (z *Zone) at(a *Answer, n *node, name string, qtype uint16) string {
	if n.cut != nil && !(n.cut == n && qtype == dns.TypeDS) {
		return z.refer(a, n.cut)
	}
	if n.dname != nil {
		return z.substitute(a, n.dname, name)
	}
	set := n.set(qtype)
	if qtype == dns.TypeANY && len(n.sets) > 0 {
		set = n.sets[0] // RFC 8482 §4.1: one set
	}
	if set != nil {
		a.Answer = append(a.Answer, owned(set.RRs, name)...)
		return ""
	}
	if alias := n.set(dns.TypeCNAME); alias != nil {
		a.Answer = append(a.Answer, owned(alias.RRs, name)...)
		return alias.RRs[0].(*dns.CNAME).Target
	}
	a.Authority = z.negative // NODATA
	return ""
}

// refer ends a chain at a zone cut.
func (z *Zone) refer(a *Answer, cut *node) string {
	// RFC 1034 §4.3.1: after a CNAME the answer is still ours.
	a.Authoritative = len(a.Answer) > 0
	a.Authority = cut.set(dns.TypeNS).RRs
	a.Referral = cut.name
	return ""
}

// substitute answers from a DNAME above name: the record itself, and a CNAME
// made from it (RFC 6672 §3.1).
func (z *Zone) substitute(a *Answer, d *node, name string) string {
	dname := d.set(dns.TypeDNAME).RRs[0].(*dns.DNAME)
	target := name[:len(name)-len(d.name)] // ends in a dot
	if dname.Target != "." {
		target += dname.Target
	}
	a.Answer = append(a.Answer, dname)
	if _, ok := dns.IsDomainName(target); !ok {
		a.Rcode = dns.RcodeYXDomain // RFC 6672 §2.2: it would be too long
		return ""
	}
	a.Answer = append(a.Answer, &dns.CNAME{
		Hdr:    dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: dname.Hdr.Ttl},
		Target: target,
	})
	return target
}

// owned returns records whose owner is written like name; they are copies
// unless the zone writes it so, too.
func owned(rrs []dns.RR, name string) []dns.RR {
	if rrs[0].Header().Name == name {
		return rrs
	}
	list := make([]dns.RR, len(rrs))
	for i, rr := range rrs {
		list[i] = dns.Copy(rr)
		list[i].Header().Name = name
	}
	return list
}

func child(label, name string) string {
	if name == "." {
		return label + "."
	}
	return label + "." + name
}

// Addresses returns the A and AAAA records that the zone has for a host with
// authority; nil when the host is not the zone's.
func (z *Zone) Addresses(host string) []dns.RR {
	if n := z.nodes[Canonical(host)]; n != nil && n.cut == nil && n.dname == nil {
		return n.addresses()
	}
	return nil
}

// Glue returns the A and AAAA records that the zone has for a host at or below
// one of its cuts.
func (z *Zone) Glue(host string) []dns.RR {
	if n := z.nodes[Canonical(host)]; n != nil && n.cut != nil {
		return n.addresses()
	}
	return nil
}

func (n *node) addresses() []dns.RR {
	var list []dns.RR
	for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if s := n.set(t); s != nil {
			list = append(list, s.RRs...)
		}
	}
	return list
}
