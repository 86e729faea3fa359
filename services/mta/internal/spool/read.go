package spool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"correio/services/internal/durable"
	"correio/services/internal/mailaddr"
)

// Due is what waits for one domain within one message.
type Due struct {
	ID, Domain string
	Next       time.Time
	// Interrupted says that the first attempt was begun and never ended: the
	// node died in it.
	Interrupted bool
}

// Waiting lists all that waits, except what is in quarantine: what a node goes
// on with when it starts.
func (s *Spool) Waiting(ctx context.Context) ([]Due, error) {
	var list []Due
	err := s.db.Read(ctx, func(tx *durable.Tx) error {
		const query = `SELECT r.message, r.domain, MIN(r.next), MAX(r.attempts)=1 AND MAX(r.reply)=''
			FROM recipient r JOIN message m ON m.id=r.message WHERE m.quarantined='' GROUP BY r.message, r.domain`
		for row, err := range tx.Query(query) {
			if err != nil {
				return err
			}
			var d Due
			if err := row.Scan(&d.ID, &d.Domain, &d.Next, &d.Interrupted); err != nil {
				return err
			}
			list = append(list, d)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	return list, nil
}

// Entry returns a message with those of its recipients that wait and belong to
// the domain. It returns ErrGone, or ErrUnreadable with the reason.
func (s *Spool) Entry(ctx context.Context, id, domain string) (*Entry, error) {
	e := &Entry{Message: Message{ID: id}}
	err := s.db.Read(ctx, func(tx *durable.Tx) error {
		var sender string
		m := &e.Message
		err := tx.QueryRow("SELECT arrived, sender, size, body, ret, envid, eightbit, binary, utf8, message_id FROM message WHERE id=? AND quarantined=''", id).
			Scan(&m.Arrived, &sender, &m.Size, &m.body, &m.Ret, &m.EnvID, &m.EightBit, &m.Binary, &m.UTF8, &m.MessageID)
		if err != nil {
			return err
		}
		if m.From, err = parse(sender); err != nil {
			return err
		}
		e.Rcpts, err = recipients(tx, id, domain)
		return err
	})
	switch {
	case errors.Is(err, durable.ErrNotFound), err == nil && len(e.Rcpts) == 0:
		return nil, ErrGone
	case errors.Is(err, durable.ErrCorrupt):
		return nil, fmt.Errorf("%w: entry %s: %w", ErrUnreadable, id, err)
	case err != nil:
		return nil, fmt.Errorf("read entry %s: %w", id, err)
	}
	return e, nil
}

func recipients(tx *durable.Tx, id, domain string) ([]Recipient, error) {
	var list []Recipient
	const query = "SELECT n, address, notify, orcpt, attempts, next, reply, noticed FROM recipient WHERE message=? AND domain=? ORDER BY n"
	for row, err := range tx.Query(query, id, domain) {
		if err != nil {
			return nil, err
		}
		var r Recipient
		var address string
		if err := row.Scan(&r.N, &address, &r.Notify, &r.ORcpt, &r.Attempts, &r.Next, &r.Reply, &r.Noticed); err != nil {
			return nil, err
		}
		if r.To, err = parse(address); err != nil {
			return nil, err
		}
		if r.To.Null() {
			return nil, fmt.Errorf("%w: empty recipient", ErrUnreadable)
		}
		list = append(list, r)
	}
	return list, nil
}

func parse(address string) (mailaddr.Address, error) {
	if address == "" {
		return mailaddr.Address{}, nil
	}
	a, err := mailaddr.Parse(address)
	if err != nil {
		return mailaddr.Address{}, fmt.Errorf("%w: address %q: %w", ErrUnreadable, address, err)
	}
	return a, nil
}

// Body opens the message for reading. It returns ErrUnreadable when it is not
// there, and ErrGone when the entry is not either.
func (s *Spool) Body(ctx context.Context, e *Entry) (*durable.Blob, error) {
	b, err := s.db.OpenBlob(ctx, e.body)
	switch {
	case errors.Is(err, durable.ErrNotFound) || err == nil && b.Size() != e.Size:
		return nil, fmt.Errorf("%w: body of %s is missing or cut", ErrUnreadable, e.ID)
	case errors.Is(err, durable.ErrCorrupt):
		return nil, fmt.Errorf("%w: body of %s: %w", ErrUnreadable, e.ID, err)
	case err != nil:
		return nil, fmt.Errorf("open body of %s: %w", e.ID, err)
	}
	return b, nil
}

// Listed is a queued message as people see it.
type Listed struct {
	Message
	To          []string
	Attempts    int
	Next        time.Time // zero when there will be none
	Reply       string    // of the recipient that has waited longest
	Quarantined string    // why, or ""
}

// List returns up to limit messages, oldest first.
func (s *Spool) List(ctx context.Context, limit int) ([]Listed, error) {
	var list []Listed
	err := s.db.Read(ctx, func(tx *durable.Tx) error {
		const query = "SELECT id, arrived, sender, size, message_id, quarantined FROM message ORDER BY arrived, id LIMIT ?"
		for row, err := range tx.Query(query, limit) {
			if err != nil {
				return err
			}
			var l Listed
			var sender string
			if err := row.Scan(&l.ID, &l.Arrived, &sender, &l.Size, &l.MessageID, &l.Quarantined); err != nil {
				return err
			}
			l.From, _ = parse(sender) // an unreadable one is in quarantine, and shown as empty
			list = append(list, l)
		}
		for i := range list {
			if err := list[i].fill(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list spool: %w", err)
	}
	return list, nil
}

// fill adds what the recipients say.
func (l *Listed) fill(tx *durable.Tx) error {
	for row, err := range tx.Query("SELECT address, attempts, next, reply FROM recipient WHERE message=? ORDER BY n", l.ID) {
		if err != nil {
			return err
		}
		var to, reply string
		var attempts int
		var next time.Time
		if err := row.Scan(&to, &attempts, &next, &reply); err != nil {
			return err
		}
		l.To = append(l.To, to)
		if attempts > l.Attempts {
			l.Attempts = attempts
		}
		if l.Next.IsZero() || next.Before(l.Next) {
			l.Next = next
		}
		if l.Reply == "" {
			l.Reply = reply
		}
	}
	if l.Quarantined != "" {
		l.Next = time.Time{}
	}
	return nil
}

// Stats is the exact account of the queue.
type Stats struct {
	Messages, Octets int64
	Oldest           time.Time // zero when it is empty
}

// Stats counts what is queued.
func (s *Spool) Stats(ctx context.Context) (Stats, error) {
	var st Stats
	err := s.db.Read(ctx, func(tx *durable.Tx) error {
		return tx.QueryRow("SELECT COUNT(*), COALESCE(SUM(size),0), MIN(arrived) FROM message").Scan(&st.Messages, &st.Octets, &st.Oldest)
	})
	if err != nil {
		return Stats{}, fmt.Errorf("count spool: %w", err)
	}
	return st, nil
}
