package iterate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"correio/services/internal/dnstext"
)

// response builds a message from a header line and sections: "aa nxdomain",
// then records, each after its section's letter: "an ", "ns " or "ar ".
func response(t testing.TB, q dns.Question, flags string, records ...string) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	m.Question = []dns.Question{q}
	m.Response = true
	m.Authoritative = strings.Contains(flags, "aa")
	m.Truncated = strings.Contains(flags, "tc")
	for word, code := range map[string]int{"nxdomain": dns.RcodeNameError, "servfail": dns.RcodeServerFailure, "refused": dns.RcodeRefused} {
		if strings.Contains(flags, word) {
			m.Rcode = code
		}
	}
	for _, line := range records {
		section, text, _ := strings.Cut(line, " ")
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		switch section {
		case "an":
			m.Answer = append(m.Answer, rr)
		case "ns":
			m.Ns = append(m.Ns, rr)
		case "ar":
			m.Extra = append(m.Extra, rr)
		default:
			t.Fatalf("section %q", section)
		}
	}
	return m
}

var meanings = map[meaning]string{useless: "useless", answered: "answered", aliased: "aliased", noData: "no data", noName: "no name", referred: "referred"}

func (v verdict) String() string {
	s := meanings[v.meaning]
	for _, set := range v.sets {
		for _, rr := range set.RRs {
			s += " / " + dnstext.RR(rr)
		}
	}
	switch v.meaning {
	case aliased:
		s += " > " + v.target
	case noData, noName:
		s += fmt.Sprintf(" %s soa %t ttl %s", v.target, v.soa != nil, v.ttl)
	case useless:
		s += " " + v.reason
	case referred:
		s += fmt.Sprintf(" %s ttl %s", v.child.Zone, v.ttl)
		for _, server := range v.child.Servers {
			s += fmt.Sprintf(" %s %v", server.Name, server.Addrs)
		}
	}
	return s
}

