package iterate

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/dnstext"
	"correio/services/resolver/internal/cache"
)

// Kept is one entry of the caches, for people.
type Kept struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // "ANY" when the name as such does not exist
	TTL   uint32 `json:"ttl"`  // seconds of the lab's time that are left
	Rcode string `json:"rcode"`
	// Kind is "answer", "negative", "failure" or "delegation".
	Kind    string   `json:"kind"`
	Records []string `json:"records"`
	Reason  string   `json:"reason,omitempty"` // of a failure
}

// List returns what is in the caches, in the order of names.
func (r *Resolver) List() []Kept {
	list := []Kept{}
	r.answers.Each(func(key cache.Key, e Entry, left time.Duration) {
		k := Kept{Name: key.Name, Type: dnstext.Type(key.Type), TTL: cache.Seconds(left), Rcode: dnstext.Rcode(e.Rcode), Kind: "answer", Records: []string{}}
		if key.Type == dns.TypeNone {
			k.Type = "ANY"
		}
		switch {
		case e.Rcode == dns.RcodeServerFailure:
			k.Kind, k.Reason = "failure", e.Reason.Text
		case e.SOA != nil:
			k.Kind, k.Records = "negative", []string{dnstext.RR(e.SOA)}
		}
		for _, rr := range withTTLs(e.RRs, key.Name, left) {
			k.Records = append(k.Records, dnstext.RR(rr))
		}
		list = append(list, k)
	})
	r.delegations.Each(func(_ cache.Key, d Delegation, left time.Duration) {
		list = append(list, Kept{Name: d.Zone, Type: "NS", TTL: cache.Seconds(left), Rcode: "NOERROR", Kind: "delegation", Records: d.records(left)})
	})
	slices.SortFunc(list, func(a, b Kept) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}

// records writes a delegation as the NS and address records that it came as.
func (d Delegation) records(left time.Duration) []string {
	var list []string
	header := func(name string, t uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: t, Class: dns.ClassINET, Ttl: cache.Seconds(left)}
	}
	for _, s := range d.Servers {
		list = append(list, dnstext.RR(&dns.NS{Hdr: header(d.Zone, dns.TypeNS), Ns: s.Name}))
	}
	for _, s := range d.Servers {
		for _, a := range s.Addrs {
			list = append(list, dnstext.RR(addressRR(header(s.Name, 0), a)))
		}
	}
	return list
}

func addressRR(h dns.RR_Header, a netip.Addr) dns.RR {
	if a.Is4() {
		h.Rrtype = dns.TypeA
		return &dns.A{Hdr: h, A: a.AsSlice()}
	}
	h.Rrtype = dns.TypeAAAA
	return &dns.AAAA{Hdr: h, AAAA: a.AsSlice()}
}
