package dnstext

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"correio/services/internal/event"
)

func message(t *testing.T) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion("Boreal.test.", dns.TypeMX)
	m.Id, m.Response, m.Authoritative, m.Rcode = 0x0a0b, true, true, dns.RcodeSuccess
	for _, line := range []string{"boreal.test. 60 IN MX 10 mx1.boreal.test.", "boreal.test. 60 IN MX 20 mx2.boreal.test."} {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeStaleAnswer, ExtraText: "a\nb"}}
	return m
}

func TestRender(t *testing.T) {
	want := `;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 2571
;; flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags:; udp: 1232
; EDE: 3 (Stale Answer): "a\nb"

;; QUESTION SECTION:
;Boreal.test.		IN	MX

;; ANSWER SECTION:
boreal.test.     60 IN MX     10 mx1.boreal.test.
boreal.test.     60 IN MX     20 mx2.boreal.test.
`
	if got := Render(message(t)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMeta(t *testing.T) {
	meta := Meta(message(t))
	for key, want := range map[string]string{
		event.Rcode: "NOERROR", event.Flags: "aa rd", event.Authority: "",
		event.Answer: "boreal.test. 60 IN MX 10 mx1.boreal.test.; boreal.test. 60 IN MX 20 mx2.boreal.test.",
	} {
		if got := meta.Get(key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if Meta(nil) != nil {
		t.Error("no response adds details")
	}
}

func TestJoinIsBounded(t *testing.T) {
	m := message(t)
	for range 200 {
		m.Answer = append(m.Answer, m.Answer[0])
	}
	if got := Join(m.Answer); len(got) > maxAnswer+10 || !strings.HasSuffix(got, "; …") {
		t.Errorf("%d octets, ends in %q", len(got), got[len(got)-10:])
	}
}

func TestUnknownNumbers(t *testing.T) {
	if got := Question(dns.Question{Name: "a.", Qtype: 65280, Qclass: 9}); got != "a. TYPE65280 CLASS9" {
		t.Error(got)
	}
	if got := Rcode(16) + Rcode(4000); got != "BADVERSRCODE4000" {
		t.Error(got)
	}
}
