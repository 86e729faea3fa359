package zone

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"correio/services/internal/dnstext"
	"correio/services/internal/zonefile"
)

const top = `
@        3600 IN SOA ns hostmaster 7 3600 600 86400 30
@        60 IN NS ns
ns       60 IN A  198.18.9.53
`

func build(t testing.TB, origin, text string) *Zone {
	t.Helper()
	z, err := parse(origin, text)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func parse(origin, text string) (*Zone, error) {
	records, err := zonefile.Parse(strings.NewReader(text), origin, "zone")
	if err != nil {
		return nil, err
	}
	return New(origin, "zone", records)
}

// example is the zone of RFC 4592 §2.2.1 with more in it.
const example = top + `
@        60 IN MX 10 mx1
@        60 IN TXT "top"
mx1      60 IN A 198.18.9.25
Host     60 IN A 198.18.9.1
alias    60 IN CNAME alias2
alias2   60 IN CNAME mx1
toempty  60 IN CNAME a.ent
tonx     60 IN CNAME nowhere.deep
toout    60 IN CNAME boreal.test.
tosub    60 IN CNAME www.sub
loop1    60 IN CNAME loop2
loop2    60 IN CNAME loop1
self     60 IN CNAME self
*.wild   60 IN MX 10 host1.example.
*.wild   60 IN TXT "this is a wildcard"
sub.*.wild 60 IN TXT "this is not a wildcard"
host1.wild 60 IN A 198.18.9.11
_ssh._tcp.host1.wild 60 IN SRV 0 0 22 mx1
*.walias 60 IN CNAME mx1
x.y.a.ent 60 IN A 198.18.9.12
sub      60 IN NS ns.sub
sub      60 IN NS ns.elsewhere.test.
sub      60 IN DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.sub   60 IN A 198.18.9.54
deeper.sub 60 IN NS ns.deeper.sub
ns.deeper.sub 60 IN A 198.18.9.55
*.below  60 IN NS ns.sub
moved    60 IN DNAME mx.test.
inmoved  60 IN DNAME wild
x.moved  60 IN A 198.18.9.13
`

func TestLookup(t *testing.T) {
	z := build(t, "zone.test", example)
	const soa = "zone.test. 30 IN SOA ns.zone.test. hostmaster.zone.test. 7 3600 600 86400 30"
	tests := []struct {
		name      string
		question  string // "NAME TYPE", relative to the zone
		answer    []string
		authority []string
		rcode     int
		referral  bool
	}{
		{"records at the top", "@ MX", []string{"zone.test. 60 IN MX 10 mx1.zone.test."}, nil, 0, false},
		{"no such type", "mx1 AAAA", nil, []string{soa}, 0, false},
		{"no such name", "nx A", nil, []string{soa}, dns.RcodeNameError, false},
		{"no such name below an existing one", "a.mx1 A", nil, []string{soa}, dns.RcodeNameError, false},
		{"case of the question is kept", "hOsT A", []string{"hOsT.zone.test. 60 IN A 198.18.9.1"}, nil, 0, false},
		{"ANY gives one set", "@ ANY", []string{"zone.test. 60 IN NS ns.zone.test."}, nil, 0, false},
		{"ANY of an alias gives the alias", "alias ANY", []string{"alias.zone.test. 60 IN CNAME alias2.zone.test."}, nil, 0, false},
		{"ANY where nothing is", "ent ANY", nil, []string{soa}, 0, false},

		{"chain of aliases", "alias A", []string{"alias.zone.test. 60 IN CNAME alias2.zone.test.", "alias2.zone.test. 60 IN CNAME mx1.zone.test.", "mx1.zone.test. 60 IN A 198.18.9.25"}, nil, 0, false},
		{"the alias itself", "alias CNAME", []string{"alias.zone.test. 60 IN CNAME alias2.zone.test."}, nil, 0, false},
		{"alias of a name without the type", "alias MX", []string{"alias.zone.test. 60 IN CNAME alias2.zone.test.", "alias2.zone.test. 60 IN CNAME mx1.zone.test."}, []string{soa}, 0, false},
		{"alias of an empty non-terminal", "toempty A", []string{"toempty.zone.test. 60 IN CNAME a.ent.zone.test."}, []string{soa}, 0, false},
		{"alias of no such name", "tonx A", []string{"tonx.zone.test. 60 IN CNAME nowhere.deep.zone.test."}, []string{soa}, dns.RcodeNameError, false},
		{"alias that leaves the zone", "toout MX", []string{"toout.zone.test. 60 IN CNAME boreal.test."}, nil, 0, false},
		{"alias into a delegated zone", "tosub A", []string{"tosub.zone.test. 60 IN CNAME www.sub.zone.test."}, []string{"sub.zone.test. 60 IN NS ns.sub.zone.test.", "sub.zone.test. 60 IN NS ns.elsewhere.test."}, 0, true},
		{"aliases in a circle", "loop1 A", []string{"loop1.zone.test. 60 IN CNAME loop2.zone.test.", "loop2.zone.test. 60 IN CNAME loop1.zone.test."}, nil, 0, false},
		{"alias of itself", "self A", []string{"self.zone.test. 60 IN CNAME self.zone.test."}, nil, 0, false},

		// RFC 4592 §2.2.1, the questions answered there
		{"wildcard, type is there", "host3.wild MX", []string{"host3.wild.zone.test. 60 IN MX 10 host1.example."}, nil, 0, false},
		{"wildcard, type is not there", "host3.wild A", nil, []string{soa}, 0, false},
		{"wildcard covers several labels", "foo.bar.wild TXT", []string{`foo.bar.wild.zone.test. 60 IN TXT "this is a wildcard"`}, nil, 0, false},
		{"existing name hides the wildcard", "host1.wild MX", nil, []string{soa}, 0, false},
		{"existing sibling of the wildcard's child", "sub.*.wild MX", nil, []string{soa}, 0, false},
		{"empty non-terminal hides the wildcard", "_tcp.host1.wild TXT", nil, []string{soa}, 0, false},
		{"closest encloser is below the wildcard", "_telnet._tcp.host1.wild SRV", nil, []string{soa}, dns.RcodeNameError, false},
		{"closest encloser is the wildcard's own name", "ghost.*.wild MX", nil, []string{soa}, dns.RcodeNameError, false},
		{"the wildcard by its name", "*.wild TXT", []string{`*.wild.zone.test. 60 IN TXT "this is a wildcard"`}, nil, 0, false},
		{"wildcard alias", "any.walias A", []string{"any.walias.zone.test. 60 IN CNAME mx1.zone.test.", "mx1.zone.test. 60 IN A 198.18.9.25"}, nil, 0, false},
		{"wildcard with NS does not refer", "x.below A", nil, []string{soa}, 0, false},

		{"empty non-terminal", "y.a.ent A", nil, []string{soa}, 0, false},
		{"next to an empty non-terminal", "z.a.ent A", nil, []string{soa}, dns.RcodeNameError, false},

		{"referral at the cut", "sub A", nil, []string{"sub.zone.test. 60 IN NS ns.sub.zone.test.", "sub.zone.test. 60 IN NS ns.elsewhere.test."}, 0, true},
		{"referral for the NS of the cut", "sub NS", nil, []string{"sub.zone.test. 60 IN NS ns.sub.zone.test.", "sub.zone.test. 60 IN NS ns.elsewhere.test."}, 0, true},
		{"referral below the cut", "a.b.sub MX", nil, []string{"sub.zone.test. 60 IN NS ns.sub.zone.test.", "sub.zone.test. 60 IN NS ns.elsewhere.test."}, 0, true},
		{"referral for glue", "ns.sub A", nil, []string{"sub.zone.test. 60 IN NS ns.sub.zone.test.", "sub.zone.test. 60 IN NS ns.elsewhere.test."}, 0, true},
		{"the upper of two cuts", "x.deeper.sub A", nil, []string{"sub.zone.test. 60 IN NS ns.sub.zone.test.", "sub.zone.test. 60 IN NS ns.elsewhere.test."}, 0, true},
		{"DS belongs to the parent", "sub DS", []string{"sub.zone.test. 60 IN DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000"}, nil, 0, false},
		{"DS below the cut does not", "x.sub DS", nil, []string{"sub.zone.test. 60 IN NS ns.sub.zone.test.", "sub.zone.test. 60 IN NS ns.elsewhere.test."}, 0, true},

		{"DNAME", "a.b.moved MX", []string{"moved.zone.test. 60 IN DNAME mx.test.", "a.b.moved.zone.test. 60 IN CNAME a.b.mx.test."}, nil, 0, false},
		{"DNAME hides what is below it", "x.moved A", []string{"moved.zone.test. 60 IN DNAME mx.test.", "x.moved.zone.test. 60 IN CNAME x.mx.test."}, nil, 0, false},
		{"DNAME does not stand for its owner", "moved A", nil, []string{soa}, 0, false},
		{"DNAME within the zone", "host1.inmoved A", []string{"inmoved.zone.test. 60 IN DNAME wild.zone.test.", "host1.inmoved.zone.test. 60 IN CNAME host1.wild.zone.test.", "host1.wild.zone.test. 60 IN A 198.18.9.11"}, nil, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, qtype, _ := strings.Cut(tt.question, " ")
			if name = name + ".zone.test."; strings.HasPrefix(name, "@") {
				name = "zone.test."
			}
			a := z.Lookup(name, dns.StringToType[qtype])
			if got := text(a.Answer); !slices.Equal(got, tt.answer) {
				t.Errorf("answer\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.answer, "\n"))
			}
			if got := text(a.Authority); !slices.Equal(got, tt.authority) {
				t.Errorf("authority\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.authority, "\n"))
			}
			if a.Rcode != tt.rcode || (a.Referral != "") != tt.referral {
				t.Errorf("rcode %d referral %q, want %d %t", a.Rcode, a.Referral, tt.rcode, tt.referral)
			}
			// AA is clear in a referral alone (RFC 1034 §4.3.1).
			if want := !tt.referral || len(tt.answer) > 0; a.Authoritative != want {
				t.Errorf("authoritative %t, want %t", a.Authoritative, want)
			}
		})
	}
}

func text(rrs []dns.RR) []string {
	var out []string
	for _, rr := range rrs {
		out = append(out, dnstext.RR(rr))
	}
	return out
}

// behaviour.md §6 row 25: a long chain of aliases crashed a name server.
func TestRow25LongChainOfAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString(top)
	for i := range 50 {
		fmt.Fprintf(&b, "c%d 60 IN CNAME c%d\n", i, i+1)
	}
	b.WriteString("c50 60 IN A 198.18.9.1\n")
	a := build(t, "zone.test", b.String()).Lookup("c0.zone.test.", dns.TypeA)
	if a.Rcode != 0 || len(a.Answer) != maxChain+1 {
		t.Errorf("rcode %d, %d records", a.Rcode, len(a.Answer))
	}
}

func TestDNAMEThatMakesTheNameTooLong(t *testing.T) {
	long := strings.Repeat(strings.Repeat("a", 63)+".", 3)
	z := build(t, "zone.test", top+"d 60 IN DNAME "+long+"test.\n")
	a := z.Lookup(strings.Repeat("b", 63)+".d.zone.test.", dns.TypeA)
	if a.Rcode != dns.RcodeYXDomain || len(a.Answer) != 1 {
		t.Errorf("got %+v", a)
	}
}

func TestRootZone(t *testing.T) {
	z := build(t, ".", ". 60 IN SOA a. b. 1 2 3 4 5\n. 60 IN NS a.root.\ntest. 60 IN NS ns.nic.test.\nns.nic.test. 60 IN A 198.18.0.20\na.root. 60 IN A 198.18.0.10\n* 60 IN TXT x\n")
	if a := z.Lookup("mx1.boreal.test.", dns.TypeA); a.Referral != "test." || a.Authoritative {
		t.Errorf("got %+v", a)
	}
	if a := z.Lookup("nowhere.", dns.TypeTXT); len(a.Answer) != 1 {
		t.Errorf("wildcard below the root: %+v", a)
	}
	if got := text(z.Glue("NS.nic.test.")); len(got) != 1 {
		t.Errorf("glue %q", got)
	}
	if got := z.Addresses("ns.nic.test."); got != nil {
		t.Errorf("glue is not authoritative: %q", text(got))
	}
	if got := text(z.Addresses("a.ROOT.")); len(got) != 1 {
		t.Errorf("addresses %q", got)
	}
}

func TestNegativeTTL(t *testing.T) { // RFC 2308 §3
	for _, tt := range []struct {
		ttl, minimum, want uint32
	}{{3600, 30, 30}, {20, 300, 20}} {
		z := build(t, "zone.test", fmt.Sprintf("@ %d IN SOA ns h 1 2 3 4 %d\n@ 60 IN NS ns\n", tt.ttl, tt.minimum))
		if got := z.Lookup("nx.zone.test.", dns.TypeA).Authority[0].Header().Ttl; got != tt.want {
			t.Errorf("SOA TTL %d, MINIMUM %d: negative TTL %d, want %d", tt.ttl, tt.minimum, got, tt.want)
		}
		if got := z.Lookup("zone.test.", dns.TypeSOA).Answer[0].Header().Ttl; got != tt.ttl {
			t.Errorf("SOA itself has TTL %d, want %d", got, tt.ttl)
		}
	}
}

func TestSetsHaveOneTTLAndNoDuplicates(t *testing.T) { // RFC 2181 §5
	z := build(t, "zone.test", top+"a 90 IN A 198.18.9.1\nA 40 IN A 198.18.9.2\na 60 IN A 198.18.9.1\n")
	got := text(z.Lookup("a.zone.test.", dns.TypeA).Answer)
	want := []string{"a.zone.test. 40 IN A 198.18.9.1", "a.zone.test. 40 IN A 198.18.9.2"}
	if !slices.Equal(got, want) || z.Records != 5 {
		t.Errorf("got %q, %d records", got, z.Records)
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no SOA", "@ 60 IN NS ns\n", "zone: no SOA for zone.test."},
		{"no NS", "@ 60 IN SOA ns h 1 2 3 4 5\n", "zone: no NS for zone.test."},
		{"nothing", "; empty\n", "zone: no SOA for zone.test.\nzone: no NS for zone.test."},
		{"two SOA", top + "@ 60 IN SOA ns h 2 2 3 4 5\n", "zone:5: a second SOA"},
		{"SOA elsewhere", top + "a 60 IN SOA ns h 2 2 3 4 5\n", "zone:5: SOA of a.zone.test. in zone zone.test."},
		{"record of another zone", top + "boreal.test. 60 IN A 198.18.9.1\n", "zone:5: boreal.test. is not in zone zone.test."},
		{"another class", top + "a 60 CH A 198.18.9.1\n", "zone:5: a.zone.test. A: class CH, only IN is served"},
		{"CNAME and other data", top + "a 60 IN A 198.18.9.1\na 60 IN CNAME b\n", "zone:6: a.zone.test. has a CNAME and other records"},
		{"CNAME at the top", top + "@ 60 IN CNAME b\n", "zone:5: zone.test. has a CNAME and other records"},
		{"two CNAMEs", top + "a 60 IN CNAME b\na 60 IN CNAME c\n", "zone:6: a.zone.test. has 2 CNAME records"},
		{"set too large for a message", top + strings.Repeat("$GENERATE 0-399 a 60 IN TXT $-"+strings.Repeat("x", 200)+"\n", 1), "zone:5: the TXT records of a.zone.test. take"},
		{"several faults", top + "x.test. 60 IN A 198.18.9.1\na 60 IN CNAME b\na 60 IN A 198.18.9.1\n", "zone:5: x.test. is not in zone zone.test.\nzone:7: a.zone.test. has a CNAME and other records"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			z, err := parse("zone.test", tt.text)
			if z != nil || err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCNAMEMayHaveASignature(t *testing.T) { // RFC 4035 §2.5
	build(t, "zone.test", top+"a 60 IN CNAME b\na 60 IN NSEC b A\n")
}

func FuzzLookup(f *testing.F) {
	z := build(f, "zone.test", example)
	f.Add("alias.zone.test.", dns.TypeA)
	f.Add("a.b.moved.zone.test.", dns.TypeMX)
	f.Add(`*.wi\108d.zone.test.`, dns.TypeANY)
	f.Fuzz(func(t *testing.T, name string, qtype uint16) {
		if _, ok := dns.IsDomainName(name); !ok || !dns.IsSubDomain(z.Origin, Canonical(name)) {
			return
		}
		a := z.Lookup(dns.Fqdn(name), qtype)
		if len(a.Answer) == 0 && len(a.Authority) == 0 {
			t.Errorf("%q %d: nothing said", name, qtype)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	z := build(b, "zone.test", example)
	q := new(dns.Msg).SetQuestion("zone.test.", dns.TypeMX)
	buf := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		a := z.Lookup("zone.test.", dns.TypeMX)
		m := new(dns.Msg).SetReply(q)
		m.Answer, m.Compress = a.Answer, true
		if _, err := m.PackBuffer(buf); err != nil {
			b.Fatal(err)
		}
	}
}
