package policy

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
	"correio/services/internal/smtputf8"
	"correio/services/internal/transfer"
	"correio/services/mta/internal/trace"
)

// Data implements smtpd.Session: the message is held until it is complete,
// looked at as it passes, and made durable with its trace line in front.
func (s *session) Data(ctx context.Context, t *smtpd.Transaction, message io.Reader) ([]reply.Reply, error) {
	defer s.forget()
	buf := s.cfg.Buffer(s.cfg.Org.Limits.Defaults().MessageSize)
	defer buf.Close()
	var header trace.Header
	var utf8 smtputf8.Scan
	seen := []io.Writer{&header, buf}
	if t.Params.SMTPUTF8 {
		seen = append(seen, &utf8)
	}
	if _, err := transfer.Copy(io.MultiWriter(seen...), message); err != nil {
		return nil, s.storage(err)
	}
	header.End()
	utf8.End()
	if s.refusesData(t) {
		return nil, s.refuse(Reserved, replyData, nil)
	}
	if header.Received > trace.MaxHops {
		return nil, s.refuse(LoopLimit, replyLoop, nil)
	}
	now := time.Now()
	if s.cfg.Submission && !header.HasID {
		header.MessageID = s.queue + "@" + s.cfg.Host.Name
	}
	p, err := s.plan(t, &header, now)
	if err != nil {
		return nil, err
	}
	// RFC 6531 §3.4: SMTPUTF8 is not said again for a message that does without.
	// Its addresses are looked at when they are sent, a few at a time.
	accepted := p.accepted(utf8.Needed && !header.Bare, buf)
	accepted.Peer, accepted.Client = s.peer, fmt.Sprintf("%s [%s]", t.Hello, s.peer.Remote.Addr())
	if err := s.cfg.Accept(ctx, accepted); err != nil {
		return nil, s.storage(err)
	}
	if s.back {
		s.strangers.Trust(s.peer.Remote.Addr(), now)
	}
	t.QueueID = s.queue
	// The words that the next server's queue id is recognised by.
	return []reply.Reply{reply.New(250, "2.0.0", "Ok: queued as "+s.queue)}, nil
}

// prefix is what is put in front of the message in a queue entry; more are
// header fields besides.
func (s *session) prefix(t *smtpd.Transaction, h *trace.Header, now time.Time, id, more string) string {
	hop := trace.Hop{
		Hello: t.Hello, From: s.peer.Remote.Addr(), By: s.cfg.Host.Name, ID: id, TLS: t.TLS, Time: now,
		With: trace.With(t.ESMTP, t.TLS != nil, t.User != "", t.Params.SMTPUTF8),
		For:  only(t.Rcpts),
	}
	var b strings.Builder
	b.WriteString(hop.String() + more)
	if s.cfg.Submission {
		// RFC 6409 §8.2 and §8.3.
		if !h.HasID {
			b.WriteString("Message-ID: <" + h.MessageID + ">\r\n")
		}
		if !h.HasDate || h.Bare {
			b.WriteString("Date: " + trace.Date(now) + "\r\n")
		}
		if h.Bare {
			b.WriteString("From: " + s.author(t).ALabels().Path() + "\r\n")
		}
	}
	if h.Bare {
		// What was typed is all body: an empty line keeps it apart.
		b.WriteString("\r\n")
	}
	return b.String()
}

// author is who a message is from that does not say it: the reverse-path, or
// the person who submits with a null one, which no From may hold (RFC 5322
// §3.4.1).
func (s *session) author(t *smtpd.Transaction) mailaddr.Address {
	if t.From.Null() {
		return mailaddr.Address{Local: s.person.Name, Domain: s.cfg.Org.Domain}
	}
	return t.From
}

// only is the recipient, if there is just one.
func only(rcpts []smtpd.Recipient) mailaddr.Address {
	if len(rcpts) == 1 {
		return rcpts[0].To
	}
	return mailaddr.Address{}
}
