package dnsserver

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime/debug"

	"github.com/miekg/dns"

	"correio/services/internal/dnstext"
)

const headerSize = 12

// respond turns a client's message into the response to send, which may share
// buf's memory; nil means silence.
func (s *Server) respond(ctx context.Context, r *Request, wire, buf []byte) []byte {
	m, rcode := screen(wire)
	if m == nil {
		s.record.drop("not a query")
		return nil
	}
	r.Msg = m
	var resp *dns.Msg
	if rcode == dns.RcodeSuccess {
		r.Question = m.Question[0]
		resp = s.handle(ctx, r)
		if resp == nil {
			s.record.drop("no answer")
			return nil
		}
	} else {
		resp = refusal(m, rcode)
	}
	finish(resp, m)
	out, err := fit(resp, s.size(r), buf)
	if err != nil {
		s.cfg.Log.Warn("answer cannot be packed", "question", question(m), "error", err.Error())
		resp = refusal(m, dns.RcodeServerFailure)
		finish(resp, m)
		if out, err = fit(resp, s.size(r), buf); err != nil {
			s.record.drop("cannot be packed")
			return nil
		}
	}
	s.record.answered(r, resp)
	return out
}

// handle calls the handler and contains its panic.
func (s *Server) handle(ctx context.Context, r *Request) (resp *dns.Msg) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("panic while answering", "question", question(r.Msg), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			resp = refusal(r.Msg, dns.RcodeServerFailure)
		}
	}()
	return s.cfg.Handler.Answer(ctx, r)
}

func question(m *dns.Msg) string {
	if len(m.Question) == 0 {
		return ""
	}
	return dnstext.Question(m.Question[0])
}

// screen parses a message. It returns nil when nothing must be answered, and
// a code other than NOERROR when the message is to be refused; what could be
// parsed of it is in the message then.
func screen(wire []byte) (*dns.Msg, int) {
	if len(wire) < headerSize || wire[2]&0x80 != 0 {
		return nil, 0 // a response must never be answered
	}
	m := new(dns.Msg)
	m.Id = binary.BigEndian.Uint16(wire)
	m.Opcode = int(wire[2]>>3) & 0xf
	if m.Opcode != dns.OpcodeQuery {
		return m, dns.RcodeNotImplemented
	}
	m.RecursionDesired = wire[2]&1 != 0
	m.CheckingDisabled = wire[3]&0x10 != 0
	if binary.BigEndian.Uint16(wire[4:]) != 1 {
		return m, dns.RcodeFormatError // RFC 9619: QDCOUNT is one
	}
	if err := m.Unpack(wire); err != nil || len(m.Question) != 1 {
		if len(m.Question) != 1 {
			m.Question = nil
		}
		return m, dns.RcodeFormatError
	}
	m.Rcode = 0
	return m, refuse(m)
}

// refuse returns the code with which a well-formed message is refused.
func refuse(m *dns.Msg) int {
	opts := 0
	for _, rr := range m.Extra {
		switch rr := rr.(type) {
		case *dns.OPT:
			opts++
			if rr.Version() != 0 {
				return dns.RcodeBadVers // RFC 6891 §6.1.3
			}
			if rr.Hdr.Name != "." {
				return dns.RcodeFormatError // RFC 6891 §6.1.2
			}
		case *dns.TSIG:
			return dns.RcodeNotAuth // RFC 8945 §5.2.1: a key that we do not know
		}
	}
	q := m.Question[0]
	switch {
	case opts > 1:
		return dns.RcodeFormatError // RFC 6891 §6.1.1
	case q.Qtype == dns.TypeOPT || q.Qtype == dns.TypeNone || q.Qtype == dns.TypeTSIG || q.Qtype == dns.TypeTKEY:
		return dns.RcodeFormatError // never asked for
	case q.Qclass != dns.ClassINET:
		return dns.RcodeRefused
	}
	return dns.RcodeSuccess
}

// refusal answers m with a code and nothing else.
func refusal(m *dns.Msg, rcode int) *dns.Msg {
	resp := new(dns.Msg).SetRcode(m, rcode)
	resp.Opcode = m.Opcode
	return resp
}

// finish gives the response an OPT record exactly when the query had one (RFC
// 6891 §7), and keeps the options that the handler put there.
func finish(resp, query *dns.Msg) {
	var options []dns.EDNS0
	for i := len(resp.Extra) - 1; i >= 0; i-- {
		if opt, ok := resp.Extra[i].(*dns.OPT); ok {
			options = opt.Option
			resp.Extra = append(resp.Extra[:i:i], resp.Extra[i+1:]...)
		}
	}
	asked := query.IsEdns0()
	if asked == nil {
		return
	}
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}, Option: options}
	opt.SetUDPSize(UDPSize)
	opt.SetDo(asked.Do())
	resp.Extra = append(resp.Extra[:len(resp.Extra):len(resp.Extra)], opt)
}

// size returns how long the response to r may be, in octets.
func (s *Server) size(r *Request) int {
	if r.Proto == "tcp" {
		return dns.MaxMsgSize
	}
	opt := r.Msg.IsEdns0()
	if opt == nil {
		return dns.MinMsgSize
	}
	// RFC 6891 §6.2.3: less than 512 means 512.
	return min(max(int(opt.UDPSize()), dns.MinMsgSize), UDPSize)
}
