package durable

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/ncruces/go-sqlite3"
)

var (
	// ErrNoSpace says that the disk, its quota or the limit of [WithMaxBytes]
	// is exhausted; nothing of the failed write is kept.
	ErrNoSpace = errors.New("durable: no space left")
	// ErrCorrupt says that the file is damaged or is not a database.
	ErrCorrupt = errors.New("durable: file is damaged")
	// ErrClosed says that the database was closed before the work began.
	ErrClosed = errors.New("durable: database is closed")
	// ErrNotFound says that a query for one row found none, or that a blob
	// does not exist (any more).
	ErrNotFound = errors.New("durable: not found")
	// ErrConstraint says that a UNIQUE, NOT NULL, CHECK or FOREIGN KEY
	// constraint refused the change.
	ErrConstraint = errors.New("durable: constraint violated")
	// ErrTooLarge says that a [Buffer] would exceed its limit.
	ErrTooLarge = errors.New("durable: message too large")
)

// classify wraps err with the operation and with the sentinel that callers
// test for, if there is one.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	if class := classOf(err); class != nil && !errors.Is(err, class) {
		return fmt.Errorf("%s: %w: %w", op, class, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}

func classOf(err error) error {
	switch {
	case errors.Is(err, sqlite3.FULL), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return ErrNoSpace
	case errors.Is(err, sqlite3.CORRUPT), errors.Is(err, sqlite3.NOTADB):
		return ErrCorrupt
	case errors.Is(err, sqlite3.CONSTRAINT):
		return ErrConstraint
	}
	return nil
}
