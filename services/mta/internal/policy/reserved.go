package policy

import (
	"context"
	"time"

	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
)

// Slowness is how late a slow recipient is accepted, in the lab's time. It is
// far below the five minutes that a client must wait (RFC 5321 §4.5.3.2.3), and
// waited for once in a transaction.
const Slowness = 10 * time.Second

var (
	replyData = reply.New(554, "5.7.1", "Message refused: one of its recipients refuses every message")
	replySlow = reply.New(451, "4.3.2", "The server stops; try again later")
)

// willForward is what RCPT hears of an address whose mail goes on to one other
// (RFC 5321 §3.4).
func willForward(to mailaddr.Address) reply.Reply {
	return reply.Newf(251, "2.1.5", "User not local; will forward to %s", to.Path())
}

// hasMoved is what RCPT hears of an address whose mail does not go on (RFC 5321
// §3.4).
func hasMoved(to mailaddr.Address) reply.Reply {
	return reply.Newf(551, "5.1.6", "User not local; please try %s", to.Path())
}

// reserved answers for a local part that means a reply.
func (s *session) reserved(ctx context.Context, t *smtpd.Transaction, to mailaddr.Address) (reply.Reply, error) {
	name, _ := s.cfg.Org.Reserved(to.Local)
	queued, _ := s.judge(to)
	refuse := func(code int, enhanced, format string) (reply.Reply, error) {
		return reply.Reply{}, s.refuse(Reserved, reply.Newf(code, enhanced, format, to.Path()), nil)
	}
	switch name {
	case lab.Full:
		return refuse(452, "4.2.2", "%s: mailbox is full")
	case lab.Busy:
		return refuse(450, "4.2.1", "%s: mailbox is busy; try again later")
	case lab.Faulty:
		return refuse(451, "4.3.0", "%s: local error in processing; try again later")
	case lab.Moved: // RFC 5321 §3.4
		return reply.Reply{}, s.refuse(Reserved, hasMoved(queued), nil)
	case lab.Forwarded: // RFC 5321 §3.4
		return willForward(queued), nil
	case lab.Grey:
		if !s.cfg.Grey.Pass(s.peer.Remote.Addr(), t.From, to, time.Now()) {
			return refuse(450, "4.7.1", "%s: greylisted; try again in a moment")
		}
	case lab.Slow:
		return s.slow(ctx)
	}
	return reply.Reply{}, nil
}

func (s *session) slow(ctx context.Context) (reply.Reply, error) {
	if s.slowed {
		return reply.Reply{}, nil
	}
	s.slowed = true
	if err := s.cfg.Speed.Sleep(ctx, Slowness); err != nil {
		return reply.Reply{}, replySlow.Err(err)
	}
	return reply.Reply{}, nil
}

// refusesData reports whether a recipient refuses messages. There is one reply
// behind a message (RFC 5321 §4.2.5), so the others do not get it either.
func (s *session) refusesData(t *smtpd.Transaction) bool {
	for _, r := range t.Rcpts {
		if _, verdict := s.judge(r.To); verdict != OnPurpose {
			continue
		}
		if name, _ := s.cfg.Org.Reserved(r.To.Local); name == lab.RefusesData {
			return true
		}
	}
	return false
}
