package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/durable"
)

// The states of a queued message, the first of these that fits.
const (
	Quarantined = "quarantined" // somebody must look at it
	Held        = "held"        // somebody has put all or part of it aside
	Deferred    = "deferred"    // it was tried in vain, or had no chance
	Active      = "active"      // it has not been tried to the end
)

// States lists them.
var States = []string{Active, Deferred, Held, Quarantined}

// Listed is a queued message as people see it.
type Listed struct {
	Message
	State       string
	Rcpts       []ListedRecipient
	Quarantined string // why, as Outcome.Why or in words of an older version, or ""
}

// ListedRecipient is one that still waits. Of a damaged entry the address is
// what is stored.
type ListedRecipient struct {
	Address, Domain string
	Notify, ORcpt   string
	Attempts        int // begun
	Next            time.Time
	Reply           string
	Noticed, Held   bool
}

// Page says which part of the queue is to be listed. Its zero values mean
// everything.
type Page struct {
	After  Position // only messages behind it
	Domain string   // only messages with a recipient there
	State  string   // only messages in this state
}

// Position is a place in the order of arrival.
type Position struct {
	Arrived time.Time
	ID      string
}

// String writes a position as ParsePosition reads it.
func (p Position) String() string { return strconv.FormatInt(p.Arrived.UnixNano(), 10) + "." + p.ID }

// ParsePosition reads a position.
func ParsePosition(s string) (Position, bool) {
	nanos, id, ok := strings.Cut(s, ".")
	n, err := strconv.ParseInt(nanos, 10, 64)
	return Position{time.Unix(0, n).UTC(), id}, ok && err == nil && id != ""
}

// Position returns where a message stands. It returns ErrGone when it is not
// queued.
func (s *Spool) Position(ctx context.Context, id string) (Position, error) {
	p := Position{ID: id}
	err := s.db.Read(ctx, func(tx *durable.Tx) error {
		return tx.QueryRow("SELECT arrived FROM message WHERE id=?", id).Scan(&p.Arrived)
	})
	if errors.Is(err, durable.ErrNotFound) {
		return p, ErrGone
	}
	if err != nil {
		return p, fmt.Errorf("find message: %w", err)
	}
	return p, nil
}

const stateColumn = `CASE WHEN m.quarantined<>'' THEN 'quarantined'
	WHEN EXISTS(SELECT 1 FROM recipient WHERE message=m.id AND held=1) THEN 'held'
	WHEN EXISTS(SELECT 1 FROM recipient WHERE message=m.id AND reply<>'') THEN 'deferred' ELSE 'active' END`

const listedColumns = `m.id, m.arrived, m.sender, m.size, m.body, m.ret, m.envid, m.eightbit, m.binary, m.utf8, m.message_id, m.quarantined, ` + stateColumn

// fits chooses messages by Page.Domain and Page.State, each given twice.
const fits = `(?='' OR EXISTS(SELECT 1 FROM recipient WHERE message=m.id AND domain=?)) AND (?='' OR ?=` + stateColumn + `)`

// listQuery goes along the index of arrivals and stops at the limit.
const listQuery = "SELECT " + listedColumns + ` FROM message m WHERE (m.arrived, m.id)>(?,?) AND ` + fits + ` ORDER BY m.arrived, m.id LIMIT ?`

