package smtpd

import (
	"context"
	"time"

	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
	"correio/services/internal/smtpd/wire"
)

var (
	replyStartMail = reply.New(354, "", "Start mail input; end with <CRLF>.<CRLF>")
	replyStored    = reply.New(250, "2.0.0", "Ok")
)

// data takes a message (RFC 5321 §4.1.1.4). Whatever comes of it, the
// transaction is over; and when the end of the message was not seen, the
// connection is, too: what may be left of the message must never be read as
// commands.
func (s *session) data(ctx context.Context, _ command.Command) reply.Reply {
	defer s.reset()
	s.say(replyStartMail)
	head := &headSample{line: s.recordHeader}
	observe := head.write
	if s.silent() {
		observe = nil
	}
	in := wire.NewContent(s.wire, s.limits().pace(), s.lf && !s.crlf, observe)
	s.wire.Await = func() error { return s.awaitContent(in) }
	replies, err := s.backend.Data(ctx, s.t, in)
	left := in.Drain()
	s.wire.Await = s.awaitCommand
	s.recordMessage(in, head)

	switch lost := in.Lost(); {
	case lost != nil && lost.Code == 0:
		s.wire.Out = nil
		s.hangUp(reasonGone)
	case lost != nil:
		s.sayData(*lost)
		s.hangUp("message without end")
	case in.Spoiled() != nil:
		s.answerData(nil, in.Spoiled().Err(nil))
	case err == nil && left:
		s.log.Error("backend accepted a message without reading it", "conn", s.peer.Conn, "queue", s.t.QueueID)
		s.answerData(nil, replyLocal.Err(nil))
	default:
		s.answerData(replies, err)
	}
	return reply.Reply{}
}

// awaitContent runs before message text is read from the connection.
func (s *session) awaitContent(in *wire.Content) error {
	if err := s.wire.Flush(s.limits().Write); err != nil {
		return err
	}
	s.raw.SetReadDeadline(in.Deadline(time.Now()))
	return nil
}

// answerData says what became of the message: one reply, or in LMTP one for
// each accepted recipient in their order (RFC 2033 §4.2).
func (s *session) answerData(replies []reply.Reply, err error) {
	want := 1
	if s.peer.Proto == LMTP {
		want = len(s.t.Rcpts)
	}
	if err == nil && len(replies) != 0 && len(replies) != want {
		s.log.Error("backend gave the wrong number of replies", "conn", s.peer.Conn, "got", len(replies), "want", want)
		replies, err = nil, replyLocal.Err(nil)
	}
	all := replyStored
	if err != nil {
		replies, all = nil, s.refusal("data", err)
	}
	accepted := false
	for i := range want {
		r := all
		if i < len(replies) {
			r = s.verdict("data", replies[i], nil, replyStored)
		}
		accepted = accepted || r.Positive()
		if i < want-1 {
			r.Close = false
			s.say(r)
			continue
		}
		if accepted {
			s.errors = 0
		}
		s.answer(r)
	}
}

// sayData says the same to every recipient.
func (s *session) sayData(r reply.Reply) {
	if s.peer.Proto == LMTP && r.Code != 421 {
		for range len(s.t.Rcpts) - 1 {
			s.say(reply.Reply{Code: r.Code, Enhanced: r.Enhanced, Lines: r.Lines})
		}
	}
	s.say(r)
}
