package durable

import (
	"errors"
	"fmt"
	"os"

	"github.com/ncruces/go-sqlite3"
)

const (
	// pageSize is SQLite's default; larger pages were not faster.
	pageSize = 4096
	// defaultReserve is what bodies leave free for the rest; see [WithReserve].
	defaultReserve = 4 << 20
	// probeSize is how much must fit for the disk not to count as full.
	probeSize = 64 << 10
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
