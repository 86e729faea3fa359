package iterate

import (
	"cmp"
	"context"
	"errors"
	"math/bits"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/dnsclient"
	"correio/services/resolver/internal/cache"
)

// candidate is one address of one server of a zone.
type candidate struct {
	name string
	addr netip.Addr
}

// askZone asks a zone's servers in turn until one makes sense, the best first;
// then once more those that did not answer at all. The failure says why none
// did.
func (r *Resolver) askZone(ctx context.Context, j *job, d Delegation, q dns.Question, depth int) (verdict, Failure) {
	why := Failure{dns.ExtendedErrorCodeNoReachableAuthority, d.Zone + " has no server with an address"}
	known, glueless := r.candidates(d)
	var silent []candidate
	try := func(list []candidate, again bool) (verdict, bool) {
		for _, c := range list {
			if j.asked >= maxQueries {
				why = Failure{dns.ExtendedErrorCodeOther, question(q) + " takes too many questions"}
				return verdict{}, true
			}
			v, failure, timedOut := r.askOne(ctx, j, d.Zone, c, q)
			if v.meaning != useless {
				return v, true
			}
			if ctx.Err() != nil {
				why = Failure{dns.ExtendedErrorCodeNoReachableAuthority, "out of time: " + failure.Text}
				return verdict{}, true
			}
			why = failure
			if timedOut && !again {
				silent = append(silent, c)
			}
		}
		return verdict{}, false
	}
	if v, done := try(known, false); done {
		return v, why
	}
	for _, name := range glueless {
		if v, done := try(r.lookUp(ctx, j, name, depth), false); done {
			return v, why
		}
	}
	v, _ := try(silent, true)
	return v, why
}

// candidates returns the addresses of a zone's servers, best first, and the
// names of servers that have none yet.
func (r *Resolver) candidates(d Delegation) (known []candidate, glueless []string) {
	for _, s := range d.Servers {
		addrs := s.Addrs
		if len(addrs) == 0 {
			addrs = r.cachedAddrs(s.Name)
		}
		if len(addrs) == 0 {
			glueless = append(glueless, s.Name)
		}
		for _, a := range addrs {
			if r.usable(a) {
				known = append(known, candidate{s.Name, a})
			}
		}
	}
	r.servers.sort(known)
	rand.Shuffle(len(glueless), func(i, k int) { glueless[i], glueless[k] = glueless[k], glueless[i] })
	return known, glueless[:min(len(glueless), maxGlueless)]
}

// cachedAddrs returns the IPv4 addresses of a host that the cache has.
func (r *Resolver) cachedAddrs(host string) []netip.Addr {
	res, _ := r.Cached(dns.Question{Name: host, Qtype: dns.TypeA, Qclass: dns.ClassINET})
	return addrsOf(res.Answer)
}

func addrsOf(records []dns.RR) []netip.Addr {
	var list []netip.Addr
	for _, rr := range records {
		if addr, ok := dnsclient.Address(rr); ok && len(list) < maxAddrs {
			list = append(list, addr)
		}
	}
	return list
}

// lookUp finds the addresses of a name server without glue. Servers whose
// addresses depend on each other are found out by the list of look-ups under
// way.
func (r *Resolver) lookUp(ctx context.Context, j *job, host string, depth int) []candidate {
	key := cache.KeyOf(host, dns.TypeA)
	if depth >= maxDepth || slices.Contains(j.looking, key) {
		return nil
	}
	j.looking = append(j.looking, key)
	defer func() { j.looking = j.looking[:len(j.looking)-1] }()
	res := r.chase(ctx, j, dns.Question{Name: host, Qtype: dns.TypeA, Qclass: dns.ClassINET}, depth+1)
	var list []candidate
	for _, a := range addrsOf(res.Answer) {
		if r.usable(a) {
			list = append(list, candidate{host, a})
		}
	}
	r.servers.sort(list)
	return list
}

// askOne asks one server and judges its response.
func (r *Resolver) askOne(ctx context.Context, j *job, zone string, c candidate, q dns.Question) (v verdict, why Failure, timedOut bool) {
	j.asked++
	start := time.Now()
	m, err := r.ask(ctx, netip.AddrPortFrom(c.addr, 53), q, j.conn)
	if err != nil {
		r.servers.failed(c.addr)
		var late net.Error
		if timedOut = errors.As(err, &late) && late.Timeout(); timedOut {
			return v, Failure{dns.ExtendedErrorCodeNoReachableAuthority, describe(c.name, c.addr, "did not answer")}, true
		}
		return v, Failure{dns.ExtendedErrorCodeNetworkError, describe(c.name, c.addr, "cannot be reached")}, false
	}
	r.servers.answered(c.addr, time.Since(start))
	v = judge(zone, q, m)
	if v.meaning == useless {
		why = Failure{dns.ExtendedErrorCodeNoReachableAuthority, describe(c.name, c.addr, v.reason)}
	}
	return v, why, false
}

const (
	// maxScores bounds the servers remembered.
	maxScores = 2000
	// deadFor is how long a server that did not answer is tried last.
	deadFor = 10 * time.Second
)

// scores remembers how servers answered.
type scores struct {
	mu sync.Mutex // guards by
	by map[netip.Addr]score
}

type score struct {
	rtt       time.Duration // smoothed; 0 when not known
	deadUntil time.Time
}

func newScores() *scores { return &scores{by: map[netip.Addr]score{}} }

func (s *scores) set(addr netip.Addr, change func(*score)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sc, ok := s.by[addr]
	if !ok && len(s.by) >= maxScores {
		for old := range s.by { // some other one
			delete(s.by, old)
			break
		}
	}
	change(&sc)
	s.by[addr] = sc
}

func (s *scores) answered(addr netip.Addr, rtt time.Duration) {
	s.set(addr, func(sc *score) {
		if sc.deadUntil = (time.Time{}); sc.rtt == 0 {
			sc.rtt = rtt
		}
		sc.rtt += (rtt - sc.rtt) / 4
	})
}

func (s *scores) failed(addr netip.Addr) {
	s.set(addr, func(sc *score) { sc.deadUntil = time.Now().Add(deadFor) })
}

func (s *scores) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.by)
}

// sort puts the servers to ask first in front: those that did not fail of
// late, then by time in powers of two, unknown ones first, so that every
// server is tried; then by chance, so that load is shared.
func (s *scores) sort(list []candidate) {
	rand.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	rank := func(c candidate) int {
		sc := s.by[c.addr]
		n := bits.Len64(uint64(sc.rtt / time.Millisecond))
		if now.Before(sc.deadUntil) {
			n += 100
		}
		return n
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(rank(a), rank(b)) })
}
