package authdns

import (
	"time"

	"github.com/miekg/dns"

	"correio/services/authdns/internal/zone"
)

// State says what a zone's answers come from.
type State string

// The states of a zone.
const (
	Loaded State = "loaded"   // from the file as it is now
	Stale  State = "stale"    // from an older version, since the file cannot be served
	Failed State = "failed"   // from nowhere: no version was ever loaded
	Broken State = "servfail" // SERVFAIL, as org.yaml wants it
)

// Status is what /zones tells of one zone.
type Status struct {
	Name    string    `json:"name"` // as in org.yaml
	Serial  uint32    `json:"serial"`
	File    string    `json:"file,omitempty"`
	State   State     `json:"state"`
	Error   string    `json:"error,omitempty"` // why the file is not served
	Records int       `json:"records"`
	Loaded  time.Time `json:"loaded,omitzero"`
}

// set is all zones of the server at one moment. It is never changed.
type set struct {
	list   []Status // in the order of org.yaml
	byName map[string]entry
}

// entry is one zone by its canonical name; zone is nil when it has nothing to
// answer from.
type entry struct {
	zone *zone.Zone
}

// find returns the zone that a question belongs to: the longest match, but for
// DS at the top of a zone the one above it, if that is ours too (RFC 4035
// §3.1.4.1).
func (s *set) find(name string, qtype uint16) (entry, bool) {
	key := zone.Canonical(name)
	if _, top := s.byName[key]; top && qtype == dns.TypeDS && key != "." {
		if e, ok := s.longest(zone.Parent(key)); ok {
			return e, true
		}
	}
	return s.longest(key)
}

func (s *set) longest(key string) (entry, bool) {
	for ; key != ""; key = zone.Parent(key) {
		if e, ok := s.byName[key]; ok {
			return e, true
		}
	}
	return entry{}, false
}

// addresses returns the A and AAAA records of a host from whichever zone has
// authority over it.
func (s *set) addresses(host string) []dns.RR {
	if e, ok := s.find(host, dns.TypeA); ok && e.zone != nil {
		return e.zone.Addresses(host)
	}
	return nil
}
