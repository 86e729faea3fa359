package dnstext

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// Render writes a message as dig does: header, question, then the sections
// that hold something, one record a line with aligned columns. It ends with a
// line end.
func Render(m *dns.Msg) string {
	var b strings.Builder
	flags := Flags(m)
	if m.Response {
		flags = strings.TrimSpace("qr " + flags)
	}
	opcode, ok := dns.OpcodeToString[m.Opcode]
	if !ok {
		opcode = fmt.Sprintf("OPCODE%d", m.Opcode)
	}
	fmt.Fprintf(&b, ";; ->>HEADER<<- opcode: %s, status: %s, id: %d\n", opcode, Rcode(m.Rcode), m.Id)
	fmt.Fprintf(&b, ";; flags: %s; QUERY: %d, ANSWER: %d, AUTHORITY: %d, ADDITIONAL: %d\n",
		flags, len(m.Question), len(m.Answer), len(m.Ns), len(m.Extra))
	renderOPT(&b, m.IsEdns0())
	if len(m.Question) > 0 {
		b.WriteString("\n;; QUESTION SECTION:\n")
		for _, q := range m.Question {
			fmt.Fprintf(&b, ";%s\t\t%s\t%s\n", q.Name, Class(q.Qclass), Type(q.Qtype))
		}
	}
	renderSection(&b, "ANSWER", m.Answer)
	renderSection(&b, "AUTHORITY", m.Ns)
	renderSection(&b, "ADDITIONAL", m.Extra)
	return b.String()
}

func renderOPT(b *strings.Builder, opt *dns.OPT) {
	if opt == nil {
		return
	}
	do := ""
	if opt.Do() {
		do = " do"
	}
	fmt.Fprintf(b, "\n;; OPT PSEUDOSECTION:\n; EDNS: version: %d, flags:%s; udp: %d\n", opt.Version(), do, opt.UDPSize())
	for _, o := range opt.Option {
		if ede, ok := o.(*dns.EDNS0_EDE); ok {
			fmt.Fprintf(b, "; EDE: %d (%s): %q\n", ede.InfoCode, dns.ExtendedErrorCodeToString[ede.InfoCode], ede.ExtraText)
			continue
		}
		fmt.Fprintf(b, "; OPT=%d: %q\n", o.Option(), o.String())
	}
}

func renderSection(b *strings.Builder, title string, records []dns.RR) {
	width, n := 0, 0
	for _, rr := range records {
		if rr.Header().Rrtype != dns.TypeOPT {
			width = max(width, len(rr.Header().Name))
			n++
		}
	}
	if n == 0 {
		return
	}
	fmt.Fprintf(b, "\n;; %s SECTION:\n", title)
	for _, rr := range records {
		if rr.Header().Rrtype == dns.TypeOPT {
			continue
		}
		h := rr.Header()
		data := strings.TrimPrefix(rr.String(), h.String())
		fmt.Fprintf(b, "%-*s %6d %s %-6s %s\n", width, h.Name, h.Ttl, Class(h.Class), Type(h.Rrtype), data)
	}
}

// EDE returns what a server says about its answer in an Extended DNS Error
// (RFC 8914), such as "No Reachable Authority: casos.test. timed out", or "".
func EDE(m *dns.Msg) string {
	opt := m.IsEdns0()
	if opt == nil {
		return ""
	}
	for _, o := range opt.Option {
		if ede, ok := o.(*dns.EDNS0_EDE); ok {
			s := dns.ExtendedErrorCodeToString[ede.InfoCode]
			if ede.ExtraText != "" {
				s += ": " + ede.ExtraText
			}
			return strings.TrimPrefix(s, ": ")
		}
	}
	return ""
}
