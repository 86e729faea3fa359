package smtpd

import (
	"context"
	"errors"

	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
	"correio/services/internal/smtpd/wire"
)

var errGivenUp = errors.New("the client gave the message up between two chunks")

// bdat takes a chunk of a message (RFC 3030 §2). With the first one the backend
// begins to read; when it has read a chunk and asks for more, the conversation
// goes on inside of its Read, until the next chunk comes or the message is given
// up. So one goroutine does it all, and no octet of the message is gathered.
func (s *session) bdat(ctx context.Context, c command.Command) reply.Reply {
	if s.chunks != nil {
		s.chunks.Begin(c.Size, c.Last)
		return reply.Reply{} // said when it has been read
	}
	head, line := s.newHeadSample()
	in := wire.NewChunks(s.wire, s.rules(), line, func() error { return s.nextChunk(ctx) })
	s.chunks, s.state = in, chunking
	in.Begin(c.Size, c.Last)
	s.awaitMessage(&in.Message)
	replies, err := s.backend.Data(ctx, s.t, in)
	in.Drain()
	s.wire.Await, s.chunks = s.awaitCommand, nil
	if in.Aborted() {
		s.recordMessage(&in.Message, head, reason.New(reason.GivenUp))
		return reply.Reply{} // said by whatever gave it up
	}
	defer s.reset()
	s.recordMessage(&in.Message, head)
	want := 1
	if in.Last() {
		want = s.dataReplies()
	}
	s.conclude(&in.Message, !in.Ended(), want, replies, err)
	return reply.Reply{}
}

// nextChunk acknowledges a chunk, and goes on until the next one begins.
func (s *session) nextChunk(ctx context.Context) error {
	in := s.chunks
	s.say(reply.Newf(250, "2.0.0", "Ok: %d octets so far", in.Received()))
	s.wire.Await = s.awaitCommand
	for s.reason.Rule == "" && s.state == chunking && !in.Open() {
		s.step(ctx)
	}
	if s.reason.Rule != "" || s.state != chunking {
		return errGivenUp
	}
	s.awaitMessage(&in.Message)
	return nil
}

// refuseChunk answers a BDAT that may not come, or is malformed. Its octets are
// on their way all the same, and are read off; where nobody knows how many they
// are, the connection closes. A message that lacks one chunk has failed.
func (s *session) refuseChunk(c command.Command, v verdict, err error) reply.Reply {
	refusal := verdictReplies[v]
	if err != nil && v != notHere {
		refusal = reply.Of(err)
	}
	if v == allowed {
		s.reset()
	}
	if c.Size < 0 {
		return refusal.WithClose()
	}
	lost := wire.Discard(s.wire, s.limits().pace(), c.Size, s.awaitMessage)
	s.wire.Await = s.awaitCommand
	switch {
	case lost == nil:
		return refusal
	case lost.Code == 0:
		s.gone()
		return reply.Reply{}
	}
	return *lost
}
