// Package store keeps an organisation's mailboxes on disk.
//
// # Flow
//
// A message arrives in a Draft, is put into all its recipients' mailboxes by
// one Deliver, and is read and removed through a Maildrop, the exclusive view
// that a POP3 session has of one mailbox (RFC 1939 §8).
//
// # Guarantees
//
// Deliver and Remove return after their change is synced; a kill at any
// instant leaves each copy whole or absent. A message consists of lines that
// end in CRLF, the last one too, and its Size is exactly the number of octets
// that reading it yields. UIDs of a mailbox grow and are never used twice; the
// body of a message to several people is stored once and goes with its last
// copy. No message is ever in memory as a whole, small ones excepted.
package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"correio/services/internal/durable"
)

// Errors of this package, besides those of package durable.
var (
	// ErrLocked says that another session holds the mailbox.
	ErrLocked = errors.New("mailbox is locked by another session")
	// ErrOverQuota says that a copy does not fit beside what the mailbox holds.
	ErrOverQuota = errors.New("mailbox is over its quota")
	// ErrGone says that a message is not in the mailbox any more.
	ErrGone = errors.New("message is gone")
)

// Store is the mailboxes of one node. Its methods may be called from any
// goroutine.
type Store struct {
	db  *durable.DB
	dir string // for drafts that outgrow memory

	mu     sync.Mutex // guards what follows
	locked map[string]bool
	usages map[string]Usage // of what is committed; as many as there are people

	salvage *Salvage
}

// Usage is how much a mailbox holds.
type Usage struct {
	Messages int
	Octets   int64
}

// Open opens the mailboxes kept in dir (mail.db), or creates them. What drafts
// left there when the node was killed is removed. A damaged database is kept aside,
// and what can be read of it goes on in a new one, see Salvage.
func Open(ctx context.Context, dir string) (*Store, error) {
	drafts := filepath.Join(dir, "drafts")
	if err := os.RemoveAll(drafts); err != nil {
		return nil, fmt.Errorf("open mailboxes: remove old drafts: %w", err)
	}
	if err := os.MkdirAll(drafts, 0o700); err != nil {
		return nil, fmt.Errorf("open mailboxes: %w", err)
	}
	s := &Store{dir: drafts, locked: map[string]bool{}}
	path := filepath.Join(dir, "mail.db")
	err := s.open(ctx, path)
	if errors.Is(err, durable.ErrCorrupt) {
		if s.salvage, err = salvage(ctx, path, err); err == nil {
			err = s.open(ctx, path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open mailboxes %s: %w", path, err)
	}
	return s, nil
}

// open opens the database unless its tables are damaged. A body that is fails who
// reads it, and nobody else.
func (s *Store) open(ctx context.Context, path string) (err error) {
	if s.db, err = durable.Open(ctx, path, migrations); err != nil {
		return err
	}
	err = s.db.CheckTables(ctx, "message", "mailbox")
	if err == nil {
		s.usages, err = s.readUsages(ctx)
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// Close waits for what runs and closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Usage returns what the owner's mailbox holds; nothing when it never got mail.
func (s *Store) Usage(owner string) Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usages[owner]
}

// Usages returns what every mailbox that ever got mail holds, by owner.
func (s *Store) Usages() map[string]Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.usages)
}

// account notes what a commit has changed.
func (s *Store) account(owner string, messages int, octets int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.usages[owner]
	s.usages[owner] = Usage{u.Messages + messages, u.Octets + octets}
}

// readUsages reads what the mailboxes hold when nobody uses them yet.
func (s *Store) readUsages(ctx context.Context) (map[string]Usage, error) {
	usages := map[string]Usage{}
	err := s.db.Read(ctx, func(tx *durable.Tx) error {
		for row, err := range tx.Query("SELECT owner, messages, octets FROM mailbox WHERE name=?", inbox) {
			if err != nil {
				return err
			}
			var owner string
			var u Usage
			if err := row.Scan(&owner, &u.Messages, &u.Octets); err != nil {
				return err
			}
			usages[owner] = u
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("usage of all mailboxes: %w", err)
	}
	return usages, nil
}

// Locked reports whether a session holds the owner's mailbox.
func (s *Store) Locked(owner string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.locked[owner]
}

// NewID returns a fresh store id: 12 upper-case hexadecimal digits.
func NewID() string {
	var id [6]byte
	rand.Read(id[:]) // never fails, see crypto/rand
	return strings.ToUpper(hex.EncodeToString(id[:]))
}
