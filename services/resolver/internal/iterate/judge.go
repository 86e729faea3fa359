package iterate

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/dnsclient"
	"correio/services/internal/dnstext"
)

const (
	// maxAliases bounds the CNAMEs followed for one question.
	maxAliases = 16
	// maxServers bounds the name servers taken from one referral.
	maxServers = 16
	// maxAddrs bounds the addresses taken for one name server.
	maxAddrs = 8
	// maxRecords bounds the records of one set: they are compared with each
	// other, and copied into every answer.
	maxRecords = 256
	// maxTTL and maxNegative bound what is believed (RFC 2308 §5, RFC 8767 §4).
	maxTTL      = 24 * time.Hour
	maxNegative = time.Hour
)

// meaning is what a response amounts to.
type meaning int

const (
	// useless: the server is broken, or not responsible; ask another.
	useless meaning = iota
	// answered: sets ends with the records asked for.
	answered
	// aliased: sets leads to target, which is still to be asked for.
	aliased
	// noData and noName: the last name of the chain has no such record, or
	// does not exist.
	noData
	noName
	// referred: zone's servers know more.
	referred
)

// verdict is a response once what cannot be believed is left out.
type verdict struct {
	meaning meaning
	reason  string // of useless
	sets    []Set  // the chain of CNAMEs from the question on, and its end
	target  string // the name at the end of the chain
	soa     *dns.SOA
	child   Delegation // of referred
	ttl     time.Duration
}

// Set is all records of one type at one name.
type Set struct {
	Name string
	Type uint16
	RRs  []dns.RR
	TTL  time.Duration
}

// Delegation is a zone and its servers.
type Delegation struct {
	Zone    string // lower case
	Servers []Server
}

// Server is a name server and what is known of its addresses by glue.
type Server struct {
	Name  string
	Addrs []netip.Addr
}

// judge says what a response of one of zone's servers means. It believes only
// what the servers of that zone may say (the "bailiwick"): records of names in
// the zone with authority, and delegations further down towards the question,
// with addresses for names in the zone.
func judge(zone string, q dns.Question, m *dns.Msg) verdict {
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return verdict{reason: "answered " + dnstext.Rcode(m.Rcode) + " to " + question(q)}
	}
	if m.Truncated {
		return verdict{reason: "truncated its answer by TCP"}
	}
	v := verdict{target: q.Name}
	if m.Authoritative {
		if v.chain(zone, q, m.Answer) {
			v.meaning = answered
			return v
		}
		// RFC 2308 §2.1: the end of the chain may be negative. Without a SOA a
		// chain is merely unfinished.
		v.soa, v.ttl = negativeSOA(zone, v.target, m.Ns)
		if v.soa != nil || len(v.sets) == 0 && !refers(zone, q.Name, m.Ns) {
			if v.meaning = noData; m.Rcode == dns.RcodeNameError {
				v.meaning = noName
			}
			return v
		}
		if len(v.sets) > 0 {
			v.meaning = aliased
			return v
		}
	}
	if child, ttl, ok := delegation(zone, q.Name, m); ok {
		return verdict{meaning: referred, child: child, ttl: ttl}
	}
	return verdict{reason: "is not authoritative for " + zone}
}

// chain collects the CNAMEs from the question on, and the records at their
// end; it reports whether it found those.
func (v *verdict) chain(zone string, q dns.Question, records []dns.RR) bool {
	var seen []string
	for range maxAliases {
		if !dns.IsSubDomain(zone, v.target) {
			return false
		}
		if set, ok := collect(v.target, q.Qtype, records); ok {
			v.sets = append(v.sets, set)
			return true
		}
		set, ok := collect(v.target, dns.TypeCNAME, records)
		if !ok || slices.Contains(seen, strings.ToLower(v.target)) {
			return false
		}
		seen = append(seen, strings.ToLower(v.target))
		set.RRs = set.RRs[:1]
		v.sets = append(v.sets, set)
		v.target = set.RRs[0].(*dns.CNAME).Target
	}
	return false
}

