// Package route decides which hosts a message for a domain is brought to, by
// the algorithm of RFC 5321 §5.1. It is a function of the domain, of who we
// are and of what DNS answers, and it keeps the reason for each decision.
//
// The order of its rules: null MX (RFC 7505), no MX and so the domain itself,
// sort by preference, shuffle equals, drop ourselves with our preference and
// everything worse, drop what is not a host name, look up addresses, stop at
// the bound. Addresses are asked for one preference at a time: Find stops at the
// first one with a usable host, and More goes on when those hosts have failed.
// DNS is asked for A-labels, also where the domain is written in U-labels.
//
// When nobody is left because we are the best host ourselves, it matters whose
// domain it is. One of our own site's has its mailboxes beside us, and mail goes
// there. Any other domain's mail would come back to us for ever: 5.4.6.
//
// That hosts are named before us of which none has an address is another matter:
// we hold the mail for them, and whoever let the zone name them may mend it (4.4.4,
// as with Postfix). One of our own domains goes to its mailboxes.
package route

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"correio/services/internal/dnsclient"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
)

// Bounds of one attempt.
const (
	MaxHosts   = 10 // hosts tried
	maxLookups = 50 // hosts whose addresses are asked for
)

// Host is where a message may be brought.
type Host struct {
	Name       string // without a final dot, lower case; "[198.18.2.25]" for a literal
	Preference uint16
	Addrs      []netip.Addr
}

// Route is what was decided: hosts in the order in which to try them, the
// site's own mailboxes, or a verdict when there is neither.
type Route struct {
	Hosts []Host
	// Mailboxes says that the domain is our site's and that DNS names nobody
	// better than us: the message goes to the MDA.
	Mailboxes bool
	// Verdict is a 5xx (give the message back) or a 4xx (keep it and ask
	// again); zero when there is somewhere to go.
	Verdict reply.Reply
	Reasons []reason.Reason

	rest   []candidate // of worse preference, not looked up yet
	finder *finder
}

// Self is who we are.
type Self struct {
	Names []string // lower case, without a final dot
	Addrs []netip.Addr
	// Local reports whether a domain's mailboxes are at our own site; nil means
	// that none are.
	Local func(domain string) bool
}

func (s Self) named(host string) bool {
	return slices.ContainsFunc(s.Names, func(n string) bool { return strings.EqualFold(n, host) })
}

// HasIPv6 reports whether we have an IPv6 address.
func (s Self) HasIPv6() bool {
	return slices.ContainsFunc(s.Addrs, func(a netip.Addr) bool { return a.Is6() && !a.Is4In6() })
}

func (s Self) at(addrs []netip.Addr) bool {
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool { return slices.Contains(s.Addrs, a) })
}

// reachable keeps the addresses of the families that we have ourselves.
func (s Self) reachable(addrs []netip.Addr) []netip.Addr {
	var kept []netip.Addr
	for _, a := range addrs {
		if slices.ContainsFunc(s.Addrs, func(own netip.Addr) bool { return own.Is4() == a.Is4() }) {
			kept = append(kept, a)
		}
	}
	return kept
}

// DNS answers questions; *dnsclient.Client does.
type DNS interface {
	LookupMX(ctx context.Context, domain string) dnsclient.Answer
	LookupAddrs(ctx context.Context, host string) dnsclient.Addrs
}

// Find decides where mail for a domain goes. shuffle puts n things into random
// order, as math/rand/v2's Shuffle does.
func Find(ctx context.Context, domain string, self Self, dns DNS, shuffle func(n int, swap func(i, j int))) Route {
	f := &finder{self: self, dns: dns, shuffle: shuffle}
	if !f.name(domain) {
		return f.verdict(reply.New(550, "5.1.2", "The domain is no valid internationalised name"), reason.NotAnIDN, domain)
	}
	if ip, ok := (mailaddr.Address{Local: "x", Domain: domain}).Literal(); ok {
		return f.literal(ip)
	}
	mx := dns.LookupMX(ctx, f.domain)
	if mx.Alias() {
		f.because(reason.Alias, f.domain, plain(mx.Canonical))
	}
	switch mx.Status {
	case dnsclient.NXDomain:
		return f.verdict(reply.Newf(550, "5.1.2", "Domain %s does not exist", f.domain), reason.NoSuchDomain, f.domain)
	case dnsclient.NoData:
		return f.implicit(ctx)
	case dnsclient.Found:
		return f.explicit(ctx, mx)
	}
	rule, args := unanswered(domainUnanswered, f.domain, mx.Err)
	return f.verdict(reply.Newf(451, "4.4.3", "DNS could not tell the mail hosts of %s; trying again later", f.domain), rule, args...)
}

