package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"correio/services/internal/durable"
)

// removeBatch bounds how many messages one transaction removes, so that new
// mail does not wait behind a mailbox that is emptied.
const removeBatch = 256

// Maildrop is the exclusive view that one session has of a mailbox: the
// messages that were there when it was opened (RFC 1939 §3 wants their numbers
// and sizes to stay). It is used by one goroutine.
type Maildrop struct {
	store   *Store
	owner   string
	mailbox int64 // 0 when the owner never got mail
	valid   uint32
	entries []Entry
	closed  bool
	small   []byte // body of the message read last, when it is small
}

// Entry is one message of a Maildrop, as much as every session keeps of it.
type Entry struct {
	Size int64 // octets that reading it yields
	body int64
	UID  uint32
}

// Open locks the owner's mailbox and lists it, or returns ErrLocked. The
// caller closes the Maildrop.
func (s *Store) Open(ctx context.Context, owner string) (*Maildrop, error) {
	if !s.lock(owner) {
		return nil, ErrLocked
	}
	m := &Maildrop{store: s, owner: owner}
	if err := s.db.Read(ctx, m.load); err != nil {
		m.Close()
		return nil, fmt.Errorf("open mailbox of %q: %w", owner, err)
	}
	return m, nil
}

func (s *Store) lock(owner string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked[owner] {
		return false
	}
	s.locked[owner] = true
	return true
}

func (m *Maildrop) load(tx *durable.Tx) error {
	var n int
	err := tx.QueryRow("SELECT id, uidvalidity, messages FROM mailbox WHERE owner=? AND name=?", m.owner, inbox).
		Scan(&m.mailbox, &m.valid, &n)
	if errors.Is(err, durable.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	m.entries = slices.Grow(m.entries, n)
	for row, err := range tx.Query("SELECT uid, size, body FROM message WHERE mailbox=? ORDER BY uid", m.mailbox) {
		if err != nil {
			return err
		}
		var e Entry
		if err := row.Scan(&e.UID, &e.Size, &e.body); err != nil {
			return err
		}
		m.entries = append(m.entries, e)
	}
	return nil
}

// Close gives the lock back. A second Close does nothing.
func (m *Maildrop) Close() {
	if m.closed {
		return
	}
	m.closed = true
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	delete(m.store.locked, m.owner)
}

// Entries returns the messages in the order of their UIDs. The caller does not
// change them.
func (m *Maildrop) Entries() []Entry { return m.entries }

// UniqueID returns the message's unique-id for UIDL (RFC 1939 §7): the
// mailbox's UIDVALIDITY and the message's UID, in 16 hexadecimal digits.
func (m *Maildrop) UniqueID(e Entry) string { return fmt.Sprintf("%08x%08x", m.valid, e.UID) }

// Message is a message opened for reading, until the next one is opened from
// the same Maildrop.
type Message struct {
	Entry
	ID        string // store id
	MessageID string // without angle brackets
	Sender    string
	Recipient string
	Received  time.Time

	head []byte
	body io.WriterTo
}

// WriteTo implements io.WriterTo: it writes the message in pieces of at most
// durable.ChunkSize octets, Entry.Size in all.
func (m *Message) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(m.head)
	if err != nil {
		return int64(n), err
	}
	body, err := m.body.WriteTo(w)
	return int64(n) + body, err
}

// Message opens a message of the Maildrop, or returns ErrGone.
func (m *Maildrop) Message(ctx context.Context, e Entry) (*Message, error) {
	msg := &Message{Entry: e}
	err := m.store.db.Read(ctx, func(tx *durable.Tx) error {
		err := tx.QueryRow(`SELECT store_id, message_id, sender, recipient, received, head
			FROM message WHERE mailbox=? AND uid=?`, m.mailbox, e.UID).
			Scan(&msg.ID, &msg.MessageID, &msg.Sender, &msg.Recipient, &msg.Received, &msg.head)
		if err != nil {
			return err
		}
		return m.readSmall(tx, msg)
	})
	if err == nil && msg.body == nil {
		msg.body, err = m.store.db.OpenBlob(ctx, e.body)
	}
	if errors.Is(err, durable.ErrNotFound) {
		return nil, fmt.Errorf("message %d of %q: %w", e.UID, m.owner, ErrGone)
	}
	if err != nil {
		return nil, fmt.Errorf("message %d of %q: %w", e.UID, m.owner, err)
	}
	return msg, nil
}

// readSmall reads a body of one chunk in the same step as its row; larger ones
// are read chunk by chunk as the client takes them.
func (m *Maildrop) readSmall(tx *durable.Tx, msg *Message) error {
	size := msg.Size - int64(len(msg.head))
	if size > durable.ChunkSize {
		return nil
	}
	blob, err := durable.OpenBlob(tx, msg.Entry.body)
	if err != nil {
		return err
	}
	m.small = slices.Grow(m.small[:0], int(size))[:size]
	if _, err := io.ReadFull(blob, m.small); err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	msg.body = octets(m.small)
	return blob.Close()
}

// octets is a body in memory.
type octets []byte

func (o octets) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(o)
	return int64(n), err
}

// Remove deletes messages for good, and returns those that it has deleted
// after that is on disk. After an error some may be gone, those returned, and
// none besides them.
func (m *Maildrop) Remove(ctx context.Context, uids []uint32) ([]Removed, error) {
	var all []Removed
	for uids := range slices.Chunk(uids, removeBatch) {
		batch, err := m.removeBatch(ctx, uids)
		if err != nil {
			return all, fmt.Errorf("remove from mailbox of %q: %w", m.owner, err)
		}
		all = append(all, batch...)
	}
	return all, nil
}

func (m *Maildrop) removeBatch(ctx context.Context, uids []uint32) ([]Removed, error) {
	removed := make([]Removed, 0, len(uids))
	err := m.store.db.Write(ctx, func(tx *durable.Tx) error {
		for _, uid := range uids {
			r, found, err := removeMessage(tx, m.mailbox, uid)
			if err != nil {
				return err
			}
			if found {
				removed = append(removed, r)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, r := range removed {
		m.store.account(m.owner, -1, -r.Size)
	}
	return removed, nil
}
