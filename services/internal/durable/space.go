package durable

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/ncruces/go-sqlite3"

	"correio/services/internal/durable/internal/btree"
)

const (
	// pageSize is SQLite's default; larger pages were not faster.
	pageSize = btree.PageSize
	// defaultReserve is what bodies leave free for the rest; see [WithReserve].
	defaultReserve = 4 << 20
	// probeSize is how much must fit for the disk not to count as full.
	probeSize = 64 << 10

	// shortRoom is how little room on the disk makes the file give back the
	// pages that it does not use; givePages is how many at a time (1 MiB), and
	// how few are left alone.
	shortRoom = 64 << 20
	givePages = 256
)

// roomFor reports whether n more bytes of a body may be stored: they go to
// the log and later to the file, and so does what the log already holds.
func (c *conn) roomFor(n int) error {
	free, err := DiskFree(c.dir)
	if err != nil {
		return nil //nolint:nilerr // unknown here: the write itself will find out
	}
	need := c.reserve + int64(c.logPages-c.movedPages)*pageSize + 2*(c.bytes+int64(n))
	if free < need {
		return fmt.Errorf("%w: %d bytes free in %s, %d needed", ErrNoSpace, free, c.dir, need)
	}
	return nil
}

// classify is [classify] for errors of this connection. The library gives a
// full disk as a bare "disk I/O error" (it looks for the error number where
// package os has wrapped it), so that the directory itself must be asked.
func (c *conn) classify(op string, err error) error {
	if errors.Is(err, sqlite3.IOERR) && !errors.Is(err, ErrNoSpace) && c.full(c.dir) {
		return fmt.Errorf("%s: %w: %w", op, ErrNoSpace, err)
	}
	return classify(op, err)
}

// diskIsFull tries to write a little to dir.
func diskIsFull(dir string) bool {
	f, err := os.CreateTemp(dir, "probe-*.tmp")
	if err != nil {
		return classOf(err) == ErrNoSpace //nolint:errorlint // the sentinel itself
	}
	_, err = f.Write(make([]byte, probeSize))
	err = errors.Join(err, os.Remove(f.Name()), f.Close())
	return classOf(err) == ErrNoSpace //nolint:errorlint // the sentinel itself
}

// giveBack returns the room of deleted mail to a disk that is short of it.
// SQLite keeps the pages for itself, where neither a [Buffer] nor anybody else
// could use them. Who waits comes first.
func (w *writer) giveBack() {
	for !w.more() && w.conn.shrink() {
	}
}

// shrink makes the file a little shorter, if that is of use, and reports whether
// it should be tried again.
func (c *conn) shrink() (again bool) {
	if free, err := DiskFree(c.dir); err != nil || free >= c.short {
		return false
	}
	unused := c.freePages()
	if unused < givePages {
		return false
	}
	// The moved pages go to the log, and the end of the file is cut off when
	// they are moved on from there.
	if c.raw.Exec("PRAGMA incremental_vacuum("+strconv.Itoa(givePages)+")") != nil {
		return false // no room for the log: the next Write tries again
	}
	return c.checkpoint(sqlite3.CHECKPOINT_PASSIVE) && c.freePages() < unused
}

// freePages counts the pages of the file that hold nothing; 0 when nobody can say.
func (c *conn) freePages() int {
	count, err := c.pragma("freelist_count")
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		return 0
	}
	return n
}
