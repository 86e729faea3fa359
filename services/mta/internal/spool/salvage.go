package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"correio/services/internal/durable"
	"correio/services/internal/reason"
)

// Salvage is what became of the messages in a damaged database.
type Salvage struct {
	File     string // where that one is kept, with what could not be read of it
	Messages int    // carried over
	// Partial are those of them that go on and may lack recipients, Quarantined those
	// that have none left, or no body. All lists are in the order of ids.
	Partial     []string
	Quarantined []Unwhole
	Lost        []string // known to have been there; there may have been others
}

// Unwhole is a message that is in quarantine because a part of it cannot be read.
type Unwhole struct{ ID, MessageID, Why string }

// Salvage returns what Open had to do, or nil.
func (s *Spool) Salvage() *Salvage { return s.salvage }

// What tells the rows of our tables from each other; see durable.Remnant.Fits. The
// columns that migrations have added may be missing.
const (
	messageKinds   = "titiittiitti"
	messageLeast   = 11
	recipientKinds = "tittttiitiit"
	recipientLeast = 10
	arrivedKinds   = "iti" // message_arrived
)

// seenTable holds the ids that the index of arrivals knows while a file is salvaged.
const seenTable = "CREATE TABLE seen(id TEXT PRIMARY KEY) WITHOUT ROWID"

// salvage makes a new database of what a damaged one still holds.
func salvage(ctx context.Context, path string, damage error, log *slog.Logger) (*Salvage, error) {
	s := &Salvage{}
	var err error
	s.File, err = durable.Salvage(ctx, path, migrations, func(r *durable.Remains, fresh *durable.DB) error {
		write := func(fn func(tx *durable.Tx) error) error { return fresh.Write(ctx, fn) }
		return (&rescue{Salvage: s, from: r, write: write}).all()
	})
	if err != nil {
		return nil, errors.Join(damage, err)
	}
	log.Error("the spool is damaged and was set aside; what could be read goes on in a new one", "file", s.File, "err", damage,
		"messages", s.Messages, "quarantined", len(s.Quarantined), "partial", some(s.Partial), "lost", some(s.Lost))
	return s, nil
}

// some counts ids and names the first ones.
func some(ids []string) string {
	const most = 50
	return strings.TrimSpace(fmt.Sprintf("%d %s", len(ids), strings.Join(ids[:min(len(ids), most)], " ")))
}

// rescue carries messages over.
type rescue struct {
	*Salvage
	from  *durable.Remains
	write func(fn func(tx *durable.Tx) error) error // in the new database
	rows  []func(tx *durable.Tx) error              // to be written together
	pages []span                                    // of recipients
}

// span is what a page of recipients holds: those of the messages from first to
// last.
type span struct {
	leaf, garbled bool
	first, last   rcptKey
}

type rcptKey struct {
	message string
	n       int64
}

func (k rcptKey) compare(l rcptKey) int {
	if c := strings.Compare(k.message, l.message); c != 0 {
		return c
	}
	return int(k.n - l.n)
}

func (s *rescue) all() error {
	if err := s.write(func(tx *durable.Tx) error { return tx.Exec(seenTable) }); err != nil {
		return err
	}
	if err := s.from.Pages(s.page); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	for _, step := range []func() error{s.dropOrphans, s.findPartial, s.carryBodies} {
		if err := step(); err != nil {
			return err
		}
	}
	s.Partial = slices.DeleteFunc(s.Partial, func(id string) bool {
		_, quarantined := slices.BinarySearchFunc(s.Quarantined, id, func(m Unwhole, id string) int { return strings.Compare(m.ID, id) })
		return quarantined
	})
	return s.write(func(tx *durable.Tx) error {
		return errors.Join(tx.Exec("DROP TABLE seen"), tx.QueryRow("SELECT COUNT(*) FROM message").Scan(&s.Messages))
	})
}

// page takes over the rows of one page.
func (s *rescue) page(p durable.RemnantPage) error {
	var of *span
	for _, row := range p.Rows {
		switch f := row.Fields; {
		case row.Fits(messageKinds, messageLeast):
			s.insert(insertMessage, padded(f, len(messageKinds), 0))
		case row.Fits(recipientKinds, recipientLeast):
			s.insert(insertRecipient, padded(f, len(recipientKinds), 0, ""))
			key := rcptKey{f[0].(string), f[1].(int64)} // as Fits says
			if of == nil || !p.Leaf {
				s.pages = append(s.pages, span{p.Leaf, p.Garbled > 0, key, key})
				of = &s.pages[len(s.pages)-1]
			}
			of.last = key
		case row.Fits(arrivedKinds, len(arrivedKinds)):
			s.insert("INSERT OR IGNORE INTO seen VALUES(?)", f[1:2])
		}
	}
	const batch = 1000
	if len(s.rows) < batch {
		return nil
	}
	return s.flush()
}

