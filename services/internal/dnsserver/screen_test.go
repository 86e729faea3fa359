package dnsserver

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"correio/services/internal/labtest"
)

func TestScreening(t *testing.T) {
	f := start(t, nil)
	change := func(edit func(m *dns.Msg)) []byte {
		m := query("1.test.", 1232)
		edit(m)
		return pack(t, m)
	}
	tests := []struct {
		name  string
		wire  []byte
		rcode int
	}{
		{"a plain question", change(func(*dns.Msg) {}), dns.RcodeSuccess},
		{"no question", change(func(m *dns.Msg) { m.Question = nil }), dns.RcodeFormatError},
		{"two questions", change(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), dns.RcodeFormatError},
		{"question cut off", pack(t, query("1.test.", 0))[:15], dns.RcodeFormatError},
		{"header alone, one question announced", []byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, dns.RcodeFormatError},
		{"NOTIFY", change(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), dns.RcodeNotImplemented},
		{"UPDATE", change(func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }), dns.RcodeNotImplemented},
		{"EDNS version 1", change(func(m *dns.Msg) { m.IsEdns0().SetVersion(1) }), dns.RcodeBadVers},
		{"two OPT records", change(func(m *dns.Msg) { m.Extra = append(m.Extra, m.Extra[0]) }), dns.RcodeFormatError},
		{"OPT with a name", change(func(m *dns.Msg) { m.Extra[0].Header().Name = "test." }), dns.RcodeFormatError},
		{"class CHAOS", change(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeRefused},
		{"asks for OPT", change(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeOPT }), dns.RcodeFormatError},
		{"signed with a key that we do not know", change(func(m *dns.Msg) {
			m.Extra = append(m.Extra, &dns.TSIG{Hdr: dns.RR_Header{Name: "key.", Rrtype: dns.TypeTSIG, Class: dns.ClassANY}, Algorithm: dns.HmacSHA256})
		}), dns.RcodeNotAuth},
		{"a handler that panics", change(func(m *dns.Msg) { m.Question[0].Name = "panic.test." }), dns.RcodeServerFailure},
		{"739 octets of options", change(func(m *dns.Msg) {
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_PADDING{Padding: make([]byte, 700)}}
		}), dns.RcodeSuccess},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := unpack(t, f.udp(t, tt.wire))
			if m.Rcode != tt.rcode || !m.Response || m.Id != binary.BigEndian.Uint16(tt.wire) {
				t.Errorf("got %s id %d, want %s", dns.RcodeToString[m.Rcode], m.Id, dns.RcodeToString[tt.rcode])
			}
			if opcode := int(tt.wire[2]>>3) & 15; m.Opcode != opcode {
				t.Errorf("opcode %d, want %d", m.Opcode, opcode)
			}
			if tt.rcode == dns.RcodeBadVers && (m.IsEdns0() == nil || m.IsEdns0().Version() != 0) {
				t.Error("BADVERS without our OPT")
			}
		})
	}
}

// behaviour.md §6 row 24: names that point at themselves, or have no end.
func TestRow24NamesThatDoNotEnd(t *testing.T) {
	f := start(t, nil)
	header := "\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for name, wire := range map[string][]byte{
		"points at itself":                         []byte(header + "\xc0\x0c\x00\x10\x00\x01"),
		"points forward":                           []byte(header + "\xc0\x20\x00\x10\x00\x01"),
		"points at its own label":                  []byte(header + "\x01a\xc0\x0c\x00\x10\x00\x01"),
		"is longer than 255":                       longName(),
		"has a label of a kind that is not in use": []byte(header + "\x80a\x00\x00\x10\x00\x01"),
	} {
		t.Run(name, func(t *testing.T) {
			if m := unpack(t, f.udp(t, wire)); m.Rcode != dns.RcodeFormatError {
				t.Errorf("got %s", dns.RcodeToString[m.Rcode])
			}
		})
	}
}

func longName() []byte {
	wire := []byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for range 5 {
		wire = append(append(wire, 63), strings.Repeat("a", 63)...)
	}
	return append(wire, 0, 0, 16, 0, 1)
}

func TestSilence(t *testing.T) {
	f := start(t, nil)
	response := query("1.test.", 0)
	response.Response = true
	c := f.dial(t, "udp")
	for _, wire := range [][]byte{{}, {0}, []byte("short"), pack(t, response)} {
		c.Write(wire)
	}
	last := query("2.test.", 0)
	c.Write(pack(t, last)) // the only message that is answered
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	if m := unpack(t, buf[:n]); m.Id != last.Id {
		t.Errorf("answered %v", m)
	}
}

func TestQuestionKeepsItsCase(t *testing.T) {
	f := start(t, nil)
	m := unpack(t, f.udp(t, pack(t, query("1.TeSt.", 0))))
	if m.Question[0].Name != "1.TeSt." {
		t.Errorf("question %q", m.Question[0].Name)
	}
}

func FuzzRespond(f *testing.F) {
	good := query("3.test.", 1232)
	f.Add(pack(f, good))
	f.Add(pack(f, query("100.test.", 0)))
	f.Add(longName())
	f.Add([]byte("\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x10\x00\x01"))
	record, err := newRecorder(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	s := &Server{cfg: Config{Handler: handlerFunc(func(_ context.Context, r *Request) *dns.Msg {
		return new(dns.Msg).SetReply(r.Msg)
	}), Log: labtest.Logger(f, "ns")}, record: record}
	f.Fuzz(func(t *testing.T, wire []byte) {
		for _, proto := range []string{"udp", "tcp"} {
			out := s.respond(context.Background(), &Request{Proto: proto}, wire, nil)
			if len(wire) < headerSize || wire[2]&0x80 != 0 {
				if out != nil {
					t.Fatalf("%s: a response to %x", proto, wire)
				}
				continue
			}
			m := new(dns.Msg)
			if err := m.Unpack(out); err != nil || !m.Response || m.Id != binary.BigEndian.Uint16(wire) {
				t.Fatalf("%s: response %x to %x: %v", proto, out, wire, err)
			}
			if proto == "udp" && len(out) > UDPSize {
				t.Fatalf("%d octets by UDP", len(out))
			}
		}
	})
}