// collect takes the records of one name and type; for ANY all of the name.
func collect(name string, qtype uint16, records []dns.RR) (Set, bool) {
	s := Set{Name: name, Type: qtype, TTL: maxTTL}
	for _, rr := range records {
		h := rr.Header()
		if h.Class != dns.ClassINET || !strings.EqualFold(h.Name, name) || h.Rrtype != qtype && qtype != dns.TypeANY {
			continue
		}
		if slices.ContainsFunc(s.RRs, func(o dns.RR) bool { return dns.IsDuplicate(o, rr) }) {
			continue
		}
		s.RRs = append(s.RRs, rr)
		s.TTL = min(s.TTL, ttlOf(rr))
		if len(s.RRs) == maxRecords {
			break
		}
	}
	return s, len(s.RRs) > 0
}

// ttlOf reads a TTL; one with the highest bit set is zero (RFC 2181 §8).
func ttlOf(rr dns.RR) time.Duration {
	if ttl := rr.Header().Ttl; ttl < 1<<31 {
		return time.Duration(ttl) * time.Second
	}
	return 0
}

// negativeSOA finds the SOA that a negative answer about name is kept by, and
// for how long (RFC 2308 §5).
func negativeSOA(zone, name string, records []dns.RR) (*dns.SOA, time.Duration) {
	for _, rr := range records {
		soa, ok := rr.(*dns.SOA)
		if ok && dns.IsSubDomain(zone, soa.Hdr.Name) && dns.IsSubDomain(soa.Hdr.Name, name) {
			minimum := time.Duration(soa.Minttl) * time.Second
			return soa, min(ttlOf(soa), minimum, maxNegative)
		}
	}
	return nil, 0
}

// below reports whether a record delegates from zone towards name.
func below(zone, name string, rr dns.RR) bool {
	h := rr.Header()
	return h.Rrtype == dns.TypeNS && h.Class == dns.ClassINET && dns.IsSubDomain(zone, h.Name) &&
		!strings.EqualFold(zone, h.Name) && dns.IsSubDomain(h.Name, name)
}

func refers(zone, name string, records []dns.RR) bool {
	return slices.ContainsFunc(records, func(rr dns.RR) bool { return below(zone, name, rr) })
}

// delegation reads a referral. The first owner that leads towards name is the
// child; NS records of other names are left out.
func delegation(zone, name string, m *dns.Msg) (Delegation, time.Duration, bool) {
	var d Delegation
	ttl := maxTTL
	for _, rr := range m.Ns {
		if !below(zone, name, rr) || d.Zone != "" && !strings.EqualFold(d.Zone, rr.Header().Name) {
			continue
		}
		ns := rr.(*dns.NS)
		d.Zone = strings.ToLower(ns.Hdr.Name)
		ttl = min(ttl, ttlOf(ns))
		if len(d.Servers) < maxServers {
			d.Servers = append(d.Servers, Server{Name: strings.ToLower(ns.Ns)})
		}
	}
	for i := range d.Servers {
		d.Servers[i].Addrs = glue(zone, d.Servers[i].Name, m.Extra, &ttl)
	}
	return d, ttl, d.Zone != ""
}

// glue returns the addresses that a referral gives for a server, if the zone
// that refers may speak for the server's name. ttl is lowered to theirs.
func glue(zone, host string, records []dns.RR, ttl *time.Duration) []netip.Addr {
	if !dns.IsSubDomain(zone, host) {
		return nil
	}
	var list []netip.Addr
	for _, rr := range records {
		addr, ok := dnsclient.Address(rr)
		if ok && strings.EqualFold(rr.Header().Name, host) && len(list) < maxAddrs && !slices.Contains(list, addr) {
			list = append(list, addr)
			*ttl = min(*ttl, ttlOf(rr))
		}
	}
	return list
}
