package route

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"correio/services/internal/dnsclient"
	"correio/services/internal/reason"
	"correio/services/internal/text"
)

// world answers from zone lines. A line "name. FAIL" makes every question
// about the name fail; a name without lines does not exist.
type world struct {
	records []dns.RR
	fails   map[string]bool
	asked   []string
}

func newWorld(t testing.TB, zone string) *world {
	t.Helper()
	w := &world{fails: map[string]bool{}}
	for line := range strings.Lines(zone) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutSuffix(line, " FAIL"); ok {
			w.fails[name] = true
			continue
		}
		if line == "" {
			continue
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		w.records = append(w.records, rr)
	}
	return w
}

func (w *world) lookup(name string, qtype uint16) dnsclient.Answer {
	name = dns.Fqdn(name)
	w.asked = append(w.asked, name+" "+dns.TypeToString[qtype])
	a := dnsclient.Answer{Name: name, Type: qtype, Canonical: name, Status: dnsclient.NXDomain}
	for range 8 {
		if w.fails[a.Canonical] {
			a.Status, a.Err = dnsclient.Failed, errors.New("SERVFAIL")
			return a
		}
		target := ""
		for _, rr := range w.records {
			if !strings.EqualFold(rr.Header().Name, a.Canonical) {
				continue
			}
			if a.Status == dnsclient.NXDomain {
				a.Status = dnsclient.NoData
			}
			if c, ok := rr.(*dns.CNAME); ok {
				target = c.Target
			} else if rr.Header().Rrtype == qtype {
				a.Status = dnsclient.Found
				a.Records = append(a.Records, rr)
			}
		}
		if target == "" {
			return a
		}
		a.Canonical, a.Status = target, dnsclient.NXDomain
	}
	return a
}

func (w *world) LookupMX(_ context.Context, domain string) dnsclient.Answer {
	return w.lookup(domain, dns.TypeMX)
}

func (w *world) LookupAddrs(_ context.Context, host string) dnsclient.Addrs {
	four, six := w.lookup(host, dns.TypeA), w.lookup(host, dns.TypeAAAA)
	a := dnsclient.Addrs{Host: four.Name, Canonical: four.Canonical, Status: four.Status, Err: four.Err}
	for _, rr := range append(four.Records, six.Records...) {
		if addr, ok := dnsclient.Address(rr); ok {
			a.List, a.Status = append(a.List, addr), dnsclient.Found
		}
	}
	return a
}

func asIs(int, func(int, int)) {}

// hosts of the lab
const lab = `
	mx1.aurora.test. A 198.18.1.25
	mx1.boreal.test. A 198.18.2.25
	mx2.boreal.test. A 198.18.2.26
	mx1.cedro.test. A 198.18.3.25
	mx2.cedro.test. A 198.18.3.26
	boreal.test. MX 20 mx2.boreal.test.
	boreal.test. MX 10 mx1.boreal.test.
	cedro.test. MX 10 mx1.cedro.test.
	cedro.test. MX 10 mx2.cedro.test.
`

func self(name, addr string) Self {
	return Self{Names: []string{name}, Addrs: []netip.Addr{netip.MustParseAddr(addr)}}
}

var (
	aurora  = self("mx1.aurora.test", "198.18.1.25")
	boreal1 = self("mx1.boreal.test", "198.18.2.25")
	boreal2 = self("mx2.boreal.test", "198.18.2.26")
)

// home is a host of Boreal's in its full role: the site's domains are its own.
func home(s Self) Self {
	s.Local = func(domain string) bool { return domain == "boreal.test" || domain == "cname.casos.test" }
	return s
}

const (
	swapped    = "boreal.test. MX 5 mx2.boreal.test." // beside the 20 that it has
	selfbackup = "selfbackup.casos.test. MX 20 mx1.boreal.test.\nselfbackup.casos.test. MX 30 mx2.boreal.test."
)

func manyMX() string {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "long.casos.test. MX %d m%02d.casos.test.\nm%02d.casos.test. A 198.18.9.%d\n", i, i, i, i+1)
	}
	return b.String()
}

