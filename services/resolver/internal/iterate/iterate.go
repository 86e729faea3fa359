// Package iterate finds answers by walking down from the root (RFC 1034
// §5.3.3): it asks a server of the closest zone that it knows, follows
// referrals until a server answers with authority, and starts again at the
// target of a CNAME that leads elsewhere.
//
// What it believes is decided by judge, a pure function; what it keeps is in
// two caches, one of answers and one of delegations, so that glue is never
// given as an answer. One question costs at most maxQueries questions to
// others and Patience; name servers without glue are looked up in the same
// budget, to a depth. A server that times out or makes no sense is passed over
// for the next; when all have failed the result is SERVFAIL with the reason
// (RFC 8914).
package iterate

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/clock"
	"correio/services/internal/dnstext"
	"correio/services/resolver/internal/cache"
)

const (
	// Patience bounds the time for one question: a stub's own.
	Patience = 8 * time.Second
	// maxQueries bounds the questions to others for one question.
	maxQueries = 60
	// maxDepth bounds look-ups of name servers for look-ups of name servers.
	maxDepth = 4
	// maxGlueless bounds the name servers of one zone that are looked up.
	maxGlueless = 4
	// maxReferrals bounds the zones walked through for one name.
	maxReferrals = 30
	// failureTTL is how long a failure is kept, in the lab's time (RFC 9520).
	failureTTL = 5 * time.Second
	// cacheBytes bounds what is kept, in octets of records, roughly.
	cacheBytes = 8 << 20
	// entryBytes is what an entry costs besides its records.
	entryBytes = 200
)

// Ask sends a question without recursion to a server and returns its response.
// conn goes into the event records.
type Ask func(ctx context.Context, server netip.AddrPort, q dns.Question, conn string) (*dns.Msg, error)

// Result is the answer to a question.
type Result struct {
	Rcode  int      // NOERROR, NXDOMAIN or SERVFAIL
	Answer []dns.RR // with TTLs as they are now; the caller's to keep
	SOA    *dns.SOA // of a negative answer; nil when the servers gave none
	// Reason tells why it is a SERVFAIL.
	Reason Failure
	// Asked counts the questions to others that it took: 0 when everything was
	// in the cache.
	Asked int
}

// Failure is an Extended DNS Error (RFC 8914). The zero value means none.
type Failure struct {
	Code uint16
	Text string
}

// Entry is what is kept about a name, or about one type of records of a name.
type Entry struct {
	Rcode  int
	RRs    []dns.RR // none: the name has no such record, or Rcode says more
	SOA    *dns.SOA
	Reason Failure
}

// Resolver answers questions. Its methods may be called from any goroutine.
type Resolver struct {
	ask         Ask
	root        Delegation
	usable      func(netip.Addr) bool
	answers     *cache.Cache[Entry]
	delegations *cache.Cache[Delegation]
	servers     *scores
}

// New returns a resolver that starts at the servers of root, and asks only
// addresses that are usable.
func New(root Delegation, speed clock.Speed, ask Ask, usable func(netip.Addr) bool) *Resolver {
	return &Resolver{
		ask: ask, root: root, usable: usable,
		answers:     cache.New[Entry](cacheBytes, speed),
		delegations: cache.New[Delegation](cacheBytes/4, speed),
		servers:     newScores(),
	}
}

// Clear forgets everything learnt.
func (r *Resolver) Clear() {
	r.answers.Clear()
	r.delegations.Clear()
	r.servers.clear()
}

// job is the work for one question, and what it has used up.
type job struct {
	conn    string
	asked   int
	looking []cache.Key // name servers' addresses that are being looked up
}

// Resolve answers a question of class IN.
func (r *Resolver) Resolve(ctx context.Context, q dns.Question, conn string) Result {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	j := &job{conn: conn}
	res := r.chase(ctx, j, q, 0)
	res.Asked = j.asked
	if res.Rcode == dns.RcodeServerFailure && ctx.Err() != context.Canceled && j.asked > 0 {
		r.answers.Put(cache.KeyOf(q.Name, q.Qtype), Entry{Rcode: res.Rcode, Reason: res.Reason}, entryBytes+len(q.Name), failureTTL)
	}
	return res
}

// Cached answers from the cache alone; it reports false when that does not
// hold the whole answer.
func (r *Resolver) Cached(q dns.Question) (Result, bool) {
	var res Result
	seen := map[string]bool{}
	for name := q.Name; len(seen) <= maxAliases; {
		s, ok := r.known(name, q.Qtype)
		if !ok || seen[strings.ToLower(name)] {
			return Result{}, false
		}
		seen[strings.ToLower(name)] = true
		if name = s.addTo(&res); name == "" {
			return res, true
		}
	}
	return Result{}, false
}

// chase answers a question, through as many CNAMEs as it takes.
func (r *Resolver) chase(ctx context.Context, j *job, q dns.Question, depth int) Result {
	var res Result
	seen := map[string]bool{}
	for name := q.Name; ; {
		key := strings.ToLower(name)
		if seen[key] || len(seen) > maxAliases {
			return failed(dns.ExtendedErrorCodeOther, "the aliases of %s go in circles, or are too many", q.Name)
		}
		seen[key] = true
		s, ok := r.known(name, q.Qtype)
		if !ok {
			s = r.walk(ctx, j, dns.Question{Name: name, Qtype: q.Qtype, Qclass: dns.ClassINET}, depth)
		}
		// A walk may have passed through several aliases at once.
		for _, rr := range s.records {
			if rr.Header().Rrtype == dns.TypeCNAME {
				seen[strings.ToLower(rr.Header().Name)] = true
			}
		}
		if name = s.addTo(&res); name == "" {
			return res
		}
	}
}

