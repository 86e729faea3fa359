package store

import (
	"context"
	"errors"
	"time"

	"correio/services/internal/durable"
)

// Salvage is what became of the messages in a damaged database.
type Salvage struct {
	File     string // where that one is kept, with what could not be read of it
	Damage   error
	Messages int // carried over
	Lost     int // known to have been there; there may have been others
}

// Salvage returns what Open had to do, or nil.
func (s *Store) Salvage() *Salvage { return s.salvage }

// What tells the rows of our tables and indexes from each other; see
// durable.Remnant.Fits.
const (
	mailboxKinds = "nttiiii"
	ownerKinds   = "tti" // the index of UNIQUE(owner, name)
	messageKinds = "iiiittttib"
	bodyKinds    = "iii" // message_body
)

// seenTable holds the keys of all messages that are known, while a file is salvaged.
const seenTable = "CREATE TABLE seen(mailbox INTEGER, uid INTEGER, PRIMARY KEY(mailbox, uid)) WITHOUT ROWID"

// salvage makes a new database of what a damaged one still holds.
func salvage(ctx context.Context, path string, damage error) (*Salvage, error) {
	s := &Salvage{Damage: damage}
	var err error
	s.File, err = durable.Salvage(ctx, path, migrations, func(r *durable.Remains, fresh *durable.DB) error {
		write := func(fn func(tx *durable.Tx) error) error { return fresh.Write(ctx, fn) }
		return (&rescue{Salvage: s, from: r, write: write, mailboxes: map[int64]bool{}, bodies: map[int64]int64{}}).all()
	})
	if err != nil {
		return nil, errors.Join(damage, err)
	}
	return s, nil
}

// rescue carries mailboxes over.
type rescue struct {
	*Salvage
	from      *durable.Remains
	write     func(fn func(tx *durable.Tx) error) error // in the new database
	mailboxes map[int64]bool                            // those that are there
	bodies    map[int64]int64                           // where the bodies are now; 0 for one that cannot be read
	rows      []func(*durable.Tx) error                 // to be written together
}

func (s *rescue) all() error {
	if err := s.write(func(tx *durable.Tx) error { return tx.Exec(seenTable) }); err != nil {
		return err
	}
	for _, of := range []func(p durable.RemnantPage) error{s.mailboxRows, s.ownerRows, s.messageRows} {
		if err := errors.Join(s.from.Pages(of), s.flush()); err != nil {
			return err
		}
	}
	if err := s.carryBodies(); err != nil {
		return err
	}
	return s.write(s.account)
}

// mailboxRows takes over the mailboxes that a page holds.
func (s *rescue) mailboxRows(p durable.RemnantPage) error {
	for _, row := range p.Rows {
		if row.Fits(mailboxKinds, len(mailboxKinds)) {
			s.mailboxes[row.RowID] = true
			s.insert("INSERT OR IGNORE INTO mailbox VALUES(?,?,?,?,?,?,?)", append([]any{row.RowID}, row.Fields[1:]...)...)
		}
	}
	return nil
}

// ownerRows makes the mailboxes anew that only their index knows. As nobody can say
// what their UIDs were, clients get another UIDVALIDITY.
func (s *rescue) ownerRows(p durable.RemnantPage) error {
	for _, row := range p.Rows {
		if !row.Fits(ownerKinds, len(ownerKinds)) {
			continue
		}
		if id := row.Fields[2].(int64); !s.mailboxes[id] { // as Fits says
			s.mailboxes[id] = true
			s.insert("INSERT OR IGNORE INTO mailbox(id, owner, name, uidvalidity) VALUES(?,?,?,?)", id, row.Fields[0], row.Fields[1], uint32(time.Now().Unix()))
		}
	}
	return nil
}