// goneMX are hosts of x.test that do not exist.
func goneMX(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "x.test. MX %d gone%02d.test.\n", i+1, i)
	}
	return b.String()
}

var routes = []struct {
	name   string
	domain string
	self   Self
	zone   string
	want   string // hosts "name addr,…" joined by "; ", or the verdict
	rules  []reason.Rule
}{
	{"the plain case: lowest preference first", "boreal.test", aurora, "",
		"mx1.boreal.test 198.18.2.25; mx2.boreal.test 198.18.2.26", []reason.Rule{reason.Sorted}},
	{"equal preference is shuffled", "cedro.test", aurora, "",
		"mx1.cedro.test 198.18.3.25; mx2.cedro.test 198.18.3.26", []reason.Rule{reason.Sorted, reason.Shuffled}},
	{"case: nullmx", "nullmx.casos.test", aurora, "nullmx.casos.test. MX 0 .\nnullmx.casos.test. A 198.18.1.25",
		"556 5.1.10 Domain nullmx.casos.test takes no mail (null MX)", []reason.Rule{reason.NullMX}},
	{"a null MX among others is no null MX", "x.test", aurora, "x.test. MX 0 .\nx.test. MX 5 mx1.boreal.test.",
		"mx1.boreal.test 198.18.2.25", []reason.Rule{reason.Sorted, reason.NotAHostName}},
	{"case: implicit", "implicit.casos.test", boreal1, "implicit.casos.test. A 198.18.1.25",
		"implicit.casos.test 198.18.1.25", []reason.Rule{reason.Implicit}},
	{"implicit: the address is our own", "implicit.casos.test", aurora, "implicit.casos.test. A 198.18.1.25",
		"550 5.4.6 Mail for implicit.casos.test loops back to this host", []reason.Rule{reason.Implicit, reason.Loop}},
	{"case: nomail", "nomail.casos.test", aurora, "nomail.casos.test. TXT nothing",
		"550 5.4.4 Domain nomail.casos.test has neither a mail host nor an address", []reason.Rule{reason.Implicit, reason.NoAddress}},
	{"case: nx", "nx.casos.test", aurora, "", "550 5.1.2 Domain nx.casos.test does not exist", []reason.Rule{reason.NoSuchDomain}},
	{"case: cname", "cname.casos.test", aurora, "cname.casos.test. CNAME boreal.test.",
		"mx1.boreal.test 198.18.2.25; mx2.boreal.test 198.18.2.26", []reason.Rule{reason.Alias, reason.Sorted}},
	{"case: mxcname", "mxcname.casos.test", boreal1, "mxcname.casos.test. MX 10 alias.casos.test.\nalias.casos.test. CNAME mx1.aurora.test.",
		"alias.casos.test 198.18.1.25", []reason.Rule{reason.Sorted, reason.TargetAlias}},
	{"an MX that is an alias of ourselves", "mxcname.casos.test", aurora, "mxcname.casos.test. MX 10 alias.casos.test.\nalias.casos.test. CNAME mx1.aurora.test.",
		"550 5.4.6 Mail for mxcname.casos.test loops back to this host", []reason.Rule{reason.Sorted, reason.TargetAlias, reason.IsSelf, reason.Loop}},
	{"case: closed", "closed.casos.test", aurora, "closed.casos.test. MX 10 closed-host.casos.test.\nclosed-host.casos.test. A 198.18.1.53",
		"closed-host.casos.test 198.18.1.53", []reason.Rule{reason.Sorted}},
	{"case: blackhole", "blackhole.casos.test", aurora, "blackhole.casos.test. MX 10 hole.casos.test.\nhole.casos.test. A 198.18.99.99",
		"hole.casos.test 198.18.99.99", []reason.Rule{reason.Sorted}},
	{"case: half", "half.casos.test", boreal1, "half.casos.test. MX 10 closed.casos.test.\nhalf.casos.test. MX 20 mx1.aurora.test.\nclosed.casos.test. A 198.18.1.53",
		"closed.casos.test 198.18.1.53; mx1.aurora.test 198.18.1.25", []reason.Rule{reason.Sorted}},
	{"case: loop, from elsewhere", "loop.casos.test", aurora, "loop.casos.test. MX 10 mx1.boreal.test.",
		"mx1.boreal.test 198.18.2.25", []reason.Rule{reason.Sorted}},
	{"case: loop, from boreal itself", "loop.casos.test", boreal1, "loop.casos.test. MX 10 mx1.boreal.test.",
		"550 5.4.6 Mail for loop.casos.test loops back to this host", []reason.Rule{reason.Sorted, reason.IsSelf, reason.Loop}},
	{"case: selfbackup, from outside", "selfbackup.casos.test", aurora,
		"selfbackup.casos.test. MX 30 mx2.boreal.test.\nselfbackup.casos.test. MX 20 mx1.boreal.test.\nselfbackup.casos.test. MX 10 mx1.cedro.test.",
		"mx1.cedro.test 198.18.3.25; mx1.boreal.test 198.18.2.25; mx2.boreal.test 198.18.2.26", []reason.Rule{reason.Sorted}},
	{"case: selfbackup, from the first backup", "selfbackup.casos.test", boreal1,
		"selfbackup.casos.test. MX 30 mx2.boreal.test.\nselfbackup.casos.test. MX 20 mx1.boreal.test.\nselfbackup.casos.test. MX 10 mx1.cedro.test.",
		"mx1.cedro.test 198.18.3.25", []reason.Rule{reason.Sorted, reason.IsSelf, reason.NotBetter}},
	{"case: selfbackup, from the second backup", "selfbackup.casos.test", boreal2,
		"selfbackup.casos.test. MX 30 mx2.boreal.test.\nselfbackup.casos.test. MX 20 mx1.boreal.test.\nselfbackup.casos.test. MX 10 mx1.cedro.test.",
		"mx1.cedro.test 198.18.3.25; mx1.boreal.test 198.18.2.25", []reason.Rule{reason.Sorted, reason.IsSelf}},
	{"the backup for its own domain hands on to the primary", "boreal.test", boreal2, "", "mx1.boreal.test 198.18.2.25", []reason.Rule{reason.Sorted, reason.IsSelf}},
	{"our own domain, and a better host", "boreal.test", home(boreal2), "", "mx1.boreal.test 198.18.2.25", []reason.Rule{reason.Sorted, reason.IsSelf}},
	{"our own domain, and we are the best", "boreal.test", home(boreal2), swapped, "mailboxes", []reason.Rule{reason.Sorted, reason.IsSelf, reason.NotBetter, reason.NotBetter, reason.Final}},
	{"our own domain, and we are among the best", "boreal.test", home(boreal2), "boreal.test. MX 10 mx2.boreal.test.",
		"mailboxes", []reason.Rule{reason.Sorted, reason.Shuffled, reason.IsSelf, reason.NotBetter, reason.NotBetter, reason.Final}},
	{"our own domain, and the best is an alias of ours", "boreal.test", home(boreal2), "boreal.test. MX 1 mail.boreal.test.\nmail.boreal.test. CNAME mx2.boreal.test.",
		"mailboxes", []reason.Rule{reason.Sorted, reason.IsSelf, reason.TargetAlias, reason.IsSelf, reason.Final}},
	{"our own domain by an alias, and we are the best", "cname.casos.test", home(boreal2), swapped + "\ncname.casos.test. CNAME boreal.test.",
		"mailboxes", []reason.Rule{reason.Alias, reason.Sorted, reason.IsSelf, reason.NotBetter, reason.NotBetter, reason.Final}},
	{"our own domain without MX, and the address is ours", "cname.casos.test", home(boreal2), "cname.casos.test. A 198.18.2.26",
		"mailboxes", []reason.Rule{reason.Implicit, reason.Final}},
	{"our own domain, and the better host fails for now: temporary", "boreal.test", home(boreal2), "boreal.test. MX 5 f.test.\nf.test. FAIL",
		"mx1.boreal.test 198.18.2.25", []reason.Rule{reason.Sorted, reason.IsSelf, reason.AddressFailed}},
	{"our own domain, and only failing hosts are better: temporary", "boreal.test", home(boreal1), "boreal.test. MX 5 f.test.\nf.test. FAIL",
		"451 4.4.3 DNS could not tell the addresses of the mail hosts of boreal.test; trying again later",
		[]reason.Rule{reason.Sorted, reason.IsSelf, reason.NotBetter, reason.AddressFailed, reason.HostsUnknown}},
	{"our own domain, and the better host has no address", "cname.casos.test", home(boreal2), "cname.casos.test. MX 5 gone.test.\ncname.casos.test. MX 20 mx2.boreal.test.",
		"mailboxes", []reason.Rule{reason.Sorted, reason.IsSelf, reason.NoSuchHost, reason.BetterGone, reason.Local}},
	{"our own domain, we are in the list by address, and the better host has no address", "cname.casos.test", home(boreal2), "cname.casos.test. MX 5 gone.test.\ncname.casos.test. MX 10 us.test.\nus.test. A 198.18.2.26",
		"mailboxes", []reason.Rule{reason.Sorted, reason.NoSuchHost, reason.IsSelf, reason.BetterGone, reason.Local}},
	{"another's domain, and the better host has no address: temporary", "x.test", aurora, "x.test. MX 5 gone.test.\nx.test. MX 10 mx1.aurora.test.",
		"451 4.4.4 The mail hosts of x.test that are better than this one have no address; trying again later",
		[]reason.Rule{reason.Sorted, reason.IsSelf, reason.NoSuchHost, reason.BetterGone}},
	{"another's domain, and the best host has our address: a loop, whatever comes behind", "x.test", aurora,
		"x.test. MX 5 us.test.\nx.test. MX 10 mx1.aurora.test.\nus.test. A 198.18.1.25",
		"550 5.4.6 Mail for x.test loops back to this host", []reason.Rule{reason.Sorted, reason.IsSelf, reason.IsSelf, reason.Loop}},
	{"another's domain, and we are the best: still a loop", "selfbackup.casos.test", home(boreal1), selfbackup,
		"550 5.4.6 Mail for selfbackup.casos.test loops back to this host", []reason.Rule{reason.Sorted, reason.IsSelf, reason.NotBetter, reason.Loop}},
	{"a host of our own preference is dropped with us", "cedro.test", self("mx2.cedro.test", "198.18.3.26"), "",
		"550 5.4.6 Mail for cedro.test loops back to this host", []reason.Rule{reason.Sorted, reason.Shuffled, reason.IsSelf, reason.NotBetter, reason.Loop}},
	{"ourselves by address alone, among equals", "x.test", aurora, "x.test. MX 10 other.test.\nx.test. MX 10 us.test.\nx.test. MX 5 mx1.cedro.test.\nother.test. A 198.18.7.7\nus.test. A 198.18.1.25",
		"mx1.cedro.test 198.18.3.25", []reason.Rule{reason.Sorted, reason.Shuffled, reason.IsSelf}},
	{"case: servfail", "servfail.casos.test", aurora, "servfail.casos.test. FAIL",
		"451 4.4.3 DNS could not tell the mail hosts of servfail.casos.test; trying again later", []reason.Rule{reason.LookupFailed}},
	{"case: lame and dead-ns look the same from here", "lame.casos.test", aurora, "lame.casos.test. FAIL",
		"451 4.4.3 DNS could not tell the mail hosts of lame.casos.test; trying again later", []reason.Rule{reason.LookupFailed}},
	{"case: long", "long.casos.test", aurora, manyMX(), "10 hosts from m00.casos.test", []reason.Rule{reason.Sorted, reason.Capped}},
	{"case: ip", "ip.casos.test", aurora, "ip.casos.test. MX 10 198.18.2.25.\nip.casos.test. A 198.18.2.25",
		"550 5.4.4 None of the mail hosts of ip.casos.test can be used", []reason.Rule{reason.Sorted, reason.NotAHostName, reason.Unusable}},
	{"case: internationalised name", "xn--caf-dma.casos.test", boreal1, "xn--caf-dma.casos.test. MX 10 mx1.aurora.test.",
		"mx1.aurora.test 198.18.1.25", []reason.Rule{reason.ALabels, reason.Sorted}},
	{"case: internationalised name, as people write it", "CAFÉ.casos.test", boreal1, "xn--caf-dma.casos.test. MX 10 mx1.aurora.test.",
		"mx1.aurora.test 198.18.1.25", []reason.Rule{reason.ALabels, reason.Sorted}},
	{"behaviour.md §6 row 17: an MX host with an internationalised name", "x.test", aurora, "x.test. MX 10 xn--caf-dma.x.test.\nxn--caf-dma.x.test. A 198.18.7.7",
		"xn--caf-dma.x.test 198.18.7.7", []reason.Rule{reason.Sorted}},
	{"an A-label that is none is a name like any other", "xn--aurora-.test", aurora, "xn--aurora-.test. MX 10 mx1.boreal.test.",
		"mx1.boreal.test 198.18.2.25", []reason.Rule{reason.Sorted}},
	{"no mapping into another domain", "boreal\uff0etest", aurora, "",
		"550 5.1.2 The domain is no valid internationalised name", []reason.Rule{reason.NotAnIDN}},
	{"MX whose host does not exist: never the domain's address", "x.test", aurora, "x.test. MX 10 gone.test.\nx.test. A 198.18.2.25",
		"550 5.4.4 None of the mail hosts of x.test can be used", []reason.Rule{reason.Sorted, reason.NoSuchHost, reason.Unusable}},
	{"a host whose lookup fails is left out, the others serve", "x.test", aurora, "x.test. MX 10 f.test.\nx.test. MX 20 mx1.cedro.test.\nf.test. FAIL",
		"mx1.cedro.test 198.18.3.25", []reason.Rule{reason.Sorted, reason.AddressFailed}},
	{"all lookups fail: temporary", "x.test", aurora, "x.test. MX 10 f.test.\nf.test. FAIL",
		"451 4.4.3 DNS could not tell the addresses of the mail hosts of x.test; trying again later", []reason.Rule{reason.Sorted, reason.AddressFailed, reason.HostsUnknown}},
	{"a better host fails for now, the worse one is ourselves: temporary", "x.test", aurora, "x.test. MX 10 f.test.\nx.test. MX 20 mx1.aurora.test.\nf.test. FAIL",
		"451 4.4.3 DNS could not tell the addresses of the mail hosts of x.test; trying again later", []reason.Rule{reason.Sorted, reason.IsSelf, reason.AddressFailed, reason.HostsUnknown}},
	{"implicit: the address lookup fails", "sub.x.test", aurora, "sub.x.test. CNAME y.test.\ny.test. FAIL",
		"451 4.4.3 DNS could not tell the mail hosts of sub.x.test; trying again later", []reason.Rule{reason.Alias, reason.LookupFailed}},
	{"only IPv6, and we have none", "x.test", aurora, "x.test. MX 10 six.test.\nsix.test. AAAA 2001:db8::1",
		"550 5.4.4 None of the mail hosts of x.test can be used", []reason.Rule{reason.Sorted, reason.OtherFamily, reason.Unusable}},
	// The message bounced at once, and the reasons did not tell why good.test was never asked for.
	{"more hosts without an address than are asked for: temporary", "x.test", aurora, goneMX(maxLookups+2) + "x.test. MX 200 good.test.\ngood.test. A 198.18.7.7",
		"451 4.4.4 None of the first 50 mail hosts of x.test can be used; trying again later",
		slices.Concat([]reason.Rule{reason.Sorted}, slices.Repeat([]reason.Rule{reason.NoSuchHost}, maxLookups), []reason.Rule{reason.LookupsCapped, reason.HostsUnknown})},
	{"as many as are asked for, none with an address", "x.test", aurora, goneMX(maxLookups),
		"550 5.4.4 None of the mail hosts of x.test can be used",
		slices.Concat([]reason.Rule{reason.Sorted}, slices.Repeat([]reason.Rule{reason.NoSuchHost}, maxLookups), []reason.Rule{reason.Unusable})},
	{"address literal", "[198.18.2.25]", aurora, "", "[198.18.2.25] 198.18.2.25", []reason.Rule{reason.Literal}},
	{"our own address literal", "[198.18.1.25]", aurora, "", "550 5.4.6 Mail for [198.18.1.25] loops back to this host", []reason.Rule{reason.Loop}},
	{"names know no case", "BOREAL.test", boreal2, "", "mx1.boreal.test 198.18.2.25", []reason.Rule{reason.Sorted, reason.IsSelf}},
}

