package durable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

var itemMigrations = []string{`CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB)`}

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		writeUntilKilled(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// openTest opens a database in a new directory; the test closes it.
func openTest(t testing.TB, opts ...Option) *DB {
	t.Helper()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), itemMigrations, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func insertItem(name string) func(tx *Tx) error {
	return func(tx *Tx) error { return tx.Exec("INSERT INTO item(name) VALUES(?)", name) }
}

// itemNames returns all names in order.
func itemNames(t testing.TB, db *DB) []string {
	t.Helper()
	var names []string
	err := db.Read(context.Background(), func(tx *Tx) error {
		for row, err := range tx.Query("SELECT name FROM item ORDER BY name") {
			if err != nil {
				return err
			}
			var name string
			if err := row.Scan(&name); err != nil {
				return err
			}
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read names: %v", err)
	}
	return names
}

func TestOpenMigrates(t *testing.T) {
	t.Parallel()
	one := "CREATE TABLE a(x INTEGER); CREATE TABLE b(x INTEGER)"
	two := "ALTER TABLE a ADD COLUMN y INTEGER"
	tests := []struct {
		name  string
		steps [][]string // migrations of each Open, one after the other
		fails bool       // the last one
		query string     // works afterwards with the last good set
	}{
		{"new file", [][]string{{one, two}}, false, "SELECT y FROM a"},
		{"none", [][]string{nil}, false, "SELECT 1"},
		{"applied once", [][]string{{one}, {one}}, false, "SELECT x FROM b"},
		{"one more", [][]string{{one}, {one, two}}, false, "SELECT y FROM a"},
		{"newer file", [][]string{{one, two}, {one}}, true, "SELECT y FROM a"},
		{"broken half way", [][]string{{one}, {one, "CREATE TABLE c(x INTEGER); CREATE TABLE oops("}}, true, "SELECT x FROM a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "m.db")
			good := tt.steps[0]
			for i, step := range tt.steps {
				db, err := Open(t.Context(), path, step)
				if fails := tt.fails && i == len(tt.steps)-1; fails != (err != nil) {
					t.Fatalf("open %d: got error %v, want error %t", i, err, fails)
				}
				if err == nil {
					good = step
					mustClose(t, db)
				}
			}
			db, err := Open(t.Context(), path, good)
			if err != nil {
				t.Fatal(err)
			}
			defer mustClose(t, db)
			err = db.Read(t.Context(), func(tx *Tx) error {
				var left int
				if err := tx.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name='c'").Scan(&left); err != nil || left != 0 {
					t.Errorf("half a migration is left: %d, %v", left, err)
				}
				for _, err := range tx.Query(tt.query) {
					return err
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func mustClose(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestOpenVerifiesDurability(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	err := db.Write(t.Context(), func(tx *Tx) error {
		for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
			var got string
			if err := tx.QueryRow("PRAGMA " + name).Scan(&got); err != nil || got != want {
				t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if db, err := Open(t.Context(), t.TempDir(), nil); err == nil {
		t.Error("a directory was opened as a database")
		mustClose(t, db)
	}
	// SQLite keeps journal_mode=memory for a database that has no file.
	if err := (&conn{raw: mustMemory(t)}).setPragma(pragma{"journal_mode", "wal"}); err == nil {
		t.Error("WAL was not granted, and nobody noticed")
	}
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bad.db")
	if err := os.WriteFile(path, []byte("this is not a database, it only claims the name of one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), path, nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("text file: got %v, want ErrCorrupt", err)
	}
}

func TestDamagedPage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bad.db")
	db, err := Open(t.Context(), path, itemMigrations)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := db.Write(t.Context(), insertItem(fmt.Sprintf("%0200d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Check(t.Context()); err != nil {
		t.Errorf("check of a sound file: %v", err)
	}
	mustClose(t, db)
	overwrite(t, path, 4096*3)
	db, err = Open(t.Context(), path, itemMigrations)
	if err == nil {
		err = db.Check(t.Context())
		mustClose(t, db)
	}
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

// overwrite puts noise over everything from offset on.
func overwrite(t *testing.T, path string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() <= offset {
		t.Fatalf("nothing to damage: %v, %v", info, err)
	}
	noise := make([]byte, info.Size()-offset)
	for i := range noise {
		noise[i] = byte(i*31 + 7)
	}
	if _, err := f.WriteAt(noise, offset); err != nil {
		t.Fatal(err)
	}
}