// name takes the domain as DNS has it, and says so where that is another way to
// write it than people's.
func (f *finder) name(domain string) bool {
	ascii, err := mailaddr.ToASCII(domain)
	if err != nil {
		return false
	}
	f.domain = strings.ToLower(ascii)
	if u := mailaddr.ToUnicode(f.domain); u != f.domain {
		f.because(reason.ALabels, u, f.domain)
	}
	return true
}

// More goes on behind the hosts that are known so far: it returns those of the
// next preference with a usable host. There are none when the list is at its
// end; the verdict then is of no meaning.
func (r Route) More(ctx context.Context) Route {
	if len(r.rest) == 0 {
		return Route{}
	}
	f := r.finder
	f.reasons = nil
	hosts, rest, _ := f.resolve(ctx, r.rest)
	return f.route(hosts, rest)
}

// Incomplete reports whether the address of some host could not be found out
// for now, or was not asked for: there may be more hosts than those known.
func (r Route) Incomplete() bool { return r.finder != nil && (r.finder.failed || r.finder.enough()) }

// finder is one run of Find.
type finder struct {
	domain  string
	self    Self
	dns     DNS
	shuffle func(n int, swap func(i, j int))
	reasons []reason.Reason
	failed  bool // some lookup failed for now
	better  bool // we are in the list, behind others
	lookups int  // hosts whose addresses were wanted
	given   int  // hosts that were found so far
}

// enough reports whether there were more hosts than may be asked for.
func (f *finder) enough() bool { return f.lookups > maxLookups }

func (f *finder) route(hosts []Host, rest []candidate) Route {
	f.given += len(hosts)
	return Route{Hosts: hosts, Reasons: f.reasons, rest: rest, finder: f}
}

func (f *finder) because(rule reason.Rule, args ...string) {
	f.reasons = append(f.reasons, reason.New(rule, args...))
}

func (f *finder) verdict(r reply.Reply, rule reason.Rule, args ...string) Route {
	f.because(rule, args...)
	return Route{Verdict: r, Reasons: f.reasons}
}

// loop ends a list that has nobody better than ourselves.
func (f *finder) loop() Route {
	if f.self.Local != nil && f.self.Local(f.domain) {
		f.because(reason.Final, f.domain)
		return Route{Mailboxes: true, Reasons: f.reasons}
	}
	// RFC 5321 §5.1: when nothing is left, the message is undeliverable.
	return f.verdict(reply.Newf(550, "5.4.6", "Mail for %s loops back to this host", f.domain), reason.Loop, f.domain)
}

// backup ends a list in which nobody before us has an address.
func (f *finder) backup() Route {
	if f.self.Local != nil && f.self.Local(f.domain) {
		f.because(reason.BetterGone, f.domain)
		f.because(reason.Local, f.domain)
		return Route{Mailboxes: true, Reasons: f.reasons}
	}
	return f.verdict(reply.Newf(451, "4.4.4", "The mail hosts of %s that are better than this one have no address; trying again later", f.domain),
		reason.BetterGone, f.domain)
}

// literal brings mail to an address (RFC 5321 §4.1.3).
func (f *finder) literal(ip netip.Addr) Route {
	if f.self.at([]netip.Addr{ip}) {
		return f.loop()
	}
	f.because(reason.Literal, f.domain)
	return Route{Hosts: []Host{{Name: f.domain, Addrs: []netip.Addr{ip}}}, Reasons: f.reasons}
}

// implicit takes the domain for its own mail host. RFC 5321 §5.1: only when
// there is no MX record at all.
func (f *finder) implicit(ctx context.Context) Route {
	f.because(reason.Implicit, f.domain)
	addrs := f.dns.LookupAddrs(ctx, f.domain)
	usable := f.self.reachable(addrs.List)
	switch {
	case f.self.at(addrs.List) || f.self.named(f.domain):
		return f.loop()
	case len(usable) > 0:
		return Route{Hosts: []Host{{Name: f.domain, Addrs: usable}}, Reasons: f.reasons}
	case addrs.Status == dnsclient.Failed:
		rule, args := unanswered(domainUnanswered, f.domain, addrs.Err)
		return f.verdict(reply.Newf(451, "4.4.3", "DNS could not tell the address of %s; trying again later", f.domain), rule, args...)
	}
	return f.verdict(reply.Newf(550, "5.4.4", "Domain %s has neither a mail host nor an address", f.domain), reason.NoAddress, f.domain)
}