const (
	insertMessage   = "INSERT OR IGNORE INTO message VALUES(?,?,?,?,?,?,?,?,?,?,?,?)"
	insertRecipient = "INSERT OR IGNORE INTO recipient VALUES(?,?,?,?,?,?,?,?,?,?,?,?)"
)

// padded adds the defaults of columns that migrations have added after a row was
// made, n in all.
func padded(fields []any, n int, added ...any) []any {
	return append(fields, added[len(added)-(n-len(fields)):]...)
}

func (s *rescue) insert(query string, fields []any) {
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

// dropOrphans counts what is lost: messages of which only a recipient or the entry in
// the index is left.
func (s *rescue) dropOrphans() error {
	return s.write(func(tx *durable.Tx) (err error) {
		s.Lost, err = ids(tx, "SELECT id FROM seen UNION SELECT message FROM recipient EXCEPT SELECT id FROM message")
		return errors.Join(err, tx.Exec("DELETE FROM recipient WHERE message NOT IN (SELECT id FROM message)"))
	})
}

func ids(tx *durable.Tx, query string, args ...any) (list []string, err error) {
	for row, err := range tx.Query(query, args...) {
		if err != nil {
			return nil, err
		}
		var id string
		if err := row.Scan(&id); err != nil {
			return nil, err
		}
		list = append(list, id)
	}
	return list, nil
}

// findPartial finds the messages beside the holes in the table of recipients.
func (s *rescue) findPartial() error {
	return s.write(func(tx *durable.Tx) error {
		for _, h := range holes(s.pages) {
			list, err := ids(tx, "SELECT DISTINCT message FROM recipient WHERE message>=? AND (?='' OR message<=?)", h.after, h.before, h.before)
			if err != nil {
				return err
			}
			s.Partial = append(s.Partial, list...)
		}
		slices.Sort(s.Partial)
		s.Partial = slices.Compact(s.Partial)
		return nil
	})
}

// hole is where recipients may be missing: of messages from after to before, "" the
// ends of the table.
type hole struct{ after, before string }

// holes finds what is missing of a table by the order of its pages: there is one row
// of an inner page between each two leaves.
func holes(pages []span) (list []hole) {
	slices.SortFunc(pages, func(a, b span) int { return a.first.compare(b.first) })
	for i, p := range pages {
		if p.garbled {
			list = append(list, hole{p.first.message, p.last.message})
		}
		switch {
		case i == 0 && !p.leaf:
			list = append(list, hole{"", p.first.message})
		case i > 0 && p.leaf == pages[i-1].leaf:
			list = append(list, hole{pages[i-1].last.message, p.first.message})
		}
	}
	if n := len(pages); n > 0 && !pages[n-1].leaf {
		list = append(list, hole{pages[n-1].last.message, ""})
	}
	return list
}

// carryBodies carries the bodies over, and puts messages that are not whole into
// quarantine.
func (s *rescue) carryBodies() error {
	for after, more := "", true; more; {
		more = false
		err := s.write(func(tx *durable.Tx) error {
			batch, err := nextBodies(tx, after)
			for _, m := range batch {
				if err := s.carryBody(tx, m); err != nil {
					return err
				}
				after, more = m.id, true
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bare is a message whose body is still in the damaged database.
type bare struct {
	id, messageID string
	size, body    int64
	recipients    int
}

// bodiesAtOnce bounds the octets of the bodies that are written together, as far as
// that is possible; maxBodies their number.
const (
	bodiesAtOnce = 8 << 20
	maxBodies    = 200
	bareQuery    = `SELECT id, message_id, size, body, (SELECT COUNT(*) FROM recipient WHERE message=id)
	FROM message WHERE id>? ORDER BY id LIMIT ?`
)

func nextBodies(tx *durable.Tx, after string) (list []bare, err error) {
	var octets int64
	for row, err := range tx.Query(bareQuery, after, maxBodies) {
		if err != nil {
			return nil, err
		}
		var m bare
		if err := row.Scan(&m.id, &m.messageID, &m.size, &m.body, &m.recipients); err != nil {
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
	var why []reason.Reason
	var body int64
	r, size, err := s.from.Blob(m.body)
	if err == nil && size == m.size {
		if body, _, err = durable.WriteBlob(tx, r); err != nil {
			return err
		}
	} else {
		why = append(why, reason.New(reason.BodyDamaged))
	}
	if err := tx.Exec("UPDATE message SET body=? WHERE id=?", body, m.id); err != nil {
		return err
	}
	if m.recipients == 0 {
		why = append(why, reason.New(reason.RecipientsDamaged))
	}
	if len(why) == 0 {
		return nil
	}
	s.Quarantined = append(s.Quarantined, Unwhole{m.id, m.messageID, reason.Encode(why...)})
	return quarantine(tx, m.id, reason.Encode(why...))
}
