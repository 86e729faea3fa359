package wire

import "bytes"

// header measures the header of a message that passes by: the lines up to the
// first that is empty, or that is neither a field nor the continuation of one
// (RFC 5322 §2.2), where readers see the body begin.
type header struct {
	octets int64
	at     place
	ended  bool
}

// place is where in a line of the header the next octet stands.
type place uint8

const (
	firstLine place = iota // before the first octet, where nothing can be continued
	lineStart
	fieldName
	lineRest
)

func (h *header) write(p []byte) {
	for len(p) > 0 && !h.ended {
		n := 1
		switch c := p[0]; {
		case h.at == lineRest:
			if i := bytes.IndexByte(p, '\n'); i >= 0 {
				n, h.at = i+1, lineStart
			} else {
				n = len(p)
			}
		case h.at == lineStart && (c == ' ' || c == '\t'), h.at == fieldName && c == ':':
			h.at = lineRest
		case c > ' ' && c < 0x7f && c != ':': // RFC 5322 §3.6.8
			h.at = fieldName
		default:
			h.ended = true
		}
		h.octets += int64(n)
		p = p[n:]
	}
}
