// Package spool keeps the messages that an MTA has taken responsibility for:
// envelopes, recipients and bodies, in one durable database.
//
// Add returns when the message is synced to disk, and only then may a client
// hear "250": a kill -9 at any later instant does not lose it. A recipient has
// a row as long as somebody still owes it a delivery or a report. Settle takes
// it away, in the same transaction that stores the report about it; with the
// last recipient goes the message. So a message is always in exactly one
// place: queued, delivered, or turned into a report that is queued itself.
//
// The time of the next attempt is written before an attempt is made (Begin; Add
// does it for the first one). A node that dies in an attempt therefore comes
// back to the next one at its time, and to an interrupted first one at once
// (Waiting). What cannot be read is quarantined: kept, shown, and left alone. Of a
// file that is damaged Open carries over what can be read (Salvage), unless delivered
// mail could be among it.
package spool

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"correio/services/internal/durable"
	"correio/services/internal/mailaddr"
)

// Errors that callers tell apart.
var (
	ErrNoSpace = durable.ErrNoSpace
	// ErrGone says that the message is not queued (any more).
	ErrGone = errors.New("spool: message is gone")
	// ErrUnreadable says that an entry is damaged; quarantine it.
	ErrUnreadable = errors.New("spool: entry cannot be read")
)

var migrations = []string{`
CREATE TABLE message(
	id          TEXT PRIMARY KEY,
	arrived     INTEGER NOT NULL, -- Unix nanoseconds, as every time
	sender      TEXT NOT NULL,    -- "" is the null reverse-path
	size        INTEGER NOT NULL, -- octets of the body
	body        INTEGER NOT NULL, -- blob
	ret         TEXT NOT NULL,
	envid       TEXT NOT NULL,
	eightbit    INTEGER NOT NULL,
	utf8        INTEGER NOT NULL,
	message_id  TEXT NOT NULL,
	quarantined TEXT NOT NULL DEFAULT '' -- why
) WITHOUT ROWID;
CREATE TABLE recipient(
	message  TEXT NOT NULL,
	n        INTEGER NOT NULL, -- order of RCPT
	address  TEXT NOT NULL,
	domain   TEXT NOT NULL,
	notify   TEXT NOT NULL,
	orcpt    TEXT NOT NULL,
	attempts INTEGER NOT NULL, -- begun
	next     INTEGER NOT NULL,
	reply    TEXT NOT NULL,    -- last one, "" before the first attempt has ended
	noticed  INTEGER NOT NULL, -- the sender was told about the delay
	PRIMARY KEY(message, n)
) WITHOUT ROWID;
`, "ALTER TABLE message ADD COLUMN binary INTEGER NOT NULL DEFAULT 0", `
ALTER TABLE recipient ADD COLUMN held INTEGER NOT NULL DEFAULT 0; -- not to be attempted until somebody releases it
-- For lists in order of arrival, and to count without reading the messages.
CREATE INDEX message_arrived ON message(arrived, id, size);
`, "ALTER TABLE recipient ADD COLUMN kept TEXT NOT NULL DEFAULT ''" /* why, when it is held as one of Outcome.Kept */}

// Message is what is known about a queued message besides its recipients.
type Message struct {
	ID        string
	Arrived   time.Time
	From      mailaddr.Address
	Size      int64
	Ret       string // RFC 3461
	EnvID     string // RFC 3461, xtext
	EightBit  bool   // it has octets above 127
	Binary    bool   // BODY=BINARYMIME (RFC 3030): not lines of text
	UTF8      bool
	MessageID string // without angle brackets
	body      int64
}

// Recipient is one that still waits.
type Recipient struct {
	N        int
	To       mailaddr.Address
	Notify   string
	ORcpt    string
	Attempts int // begun
	Next     time.Time
	Reply    string
	Noticed  bool
	Held     bool
}

// Entry is a message with the recipients that still wait, in order.
type Entry struct {
	Message
	Rcpts []Recipient
}

// Spool is an open queue. Its methods may be called from any goroutine.
type Spool struct {
	db  *durable.DB
	dir string
	// What is queued, kept beside the database so that nobody needs to count. The
	// octets are counted before a message is stored, so that limit is exact.
	messages, octets atomic.Int64
	limit            int64
	salvage          *Salvage
}