func (f *finder) explicit(ctx context.Context, mx dnsclient.Answer) Route {
	list := candidates(mx)
	if mx.NullMX() {
		// RFC 7505 §3: the domain takes no mail.
		return f.verdict(reply.Newf(556, "5.1.10", "Domain %s takes no mail (null MX)", f.domain), reason.NullMX, f.domain)
	}
	f.sort(list)
	list = f.dropSelf(list, func(c candidate) bool { return f.self.named(c.name) })
	if len(list) == 0 {
		return f.loop()
	}
	hosts, rest, looped := f.resolve(ctx, list)
	switch {
	case len(hosts) > 0:
		return f.route(hosts, rest)
	case f.failed:
		return f.verdict(reply.Newf(451, "4.4.3", "DNS could not tell the addresses of the mail hosts of %s; trying again later", f.domain),
			reason.HostsUnknown, f.domain)
	case f.enough():
		// A host that was not asked for may be there: no ground to give the message back.
		return f.verdict(reply.Newf(451, "4.4.4", "None of the first %d mail hosts of %s can be used; trying again later", maxLookups, f.domain),
			reason.HostsUnknown, f.domain)
	case f.better:
		return f.backup()
	case looped:
		return f.loop()
	}
	// RFC 5321 §5.1: with MX records that are of no use, the domain's own
	// address must not be tried.
	return f.verdict(reply.Newf(550, "5.4.4", "None of the mail hosts of %s can be used", f.domain), reason.Unusable, f.domain)
}

// resolve looks up addresses, a whole preference at a time, until there is a
// host; rest is what comes behind. looped reports that one of the hosts was
// ourselves, which ends the list.
func (f *finder) resolve(ctx context.Context, list []candidate) (hosts []Host, rest []candidate, looped bool) {
	room := MaxHosts - f.given
	behind := list
	for group := range groups(list) {
		if len(hosts) > 0 {
			return hosts, behind, false
		}
		if room <= 0 {
			f.because(reason.Capped, number(MaxHosts))
			return nil, nil, false
		}
		for _, c := range group {
			host, self := f.lookup(ctx, c)
			if self {
				f.because(reason.IsSelf, c.name, number(int(c.pref)))
				f.better = len(behind) < len(list)
				return nil, nil, true
			}
			if len(host.Addrs) > 0 {
				hosts = append(hosts, host)
			}
		}
		behind = behind[len(group):]
		if len(hosts) > room {
			hosts = hosts[:room]
			f.because(reason.Capped, number(MaxHosts))
		}
	}
	return hosts, nil, false
}

// lookup finds the addresses of one host; a host without any is dropped with
// its reason. self reports that the host is ourselves.
func (f *finder) lookup(ctx context.Context, c candidate) (h Host, self bool) {
	if !isHostName(c.name) {
		f.because(reason.NotAHostName, c.name)
		return Host{}, false
	}
	if f.lookups++; f.enough() {
		if f.lookups == maxLookups+1 {
			f.because(reason.LookupsCapped, number(maxLookups))
		}
		return Host{}, false
	}
	a := f.dns.LookupAddrs(ctx, c.name)
	if a.Alias() && a.Status == dnsclient.Found {
		// RFC 2181 §10.3: it must not be one. Everybody tolerates it.
		f.because(reason.TargetAlias, c.name, plain(a.Canonical))
	}
	if f.self.at(a.List) || a.Alias() && f.self.named(plain(a.Canonical)) {
		return Host{}, true
	}
	usable := f.self.reachable(a.List)
	switch {
	case len(usable) > 0:
	case a.Status == dnsclient.Found:
		f.because(reason.OtherFamily, c.name)
	case a.Status == dnsclient.Failed:
		f.failed = true
		rule, args := unanswered(hostUnanswered, c.name, a.Err)
		f.because(rule, args...)
	case a.Status == dnsclient.NXDomain:
		f.because(reason.NoSuchHost, c.name)
	default:
		f.because(reason.NoHostAddress, c.name)
	}
	return Host{Name: c.name, Preference: c.pref, Addrs: usable}, false
}

// isHostName refuses what an MX record must not name: an address (RFC 1035
// §3.3.9 wants a domain name), the root, or a name that is not a host's.
func isHostName(name string) bool {
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return false
	}
	return mailaddr.IsDomain(name)
}

// plain writes a DNS name as people do: lower case, without the final dot.
func plain(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
