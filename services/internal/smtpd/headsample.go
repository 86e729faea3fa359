package smtpd

import (
	"bytes"
	"strings"
)

// Of a message's content, events hold the first lines of its header.
const (
	maxHeadLines = 20
	maxHeadLine  = 200
	// maxHeadScan is how far into a message its Message-ID is looked for.
	maxHeadScan = 64 << 10
)

// headSample picks the header lines for the events, and the Message-ID, out of
// a message that passes by.
type headSample struct {
	line func(text string) // called for each of the first maxHeadLines

	cur       []byte // the line so far, cut at maxHeadLine
	length    int    // of the line so far
	lines     int
	scanned   int
	inID      bool // the line before was a Message-ID without value
	messageID string
	done      bool
}

// newHeadSample returns what picks from a message for the events, nil when
// there are none.
func (s *session) newHeadSample() *headSample {
	if s.silent() {
		return nil
	}
	return &headSample{line: s.recordHeader}
}

// observer is what the message is shown to.
func (h *headSample) observer() func(p []byte) {
	if h == nil {
		return nil
	}
	return h.write
}

func (h *headSample) write(p []byte) {
	if h.done {
		return
	}
	for len(p) > 0 && !h.done {
		part, rest, ended := bytes.Cut(p, []byte{'\n'})
		h.scanned += len(p) - len(rest)
		h.length += len(part)
		h.cur = append(h.cur, part[:min(len(part), maxHeadLine-len(h.cur))]...)
		if ended {
			h.endLine()
		}
		h.done = h.done || h.scanned > maxHeadScan
		p = rest
	}
	if h.done {
		h.cur = nil
	}
}

func (h *headSample) endLine() {
	text := string(bytes.TrimSuffix(h.cur, []byte{'\r'}))
	h.cur, h.length = h.cur[:0], 0
	if text == "" {
		h.done = true
		return
	}
	if h.lines++; h.lines <= maxHeadLines {
		h.line(text)
	}
	h.findID(text)
	h.done = h.lines >= maxHeadLines && h.messageID != ""
}

// findID takes the Message-ID from its header field, whose value may stand on
// the line behind it (RFC 5322 §2.2.3).
func (h *headSample) findID(text string) {
	const name = "message-id:"
	value, is := text, h.inID && (text[0] == ' ' || text[0] == '\t')
	h.inID = false
	if len(text) >= len(name) && strings.EqualFold(text[:len(name)], name) {
		value, is = text[len(name):], true
	}
	if !is || h.messageID != "" {
		return
	}
	value = strings.TrimSpace(value)
	if value == "" {
		h.inID = true
		return
	}
	if id, ok := strings.CutPrefix(value, "<"); ok {
		h.messageID, _, ok = strings.Cut(id, ">")
		if !ok {
			h.messageID = "" // cut off, or broken
		}
	}
}