func show(r Route) string {
	if r.Mailboxes {
		return "mailboxes"
	}
	if len(r.Hosts) == 0 {
		return r.Verdict.String()
	}
	if len(r.Hosts) > 4 {
		return fmt.Sprintf("%d hosts from %s", len(r.Hosts), r.Hosts[0].Name)
	}
	var parts []string
	for _, h := range r.Hosts {
		s := h.Name
		for i, a := range h.Addrs {
			s += map[bool]string{true: " ", false: ","}[i == 0] + a.String()
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

// all follows a route to its end.
func all(t *testing.T, r Route) Route {
	for next := r.More(t.Context()); ; next = next.More(t.Context()) {
		r.Hosts, r.Reasons = append(r.Hosts, next.Hosts...), append(r.Reasons, next.Reasons...)
		if len(next.Hosts) == 0 {
			return r
		}
	}
}

func TestRoutes(t *testing.T) {
	for _, test := range routes {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, lab+test.zone)
			r := all(t, Find(t.Context(), test.domain, test.self, w, asIs))
			if got := show(r); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			var rules []reason.Rule
			for _, why := range r.Reasons {
				rules = append(rules, why.Rule)
				for _, lang := range text.Langs {
					if s := why.In(lang); strings.Contains(s, "%!") || s == "" {
						t.Errorf("%s in %s: %q", why.Rule, lang, s)
					}
				}
			}
			if d := cmp.Diff(test.rules, rules); d != "" {
				t.Errorf("rules (-want +got)\n%s\n%s", d, reason.Describe(r.Reasons))
			}
			ways := 0
			for _, way := range []bool{len(r.Hosts) > 0, r.Mailboxes, r.Verdict.Code != 0} {
				if way {
					ways++
				}
			}
			if ways != 1 {
				t.Errorf("%d of hosts, mailboxes and verdict: %+v", ways, r)
			}
		})
	}
}

