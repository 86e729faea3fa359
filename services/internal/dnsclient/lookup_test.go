package dnsclient

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/labtest"
)

func TestRead(t *testing.T) {
	soa := "casos.test. 60 IN SOA ns.nic.test. hostmaster.nic.test. 1 3600 600 86400 30"
	tests := []struct {
		name      string
		qtype     uint16
		rcode     int
		answer    []string
		authority []string
		want      Status
		canonical string
		records   int
		ttl       time.Duration
	}{
		{"found", dns.TypeMX, 0, []string{"a.test. 60 IN MX 1 b.test."}, nil, Found, "a.test.", 1, time.Minute},
		{"through a CNAME", dns.TypeMX, 0, []string{"a.test. 20 IN CNAME C.test.", "c.test. 60 IN MX 1 b.test."}, nil, Found, "C.test.", 1, 20 * time.Second},
		{"records of others are not ours", dns.TypeMX, 0, []string{"x.test. 60 IN MX 1 b.test."}, nil, NoData, "a.test.", 0, 0},
		{"the alias itself", dns.TypeCNAME, 0, []string{"a.test. 20 IN CNAME c.test."}, nil, Found, "a.test.", 1, 20 * time.Second},
		{"no data", dns.TypeMX, 0, nil, []string{soa}, NoData, "a.test.", 0, 30 * time.Second},
		{"no such name", dns.TypeMX, dns.RcodeNameError, nil, []string{soa}, NXDomain, "a.test.", 0, 30 * time.Second},
		{"alias of no such name", dns.TypeMX, dns.RcodeNameError, []string{"a.test. 60 IN CNAME c.test."}, []string{soa}, NXDomain, "c.test.", 0, 30 * time.Second},
		{"servfail", dns.TypeMX, dns.RcodeServerFailure, nil, nil, Failed, "a.test.", 0, 0},
		{"refused", dns.TypeMX, dns.RcodeRefused, nil, nil, Failed, "a.test.", 0, 0},
		{"loop of aliases", dns.TypeMX, 0, []string{"a.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME a.test."}, nil, NoData, "a.test.", 0, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := new(dns.Msg).SetQuestion("a.test.", tt.qtype)
			m.Rcode, m.Answer, m.Ns = tt.rcode, rrs(t, tt.answer...), rrs(t, tt.authority...)
			a := Read("a.test", tt.qtype, m)
			if a.Status != tt.want || a.Canonical != tt.canonical || len(a.Records) != tt.records || a.TTL != tt.ttl {
				t.Errorf("got %+v, want %s %s %d records ttl %s", a, tt.want, tt.canonical, tt.records, tt.ttl)
			}
			if (a.Err != nil) != (tt.want == Failed) {
				t.Errorf("error %v with status %s", a.Err, a.Status)
			}
		})
	}
}

func TestNameThatIsNone(t *testing.T) {
	a := newClient(labtest.NewStack(t), nil).LookupMX(t.Context(), strings.Repeat("a", 64)+".test")
	if a.Status != NXDomain || a.Err == nil {
		t.Errorf("got %+v", a)
	}
}

func TestLookupAddrs(t *testing.T) {
	type zone map[uint16]func(*dns.Msg)
	add := func(lines ...string) func(*dns.Msg) {
		return func(m *dns.Msg) { m.Answer = rrs(t, lines...) }
	}
	rcode := func(code int) func(*dns.Msg) { return func(m *dns.Msg) { m.Rcode = code } }
	tests := []struct {
		name  string
		zone  zone
		want  Status
		addrs string
		alias bool
	}{
		{"both families", zone{dns.TypeA: add("h.test. 60 IN A 198.18.2.25"), dns.TypeAAAA: add("h.test. 60 IN AAAA fd00::25")}, Found, "[198.18.2.25 fd00::25]", false},
		{"one family", zone{dns.TypeA: add("h.test. 60 IN A 198.18.2.25", "h.test. 60 IN A 198.18.2.26")}, Found, "[198.18.2.25 198.18.2.26]", false},
		{"one found, one failed", zone{dns.TypeA: add("h.test. 60 IN A 198.18.2.25"), dns.TypeAAAA: rcode(dns.RcodeServerFailure)}, Found, "[198.18.2.25]", false},
		{"one empty, one failed", zone{dns.TypeAAAA: rcode(dns.RcodeServerFailure)}, Failed, "[]", false},
		{"alias", zone{dns.TypeA: add("h.test. 60 IN CNAME g.test.", "g.test. 60 IN A 198.18.2.25"), dns.TypeAAAA: add("h.test. 60 IN CNAME g.test.")}, Found, "[198.18.2.25]", true},
		{"no such name", zone{dns.TypeA: rcode(dns.RcodeNameError), dns.TypeAAAA: rcode(dns.RcodeNameError)}, NXDomain, "[]", false},
		{"no address", zone{}, NoData, "[]", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := labtest.NewStack(t)
			startFake(t, s, serverAddr, func(_ string, _ int, q *dns.Msg) [][]byte {
				m := new(dns.Msg).SetReply(q)
				if change := tt.zone[q.Question[0].Qtype]; change != nil {
					change(m)
				}
				return [][]byte{pack(t, m)}
			})
			a := newClient(s, nil).LookupAddrs(t.Context(), "h.test")
			list := "[" + strings.Join(addrStrings(a.List), " ") + "]"
			if a.Status != tt.want || list != tt.addrs || a.Alias() != tt.alias {
				t.Errorf("got %+v, want %s %s alias %t", a, tt.want, tt.addrs, tt.alias)
			}
		})
	}
}

func addrStrings(list []netip.Addr) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}

// An answer that is cut even by TCP, and a referral where an answer was asked
// for, were taken for "no such record": mail was given back instead of kept.
func TestWhatIsNoAnswerIsNotNoData(t *testing.T) {
	for name, answer := range map[string]func(m *dns.Msg){
		"truncated by TCP": func(m *dns.Msg) { m.Truncated = true },
		"referral":         func(m *dns.Msg) { m.Ns = rrs(t, "test. 60 IN NS ns.nic.test.") },
		"referral behind an alias": func(m *dns.Msg) {
			m.Answer, m.Ns = rrs(t, "a.test. 60 IN CNAME b.casos.test."), rrs(t, "casos.test. 60 IN NS ns.nic.test.")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := labtest.NewStack(t)
			startFake(t, s, serverAddr, func(_ string, _ int, q *dns.Msg) [][]byte {
				m := new(dns.Msg).SetReply(q)
				answer(m)
				return [][]byte{pack(t, m)}
			})
			if a := newClient(s, nil).LookupMX(t.Context(), "a.test"); a.Status != Failed || a.Err == nil {
				t.Errorf("got %+v", a)
			}
		})
	}
}

// Some resolvers add the NS records of the zone to what they answer.
func TestAnswerWithNSRecordsIsAnAnswer(t *testing.T) {
	s := labtest.NewStack(t)
	startFake(t, s, serverAddr, func(_ string, _ int, q *dns.Msg) [][]byte {
		m := new(dns.Msg).SetReply(q)
		m.Answer, m.Ns = rrs(t, "a.test. 60 IN MX 1 b.test."), rrs(t, "a.test. 60 IN NS ns.a.test.")
		return [][]byte{pack(t, m)}
	})
	if a := newClient(s, nil).LookupMX(t.Context(), "a.test"); a.Status != Found || a.Err != nil {
		t.Errorf("got %+v", a)
	}
}
