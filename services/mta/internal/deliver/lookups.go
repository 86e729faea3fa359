package deliver

import (
	"context"

	"github.com/miekg/dns"

	"correio/services/internal/dnsclient"
	"correio/services/mta/internal/route"
)

// lookups asks DNS for a route. A host without an IPv6 address of its own asks
// for AAAA only where there is no A: the lab is IPv4, and each question is one
// more line of what a class reads.
type lookups struct {
	*dnsclient.Client
	ipv6 bool
}

// Lookups asks DNS on behalf of a transaction, known by its queue id.
func (d *Deliverer) Lookups(queue string) route.DNS {
	return lookups{d.dns.ForQueue(queue, ""), d.self.HasIPv6()}
}

// LookupAddrs implements route.DNS.
func (l lookups) LookupAddrs(ctx context.Context, host string) dnsclient.Addrs {
	if l.ipv6 {
		return l.Client.LookupAddrs(ctx, host)
	}
	four := l.Lookup(ctx, host, dns.TypeA)
	a := dnsclient.Addrs{Host: four.Name, Status: four.Status, Canonical: four.Canonical, TTL: four.TTL, Err: four.Err}
	for _, rr := range four.Records {
		if addr, ok := dnsclient.Address(rr); ok {
			a.List = append(a.List, addr)
		}
	}
	if a.Status == dnsclient.NoData {
		return l.Client.LookupAddrs(ctx, host) // to say what it has instead
	}
	return a
}