// messageRows takes over the messages that a page holds.
func (s *rescue) messageRows(p durable.RemnantPage) error {
	const seen = "INSERT OR IGNORE INTO seen VALUES(?,?)"
	for _, row := range p.Rows {
		switch f := row.Fields; {
		case row.Fits(bodyKinds, len(bodyKinds)):
			s.insert(seen, f[1], f[2])
		case row.Fits(messageKinds, len(messageKinds)):
			s.insert(seen, f[0], f[1])
			if s.mailboxes[f[0].(int64)] {
				s.insert("INSERT OR IGNORE INTO message VALUES(?,?,?,?,?,?,?,?,?,?)", f...)
			}
		}
	}
	const batch = 1000
	if len(s.rows) < batch {
		return nil
	}
	return s.flush()
}

func (s *rescue) insert(query string, fields ...any) {
	s.rows = append(s.rows, func(tx *durable.Tx) error { return tx.Exec(query, fields...) })
}

func (s *rescue) flush() error {
	err := s.write(func(tx *durable.Tx) error {
		for _, row := range s.rows {
			if err := row(tx); err != nil {
				return err
			}
		}
		return nil
	})
	s.rows = s.rows[:0]
	return err
}

// bare is a message whose body is still in the damaged database.
type bare struct{ mailbox, uid, size, body int64 }

// bodiesAtOnce bounds the octets of the bodies that are written together, as far as
// that is possible; maxBodies their number.
const (
	bodiesAtOnce = 8 << 20
	maxBodies    = 200
	bareQuery    = "SELECT mailbox, uid, size-length(head), body FROM message WHERE (mailbox, uid)>(?,?) ORDER BY mailbox, uid LIMIT ?"
)

// carryBodies carries the bodies over, and removes messages that have none.
func (s *rescue) carryBodies() error {
	for last, more := (bare{}), true; more; {
		more = false
		err := s.write(func(tx *durable.Tx) error {
			batch, err := nextBodies(tx, last)
			for _, m := range batch {
				if err := s.carryBody(tx, m); err != nil {
					return err
				}
				last, more = m, true
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func nextBodies(tx *durable.Tx, last bare) (list []bare, err error) {
	var octets int64
	for row, err := range tx.Query(bareQuery, last.mailbox, last.uid, maxBodies) {
		if err != nil {
			return nil, err
		}
		var m bare
		if err := row.Scan(&m.mailbox, &m.uid, &m.size, &m.body); err != nil {
			return nil, err
		}
		list = append(list, m)
		if octets += m.size; octets > bodiesAtOnce {
			break
		}
	}
	return list, nil
}

func (s *rescue) carryBody(tx *durable.Tx, m bare) error {
	body, known := s.bodies[m.body]
	if !known {
		if r, size, err := s.from.Blob(m.body); err == nil && size == m.size {
			if body, _, err = durable.WriteBlob(tx, r); err != nil {
				return err
			}
		}
		s.bodies[m.body] = body
	}
	if body == 0 {
		return tx.Exec("DELETE FROM message WHERE mailbox=? AND uid=?", m.mailbox, m.uid)
	}
	return tx.Exec("UPDATE message SET body=? WHERE mailbox=? AND uid=?", body, m.mailbox, m.uid)
}

// account counts what is there, and what is lost; the UIDs of that are not used
// again.
func (s *rescue) account(tx *durable.Tx) error {
	err := errors.Join(
		tx.Exec(countQuery),
		tx.QueryRow("SELECT (SELECT COUNT(*) FROM message), (SELECT COUNT(*) FROM seen)").Scan(&s.Messages, &s.Lost),
		tx.Exec("DROP TABLE seen"))
	s.Lost -= s.Messages
	return err
}

const countQuery = `UPDATE mailbox SET
	messages = (SELECT COUNT(*) FROM message m WHERE m.mailbox=mailbox.id),
	octets = (SELECT COALESCE(SUM(size),0) FROM message m WHERE m.mailbox=mailbox.id),
	next_uid = MAX(next_uid, (SELECT COALESCE(MAX(uid),0)+1 FROM seen s WHERE s.mailbox=mailbox.id))`