func TestReasonIsReadable(t *testing.T) {
	r := Find(t.Context(), "boreal.test", boreal2, newWorld(t, lab), asIs)
	want := "MX of boreal.test by preference: 10 mx1.boreal.test, 20 mx2.boreal.test; mx2.boreal.test (preference 20) is this host"
	if got := reason.Describe(r.Reasons); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEqualPreferenceSharesTheLoad(t *testing.T) {
	w := newWorld(t, lab)
	first := map[string]int{}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		first[Find(t.Context(), "cedro.test", aurora, w, rnd.Shuffle).Hosts[0].Name]++
	}
	if n := first["mx1.cedro.test"]; n < 400 || n > 600 {
		t.Errorf("%d of 1000 go to mx1", n)
	}
}

// A teacher points at the DNS questions: there are no more than needed.
func TestOnlyTheHostsThatAreTriedAreLookedUp(t *testing.T) {
	w := newWorld(t, lab+manyMX())
	asked := func() int {
		return len(slices.DeleteFunc(slices.Clone(w.asked), func(q string) bool { return !strings.HasSuffix(q, " A") }))
	}
	r := Find(t.Context(), "long.casos.test", aurora, w, asIs)
	if n := asked(); n != 1 || len(r.Hosts) != 1 {
		t.Errorf("%d hosts looked up for the first one", n)
	}
	if all(t, r); asked() != MaxHosts {
		t.Errorf("%d hosts looked up in all, want %d", asked(), MaxHosts)
	}
}
