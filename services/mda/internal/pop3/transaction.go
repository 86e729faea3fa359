package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/mda/internal/store"
)

// stat gives the drop listing: messages not marked and their octets.
func (s *session) stat(context.Context, command) error {
	s.ok("%d %d", s.left, s.octets)
	return nil
}

func (s *session) noop(context.Context, command) error {
	s.reply("+OK")
	return nil
}

// rset takes all marks back.
func (s *session) rset(context.Context, command) error {
	clear(s.deleted)
	s.count()
	s.ok("%s (%d octets)", messages(s.left), s.octets)
	return nil
}

// pick returns the index of the message that an argument means. When there is
// none it has said so.
func (s *session) pick(arg string) (int, bool) {
	n, ok := number(arg)
	switch {
	case !ok || n == 0:
		s.fail("", "a message has a number from 1 on")
	case n > len(s.entries):
		s.fail("", "no such message, %s in this mailbox", messages(len(s.entries)))
	case s.deleted[n-1]:
		s.fail("", "message %d is deleted", n)
	default:
		return n - 1, true
	}
	return 0, false
}

// list gives scan listings (RFC 1939 §5).
func (s *session) list(_ context.Context, c command) error {
	return s.listing(c, fmt.Sprintf("%s (%d octets)", messages(s.left), s.octets),
		func(b []byte, e store.Entry) []byte { return strconv.AppendInt(b, e.Size, 10) })
}

// uidl gives unique-id listings (RFC 1939 §7).
func (s *session) uidl(_ context.Context, c command) error {
	return s.listing(c, messages(s.left),
		func(b []byte, e store.Entry) []byte { return append(b, s.drop.UniqueID(e)...) })
}

// listing answers LIST and UIDL: with an argument for one message in one line,
// without for all that are not marked.
func (s *session) listing(c command, title string, value func(b []byte, e store.Entry) []byte) error {
	line := func(i int) []byte {
		b := strconv.AppendInt(make([]byte, 0, 32), int64(i+1), 10)
		return value(append(b, ' '), s.entries[i])
	}
	if len(c.args) == 1 {
		if i, ok := s.pick(c.args[0]); ok {
			s.ok("%s", line(i))
		}
		return nil
	}
	s.ok("%s", title)
	lines := 0
	for i, marked := range s.deleted {
		if marked {
			continue
		}
		text := line(i)
		if lines++; lines <= maxListed {
			s.rec.out(string(text))
		}
		if _, err := s.Write(append(text, lineEnd...)); err != nil {
			return err
		}
	}
	if lines > maxListed {
		s.rec.instead(event.Out, nil, reason.New(reason.MoreLines, strconv.Itoa(lines-maxListed)))
	}
	s.reply(".")
	return nil
}

// maxListed bounds how many lines of a listing are recorded as events.
const maxListed = 20

// dele marks a message; QUIT removes it.
func (s *session) dele(_ context.Context, c command) error {
	i, ok := s.pick(c.args[0])
	if !ok {
		return nil
	}
	s.deleted[i] = true
	s.left--
	s.octets -= s.entries[i].Size
	s.ok("message %d is marked as deleted", i+1)
	return nil
}

// retr sends a message.
func (s *session) retr(ctx context.Context, c command) error {
	i, ok := s.pick(c.args[0])
	if !ok {
		return nil
	}
	msg := s.open(ctx, i)
	if msg == nil {
		return nil
	}
	if err := s.send(msg, fmt.Sprintf("+OK %d octets", msg.Size), func(w io.Writer) io.Writer { return w }); err != nil {
		return err
	}
	s.rec.retrieved(s.mailbox, msg)
	s.cfg.Metrics.retrieved()
	return nil
}

// top sends a message's header and the first lines of its body.
func (s *session) top(ctx context.Context, c command) error {
	lines, ok := number(c.args[1])
	if !ok {
		s.fail("", "TOP wants a number of lines")
		return nil
	}
	i, ok := s.pick(c.args[0])
	if !ok {
		return nil
	}
	msg := s.open(ctx, i)
	if msg == nil {
		return nil
	}
	return s.send(msg, "+OK top of message follows", func(w io.Writer) io.Writer { return &topFilter{w: w, lines: lines} })
}

// open opens a message, or says why it cannot and returns nil.
func (s *session) open(ctx context.Context, i int) *store.Message {
	msg, err := s.drop.Message(ctx, s.entries[i])
	if err != nil {
		s.cfg.Log.Error("message cannot be read", "conn", s.rec.name, "mailbox", s.mailbox,
			"uid", s.entries[i].UID, "error", err.Error())
		s.fail("SYS/TEMP", "message %d cannot be read", i+1)
		return nil
	}
	return msg
}

// send writes a message as a multi-line response that begins with reply. An error in its midst cannot
// be told to the client: only the end of the connection keeps it from taking
// half a message for a whole one.
func (s *session) send(msg *store.Message, reply string, filter func(io.Writer) io.Writer) error {
	s.rec.outOf(msg, reply)
	s.line(reply)
	heads := headLines{rec: &s.rec, msg: msg}
	stuff := stuffer{w: s.wire}
	_, err := msg.WriteTo(filter(tee{&heads, &stuff}))
	if err != nil && !errors.Is(err, errEnough) {
		if s.err == nil {
			s.cfg.Log.Error("message cannot be read to its end", "conn", s.rec.name, "mailbox", s.mailbox,
				"uid", msg.UID, "error", err.Error())
		}
		return fmt.Errorf("send message: %w", err)
	}
	heads.end(stuff.sent)
	return stuff.end()
}

// tee writes to the wire what it first shows to the record.
type tee struct {
	heads *headLines
	stuff *stuffer
}

// Write implements io.Writer.
func (t tee) Write(p []byte) (int, error) {
	t.heads.see(p)
	return t.stuff.Write(p)
}
