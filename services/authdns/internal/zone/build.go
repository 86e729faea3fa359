package zone

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"correio/services/internal/dnstext"
	"correio/services/internal/zonefile"
)

// maxSet bounds the packed size of one record set, in octets, so that it can
// be answered by TCP together with question, SOA and OPT.
const maxSet = dns.MaxMsgSize - 1024

// maxFaults bounds the faults that New reports.
const maxFaults = 10

// New makes a zone of the records of a file. What cannot be served is refused:
// the error joins a *zonefile.Error for each fault, in the order of lines.
func New(origin, file string, records []zonefile.Record) (*Zone, error) {
	b := &builder{
		zone: &Zone{Origin: Canonical(origin), nodes: map[string]*node{}},
		file: file, lines: map[*node]int{},
	}
	for _, r := range records {
		b.add(r)
	}
	b.judge()
	if len(b.faults) > 0 {
		return nil, b.err()
	}
	b.link()
	soa := dns.Copy(b.zone.SOA).(*dns.SOA)
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	b.zone.negative = []dns.RR{soa}
	return b.zone, nil
}

type builder struct {
	zone   *Zone
	file   string
	lines  map[*node]int // of the last record at a node
	faults []*zonefile.Error
}

func (b *builder) fault(line int, format string, args ...any) {
	b.faults = append(b.faults, &zonefile.Error{File: b.file, Line: line, What: fmt.Sprintf(format, args...)})
}

func (b *builder) err() error {
	slices.SortStableFunc(b.faults, func(x, y *zonefile.Error) int { return cmp.Compare(x.Line, y.Line) })
	var errs []error
	for _, f := range b.faults[:min(len(b.faults), maxFaults)] {
		errs = append(errs, f)
	}
	return errors.Join(errs...)
}

// add takes one record in.
func (b *builder) add(r zonefile.Record) {
	h := r.RR.Header()
	name := Canonical(h.Name)
	switch {
	case h.Class != dns.ClassINET:
		b.fault(r.Line, "%s %s: class %s, only IN is served", h.Name, dnstext.Type(h.Rrtype), dnstext.Class(h.Class))
		return
	case !dns.IsSubDomain(b.zone.Origin, name):
		b.fault(r.Line, "%s is not in zone %s", h.Name, b.zone.Origin)
		return
	case h.Rrtype == dns.TypeSOA:
		if !b.soa(r, name) {
			return
		}
	}
	n := b.node(name)
	b.lines[n] = r.Line
	set := n.set(h.Rrtype)
	if set == nil {
		set = &Set{Type: h.Rrtype}
		n.sets = append(n.sets, set)
	}
	// RFC 2181 §5: a set holds no record twice, and has one TTL.
	for _, rr := range set.RRs {
		if dns.IsDuplicate(rr, r.RR) {
			return
		}
	}
	b.zone.Records++
	set.RRs = append(set.RRs, r.RR)
	ttl := min(h.Ttl, set.RRs[0].Header().Ttl)
	for _, rr := range set.RRs {
		rr.Header().Ttl = ttl
		rr.Header().Name = set.RRs[0].Header().Name // as it is written first
	}
}

// soa takes the zone's SOA and reports whether it is the first one, at the top.
func (b *builder) soa(r zonefile.Record, name string) bool {
	soa, ok := r.RR.(*dns.SOA)
	switch {
	case !ok || name != b.zone.Origin:
		b.fault(r.Line, "SOA of %s in zone %s", r.RR.Header().Name, b.zone.Origin)
		return false
	case b.zone.SOA != nil:
		b.fault(r.Line, "a second SOA")
		return false
	}
	b.zone.SOA = soa
	return true
}

// node returns the node of a name, and makes it and the nodes above it when
// they are new.
func (b *builder) node(name string) *node {
	n := b.zone.nodes[name]
	if n == nil {
		n = &node{name: name}
		b.zone.nodes[name] = n
		if name != b.zone.Origin {
			b.node(Parent(name))
		}
	}
	return n
}

// judge finds what is wrong with the zone as a whole.
func (b *builder) judge() {
	if b.zone.SOA == nil {
		b.fault(0, "no SOA for %s", b.zone.Origin)
	}
	if top := b.zone.nodes[b.zone.Origin]; top == nil || top.set(dns.TypeNS) == nil {
		b.fault(0, "no NS for %s", b.zone.Origin)
	}
	for _, n := range b.zone.nodes {
		b.judgeNode(n)
	}
}

func (b *builder) judgeNode(n *node) {
	line := b.lines[n]
	for _, s := range n.sets {
		if singular(s.Type) && len(s.RRs) > 1 {
			b.fault(line, "%s has %d %s records", n.name, len(s.RRs), dnstext.Type(s.Type))
		}
		// RFC 1034 §3.6.2, RFC 2181 §10.1: a CNAME stands alone.
		if s.Type == dns.TypeCNAME && slices.ContainsFunc(n.sets, func(o *Set) bool { return !besideCNAME(o.Type) }) {
			b.fault(line, "%s has a CNAME and other records", n.name)
		}
		size := 0
		for _, rr := range s.RRs {
			size += dns.Len(rr)
		}
		if size > maxSet {
			b.fault(line, "the %s records of %s take %d octets, more than a response holds", dnstext.Type(s.Type), n.name, size)
		}
	}
}

func singular(t uint16) bool { return t == dns.TypeCNAME || t == dns.TypeDNAME }

func besideCNAME(t uint16) bool {
	return t == dns.TypeCNAME || t == dns.TypeRRSIG || t == dns.TypeNSEC
}

// link tells every node what occludes it, and orders its sets.
func (b *builder) link() {
	for _, n := range b.zone.nodes {
		slices.SortFunc(n.sets, func(x, y *Set) int { return cmp.Compare(x.Type, y.Type) })
	}
	for _, n := range b.zone.nodes {
		for up := n; up.name != b.zone.Origin; up = b.zone.nodes[Parent(up.name)] {
			// RFC 4592 §4.2 leaves NS at a wildcard undefined: here it is no cut.
			if up.set(dns.TypeNS) != nil && !strings.HasPrefix(up.name, "*.") {
				n.cut = up // the highest one wins: what is below it is occluded
			}
		}
		for up := n; up.name != b.zone.Origin; {
			up = b.zone.nodes[Parent(up.name)]
			if up.set(dns.TypeDNAME) != nil {
				n.dname = up
			}
		}
		if n.cut != nil && n.dname != nil && n.cut != n.dname && dns.IsSubDomain(n.dname.name, n.cut.name) {
			n.cut = nil // the cut itself is occluded
		}
	}
}
