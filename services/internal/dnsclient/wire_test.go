package dnsclient

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"correio/services/internal/labtest"
)

// behaviour.md §6 row 22 (CVE-2019-19794): whoever cannot see the question
// must guess id, port and question; nothing less is believed.
func TestRow22ResponsesThatDoNotMatchAreIgnored(t *testing.T) {
	s := labtest.NewStack(t)
	startFake(t, s, serverAddr, func(_ string, _ int, q *dns.Msg) [][]byte {
		forge := func(change func(*dns.Msg)) []byte {
			m := new(dns.Msg).SetReply(q)
			m.Answer = rrs(t, q.Question[0].Name+" 60 IN A 198.18.66.66")
			change(m)
			return pack(t, m)
		}
		good := new(dns.Msg).SetReply(q)
		good.Question[0].Name = "MX1.Boreal.Test." // the case does not matter
		good.Answer = rrs(t, "mx1.boreal.test. 60 IN A 198.18.2.25")
		return [][]byte{
			forge(func(m *dns.Msg) { m.Id++ }),
			forge(func(m *dns.Msg) { m.Question[0].Name = "mx2.boreal.test." }),
			forge(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA }),
			forge(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }),
			forge(func(m *dns.Msg) { m.Question = nil }),
			forge(func(m *dns.Msg) { m.Response = false }),
			forge(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }),
			{0}, []byte("not a message at all"),
			pack(t, good),
		}
	})
	a := newClient(s, nil).Lookup(t.Context(), "mx1.boreal.test", dns.TypeA)
	if len(a.Records) != 1 || a.Records[0].(*dns.A).A.String() != "198.18.2.25" {
		t.Errorf("got %+v", a)
	}
}

// behaviour.md §6 row 24: a response whose names point at themselves is no
// response.
func TestRow24NamesThatDoNotEnd(t *testing.T) {
	q := Query("a.test", dns.TypeA)
	good := new(dns.Msg).SetReply(q)
	good.Answer = rrs(t, "a.test. 60 IN A 198.18.0.1")
	good.Compress = true
	wire := pack(t, good)
	if _, ok := Match(q, wire); !ok {
		t.Fatal("the response itself does not match")
	}
	at := 12 + len("\x01a\x04test\x00") + 4 // the owner of the answer, a pointer to the question
	for name, pointer := range map[string][2]byte{"itself": {0xc0, byte(at)}, "forward": {0xc0, byte(at + 2)}, "beyond the end": {0xff, 0xff}} {
		loop := slices.Clone(wire)
		copy(loop[at:], pointer[:])
		// The library follows a pointer forward as far as it leads: here to ".".
		if m, ok := Match(q, loop); ok && Read("a.test", dns.TypeA, m).Status == Found {
			t.Errorf("points at %s: believed %v", name, m)
		}
	}
}

func TestIDsDiffer(t *testing.T) {
	seen := map[uint16]bool{}
	for range 200 {
		seen[Query("a.test", dns.TypeA).Id] = true
	}
	if len(seen) < 190 {
		t.Errorf("%d different ids of 200", len(seen))
	}
}

func FuzzMatch(f *testing.F) {
	q := Query("boreal.test", dns.TypeMX)
	q.Id = 7
	good := new(dns.Msg).SetReply(q)
	good.Answer = rrs(f, "boreal.test. 60 IN MX 10 mx1.boreal.test.")
	wire := pack(f, good)
	f.Add(wire)
	f.Add(wire[:20])
	f.Add([]byte{0, 7, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, wire []byte) {
		resp, ok := Match(q, wire)
		if !ok {
			return
		}
		if resp.Id != 7 || !resp.Response || len(resp.Question) == 1 && !strings.EqualFold(resp.Question[0].Name, "boreal.test.") {
			t.Errorf("accepted %v", resp)
		}
		if a := Read("boreal.test", dns.TypeMX, resp); a.Status == Found && len(a.Records) == 0 {
			t.Errorf("found nothing: %+v", a)
		}
	})
}
