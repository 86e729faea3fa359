package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"correio/services/internal/durable"
)

// Selection names what a person wants to change: a message, what is for a
// domain, or all that is queued. Only one of its fields is set; none means all.
type Selection struct{ ID, Domain string }

// Changed is a message that was changed.
type Changed struct {
	ID, MessageID string
	To            []string // the recipients that were
	Due           []Due    // the same, by domain
	Left
}

// A verb changes one message, of which these recipients are selected, and
// reports which of them it has changed.
type verb func(tx *durable.Tx, m *chosen) error

// chosen is a message within a selection.
type chosen struct {
	Changed
	quarantined string
	size        int64 // of a removed one
	damaged     bool  // its body may be on a damaged page
	sel         Selection
	rcpts       []chosenRecipient
}

type chosenRecipient struct {
	n               int
	address, domain string
	next            time.Time
	attempts        int
	reply           string
	noticed, held   bool
	arrived         time.Time
}

// touch notes that a recipient was changed.
func (m *chosen) touch(r chosenRecipient) {
	m.To = append(m.To, r.address)
	at := slices.IndexFunc(m.Due, func(d Due) bool { return d.Domain == r.domain })
	if at < 0 {
		m.Due = append(m.Due, newDue(m.ID, r.domain, r.arrived))
		at = len(m.Due) - 1
	}
	m.Due[at].add(r.next, r.attempts, r.reply, r.noticed)
}

// Hold puts recipients aside until Release: they are not attempted. each is
// told, as for the other changes, what was changed once that is durable, in
// batches: nobody waits long for the one who writes. already is how many messages
// are selected that were as wanted before.
func (s *Spool) Hold(ctx context.Context, sel Selection, each func([]Changed) error) (already int, err error) {
	return s.change(ctx, sel, each, func(tx *durable.Tx, m *chosen) error {
		for _, r := range m.rcpts {
			if r.held {
				continue
			}
			if err := tx.Exec("UPDATE recipient SET held=1 WHERE message=? AND n=?", m.ID, r.n); err != nil {
				return err
			}
			m.touch(r)
		}
		return nil
	})
}

// Release undoes Hold, and Quarantine. Of a message in quarantine that is named by
// one of its domains, the recipients at the others are held from then on.
func (s *Spool) Release(ctx context.Context, sel Selection, each func([]Changed) error) (already int, err error) {
	return s.change(ctx, sel, each, func(tx *durable.Tx, m *chosen) error {
		if m.quarantined != "" && len(m.rcpts) > 0 {
			if err := quarantine(tx, m.ID, ""); err != nil {
				return err
			}
			if err := tx.Exec("UPDATE recipient SET held=1 WHERE message=? AND ?<>'' AND domain<>?", m.ID, m.sel.Domain, m.sel.Domain); err != nil {
				return err
			}
		}
		for _, r := range m.rcpts {
			if !r.held && m.quarantined == "" {
				continue
			}
			if err := tx.Exec("UPDATE recipient SET held=0, kept='' WHERE message=? AND n=?", m.ID, r.n); err != nil {
				return err
			}
			m.touch(r)
		}
		return nil
	})
}

// Drop removes recipients, and messages with their last one. Nobody is told.
func (s *Spool) Drop(ctx context.Context, sel Selection, each func([]Changed) error) (already int, err error) {
	return s.change(ctx, sel, each, func(tx *durable.Tx, m *chosen) error {
		for _, r := range m.rcpts {
			if err := tx.Exec("DELETE FROM recipient WHERE message=? AND n=?", m.ID, r.n); err != nil {
				return err
			}
			m.touch(r)
		}
		if len(m.rcpts) == 0 && m.sel.Domain != "" {
			return nil
		}
		var err error
		m.Left, m.size, err = leave(tx, m.ID, !m.damaged)
		return err
	})
}

// changeBatch is how many messages are looked at in one transaction.
const changeBatch = 200

