package dnsclient

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/dnstext"
)

// Status says what a lookup found out.
type Status int

// What a lookup found out.
const (
	// Failed: nobody could say (SERVFAIL, REFUSED, time-out). Temporary.
	Failed Status = iota
	// Found: there are records.
	Found
	// NoData: the name exists, but has no record of the type.
	NoData
	// NXDomain: the name does not exist.
	NXDomain
)

// String names the status.
func (s Status) String() string {
	switch s {
	case Found:
		return "found"
	case NoData:
		return "no data"
	case NXDomain:
		return "no such name"
	}
	return "failed"
}

// maxChain bounds the CNAMEs followed within one response.
const maxChain = 16

// Answer is what a lookup found out.
type Answer struct {
	Name   string // as asked, with a final dot
	Type   uint16
	Status Status
	// Canonical is the name that the CNAMEs of the answer lead to, Name itself
	// when there are none. It keeps the case in which the server wrote it.
	Canonical string
	Records   []dns.RR // of Type, owned by Canonical; in the server's order
	// TTL is how long the answer may be believed, in the lab's time; 0 when
	// the server did not say.
	TTL time.Duration
	// Err tells why a lookup Failed, and what was wrong with a name that
	// cannot be asked for. It is nil otherwise.
	Err error
}

// Alias reports whether the name asked for is a CNAME.
func (a Answer) Alias() bool { return a.Canonical != "" && !strings.EqualFold(a.Name, a.Canonical) }

// MX returns the MX records of the answer.
func (a Answer) MX() []*dns.MX {
	var list []*dns.MX
	for _, rr := range a.Records {
		if mx, ok := rr.(*dns.MX); ok {
			list = append(list, mx)
		}
	}
	return list
}

// NullMX reports whether the answer says that the domain takes no mail: a single
// MX record that names the root (RFC 7505 §3).
func (a Answer) NullMX() bool {
	list := a.MX()
	return len(list) == 1 && list[0].Mx == "."
}

// Lookup asks the server for the records of one type of a name, which need not
// end in a dot. It returns within Tries times Timeout.
func (c *Client) Lookup(ctx context.Context, name string, qtype uint16) Answer {
	a := Answer{Name: dns.Fqdn(name), Type: qtype, Canonical: dns.Fqdn(name)}
	if _, ok := dns.IsDomainName(a.Name); !ok {
		a.Status, a.Err = NXDomain, fmt.Errorf("%q is not a domain name", name)
		return a
	}
	resp, err := c.Exchange(ctx, Query(a.Name, qtype))
	if err != nil {
		a.Err = fmt.Errorf("look up %s %s: %w", a.Name, dnstext.Type(qtype), err)
		return a
	}
	read := Read(a.Name, qtype, resp)
	switch {
	case resp.Truncated: // by TCP, too: half of it is missing
		a.Err = fmt.Errorf("look up %s %s: the response is truncated", a.Name, dnstext.Type(qtype))
	case read.Status == NoData && refers(resp):
		a.Err = fmt.Errorf("look up %s %s: the server refers to others instead of answering", a.Name, dnstext.Type(qtype))
	default:
		return read
	}
	return a
}

// refers tells a referral from "there is no such record" (RFC 2308 §2.2): it
// has NS records and no SOA.
func refers(resp *dns.Msg) bool {
	return !hasSOA(resp) && slices.ContainsFunc(resp.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeNS })
}

// LookupMX asks for the MX records of a mail domain.
func (c *Client) LookupMX(ctx context.Context, domain string) Answer {
	return c.Lookup(ctx, domain, dns.TypeMX)
}

