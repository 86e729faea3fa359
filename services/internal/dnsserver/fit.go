package dnsserver

import (
	"slices"
	"sort"

	"github.com/miekg/dns"
)

// fit packs a message into at most size octets, in buf where that is large
// enough. Additional records of an answer are a courtesy and go without a
// word (RFC 2181 §9); when anything else does not fit, TC is set.
func fit(m *dns.Msg, size int, buf []byte) ([]byte, error) {
	m.Compress = true
	wire, err := m.PackBuffer(buf)
	if err != nil || len(wire) <= size {
		return wire, err
	}
	if len(m.Answer) > 0 {
		if wire, err = shed(m, size, buf); err != nil || wire != nil {
			return wire, err
		}
	}
	m.Truncate(size)
	m.Compress = true
	return m.PackBuffer(buf)
}

// shed drops as few additional records as make the message fit. It returns nil
// when it does not even fit without them; the message has none then.
func shed(m *dns.Msg, size int, buf []byte) ([]byte, error) {
	var keep, extra []dns.RR
	for _, rr := range m.Extra {
		if rr.Header().Rrtype == dns.TypeOPT {
			keep = append(keep, rr)
		} else {
			extra = append(extra, rr)
		}
	}
	var failed error
	pack := func(n int) []byte {
		m.Extra = slices.Concat(extra[:n], keep)
		wire, err := m.PackBuffer(buf)
		if err != nil {
			failed = err
		}
		return wire
	}
	drop := sort.Search(len(extra)+1, func(drop int) bool { return len(pack(len(extra)-drop)) <= size })
	wire := pack(len(extra) - min(drop, len(extra)))
	if failed != nil || len(wire) > size {
		return nil, failed
	}
	return wire, nil
}