func TestJudge(t *testing.T) {
	const soa = "ns boreal.test. 60 IN SOA ns.boreal.test. h. 1 2 3 4 30"
	tests := []struct {
		name, zone, question string
		flags                string
		records              []string
		want                 string
	}{
		{"answer", "boreal.test.", "Boreal.test. MX", "aa", []string{"an boreal.test. 60 IN MX 10 mx1.boreal.test."}, "answered / boreal.test. 60 IN MX 10 mx1.boreal.test."},
		{"answer without authority", "boreal.test.", "boreal.test. MX", "", []string{"an boreal.test. 60 IN MX 10 mx1.boreal.test."}, "useless is not authoritative for boreal.test."},
		{"answer truncated by TCP", "boreal.test.", "boreal.test. MX", "aa tc", []string{"an boreal.test. 60 IN MX 10 mx1.boreal.test."}, "useless truncated its answer by TCP"},
		{"records of other names and types are left out", "boreal.test.", "boreal.test. MX", "aa", []string{
			"an boreal.test. 60 IN MX 10 mx1.boreal.test.", "an x.boreal.test. 60 IN MX 1 x.", "an boreal.test. 60 IN A 198.18.66.66", "an boreal.test. 60 CH MX 1 y.",
		}, "answered / boreal.test. 60 IN MX 10 mx1.boreal.test."},
		{"duplicates are left out", "boreal.test.", "boreal.test. MX", "aa", []string{"an boreal.test. 60 IN MX 1 a.", "an boreal.test. 60 IN MX 1 a."}, "answered / boreal.test. 60 IN MX 1 a."},
		{"servfail", "boreal.test.", "boreal.test. MX", "servfail", nil, "useless answered SERVFAIL to boreal.test. MX"},
		{"refused", "boreal.test.", "boreal.test. MX", "refused", nil, "useless answered REFUSED to boreal.test. MX"},

		{"alias and its end", "boreal.test.", "smtp.boreal.test. A", "aa", []string{"an smtp.boreal.test. 60 IN CNAME mx1.boreal.test.", "an mx1.boreal.test. 60 IN A 198.18.2.25"}, "answered / smtp.boreal.test. 60 IN CNAME mx1.boreal.test. / mx1.boreal.test. 60 IN A 198.18.2.25"},
		{"alias asked for", "boreal.test.", "smtp.boreal.test. CNAME", "aa", []string{"an smtp.boreal.test. 60 IN CNAME mx1.boreal.test."}, "answered / smtp.boreal.test. 60 IN CNAME mx1.boreal.test."},
		{"alias that leaves the zone", "casos.test.", "c.casos.test. A", "aa", []string{"an c.casos.test. 60 IN CNAME boreal.test."}, "aliased / c.casos.test. 60 IN CNAME boreal.test. > boreal.test."},
		{"what it says about another zone is not believed", "casos.test.", "c.casos.test. A", "aa", []string{"an c.casos.test. 60 IN CNAME mx1.boreal.test.", "an mx1.boreal.test. 60 IN A 198.18.66.66"}, "aliased / c.casos.test. 60 IN CNAME mx1.boreal.test. > mx1.boreal.test."},
		{"alias to no such name in the zone", "boreal.test.", "a.boreal.test. A", "aa nxdomain", []string{"an a.boreal.test. 60 IN CNAME b.boreal.test.", soa}, "no name / a.boreal.test. 60 IN CNAME b.boreal.test. b.boreal.test. soa true ttl 30s"},
		{"alias out of the zone to no such name", "boreal.test.", "a.boreal.test. A", "aa nxdomain", []string{"an a.boreal.test. 60 IN CNAME b.casos.test.", "ns casos.test. 60 IN SOA a. b. 1 2 3 4 30"}, "aliased / a.boreal.test. 60 IN CNAME b.casos.test. > b.casos.test."},
		{"aliases in a circle", "boreal.test.", "a.boreal.test. A", "aa", []string{"an a.boreal.test. 60 IN CNAME b.boreal.test.", "an b.boreal.test. 60 IN CNAME A.boreal.test."}, "aliased / a.boreal.test. 60 IN CNAME b.boreal.test. / b.boreal.test. 60 IN CNAME A.boreal.test. > A.boreal.test."},

		{"no such name", "boreal.test.", "nx.boreal.test. A", "aa nxdomain", []string{soa}, "no name nx.boreal.test. soa true ttl 30s"},
		{"no such type", "boreal.test.", "mx1.boreal.test. MX", "aa", []string{soa}, "no data mx1.boreal.test. soa true ttl 30s"},
		{"negative with a SOA of another zone", "boreal.test.", "nx.boreal.test. A", "aa nxdomain", []string{"ns test. 60 IN SOA a. b. 1 2 3 4 86400"}, "no name nx.boreal.test. soa false ttl 0s"},
		{"negative without SOA", "boreal.test.", "nx.boreal.test. A", "aa nxdomain", nil, "no name nx.boreal.test. soa false ttl 0s"},
		{"negative without authority", "boreal.test.", "nx.boreal.test. A", "nxdomain", []string{soa}, "useless is not authoritative for boreal.test."},
		{"negative TTL is bounded", "boreal.test.", "nx.boreal.test. A", "aa nxdomain", []string{"ns boreal.test. 999999 IN SOA a. b. 1 2 3 4 999999"}, "no name nx.boreal.test. soa true ttl 1h0m0s"},

		{"referral", "test.", "mx1.boreal.test. A", "", []string{"ns Boreal.test. 60 IN NS ns.Boreal.test.", "ar ns.boreal.test. 40 IN A 198.18.2.53", "ar ns.boreal.test. 60 IN AAAA fd00::53"},
			"referred boreal.test. ttl 40s ns.boreal.test. [198.18.2.53 fd00::53]"},
		{"referral with authority set", "test.", "mx1.boreal.test. A", "aa", []string{"ns boreal.test. 60 IN NS ns.boreal.test."}, "referred boreal.test. ttl 1m0s ns.boreal.test. []"},
		{"TTL of a referral is bounded", "test.", "boreal.test. A", "", []string{"ns boreal.test. 2000000 IN NS ns.boreal.test."}, "referred boreal.test. ttl 24h0m0s ns.boreal.test. []"},
		{"glue that the zone may not give", "boreal.test.", "x.sub.boreal.test. A", "", []string{"ns sub.boreal.test. 60 IN NS mx1.aurora.test.", "ar mx1.aurora.test. 60 IN A 198.18.66.66"}, "referred sub.boreal.test. ttl 1m0s mx1.aurora.test. []"},
		{"address of a host that is no server", "test.", "boreal.test. A", "", []string{"ns boreal.test. 60 IN NS ns.boreal.test.", "ar mx1.boreal.test. 60 IN A 198.18.66.66"}, "referred boreal.test. ttl 1m0s ns.boreal.test. []"},
		{"NS records of two zones", "test.", "boreal.test. A", "", []string{"ns boreal.test. 60 IN NS a.boreal.test.", "ns aurora.test. 60 IN NS b.aurora.test."}, "referred boreal.test. ttl 1m0s a.boreal.test. []"},
		{"referral upwards", "lame.casos.test.", "lame.casos.test. MX", "", []string{"ns test. 60 IN NS ns.nic.test."}, "useless is not authoritative for lame.casos.test."},
		{"referral to itself", "test.", "boreal.test. A", "", []string{"ns test. 60 IN NS ns.nic.test."}, "useless is not authoritative for test."},
		{"referral aside", "test.", "boreal.test. A", "", []string{"ns aurora.test. 60 IN NS ns.aurora.test."}, "useless is not authoritative for test."},
		{"empty answer without authority", "test.", "boreal.test. A", "", nil, "useless is not authoritative for test."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := questionOf(tt.question)
			if got := judge(tt.zone, q, response(t, q, tt.flags, tt.records...)).String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func questionOf(s string) dns.Question {
	name, qtype, _ := strings.Cut(s, " ")
	return dns.Question{Name: name, Qtype: dns.StringToType[qtype], Qclass: dns.ClassINET}
}

func TestTTLWithTheHighestBitIsZero(t *testing.T) { // RFC 2181 §8
	q := questionOf("a.test. A")
	m := response(t, q, "aa", "an a.test. 60 IN A 198.18.0.1")
	m.Answer[0].Header().Ttl = 1 << 31
	if v := judge("test.", q, m); v.sets[0].TTL != 0 {
		t.Errorf("ttl %s", v.sets[0].TTL)
	}
}

func TestReferralIsBounded(t *testing.T) {
	q := questionOf("boreal.test. A")
	var records []string
	for i := range 50 {
		records = append(records, fmt.Sprintf("ns boreal.test. 60 IN NS ns%d.boreal.test.", i))
		for k := range 20 {
			records = append(records, fmt.Sprintf("ar ns%d.boreal.test. 60 IN A 198.18.%d.%d", i, i, k))
		}
	}
	v := judge("test.", q, response(t, q, "", records...))
	if len(v.child.Servers) != maxServers || len(v.child.Servers[0].Addrs) != maxAddrs {
		t.Errorf("%d servers, %d addresses of the first", len(v.child.Servers), len(v.child.Servers[0].Addrs))
	}
}

// FuzzJudge checks the bailiwick rule on any message: nothing is believed
// about a name outside the zone that was asked.
func FuzzJudge(f *testing.F) {
	q := questionOf("a.boreal.test. A")
	for _, m := range []*dns.Msg{
		response(f, q, "aa", "an a.boreal.test. 60 IN CNAME b.boreal.test.", "an b.boreal.test. 60 IN A 198.18.0.1", "an x.test. 60 IN A 198.18.0.1"),
		response(f, q, "", "ns a.boreal.test. 60 IN NS ns.test.", "ar ns.test. 60 IN A 198.18.0.1"),
		response(f, q, "aa nxdomain", "ns test. 60 IN SOA a. b. 1 2 3 4 5"),
	} {
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	const zone = "boreal.test."
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil {
			return
		}
		v := judge(zone, q, m)
		for _, set := range v.sets {
			for _, rr := range set.RRs {
				if !dns.IsSubDomain(zone, rr.Header().Name) {
					t.Errorf("believes %s", rr)
				}
			}
		}
		if v.soa != nil && !dns.IsSubDomain(zone, v.soa.Hdr.Name) {
			t.Errorf("believes %s", v.soa)
		}
		if v.meaning == referred {
			if !dns.IsSubDomain(zone, v.child.Zone) || v.child.Zone == zone || !dns.IsSubDomain(v.child.Zone, q.Name) {
				t.Errorf("follows a referral to %s", v.child.Zone)
			}
			for _, s := range v.child.Servers {
				if len(s.Addrs) > 0 && !dns.IsSubDomain(zone, s.Name) {
					t.Errorf("believes the glue of %s", s.Name)
				}
			}
		}
		if (v.meaning == answered) != (len(v.sets) > 0 && v.sets[len(v.sets)-1].Type == q.Qtype) {
			t.Errorf("%s", v)
		}
	})
}

// A response of 64 KiB holds some 4000 addresses; to compare each with all the
// others took most of a second, for every question that a hostile zone is asked.
func TestSetOfThousandsOfRecordsIsCut(t *testing.T) {
	q := questionOf("a.boreal.test. A")
	m := response(t, q, "aa")
	for i := range 4000 {
		m.Answer = append(m.Answer, &dns.A{
			Hdr: dns.RR_Header{Name: "a.boreal.test.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
			A:   []byte{198, 18, byte(i >> 8), byte(i)},
		})
	}
	v := judge("boreal.test.", q, m)
	if v.meaning != answered || len(v.sets[0].RRs) != maxRecords {
		t.Errorf("%s with %d records", meanings[v.meaning], len(v.sets[0].RRs))
	}
}
