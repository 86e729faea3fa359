package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"correio/services/internal/durable"
)

// Delivery is a message that has arrived, for all its recipients.
type Delivery struct {
	Draft     *Draft
	Sender    string // reverse-path without angle brackets, "" for the null one
	MessageID string // without angle brackets, "" when there is none
	Received  time.Time
	Copies    []*Copy // no mailbox twice
}

// Copy is one mailbox's copy of a message.
type Copy struct {
	Owner     string // whose mailbox
	Quota     int64  // octets that the mailbox may hold, 0 for no limit
	ID        string // the copy's store id, see NewID
	Recipient string // forward-path without angle brackets
	Head      []byte // trace fields to put in front, lines that end in CRLF

	// What Deliver found.
	UID  uint32
	Size int64 // octets with Head
	Err  error // ErrOverQuota, or nil
}

// Deliver puts the message into the mailbox of every copy, and returns after
// all of them are on disk. A mailbox that has no room gets nothing and says so
// in the copy's Err; the other copies are not touched by that. The error is
// what prevented all of them; no copy is stored then.
func (s *Store) Deliver(ctx context.Context, d *Delivery) error {
	if err := d.Draft.finish(); err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	err := s.db.Write(ctx, func(tx *durable.Tx) error {
		var body int64
		for _, c := range d.Copies {
			if err := deliverCopy(tx, d, c, &body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	for _, c := range d.Copies {
		if c.Err == nil {
			s.account(c.Owner, 1, c.Size)
		}
	}
	return nil
}

// deliverCopy stores one copy; body is the blob of the message, 0 until the
// first copy has found room.
func deliverCopy(tx *durable.Tx, d *Delivery, c *Copy, body *int64) error {
	c.UID, c.Err = 0, nil
	c.Size = int64(len(c.Head)) + d.Draft.Size()
	mailbox, octets, err := mailboxOf(tx, c, d.Received)
	if err != nil {
		return err
	}
	if c.Quota > 0 && octets+c.Size > c.Quota {
		c.Err = ErrOverQuota
		return nil
	}
	if *body == 0 {
		if *body, _, err = durable.WriteBlob(tx, d.Draft.Reader()); err != nil {
			return err
		}
	}
	err = tx.Exec(`INSERT INTO message(mailbox, uid, size, body, store_id, message_id, sender, recipient, received, head)
		VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		mailbox, c.UID, c.Size, *body, c.ID, d.MessageID, d.Sender, c.Recipient, d.Received, nonNil(c.Head))
	if err != nil {
		return err
	}
	return tx.Exec("UPDATE mailbox SET next_uid=next_uid+1, messages=messages+1, octets=octets+? WHERE id=?",
		c.Size, mailbox)
}

// mailboxOf returns the row of the owner's mailbox and what it holds, and gives
// the copy its UID; it makes the mailbox when needed. Its UIDVALIDITY is the time
// of its birth, so that a client that remembers the UIDs of a store since thrown
// away does not take new mail for old.
func mailboxOf(tx *durable.Tx, c *Copy, now time.Time) (id, octets int64, err error) {
	err = tx.QueryRow("SELECT id, next_uid, octets FROM mailbox WHERE owner=? AND name=?", c.Owner, inbox).Scan(&id, &c.UID, &octets)
	if !errors.Is(err, durable.ErrNotFound) {
		return id, octets, err
	}
	c.UID = 1
	err = tx.Exec("INSERT INTO mailbox(owner, name, uidvalidity) VALUES(?, ?, ?)", c.Owner, inbox, uint32(now.Unix()))
	return tx.LastInsertID(), 0, err
}

// nonNil keeps an empty head from being stored as NULL.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Removed is a message that Remove has deleted.
type Removed struct {
	UID       uint32
	Size      int64
	ID        string // store id
	MessageID string // without angle brackets
}

// removeMessage deletes one message, and its body when no other copy shares
// it. It reports false when the message was not there.
func removeMessage(tx *durable.Tx, mailbox int64, uid uint32) (r Removed, found bool, err error) {
	r.UID = uid
	var body int64
	err = tx.QueryRow("SELECT size, body, store_id, message_id FROM message WHERE mailbox=? AND uid=?", mailbox, uid).
		Scan(&r.Size, &body, &r.ID, &r.MessageID)
	if errors.Is(err, durable.ErrNotFound) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	if err := tx.Exec("DELETE FROM message WHERE mailbox=? AND uid=?", mailbox, uid); err != nil {
		return r, false, err
	}
	err = tx.Exec("UPDATE mailbox SET messages=messages-1, octets=octets-? WHERE id=?", r.Size, mailbox)
	if err != nil {
		return r, false, err
	}
	return r, true, dropBody(tx, body)
}

// dropBody deletes a body that no copy refers to any more.
func dropBody(tx *durable.Tx, body int64) error {
	var copies int
	if err := tx.QueryRow("SELECT count(*) FROM message WHERE body=?", body).Scan(&copies); err != nil || copies > 0 {
		return err
	}
	return durable.DeleteBlob(tx, body)
}