// step is one stretch of the way to an answer: records to add, and either the
// name to go on with or how it ends.
type step struct {
	records []dns.RR
	next    string
	rcode   int
	soa     *dns.SOA
	reason  Failure
}

// addTo adds the step to a result and returns the name to go on with.
func (s step) addTo(res *Result) string {
	if s.rcode == dns.RcodeServerFailure {
		*res = Result{Rcode: s.rcode, Reason: s.reason}
		return ""
	}
	res.Answer = append(res.Answer, s.records...)
	res.Rcode, res.SOA = s.rcode, s.soa
	return s.next
}

func failed(code uint16, format string, args ...any) Result {
	return Result{Rcode: dns.RcodeServerFailure, Reason: Failure{code, fmt.Sprintf(format, args...)}}
}

// known returns the step from a name that the cache has.
func (r *Resolver) known(name string, qtype uint16) (step, bool) {
	for _, t := range []uint16{qtype, dns.TypeNone, dns.TypeCNAME} {
		e, left, ok := r.answers.Get(cache.KeyOf(name, t))
		if !ok {
			continue
		}
		s := step{rcode: e.Rcode, reason: e.Reason}
		if e.SOA != nil {
			s.soa = withTTL(e.SOA, e.SOA.Hdr.Name, left).(*dns.SOA)
		}
		if t == dns.TypeCNAME && qtype != dns.TypeCNAME {
			if len(e.RRs) == 0 {
				continue // that there is no CNAME says nothing about qtype
			}
			s.next = e.RRs[0].(*dns.CNAME).Target
		}
		s.records = withTTLs(e.RRs, name, left)
		return s, true
	}
	return step{}, false
}

// withTTLs copies records with an owner as the question writes it, and a TTL.
func withTTLs(rrs []dns.RR, owner string, left time.Duration) []dns.RR {
	var list []dns.RR
	for _, rr := range rrs {
		list = append(list, withTTL(rr, owner, left))
	}
	return list
}

func withTTL(rr dns.RR, owner string, left time.Duration) dns.RR {
	rr = dns.Copy(rr)
	rr.Header().Name, rr.Header().Ttl = owner, cache.Seconds(left)
	return rr
}

// walk goes down from the closest known zone until a server has the answer.
func (r *Resolver) walk(ctx context.Context, j *job, q dns.Question, depth int) step {
	d := r.closest(q)
	for range maxReferrals {
		v, why := r.askZone(ctx, j, d, q, depth)
		switch v.meaning {
		case useless:
			return step{rcode: dns.RcodeServerFailure, reason: why}
		case referred:
			r.delegations.Put(cache.KeyOf(v.child.Zone, 0), v.child, v.child.weight(), v.ttl)
			d = v.child
		default:
			return r.keep(q, v)
		}
	}
	return step{rcode: dns.RcodeServerFailure, reason: Failure{dns.ExtendedErrorCodeOther, "too many referrals"}}
}

func (d Delegation) weight() int {
	n := entryBytes
	for _, s := range d.Servers {
		n += len(s.Name) + 24*(len(s.Addrs)+1)
	}
	return n
}

// closest returns the deepest delegation on the way to the question's name.
func (r *Resolver) closest(q dns.Question) Delegation {
	name := strings.ToLower(q.Name)
	if q.Qtype == dns.TypeDS && name != "." {
		name = parent(name) // a zone's DS is kept above it (RFC 4035 §3.1.4.1)
	}
	for ; name != "."; name = parent(name) {
		if d, _, ok := r.delegations.Get(cache.KeyOf(name, 0)); ok {
			return d
		}
	}
	return r.root
}

func parent(name string) string {
	i, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[i:]
}

// keep puts a verdict's records into the cache and makes a step of it.
func (r *Resolver) keep(q dns.Question, v verdict) step {
	var s step
	for _, set := range v.sets {
		s.records = append(s.records, withTTLs(set.RRs, set.Name, set.TTL)...)
		size := entryBytes
		for _, rr := range set.RRs {
			size += dns.Len(rr)
		}
		r.answers.Put(cache.KeyOf(set.Name, set.Type), Entry{RRs: set.RRs}, size, set.TTL)
	}
	switch v.meaning {
	case aliased:
		s.next = v.target
	case noData, noName:
		key := cache.KeyOf(v.target, q.Qtype)
		if v.meaning == noName {
			s.rcode = dns.RcodeNameError
			key.Type = dns.TypeNone // no record of any type
		}
		if v.soa != nil {
			s.soa = withTTL(v.soa, v.soa.Hdr.Name, v.ttl).(*dns.SOA)
			r.answers.Put(key, Entry{Rcode: s.rcode, SOA: v.soa}, entryBytes+dns.Len(v.soa), v.ttl)
		}
	}
	return s
}

// describe names a server in the reason of a failure.
func describe(name string, addr netip.Addr, what string) string {
	return fmt.Sprintf("%s (%s) %s", name, addr, what)
}

// question writes a question for the reason of a failure.
func question(q dns.Question) string { return dnstext.Question(q) }
