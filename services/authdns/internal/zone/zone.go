// Package zone holds one zone as an authoritative server needs it and answers
// questions from it: New builds and judges, Lookup answers. Both are pure.
//
// A Zone is never changed after New, so any number of goroutines may look
// things up, and a new version of it takes the place of the old one whole.
// Every name of the zone has a node, names without records that lie between
// others too (empty non-terminals, RFC 4592 §2.2.2), and every node knows the
// zone cut or the DNAME above it: an existing name is found by one look into
// one map.
package zone

import (
	"strings"

	"github.com/miekg/dns"
)

// Zone is one version of a zone.
type Zone struct {
	Origin string // lower case, with a final dot
	SOA    *dns.SOA
	// Records counts the records, duplicates left out.
	Records int

	nodes map[string]*node // by owner in lower case
	// negative is the SOA as negative answers carry it: its TTL is the lesser
	// of its own and its MINIMUM field (RFC 2308 §3).
	negative []dns.RR
}

// node is a name of the zone.
type node struct {
	sets []*Set // in the order of their types
	// cut is the zone cut at or above the node, dname the owner of a DNAME
	// above it; nil when there is none. What lies below is occluded.
	cut, dname *node
	name       string // as in the key of Zone.nodes
}

// Set is all records of one type at one name. What is derived from it once and
// for all, such as its packed form, belongs here.
type Set struct {
	Type uint16
	RRs  []dns.RR
}

func (n *node) set(t uint16) *Set {
	for _, s := range n.sets {
		if s.Type == t {
			return s
		}
	}
	return nil
}

// Serial returns the serial number of this version.
func (z *Zone) Serial() uint32 { return z.SOA.Serial }

// Parent returns the name without its first label; "" above the root.
func Parent(name string) string {
	if name == "." {
		return ""
	}
	i, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[i:]
}

// Canonical is how names are compared: in lower case, with a final dot.
func Canonical(name string) string { return strings.ToLower(dns.Fqdn(name)) }
