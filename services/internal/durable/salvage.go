package durable

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3"
)

// CheckTables reads tables with their indexes, and tries whether a blob can be
// written; it returns [ErrCorrupt] with what it found. It leaves blobs alone, so
// that it costs a fraction of a second where [DB.Check] costs many.
//
// Where a write has met damage since the last such check, it is a whole one: what
// tables do not show, such as a damaged list of free pages, shows there.
func (db *DB) CheckTables(ctx context.Context, tables ...string) error {
	mark := db.writer.path + suspect
	if _, err := os.Stat(mark); err == nil {
		// Not a quick one: only this compares indexes with their tables.
		if err := db.Read(ctx, func(tx *Tx) error { return check(tx, "PRAGMA integrity_check(1)") }); err != nil {
			return err
		}
		_ = os.Remove(mark) // else it is checked again the next time
	}
	half := (len(tables) + 1) / 2
	read := make(chan error, 1)
	go func() { // waited for below; two connections for two processors
		read <- db.Read(ctx, func(tx *Tx) error { return quickCheck(tx, tables[:half]) })
	}()
	err := db.Write(ctx, func(tx *Tx) error {
		if err := quickCheck(tx, tables[half:]); err != nil {
			return err
		}
		if err := tx.Exec("INSERT INTO durable_chunk(size, data) VALUES(1, x'00')"); errors.Is(err, ErrCorrupt) {
			return err
		}
		return errTried
	})
	if errors.Is(err, errTried) || errors.Is(err, ErrNoSpace) {
		err = nil
	}
	return errors.Join(err, <-read)
}

// errTried takes back what was only tried.
var errTried = errors.New("durable: only tried")

func quickCheck(tx *Tx, tables []string) error {
	for _, table := range tables {
		if err := check(tx, "PRAGMA quick_check("+table+")"); err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	return nil
}

func check(tx *Tx, pragma string) error {
	for row, err := range tx.Query(pragma) {
		if err != nil {
			return err
		}
		var found string
		if err := row.Scan(&found); err != nil {
			return err
		}
		if found != "ok" {
			return fmt.Errorf("check: %w: %s", ErrCorrupt, found)
		}
	}
	return nil
}

// Salvage puts a new file in the place of a damaged one, which nobody has open:
// rescue fills it with what is left. The damaged one is kept, under the name that
// is returned. Where what is deleted cannot be told from what is not, nothing is left
// to use, and rescue is not called. An error or a kill leaves everything as it was;
// when the new file is complete, at the latest the next Open puts it in its place.
func Salvage(ctx context.Context, path string, migrations []string, rescue func(r *Remains, fresh *DB) error) (kept string, err error) {
	fill, end := func(*DB) error { return nil }, func() error { return nil }
	var r *Remains
	if err = moveLog(ctx, path); err == nil {
		r, err = openRemains(path)
	}
	switch {
	case err == nil:
		fill, end = func(fresh *DB) error { return rescue(r, fresh) }, r.close
	case !errors.Is(err, errUnclear):
		return "", fmt.Errorf("salvage: %w", err)
	}
	building := path + ".salvage"
	err = errors.Join(removeAll(building), build(ctx, building, migrations, fill), end())
	if err != nil {
		return "", fmt.Errorf("salvage: %w", errors.Join(err, removeAll(building)))
	}
	if err := os.Rename(building, path+salvaged); err != nil {
		return "", fmt.Errorf("salvage: %w", err)
	}
	return replace(path)
}

// suspect is behind the name of an empty file that says that a write has met damage.
const suspect = ".suspect"

// salvaged is behind the name of a file that is to take the place of a damaged one.
const salvaged = ".salvaged"

// belonging are behind the names of the files that belong to a database.
var belonging = []string{"", "-wal", "-shm"}

func removeAll(path string) error {
	for _, suffix := range belonging {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func build(ctx context.Context, path string, migrations []string, fill func(fresh *DB) error) error {
	fresh, err := Open(ctx, path, migrations)
	if err != nil {
		return err
	}
	return errors.Join(fill(fresh), fresh.Close(), noLog(path))
}

// noLog makes sure that a closed file has all that was written to it: the last one
// who closes it moves the log into it, and says nothing where that fails, as on a full
// disk.
func noLog(path string) error {
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("%s stays behind: %w", path+"-wal", ErrNoSpace)
	}
	return nil
}

// moveLog moves the log of a damaged file into it, as the last one who closes a file
// does, even when the file is hardly one of SQLite's any more. It returns errUnclear
// where a log stays: the file is older than it then.
func moveLog(ctx context.Context, path string) error {
	c, err := openConn(ctx, path, sqlite3.OPEN_READWRITE, nil)
	if err != nil {
		return err
	}
	_ = c.exec("SELECT COUNT(*) FROM sqlite_schema") // it opens the log, whatever it finds
	moved := c.exec("PRAGMA wal_checkpoint(TRUNCATE)")
	_ = c.close()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(moved, ErrNoSpace):
		return moved
	case noLog(path) != nil:
		return errUnclear
	}
	return nil
}

// replace puts the file that Salvage has made, if there is one, in its place.
func replace(path string) (kept string, err error) {
	info, err := os.Stat(path + salvaged)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("find salvaged file: %w", err)
	}
	kept = fmt.Sprintf("%s.damaged-%d", path, info.ModTime().UnixNano())
	if err := syncDir(filepath.Dir(path)); err != nil {
		return "", err
	}
	for _, suffix := range belonging {
		if err := os.Rename(path+suffix, kept+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("keep damaged file: %w", err)
		}
	}
	if err := os.Rename(path+salvaged, path); err != nil {
		return "", fmt.Errorf("place salvaged file: %w", err)
	}
	_ = os.Remove(path + suspect) // else the new one is checked once more
	return kept, syncDir(filepath.Dir(path))
}
