package dnsserver

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/miekg/dns"
)

// behaviour.md §5: the library's server never truncates.
func TestResponsesFitWhatTheClientTakes(t *testing.T) {
	f := start(t, nil)
	tests := []struct {
		name  string
		query *dns.Msg
		limit int
		tc    bool
	}{
		{"small without EDNS", query("3.test.", 0), 512, false},
		{"large without EDNS", query("20.test.", 0), 512, true},
		{"announces less than 512", query("20.test.", 100), 512, true},
		{"announces 900", query("100.test.", 900), 900, true},
		{"announces 65535, gets our cap", query("100.test.", 65535), 1232, true},
		{"fits the cap", query("20.test.", 4096), 1232, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wire := f.udp(t, pack(t, tt.query))
			m := unpack(t, wire)
			if len(wire) > tt.limit || m.Truncated != tt.tc {
				t.Errorf("%d octets, tc %t; want at most %d, tc %t", len(wire), m.Truncated, tt.limit, tt.tc)
			}
			if (m.IsEdns0() != nil) != (tt.query.IsEdns0() != nil) {
				t.Error("OPT in the response does not follow the query")
			}
			c := f.dial(t, "tcp")
			c.Write(frame(pack(t, tt.query)))
			whole, err := readFrame(c)
			if err != nil {
				t.Fatal(err)
			}
			var want int
			fmt.Sscanf(tt.query.Question[0].Name, "%d.", &want)
			if got := unpack(t, whole); len(got.Answer) != want || got.Truncated {
				t.Errorf("by TCP %d records of %d, tc %t", len(got.Answer), want, got.Truncated)
			}
		})
	}
}

// behaviour.md §6 row 25: records that no message holds.
func TestRow25MessageOver64KiBIsCutByTCP(t *testing.T) {
	f := start(t, nil)
	c := f.dial(t, "tcp")
	c.Write(frame(pack(t, query("1800.test.", 1232))))
	wire, err := readFrame(c)
	if err != nil {
		t.Fatal(err)
	}
	if m := unpack(t, wire); !m.Truncated || len(m.Answer) == 0 || len(m.Answer) == 1800 {
		t.Errorf("%d records, tc %t", len(m.Answer), m.Truncated)
	}
}

func TestCourtesyRecordsGoBeforeTheAnswer(t *testing.T) {
	f := start(t, func(c *Config) {
		c.Handler = handlerFunc(func(ctx context.Context, r *Request) *dns.Msg {
			m := numbered(ctx, r)
			for i := range 40 {
				m.Extra = append(m.Extra, &dns.A{Hdr: dns.RR_Header{Name: fmt.Sprintf("mx%d.test.", i), Rrtype: dns.TypeA, Class: 1}, A: net.IPv4(198, 18, 0, byte(i))})
			}
			return m
		})
	})
	wire := f.udp(t, pack(t, query("5.test.", 512)))
	m := unpack(t, wire)
	if m.Truncated || len(m.Answer) != 5 || len(m.Extra) < 5 || len(m.Extra) >= 40 || len(wire) > 512 {
		t.Errorf("tc %t, %d answers, %d additional, %d octets", m.Truncated, len(m.Answer), len(m.Extra), len(wire))
	}
	if m := unpack(t, f.udp(t, pack(t, query("12.test.", 512)))); !m.Truncated || m.IsEdns0() == nil {
		t.Errorf("answer that does not fit: tc %t, OPT %v", m.Truncated, m.IsEdns0())
	}
}

func TestGlueThatDoesNotFitSetsTC(t *testing.T) { // RFC 9471
	f := start(t, func(c *Config) {
		c.Handler = handlerFunc(func(_ context.Context, r *Request) *dns.Msg {
			m := new(dns.Msg).SetReply(r.Msg)
			for i := range 13 {
				ns := fmt.Sprintf("a-rather-long-name-%d.server.test.", i)
				m.Ns = append(m.Ns, &dns.NS{Hdr: dns.RR_Header{Name: "test.", Rrtype: dns.TypeNS, Class: 1}, Ns: ns})
				m.Extra = append(m.Extra, &dns.A{Hdr: dns.RR_Header{Name: ns, Rrtype: dns.TypeA, Class: 1}, A: net.IPv4(198, 18, 0, 1)})
			}
			return m
		})
	})
	if m := unpack(t, f.udp(t, pack(t, query("1.test.", 0)))); !m.Truncated {
		t.Error("tc is clear")
	}
}
