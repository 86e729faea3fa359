package durable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
)

// DB is an open database file. Its methods may be called from any goroutine.
type DB struct {
	writer  *writer
	readers *readers
}

// Stats counts what the writer has done since Open.
type Stats struct {
	Writes  int64 // functions whose changes were committed
	Commits int64 // transactions that committed them
	Failed  int64 // functions that returned an error or could not be committed
}

// Option changes how a database is opened.
type Option func(*options)

type options struct {
	maxBytes int64
	reserve  int64
}

// WithMaxBytes bounds the size of the database file (rounded down to pages);
// beyond it a Write fails with [ErrNoSpace] as on a full disk.
func WithMaxBytes(n int64) Option {
	return func(o *options) { o.maxBytes = n }
}

// WithReserve sets how many bytes [WriteBlob] leaves free on the disk (4 MiB
// by default, beside what the log still needs). Without it a disk full of
// mail could not even record that some of it has been delivered or deleted.
func WithReserve(n int64) Option {
	return func(o *options) { o.reserve = n }
}

// Open opens or creates the database file at path and applies the migrations
// that it has not seen yet, in order, each in a transaction of its own; the
// file's user_version counts them. A migration may hold several statements
// and, once released, must never change. Tables whose names begin with
// "durable_" belong to this package.
func Open(ctx context.Context, path string, migrations []string, opts ...Option) (*DB, error) {
	o := options{reserve: defaultReserve}
	for _, opt := range opts {
		opt(&o)
	}
	if _, err := replace(path); err != nil {
		return nil, err
	}
	fresh, err := createPrivate(path)
	if err != nil {
		return nil, err
	}
	c, err := openConn(ctx, path, sqlite3.OPEN_READWRITE, writerPragmas(fresh))
	if err != nil {
		return nil, err
	}
	c.reserve = o.reserve
	if err := prepareFile(ctx, c, path, migrations, o); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return &DB{writer: startWriter(c, path), readers: newReaders(path)}, nil
}

// prepareFile brings the schema up to date and makes the names of the
// database and its log durable.
func prepareFile(ctx context.Context, c *conn, path string, migrations []string, o options) error {
	if err := migrate(ctx, c, migrations); err != nil {
		return err
	}
	if o.maxBytes > 0 {
		if err := limitSize(c, o.maxBytes); err != nil {
			return err
		}
	}
	return syncDir(filepath.Dir(path))
}

// Read runs fn on a read connection, in one transaction that sees the last
// commit as of its first query. A cancelled ctx interrupts its queries. It
// should be short: while it lasts the log cannot start over. fn
// must not call Read or read a [Blob] of [DB.OpenBlob] (use the package's
// [OpenBlob] with its tx): the connections are few, and it could wait for
// itself.
func (db *DB) Read(ctx context.Context, fn func(tx *Tx) error) error {
	return db.readers.read(ctx, fn)
}

// Write runs fn in the writer's current transaction and returns after the
// commit of the group that holds it is synced. fn runs on the writer's
// goroutine, alone, within a SAVEPOINT: its error undoes its own changes only
// and is returned as it is. fn must not wait for the network, call Write, or
// keep tx. ctx guards only the time before fn starts; what has started is
// completed. A panic of fn undoes its changes and goes on in the caller.
// Schemas must not have DEFERRED constraints: those are checked at the
// commit, where one violation would fail the whole group.
func (db *DB) Write(ctx context.Context, fn func(tx *Tx) error) error {
	return db.writer.write(ctx, &request{fn: fn})
}

// WriteSoon is Write for changes that nobody on the wire waits for: they share the
// next commit of others, or have one of their own after a few milliseconds.
func (db *DB) WriteSoon(ctx context.Context, fn func(tx *Tx) error) error {
	return db.writer.write(ctx, &request{fn: fn, patient: true})
}

// Check reads the whole database and returns [ErrCorrupt] with what it found.
func (db *DB) Check(ctx context.Context) error {
	return db.Read(ctx, func(tx *Tx) error { return check(tx, "PRAGMA quick_check(1)") })
}

// Stats returns the writer's counters.
func (db *DB) Stats() Stats { return db.writer.stats() }

// Close refuses new work, waits for the writes that are queued and the reads
// that run, and closes the file. A second Close does nothing.
func (db *DB) Close() error {
	// The writer's connection is the last to close: it moves the log into the file.
	queued := db.writer.stop()
	if !queued {
		return nil
	}
	return errors.Join(db.readers.close(), db.writer.conn.close())
}

// createPrivate creates an empty file, to SQLite a new database, that only
// its owner can read: it will hold mail. It reports whether the file is empty.
func createPrivate(path string) (fresh bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, classify("create database", err)
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("create database: %w", err)
	}
	return info.Size() == 0, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
