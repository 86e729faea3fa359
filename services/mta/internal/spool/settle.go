package spool

import (
	"context"
	"errors"
	"fmt"
	"io"

	"correio/services/internal/durable"
)

// Report is a message about a message, to be queued by Settle.
type Report struct {
	Entry *Entry
	Body  io.Reader
}

// Outcome is what an attempt has changed.
type Outcome struct {
	ID      string
	Done    []int       // recipients that nobody owes anything any more
	Waiting []Recipient // N, Next, Reply, Noticed are stored
	Reports []Report
	// Kept are recipients that can be neither delivered to nor reported about: they
	// are held until somebody has looked at them, and the message is in quarantine,
	// for the reasons Why, as soon as nobody else waits for it. N and Reply are stored.
	Kept []Recipient
	Why  string // what reason.Encode writes
	// Unreadable, if not "", is why all that is left of the message is put into
	// quarantine, as Why.
	Unreadable string
}

// Left is what a change has left of a message.
type Left struct {
	Removed bool // nothing: no recipient is left, and the message is gone
	// Quarantined, if not "", is why the message is in quarantine, which it was not
	// before.
	Quarantined string
}

// Settle stores the outcome of an attempt. It returns ErrGone for what is
// Unreadable when it is not queued.
func (s *Spool) Settle(ctx context.Context, o Outcome) (left Left, err error) {
	left, gone, err := s.settle(ctx, o, true)
	if errors.Is(err, durable.ErrCorrupt) && len(o.Reports) == 0 {
		left, gone, err = s.settle(ctx, o, false) // the body may be beside a damaged page: it stays behind
	}
	if err != nil {
		return Left{}, fmt.Errorf("settle attempt: %w", err)
	}
	for _, r := range o.Reports {
		s.account(1, r.Entry.Size)
	}
	if left.Removed {
		s.account(-1, -gone)
	}
	return left, nil
}

// settle stores it; gone are the octets of a message that is removed, with its body
// or without.
func (s *Spool) settle(ctx context.Context, o Outcome, body bool) (left Left, gone int64, err error) {
	err = s.db.WriteSoon(ctx, func(tx *durable.Tx) error {
		for _, r := range o.Reports {
			if err := insert(tx, r.Entry, r.Body); err != nil {
				return err
			}
		}
		for _, n := range o.Done {
			if err := tx.Exec("DELETE FROM recipient WHERE message=? AND n=?", o.ID, n); err != nil {
				return err
			}
		}
		for _, r := range o.Waiting {
			err := tx.Exec("UPDATE recipient SET next=?, reply=?, noticed=? WHERE message=? AND n=?", r.Next, r.Reply, r.Noticed, o.ID, r.N)
			if err != nil {
				return err
			}
		}
		if err := o.setAside(tx); err != nil {
			return err
		}
		if o.Unreadable == "" && len(o.Done)+len(o.Kept) == 0 {
			return nil // as many wait as before
		}
		if left, gone, err = leave(tx, o.ID, body); !left.Removed && o.Unreadable != "" {
			left.Quarantined = o.Unreadable
		}
		return err
	})
	return left, gone, err
}

// setAside keeps what nobody can deal with.
func (o *Outcome) setAside(tx *durable.Tx) error {
	if o.Unreadable != "" {
		if err := quarantine(tx, o.ID, o.Unreadable); err != nil {
			return err
		}
		if tx.Changes() == 0 {
			return ErrGone
		}
	}
	for _, r := range o.Kept {
		if err := tx.Exec("UPDATE recipient SET held=1, kept=?, reply=? WHERE message=? AND n=?", o.Why, r.Reply, o.ID, r.N); err != nil {
			return err
		}
	}
	return nil
}

// leave ends a change that has taken recipients away, or kept them: a message that
// nobody waits for any more is removed, with its body, or put into quarantine when
// some are kept. size is that of a removed one.
func leave(tx *durable.Tx, id string, body bool) (left Left, size int64, err error) {
	if left.Removed, size, err = removeIfDone(tx, id, body); err != nil || left.Removed {
		return left, size, err
	}
	err = tx.QueryRow(keptQuery, id, id).Scan(&left.Quarantined)
	if errors.Is(err, durable.ErrNotFound) {
		return left, 0, nil
	}
	if err != nil {
		return left, 0, err
	}
	return left, 0, quarantine(tx, id, left.Quarantined)
}

// keptQuery finds why a message is kept for which nobody else waits; nothing, when
// it is in quarantine.
const keptQuery = `SELECT r.kept FROM message m JOIN recipient r ON r.message=m.id WHERE m.id=? AND m.quarantined=''
	AND NOT EXISTS(SELECT 1 FROM recipient WHERE message=? AND kept='') ORDER BY r.n LIMIT 1`

// removeIfDone removes a message without recipients, with its body, and returns its
// size.
func removeIfDone(tx *durable.Tx, id string, withBody bool) (removed bool, size int64, err error) {
	var body int64
	err = tx.QueryRow("SELECT body, size FROM message WHERE id=? AND NOT EXISTS(SELECT 1 FROM recipient WHERE message=?)", id, id).Scan(&body, &size)
	if errors.Is(err, durable.ErrNotFound) {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, err
	}
	if withBody {
		if err := durable.DeleteBlob(tx, body); err != nil && !errors.Is(err, durable.ErrNotFound) {
			return false, 0, err
		}
	}
	return true, size, tx.Exec("DELETE FROM message WHERE id=?", id)
}

// Quarantine keeps a message from being tried until somebody has looked at it; why
// is what reason.Encode writes. It returns ErrGone when there is no such message.
func (s *Spool) Quarantine(ctx context.Context, id, why string) error {
	found := false
	err := s.db.Write(ctx, func(tx *durable.Tx) error {
		err := quarantine(tx, id, why)
		found = tx.Changes() > 0
		return err
	})
	switch {
	case err != nil:
		return fmt.Errorf("quarantine: %w", err)
	case !found:
		return ErrGone
	}
	return nil
}

func quarantine(tx *durable.Tx, id, why string) error {
	return tx.Exec("UPDATE message SET quarantined=? WHERE id=?", why, id)
}