// Open opens or creates the spool in dir, which takes up to limit octets of mail.
// A damaged database is kept aside, and what can be read of it goes on in a new
// one, which log says as an error: somebody must look, but mail must go on.
func Open(ctx context.Context, dir string, limit int64, log *slog.Logger) (*Spool, error) {
	s := &Spool{dir: dir, limit: limit}
	err := s.open(ctx)
	if errors.Is(err, durable.ErrCorrupt) {
		if s.salvage, err = salvage(ctx, s.path(), err, log); err == nil {
			err = s.open(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open spool %s: %w", s.path(), err)
	}
	return s, nil
}

func (s *Spool) path() string { return filepath.Join(s.dir, "spool.db") }

// open opens the database unless what a node needs of it at every moment is
// damaged. Bodies are not looked at: a message without one goes into quarantine when
// its time comes.
func (s *Spool) open(ctx context.Context) (err error) {
	if s.db, err = durable.Open(ctx, s.path(), migrations); err != nil {
		return err
	}
	err = s.db.CheckTables(ctx, "message", "recipient")
	if err == nil {
		err = s.count(ctx)
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// Close closes the spool.
func (s *Spool) Close() error { return s.db.Close() }

// Buffer returns a buffer for an incoming message of up to limit octets.
func (s *Spool) Buffer(limit int64) *durable.Buffer { return durable.NewBuffer(s.dir, 0, limit) }

// NewID makes a queue id: fifteen hexadecimal digits. The first five are the
// second, so that what comes together lies together in the tables: beside a
// hundred thousand messages, ids in no order cost 70 µs more of the processor
// for each message, ordered ones 10. The last ten nobody can guess; that two of
// five thousand ids within one second are equal happens once in a day.
func NewID() string {
	var b [8]byte
	rand.Read(b[3:]) // never fails, see crypto/rand
	second := uint64(time.Now().Unix()) & 0xFFFFF
	return fmt.Sprintf("%05X%010X", second, binary.BigEndian.Uint64(b[:]))
}

// Add stores a message with its recipients; it is durable when Add returns.
// Recipients count one attempt as begun, so their Next is the time of the
// second; not those that have a Reply, which says why they are not attempted at
// once.
func (s *Spool) Add(ctx context.Context, e *Entry, body io.Reader) error {
	return s.AddAll(ctx, []Part{{e, body}})
}

// Part is one of several entries that are stored together.
type Part struct {
	Entry *Entry
	Body  io.Reader
}

// Room is how many octets the queue has room for, from 0.
func (s *Spool) Room() int64 { return max(s.limit-s.octets.Load(), 0) }

// AddAll is Add for several messages in one transaction: all of them are stored,
// or none. It returns ErrNoSpace when they, by the size that their entries say, are
// too much for the queue: a queue that filled up with mail for a dead destination
// must leave room for reports, which Settle stores.
func (s *Spool) AddAll(ctx context.Context, parts []Part) error {
	said := sizes(parts)
	if s.octets.Add(said) > s.limit {
		s.octets.Add(-said)
		return fmt.Errorf("the queue is full: %w", ErrNoSpace)
	}
	err := s.db.Write(ctx, func(tx *durable.Tx) error {
		for _, p := range parts {
			if err := insert(tx, p.Entry, p.Body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.octets.Add(-said)
		return fmt.Errorf("add to spool: %w", err)
	}
	s.account(int64(len(parts)), sizes(parts)-said)
	return nil
}

func sizes(parts []Part) (octets int64) {
	for _, p := range parts {
		octets += p.Entry.Size
	}
	return octets
}

// account notes what a commit has changed.
func (s *Spool) account(messages, octets int64) {
	s.messages.Add(messages)
	s.octets.Add(octets)
}

func insert(tx *durable.Tx, e *Entry, body io.Reader) error {
	var err error
	if e.body, e.Size, err = durable.WriteBlob(tx, body); err != nil {
		return err
	}
	m := &e.Message
	err = tx.Exec(`INSERT INTO message(id, arrived, sender, size, body, ret, envid, eightbit, binary, utf8, message_id)
		VALUES(?,?,?,?,?,?,?,?,?,?,?)`, m.ID, m.Arrived, m.From.String(), m.Size, m.body, m.Ret, m.EnvID, m.EightBit, m.Binary, m.UTF8, m.MessageID)
	if err != nil {
		return err
	}
	for i := range e.Rcpts {
		r := &e.Rcpts[i]
		r.N, r.Attempts = i, 1
		if r.Reply != "" {
			r.Attempts = 0
		}
		err := tx.Exec(`INSERT INTO recipient(message, n, address, domain, notify, orcpt, attempts, next, reply, noticed)
			VALUES(?,?,?,?,?,?,?,?,?,0)`, m.ID, r.N, r.To.String(), r.To.Domain, r.Notify, r.ORcpt, r.Attempts, r.Next, r.Reply)
		if err != nil {
			return err
		}
	}
	return nil
}

// Begin notes that attempt number n for the recipients of one domain is about
// to be made, and when the next one will be if nothing is heard of this one.
func (s *Spool) Begin(ctx context.Context, id, domain string, n int, next time.Time) error {
	err := s.db.Write(ctx, func(tx *durable.Tx) error {
		return tx.Exec("UPDATE recipient SET attempts=?, next=? WHERE message=? AND domain=?", n, next, id, domain)
	})
	if err != nil {
		return fmt.Errorf("begin attempt: %w", err)
	}
	return nil
}
