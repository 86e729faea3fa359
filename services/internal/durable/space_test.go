package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
)

// ncruces/go-sqlite3 v0.37 reports ENOSPC as SQLITE_IOERR without its cause.
func TestFullDiskBehindAnIOError(t *testing.T) {
	t.Parallel()
	for _, full := range []bool{true, false} {
		c := &conn{full: func(string) bool { return full }}
		err := c.classify("commit", sqlite3.IOERR_WRITE)
		if got := errors.Is(err, ErrNoSpace); got != full {
			t.Errorf("disk full %t: ErrNoSpace %t (%v)", full, got, err)
		}
		if !errors.Is(err, sqlite3.IOERR) {
			t.Errorf("the cause is lost: %v", err)
		}
	}
	dir := t.TempDir()
	if diskIsFull(dir) {
		t.Error("the disk of this test counts as full")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("the probe left %v, %v", entries, err)
	}
}

func TestReserveIsForBookkeeping(t *testing.T) {
	t.Parallel()
	db := openTest(t, WithReserve(1<<60))
	err := db.Write(t.Context(), func(tx *Tx) error {
		_, _, err := WriteBlob(tx, strings.NewReader("one more mail"))
		return err
	})
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("blob: got %v, want ErrNoSpace", err)
	}
	if err := db.Write(t.Context(), insertItem("delivered")); err != nil {
		t.Errorf("row: %v", err)
	}
}

// Mail on its way in filled the disk to the last octet: what had been delivered
// could not be taken off the queue.
func TestArrivingMailLeavesTheReserveAlone(t *testing.T) {
	t.Parallel()
	b := NewBuffer(t.TempDir(), 10, 0)
	defer b.Close()
	b.keep = 1 << 60
	if _, err := b.Write(noise(10)); err != nil {
		t.Errorf("in memory: %v", err)
	}
	if _, err := b.Write(noise(1)); !errors.Is(err, ErrNoSpace) {
		t.Errorf("in the file: got %v, want ErrNoSpace", err)
	}
}

// Whoever had deleted mail to make room was told that the disk is full ever
// after: the file had grown, and kept what was free in it for itself.
func TestDeletedMailGivesItsRoomBackToAShortDisk(t *testing.T) {
	t.Parallel()
	for _, short := range []bool{true, false} {
		db := openTest(t)
		if short {
			db.writer.conn.short = 1 << 62
		}
		var ids []int64
		for range 20 {
			id, _ := writeBlob(t, db, strings.NewReader(strings.Repeat("x", 1<<20)))
			ids = append(ids, id)
		}
		kept, _ := writeBlob(t, db, strings.NewReader("behind the others"))
		err := db.Write(t.Context(), func(tx *Tx) error {
			for _, id := range ids {
				if err := DeleteBlob(tx, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		mustClose(t, db) // when the writer is done
		info, err := os.Stat(db.readers.path)
		if err != nil {
			t.Fatal(err)
		}
		if shrunk := info.Size() < 2<<20; shrunk != short {
			t.Errorf("disk short of room %t: the file has %d bytes after 20 MiB were deleted", short, info.Size())
		}
		db, err = Open(t.Context(), db.readers.path, itemMigrations)
		if err != nil {
			t.Fatal(err)
		}
		blob, err := db.OpenBlob(t.Context(), kept)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(blob); err != nil || string(got) != "behind the others" {
			t.Errorf("what was kept reads %q, %v", got, err)
		}
		blob.Close()
		if err := db.Check(t.Context()); err != nil {
			t.Error(err)
		}
		mustClose(t, db)
	}
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// A name that means something in a URI.
	path := filepath.Join(dir, "a b?mode=memory&c#d%41.db")
	db, err := Open(t.Context(), path, itemMigrations)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, db)
	if err := db.Write(t.Context(), insertItem("x")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != fs.FileMode(0o600) {
			t.Errorf("%s has mode %v, want 0600", filepath.Base(name), info.Mode())
		}
	}
}

// A reader at work keeps the log from starting over; once it has gone the
// log must shrink again, not grow for ever.
func TestLogStartsOver(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	fill := func(n int) {
		for range n {
			writeBlob(t, db, strings.NewReader(strings.Repeat("x", 1<<20)))
		}
	}
	err := db.Read(t.Context(), func(tx *Tx) error {
		var n int
		if err := tx.QueryRow("SELECT count(*) FROM item").Scan(&n); err != nil {
			return err
		}
		fill(20)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wal := logSize(t, db)
	if wal < 20<<20 {
		t.Errorf("the log has %d bytes while a reader needs all of it", wal)
	}
	fill(20)
	if wal := logSize(t, db); wal > walSizeLimit {
		t.Errorf("the log has %d bytes, want at most %d", wal, walSizeLimit)
	}
}

func logSize(t *testing.T, db *DB) int64 {
	t.Helper()
	info, err := os.Stat(db.readers.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
