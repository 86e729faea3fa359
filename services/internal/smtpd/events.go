package smtpd

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/smtpd/command"
	"correio/services/internal/smtpd/wire"
)

// masked stands for a secret.
const masked = "****"

// record adds the connection's name to a record and appends it.
func (s *session) record(r event.Record) {
	r.Conn = s.peer.Conn
	if s.t != nil && r.Queue == "" {
		r.Queue = s.t.QueueID
	}
	s.srv.cfg.Events.Append(r)
}

func (s *session) silent() bool { return s.srv.cfg.Events == nil }

func (s *session) recordOpen(notes ...reason.Reason) {
	if s.silent() {
		return
	}
	s.record(event.Record{Kind: event.KindConn, Text: event.Open, Meta: event.M(
		event.Proto, string(s.peer.Proto), event.Role, "server",
		event.Local, addrText(s.peer.Local), event.Remote, addrText(s.peer.Remote), event.Note, reason.Encode(notes...))})
}

func addrText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func (s *session) recordClose() {
	if !s.silent() {
		s.record(event.Record{Kind: event.KindConn, Text: event.Close, Meta: event.M(event.Reason, reason.Encode(s.reason))})
	}
}

// recordCommand records a command line, its secrets masked: the initial
// response of AUTH, and whatever stands in an AUTH that cannot be parsed or in
// an unknown line behind a failed one, which a client sends that does not wait.
func (s *session) recordCommand(line []byte, c command.Command, err error) {
	switch {
	case s.silent():
		return
	case c.Initial != "":
		s.recordIn("AUTH "+c.Arg+" "+masked, c.Notes...)
	case startsAuth(line) && (err != nil || c.Verb == command.Unknown):
		s.recordIn("AUTH "+masked, c.Notes...)
	case c.Verb == command.Unknown && s.strayAuth:
		s.recordIn(masked, c.Notes...)
	default:
		s.strayAuth = false
		s.recordIn(string(line), c.Notes...)
	}
}

// startsAuth reports whether a line means AUTH, whatever stands before the word.
func startsAuth(line []byte) bool {
	const word = "AUTH"
	line = bytes.TrimLeftFunc(line, func(r rune) bool { return r <= ' ' })
	return len(line) >= len(word) && bytes.EqualFold(line[:len(word)], []byte(word))
}

func (s *session) recordIn(text string, notes ...reason.Reason) {
	if s.silent() {
		return
	}
	var meta event.Meta
	if len(notes) > 0 {
		meta = event.M(event.Note, reason.Encode(notes...))
	}
	s.record(event.Record{Kind: event.KindLine, Dir: event.In, Text: text, Meta: meta})
}

// recordInstead records what stands in place of what the client sent.
func (s *session) recordInstead(what reason.Reason, notes ...reason.Reason) {
	if !s.silent() {
		s.record(instead(what, notes...))
	}
}

func instead(what reason.Reason, notes ...reason.Reason) event.Record {
	return event.Record{Kind: event.KindLine, Dir: event.In, Text: what.String(),
		Meta: event.M(event.Summary, reason.Encode(what), event.Note, reason.Encode(notes...))}
}

// recordReply records a reply, line by line, as it goes over the wire.
func (s *session) recordReply(octets []byte) {
	if s.silent() {
		return
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(octets), "\r\n"), "\r\n") {
		s.record(event.Record{Kind: event.KindLine, Dir: event.Out, Text: line})
	}
}

func (s *session) recordHeader(line string) {
	s.record(event.Record{Kind: event.KindLine, Dir: event.In, Text: line})
}

// recordMessage sums up the message that was read. Without notes it finds out
// itself what was unusual.
func (s *session) recordMessage(in *wire.Message, head *headSample, notes ...reason.Reason) {
	if s.silent() {
		return
	}
	switch {
	case len(notes) > 0:
	case in.Lost() != nil:
		notes = append(notes, reason.New(reason.EndUnseen))
	case in.Spoiled() != nil:
		notes = append(notes, reason.New(reason.Spoiled, in.Spoiled().String()))
	case in.LF():
		notes = append(notes, reason.New(reason.LFAlone))
	case in.Fixed():
		notes = append(notes, reason.New(reason.BareBecameCRLF))
	}
	r := instead(reason.New(reason.MessageSize, strconv.FormatInt(in.Size(), 10)), notes...)
	r.Message = head.id.String()
	s.record(r)
}

func (s *session) recordAuth(text, mechanism, user string) {
	if s.silent() {
		return
	}
	var notes []reason.Reason
	if s.tls == nil { // anybody on the way could read it
		notes = append(notes, reason.New(reason.InClear))
	}
	s.record(event.Record{Kind: event.KindAuth, Text: text, Meta: event.M(event.User, user, event.Mechanism, mechanism, event.Note, reason.Encode(notes...))})
}