// Read interprets a response to the question for name and qtype.
func Read(name string, qtype uint16, resp *dns.Msg) Answer {
	a := Answer{Name: dns.Fqdn(name), Type: qtype, Canonical: dns.Fqdn(name)}
	if resp.Rcode != dns.RcodeSuccess && resp.Rcode != dns.RcodeNameError {
		a.Err = fmt.Errorf("look up %s %s: %w", a.Name, dnstext.Type(qtype), &ServerError{because(resp)})
		return a
	}
	var ttl ttlFloor
	a.Canonical = follow(a.Name, qtype, resp.Answer, &ttl)
	for _, rr := range resp.Answer {
		if h := rr.Header(); h.Rrtype == qtype && strings.EqualFold(h.Name, a.Canonical) {
			a.Records = append(a.Records, rr)
			ttl.add(h.Ttl)
		}
	}
	switch {
	case len(a.Records) > 0:
		a.Status = Found
	case resp.Rcode == dns.RcodeNameError:
		a.Status = NXDomain
	default:
		a.Status = NoData
	}
	if a.Status != Found {
		for _, rr := range resp.Ns {
			if soa, ok := rr.(*dns.SOA); ok {
				ttl.add(min(soa.Hdr.Ttl, soa.Minttl)) // RFC 2308 §5
			}
		}
	}
	a.TTL = ttl.value
	return a
}

// ServerError is a response that is no answer, in the server's words.
type ServerError struct{ What string }

// Error implements error.
func (e *ServerError) Error() string { return e.What }

// because tells why a server did not answer, with its own words (RFC 8914)
// where it gave any.
func because(resp *dns.Msg) string {
	s := dnstext.Rcode(resp.Rcode)
	if ede := dnstext.EDE(resp); ede != "" {
		s += " (" + ede + ")"
	}
	return s
}

type ttlFloor struct {
	value time.Duration
	set   bool
}

func (f *ttlFloor) add(seconds uint32) {
	if d := time.Duration(seconds) * time.Second; !f.set || d < f.value {
		f.value, f.set = d, true
	}
}

// follow returns the end of the CNAME chain that starts at name.
func follow(name string, qtype uint16, answer []dns.RR, ttl *ttlFloor) string {
	if qtype == dns.TypeCNAME {
		return name
	}
	for range maxChain {
		target := ""
		for _, rr := range answer {
			if cname, ok := rr.(*dns.CNAME); ok && strings.EqualFold(cname.Hdr.Name, name) {
				target = cname.Target
				ttl.add(cname.Hdr.Ttl)
				break
			}
		}
		if target == "" {
			return name
		}
		name = target
	}
	return name
}

// Addrs is what is known about the addresses of a host.
type Addrs struct {
	Host string // as asked, with a final dot
	// Status is Found with at least one address. It is Failed when one of the
	// two questions failed and the other found none.
	Status    Status
	Canonical string // see Answer
	List      []netip.Addr
	TTL       time.Duration
	Err       error // of the lookups that failed, also when Found
}

// Alias reports whether the host name is a CNAME, which the target of an MX
// record must not be (RFC 2181 §10.3).
func (a Addrs) Alias() bool { return !strings.EqualFold(a.Host, a.Canonical) }

// LookupAddrs asks for the IPv4 and IPv6 addresses of a host at the same time.
// IPv4 addresses come first.
func (c *Client) LookupAddrs(ctx context.Context, host string) Addrs {
	v6 := make(chan Answer, 1)
	go func() { v6 <- c.Lookup(ctx, host, dns.TypeAAAA) }()
	four := c.Lookup(ctx, host, dns.TypeA)
	return merge(four, <-v6)
}

func merge(four, six Answer) Addrs {
	a := Addrs{Host: four.Name, Canonical: four.Canonical, Status: four.Status, TTL: four.TTL, Err: four.Err}
	if !four.Alias() {
		a.Canonical = six.Canonical
	}
	for _, answer := range []Answer{four, six} {
		for _, rr := range answer.Records {
			if addr, ok := Address(rr); ok {
				a.List = append(a.List, addr)
			}
		}
	}
	if a.Err == nil {
		a.Err = six.Err
	}
	switch {
	case len(a.List) > 0:
		a.Status = Found
	case four.Status == Failed || six.Status == Failed:
		a.Status = Failed
	case six.Status == NXDomain:
		a.Status = NXDomain
	}
	if four.Status != Found || six.Status == Found && six.TTL < four.TTL {
		a.TTL = six.TTL
	}
	return a
}

// Address returns the address that an A or AAAA record holds.
func Address(rr dns.RR) (netip.Addr, bool) {
	var addr netip.Addr
	var ok bool
	switch rr := rr.(type) {
	case *dns.A:
		addr, ok = netip.AddrFromSlice(rr.A)
	case *dns.AAAA:
		addr, ok = netip.AddrFromSlice(rr.AAAA)
	}
	return addr.Unmap(), ok
}