// change applies a verb to what is selected.
func (s *Spool) change(ctx context.Context, sel Selection, each func([]Changed) error, do verb) (already int, err error) {
	for after, more := "", true; more; {
		batch, err := s.changeSome(ctx, sel, after, do, false)
		if errors.Is(err, durable.ErrCorrupt) {
			batch, err = s.changeSome(ctx, sel, after, do, true)
		}
		if err != nil {
			return already, fmt.Errorf("change the queue: %w", err)
		}
		more = sel.ID == "" && len(batch) == changeBatch
		if len(batch) > 0 {
			after = batch[len(batch)-1].ID
		} else if sel.ID != "" {
			return already, ErrGone
		}
		for _, m := range batch {
			if len(m.rcpts) > 0 && len(m.Due) == 0 {
				already++
			}
		}
		if err := each(s.done(batch)); err != nil {
			return already, err
		}
	}
	return already, nil
}

// changeSome changes the next messages that are selected. Those that are removed
// leave their bodies behind when these may be on a damaged page: whoever drops a
// message for that must get rid of it, and SQLite commits nothing once it has met
// such a page.
func (s *Spool) changeSome(ctx context.Context, sel Selection, after string, do verb, damaged bool) (batch []*chosen, err error) {
	err = s.db.Write(ctx, func(tx *durable.Tx) error {
		var err error
		if batch, err = choose(tx, sel, after); err != nil {
			return err
		}
		for _, m := range batch {
			m.damaged = damaged
			if err := do(tx, m); err != nil {
				return err
			}
		}
		return nil
	})
	return batch, err
}

// done accounts for what was changed, and keeps nothing else.
func (s *Spool) done(batch []*chosen) []Changed {
	var list []Changed
	for _, m := range batch {
		if m.Removed {
			s.account(-1, -m.size)
		}
		if len(m.Due) > 0 || m.Removed {
			list = append(list, m.Changed)
		}
	}
	return list
}

const (
	chooseQuery = "SELECT id, message_id, quarantined, arrived FROM message WHERE id>? ORDER BY id LIMIT ?"
	chooseOne   = "SELECT id, message_id, quarantined, arrived FROM message WHERE id=? LIMIT ?"
	chooseRcpts = "SELECT n, address, domain, next, attempts, reply, noticed, held FROM recipient WHERE message=? AND (?='' OR domain=?) ORDER BY n"
)

// choose reads the next messages in the order of their ids, each with the
// recipients that are selected; there may be none.
func choose(tx *durable.Tx, sel Selection, after string) (batch []*chosen, err error) {
	query, key := chooseQuery, after
	if sel.ID != "" {
		query, key = chooseOne, sel.ID
	}
	var arrived []time.Time
	for row, err := range tx.Query(query, key, changeBatch) {
		if err != nil {
			return nil, err
		}
		m := &chosen{sel: sel}
		var at time.Time
		if err := row.Scan(&m.ID, &m.MessageID, &m.quarantined, &at); err != nil {
			return nil, err
		}
		batch, arrived = append(batch, m), append(arrived, at)
	}
	for i, m := range batch {
		for row, err := range tx.Query(chooseRcpts, m.ID, sel.Domain, sel.Domain) {
			if err != nil {
				return nil, err
			}
			r := chosenRecipient{arrived: arrived[i]}
			if err := row.Scan(&r.n, &r.address, &r.domain, &r.next, &r.attempts, &r.reply, &r.noticed, &r.held); err != nil {
				return nil, err
			}
			m.rcpts = append(m.rcpts, r)
		}
	}
	return batch, nil
}

const asideQuery = `SELECT COUNT(*) FROM message m WHERE EXISTS(SELECT 1 FROM recipient
	WHERE message=m.id AND (held=1 OR m.quarantined<>'') AND (?='' OR domain=?))`

// Aside counts the messages that are in quarantine or have a held recipient, of
// those with a recipient at domain; "" means all.
func (s *Spool) Aside(ctx context.Context, domain string) (messages int, err error) {
	err = s.db.Read(ctx, func(tx *durable.Tx) error { return tx.QueryRow(asideQuery, domain, domain).Scan(&messages) })
	if err != nil {
		return 0, fmt.Errorf("count what is aside: %w", err)
	}
	return messages, nil
}

// State returns the state that a message is in, or ErrGone.
func (s *Spool) State(ctx context.Context, id string) (state string, err error) {
	err = s.db.Read(ctx, func(tx *durable.Tx) error {
		return tx.QueryRow("SELECT "+stateColumn+" FROM message m WHERE m.id=?", id).Scan(&state)
	})
	if errors.Is(err, durable.ErrNotFound) {
		return "", ErrGone
	}
	if err != nil {
		return "", fmt.Errorf("find message: %w", err)
	}
	return state, nil
}