// List returns up to limit messages of a page, oldest first.
func (s *Spool) List(ctx context.Context, p Page, limit int) ([]Listed, error) {
	var list []Listed
	arrived := int64(-1)
	if !p.After.Arrived.IsZero() {
		arrived = p.After.Arrived.UnixNano()
	}
	err := s.db.Read(ctx, func(tx *durable.Tx) error {
		for row, err := range tx.Query(listQuery, arrived, p.After.ID, p.Domain, p.Domain, p.State, p.State, limit) {
			if err != nil {
				return err
			}
			var l Listed
			if err := l.scan(row); err != nil {
				return err
			}
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

func (l *Listed) scan(row *durable.Row) error {
	var sender string
	m := &l.Message
	err := row.Scan(&m.ID, &m.Arrived, &sender, &m.Size, &m.body, &m.Ret, &m.EnvID, &m.EightBit, &m.Binary, &m.UTF8, &m.MessageID, &l.Quarantined, &l.State)
	l.From, _ = parse(sender) // an unreadable one is in quarantine, and shown as empty
	return err
}

// fill adds the recipients.
func (l *Listed) fill(tx *durable.Tx) error {
	const query = "SELECT address, domain, notify, orcpt, attempts, next, reply, noticed, held FROM recipient WHERE message=? ORDER BY n"
	for row, err := range tx.Query(query, l.ID) {
		if err != nil {
			return err
		}
		var r ListedRecipient
		if err := row.Scan(&r.Address, &r.Domain, &r.Notify, &r.ORcpt, &r.Attempts, &r.Next, &r.Reply, &r.Noticed, &r.Held); err != nil {
			return err
		}
		l.Rcpts = append(l.Rcpts, r)
	}
	return nil
}

// maxHead bounds the message header that is shown, in octets.
const maxHead = 32 << 10

// Show returns one message and its header, as far as it can be read. It returns
// ErrGone when it is not queued.
func (s *Spool) Show(ctx context.Context, id string) (l Listed, head string, err error) {
	err = s.db.Read(ctx, func(tx *durable.Tx) error {
		for row, err := range tx.Query("SELECT "+listedColumns+" FROM message m WHERE m.id=?", id) {
			if err != nil {
				return err
			}
			if err := l.scan(row); err != nil {
				return err
			}
		}
		if l.ID == "" {
			return ErrGone
		}
		if err := l.fill(tx); err != nil {
			return err
		}
		head = header(tx, l.body)
		return nil
	})
	if err != nil && !errors.Is(err, ErrGone) {
		err = fmt.Errorf("read entry %s: %w", id, err)
	}
	return l, head, err
}

// header reads a message up to its first empty line; of a body that is gone
// nothing.
func header(tx *durable.Tx, body int64) string {
	b, err := durable.OpenBlob(tx, body)
	if err != nil {
		return ""
	}
	data, err := io.ReadAll(io.LimitReader(b, maxHead))
	if err != nil {
		return ""
	}
	head, _, _ := strings.Cut("\r\n"+string(data), "\r\n\r\n")
	return strings.TrimPrefix(head, "\r\n")
}

// Stats is the exact account of the queue.
type Stats struct {
	Messages, Octets int64
	Oldest           time.Time // zero when it is empty
}

// count counts what is queued, by the index alone.
func (s *Spool) count(ctx context.Context) error {
	var messages, octets int64
	err := s.db.Read(ctx, func(tx *durable.Tx) error { return tx.QueryRow(countQuery).Scan(&messages, &octets) })
	if err != nil {
		return fmt.Errorf("count messages: %w", err)
	}
	s.account(messages, octets)
	return nil
}

// Matching counts the messages that a page's Domain and State choose. It reads the
// whole queue where one of them does.
func (s *Spool) Matching(ctx context.Context, p Page) (messages int64, err error) {
	if p.Domain == "" && p.State == "" {
		return s.messages.Load(), nil
	}
	err = s.db.Read(ctx, func(tx *durable.Tx) error {
		return tx.QueryRow("SELECT COUNT(*) FROM message m WHERE "+fits, p.Domain, p.Domain, p.State, p.State).Scan(&messages)
	})
	if err != nil {
		return 0, fmt.Errorf("count messages: %w", err)
	}
	return messages, nil
}

const (
	countQuery  = "SELECT COUNT(*), COALESCE(SUM(size),0) FROM message"
	oldestQuery = "SELECT MIN(arrived) FROM message"
)

// Stats tells what is queued, without counting.
func (s *Spool) Stats(ctx context.Context) (Stats, error) {
	st := Stats{Messages: s.messages.Load(), Octets: s.octets.Load()}
	err := s.db.Read(ctx, func(tx *durable.Tx) error { return tx.QueryRow(oldestQuery).Scan(&st.Oldest) })
	if err != nil {
		return Stats{}, fmt.Errorf("count spool: %w", err)
	}
	return st, nil
}
