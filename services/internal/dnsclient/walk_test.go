package dnsclient

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"correio/services/internal/labtest"
)

func TestWalkByTCPAlone(t *testing.T) {
	s := labtest.NewStack(t)
	serve := func(at string, change func(m *dns.Msg)) {
		startFake(t, s, netip.MustParseAddrPort(at), func(proto string, _ int, q *dns.Msg) [][]byte {
			if proto != "tcp" {
				return nil
			}
			m := new(dns.Msg).SetReply(q)
			change(m)
			return [][]byte{pack(t, m)}
		})
	}
	serve("198.18.0.8:53", func(m *dns.Msg) {
		m.RecursionAvailable = true
		switch m.Question[0].Name {
		case ".":
			m.Answer = rrs(t, ". 60 IN NS a.root-servers.test.")
			m.Extra = rrs(t, "a.root-servers.test. 60 IN A 198.18.0.10")
		case "ns.boreal.test.":
			if m.Question[0].Qtype == dns.TypeA {
				m.Answer = rrs(t, "ns.boreal.test. 60 IN A 198.18.2.53")
			}
		}
	})
	serve("198.18.0.10:53", func(m *dns.Msg) {
		m.Ns = rrs(t, "test. 60 IN NS lame.nic.test.", "test. 60 IN NS ns.nic.test.")
		m.Extra = rrs(t, "lame.nic.test. 60 IN A 198.18.0.21", "ns.nic.test. 60 IN A 198.18.0.20")
	})
	serve("198.18.0.21:53", func(m *dns.Msg) { m.Rcode = dns.RcodeRefused })
	serve("198.18.0.20:53", func(m *dns.Msg) {
		if m.Question[0].Name == "cname.casos.test." {
			m.Authoritative = true
			m.Answer = rrs(t, "cname.casos.test. 60 IN CNAME boreal.test.")
			return
		}
		m.Ns = rrs(t, "boreal.test. 60 IN NS ns.boreal.test.")
	})
	serve("198.18.2.53:53", func(m *dns.Msg) {
		m.Authoritative = true
		m.Answer = rrs(t, "boreal.test. 60 IN MX 10 mx1.boreal.test.")
	})
	cfg := newClient(s, nil).cfg
	cfg.TCPOnly = true
	var got []string
	err := New(cfg).Walk(t.Context(), "cname.casos.test", dns.TypeMX, func(st Step) {
		got = append(got, strings.TrimSpace(st.Zone+" "+st.Addr.Addr().String()+" "+string(st.Outcome)+" "+st.Next))
	})
	want := []string{
		"198.18.0.8 hints .",
		". 198.18.0.10 referral test.",
		"test. 198.18.0.21 lame",
		"test. 198.18.0.20 alias boreal.test.",
		". 198.18.0.10 referral test.",
		"test. 198.18.0.21 lame",
		"test. 198.18.0.20 referral boreal.test.",
		"boreal.test. 198.18.2.53 answer",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("error %v, steps\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
