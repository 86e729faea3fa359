package smtpd

import "correio/services/internal/headsample"

// Of a message's content, events hold the first lines of its header.
const (
	maxHeadLines = 20
	maxHeadLine  = 200
)

// headSample is what events show of a message that passes by.
type headSample struct {
	s     *session
	lines int
	id    headsample.MessageID
}

// newHeadSample returns a sample, and what is to be shown the lines of the
// header; both are nil when nobody watches.
func (s *session) newHeadSample() (*headSample, func(line []byte)) {
	if s.silent() {
		return nil, nil
	}
	h := &headSample{s: s}
	return h, h.take
}

func (h *headSample) take(line []byte) {
	if h.lines++; h.lines <= maxHeadLines {
		h.s.recordHeader(string(line[:min(len(line), maxHeadLine)]))
	}
	h.id.Line(line)
}
