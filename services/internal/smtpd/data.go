package smtpd

import (
	"context"
	"time"

	"correio/services/internal/reason"
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
	head, line := s.newHeadSample()
	in := wire.NewContent(s.wire, s.rules(), line)
	s.awaitMessage(&in.Message)
	replies, err := s.backend.Data(ctx, s.t, in)
	left := in.Drain()
	s.wire.Await = s.awaitCommand
	var notes []reason.Reason
	if in.Smuggled() { // a strict server would not have ended it there (CVE-2023-51764)
		notes = append(notes, reason.New(reason.Smuggled))
	}
	s.recordMessage(&in.Message, head, notes...)
	s.conclude(&in.Message, left, s.dataReplies(), replies, err)
	return reply.Reply{}
}

// conclude says what became of a message, in as many replies as are wanted. left
// says that the backend has not read all of it.
func (s *session) conclude(in *wire.Message, left bool, want int, replies []reply.Reply, err error) {
	switch lost := in.Lost(); {
	case lost != nil && lost.Code == 0:
		s.gone()
	case lost != nil:
		s.sayData(*lost, want)
		s.hangUp(reason.New(reason.NoMessageEnd))
	case in.Spoiled() != nil:
		s.answerData(want, nil, in.Spoiled().Err(nil))
	case err == nil && left:
		s.log.Error("backend accepted a message without reading it", "conn", s.peer.Conn, "queue", s.t.QueueID)
		s.answerData(want, nil, replyLocal.Err(nil))
	default:
		s.answerData(want, replies, err)
	}
}

// dataReplies is how many replies the end of a message has: one, or in LMTP one
// for each accepted recipient in their order (RFC 2033 §4.2).
func (s *session) dataReplies() int {
	if s.peer.Proto == LMTP {
		return len(s.t.Rcpts)
	}
	return 1
}

// awaitMessage makes the connection read message text from now on: replies go
// out before, and the deadline is the message's.
func (s *session) awaitMessage(in *wire.Message) {
	s.wire.Await = func() error {
		if err := s.wire.Flush(s.limits().Write); err != nil {
			return err
		}
		s.raw.SetReadDeadline(in.Deadline(time.Now()))
		return nil
	}
}

// answerData says what became of a message that was read to its end.
func (s *session) answerData(want int, replies []reply.Reply, err error) {
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
			s.errors, s.refusals = 0, 0
			s.srv.cfg.Guard.giveBack(s.client, s.spent)
			s.spent = 0
		}
		s.answer(r)
	}
}

// sayData says the same several times; but a 421 ends it all.
func (s *session) sayData(r reply.Reply, want int) {
	if r.Code != 421 {
		for range want - 1 {
			s.say(reply.Reply{Code: r.Code, Enhanced: r.Enhanced, Lines: r.Lines})
		}
	}
	s.say(r)
}
