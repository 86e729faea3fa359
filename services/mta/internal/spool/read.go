package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"correio/services/internal/durable"
	"correio/services/internal/mailaddr"
)

// Due is what waits for one domain within one message.
type Due struct {
	ID, Domain    string
	Arrived, Next time.Time
	// Interrupted says that the first attempt was begun and never ended: the
	// node died in it.
	Interrupted bool
	Noticed     bool // all recipients' senders were told about the delay
	// Unreached says that the last reply was about the network or routing, class
	// X.4.X of RFC 3463 §3.5: no host is known to have been there.
	Unreached bool
}

// add joins a recipient to those of the same domain.
func (d *Due) add(next time.Time, attempts int, reply string, noticed bool) {
	if d.Next.IsZero() || next.Before(d.Next) {
		d.Next = next
	}
	d.Interrupted = d.Interrupted && attempts == 1 && reply == ""
	d.Noticed = d.Noticed && noticed
	d.Unreached = d.Unreached && strings.Contains(reply, " 4.4.")
}

func newDue(id, domain string, arrived time.Time) Due {
	return Due{ID: id, Domain: domain, Arrived: arrived, Interrupted: true, Noticed: true, Unreached: true}
}

// Waiting hands over all that waits, except what is held or in quarantine: what
// a node goes on with when it starts. The order is that of nothing.
func (s *Spool) Waiting(ctx context.Context, each func(d Due)) error {
	err := s.db.Read(ctx, func(tx *durable.Tx) error {
		var of []Due // of one message, by domain
		for row, err := range tx.Query(waitingQuery) {
			if err != nil {
				return err
			}
			var id, domain, reply string
			var arrived, next time.Time
			var attempts int
			var noticed bool
			if err := row.Scan(&id, &domain, &arrived, &next, &attempts, &reply, &noticed); err != nil {
				return err
			}
			if len(of) > 0 && of[0].ID != id {
				handOver(of, each)
				of = of[:0]
			}
			at := slices.IndexFunc(of, func(d Due) bool { return d.Domain == domain })
			if at < 0 {
				of = append(of, newDue(id, domain, arrived))
				at = len(of) - 1
			}
			of[at].add(next, attempts, reply, noticed)
		}
		handOver(of, each)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read spool: %w", err)
	}
	return nil
}

func handOver(list []Due, each func(d Due)) {
	for _, d := range list {
		each(d)
	}
}

// waitingQuery walks along both tables in the order of their keys. A reply is
// cut short: its codes are at its beginning.
const waitingQuery = `SELECT r.message, r.domain, m.arrived, r.next, r.attempts, substr(r.reply,1,12), r.noticed
	FROM recipient r CROSS JOIN message m ON m.id=r.message WHERE r.held=0 AND m.quarantined='' ORDER BY r.message, r.n`

// Entry returns a message with those of its recipients that wait, are not held and
// belong to the domain. It returns ErrGone, or ErrUnreadable with the reason.
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
	const query = "SELECT n, address, notify, orcpt, attempts, next, reply, noticed FROM recipient WHERE message=? AND domain=? AND held=0 ORDER BY n"
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
