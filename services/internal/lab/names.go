package lab

import (
	"net/netip"

	"github.com/miekg/dns"

	"correio/services/internal/zonefile"
)

// names answers questions from the zones of a lab, as its resolvers would.
type names struct{ zones map[string]*zone }

// maxChain bounds how many aliases are followed.
const maxChain = 8

func newNames(zones []*zone) *names {
	n := &names{zones: map[string]*zone{}}
	for _, z := range zones {
		n.zones[z.origin] = z
	}
	return n
}

// of returns the zone that answers for a name, and nil when that cannot be known:
// it is not among the zones that were read.
func (n *names) of(name string) *zone {
	for at := name; ; at = parent(at) {
		if z := n.zones[at]; z != nil {
			if z.data == nil || z.cut(name) != "" {
				return nil
			}
			return z
		}
		if at == "." {
			return nil
		}
	}
}

// at returns the records of a name, itself or by a wildcard, and whether that is
// known. A name that exists only above others has none.
func (n *names) at(name string) (records []zonefile.Record, known bool) {
	z := n.of(name)
	if z == nil {
		return nil, false
	}
	if z.exists[name] {
		return z.data[name], true
	}
	up := parent(name)
	for !z.exists[up] {
		up = parent(up)
	}
	return z.data["*."+up], true // RFC 4592 §3.3.1: of the closest encloser alone
}

// addresses follows a name to its addresses. alias tells that an alias led there.
func (n *names) addresses(name string) (addrs []netip.Addr, alias, known bool) {
	for range maxChain {
		records, ok := n.at(name)
		if !ok {
			return nil, alias, false
		}
		next := ""
		for _, rec := range records {
			if a, ok := addressOf(rec.RR); ok {
				addrs = append(addrs, a)
			}
			if c, ok := rec.RR.(*dns.CNAME); ok {
				next = fqdn(c.Target)
			}
		}
		if next == "" {
			return addrs, alias, true
		}
		name, alias = next, true
	}
	return nil, alias, true
}

func addressOf(rr dns.RR) (netip.Addr, bool) {
	switch rr := rr.(type) {
	case *dns.A:
		a, ok := netip.AddrFromSlice(rr.A)
		return a.Unmap(), ok
	case *dns.AAAA:
		return netip.AddrFromSlice(rr.AAAA)
	}
	return netip.Addr{}, false
}

// mailHosts returns the addresses that mail for a domain is sent to: of its MX, or
// its own (RFC 5321 §5.1).
func (n *names) mailHosts(domain string) (addrs []netip.Addr, known bool) {
	for range maxChain {
		records, ok := n.at(domain)
		if !ok {
			return nil, false
		}
		next, implicit := "", true
		for _, rec := range records {
			switch rr := rec.RR.(type) {
			case *dns.CNAME:
				next = fqdn(rr.Target)
			case *dns.MX:
				implicit = false
				of, _, ok := n.addresses(fqdn(rr.Mx))
				if !ok {
					return nil, false
				}
				addrs = append(addrs, of...)
			}
		}
		if next == "" {
			if implicit {
				addrs, _, known = n.addresses(domain)
				return addrs, known
			}
			return addrs, true
		}
		domain = next
	}
	return nil, true
}
