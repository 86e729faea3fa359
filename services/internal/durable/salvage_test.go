package durable

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// thingMigrations make a table of each kind.
var thingMigrations = []string{`
CREATE TABLE thing(name TEXT PRIMARY KEY, n INTEGER NOT NULL, body INTEGER NOT NULL, note TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX thing_n ON thing(n);
CREATE TABLE counted(id INTEGER PRIMARY KEY, real REAL, data BLOB)`}

const things = 120

// thingBody is mostly of several pages.
func thingBody(i int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "body %04d.", i), 1+i*i*i%(700+100*(i%9)))
}

// makeThings makes a file, of whose things every third was deleted.
func makeThings(t testing.TB, path string) {
	t.Helper()
	db, err := Open(t.Context(), path, thingMigrations)
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < things; from += 40 {
		err := db.Write(t.Context(), func(tx *Tx) error {
			for i := from; i < from+40; i++ {
				body, _, err := WriteBlob(tx, bytes.NewReader(thingBody(i)))
				if err != nil {
					return err
				}
				note := strings.Repeat("n", i%40*i%900) // some are longer than a page
				if err := tx.Exec("INSERT INTO thing VALUES(?,?,?,?)", thingName(i), i, body, note); err != nil {
					return err
				}
				if err := tx.Exec("INSERT INTO counted VALUES(?,1.5,?)", i+1, []byte(note)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = db.Write(t.Context(), func(tx *Tx) error {
		for i := 0; i < things; i += 3 {
			var body int64
			if err := tx.QueryRow("SELECT body FROM thing WHERE n=?", i).Scan(&body); err != nil {
				return err
			}
			if err := errors.Join(DeleteBlob(tx, body), tx.Exec("DELETE FROM thing WHERE n=?", i), tx.Exec("DELETE FROM counted WHERE id=?", i+1)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// thingName is in no order.
func thingName(i int) string { return fmt.Sprintf("%03d-%d", i*337%1000, i) }

// found says what can be read of a file of things: how many things, rows of the
// index and of counted, and bodies.
type found struct{ things, indexed, counted, bodies int }

var whole = found{80, 80, 80, 80}

func readThings(t testing.TB, path string) (f found) {
	t.Helper()
	r, err := openRemains(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	seen := map[string]bool{}
	err = r.Pages(func(p RemnantPage) error {
		for _, row := range p.Rows {
			switch {
			case row.Fits("tiit", 4):
				f.things++
				i := row.Fields[1].(int64)
				if name := row.Fields[0].(string); name != thingName(int(i)) || i%3 == 0 || seen[name] {
					t.Errorf("a thing that is none, or twice: %.100v", row)
				}
				seen[row.Fields[0].(string)] = true
				body, size, err := r.Blob(row.Fields[2].(int64))
				if err != nil {
					continue
				}
				f.bodies++
				got, err := io.ReadAll(body)
				if err != nil || int64(len(got)) != size || size != int64(len(thingBody(int(i)))) {
					t.Errorf("body %d: %d octets of %d, %v", i, len(got), size, err)
				}
			case row.Fits("it", 2):
				f.indexed++
			case len(row.Fields) == 3 && row.Fields[1] == 1.5:
				f.counted++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRemainsOfAWholeFileAreAllOfIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	makeThings(t, path)
	if f := readThings(t, path); f != whole {
		t.Errorf("%+v, want %+v", f, whole)
	}
}

// Whichever page is lost, what was on the others is there, and what was deleted is
// not.
func TestDamagedPageCostsWhatIsOnIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	makeThings(t, path)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	noise := bytes.Repeat([]byte("\xa5"), pageSize)
	for n := range len(good) / pageSize {
		for name, junk := range map[string][]byte{"noise": noise, "zeroes": make([]byte, pageSize)} {
			bad := slices.Clone(good)
			copy(bad[n*pageSize:], junk)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			f := readThings(t, path)
			lost := whole.things - f.things + whole.counted - f.counted // one page holds the index
			if lost < 0 || lost > 30 || whole.bodies-f.bodies > 30 {
				t.Errorf("%s on page %d: %+v", name, n+1, f)
			}
		}
	}
}

// rescueThings copies what is whole.
func rescueThings(ctx context.Context) func(r *Remains, fresh *DB) error {
	return func(r *Remains, fresh *DB) error {
		return r.Pages(func(p RemnantPage) error {
			for _, row := range p.Rows {
				if !row.Fits("tiit", 4) {
					continue
				}
				err := fresh.Write(ctx, func(tx *Tx) error {
					return tx.Exec("INSERT INTO thing VALUES(?,?,0,'')", row.Fields[0].(string), row.Fields[1].(int64))
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// TestSalvage damages a page, and the first one, on which SQLite finds everything
// else, while the last write is only in the log.
func TestSalvage(t *testing.T) {
	t.Parallel()
	for name, page := range map[string]int64{"a page": 40, "the first page": 1} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			makeThings(t, path)
			logged(t, path)
			damagePage(t, path, page)
			kept, err := Salvage(t.Context(), path, thingMigrations, rescueThings(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(kept); err != nil || !strings.HasPrefix(kept, path+".damaged-") {
				t.Errorf("kept %q, %v", kept, err)
			}
			db, err := Open(t.Context(), path, thingMigrations)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var n, last int
			err = db.Read(t.Context(), func(tx *Tx) error {
				return tx.QueryRow("SELECT COUNT(*), SUM(name='last') FROM thing").Scan(&n, &last)
			})
			if err != nil || n < 60 || last != 1 {
				t.Errorf("%d things, %d of the log, %v", n, last, err)
			}
			if names := namesIn(t, path); len(names) > 4 { // the file with its log, and the kept one
				t.Errorf("left over: %v", names)
			}
		})
	}
}

// logged writes a thing as a process does that is killed then.
func logged(t *testing.T, path string) {
	t.Helper()
	db, err := Open(t.Context(), path, thingMigrations)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *Tx) error { return tx.Exec("INSERT INTO thing VALUES('last',1000,0,'')") }); err != nil {
		t.Fatal(err)
	}
	copies := map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		if copies[suffix], err = os.ReadFile(path + suffix); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for suffix, data := range copies {
		if err := os.WriteFile(path+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func damagePage(t testing.TB, path string, n int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(bytes.Repeat([]byte("\xa5"), pageSize), (n-1)*pageSize)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func namesIn(t testing.TB, path string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestSalvageThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	makeThings(t, path)
	damagePage(t, path, 40)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Salvage(t.Context(), path, thingMigrations, func(*Remains, *DB) error { return ErrNoSpace })
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("%v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) || len(namesIn(t, path)) != 1 {
		t.Errorf("%v, %v", err, namesIn(t, path))
	}
}

// SQLite says nothing when the last one who closes a file cannot move the log into
// it, as on a full disk: an empty file was put in the place of the damaged one.
func TestSalvageThatIsNotWholeChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	makeThings(t, path)
	damagePage(t, path, 40)
	var other *DB // keeps the log from being moved
	_, err := Salvage(t.Context(), path, thingMigrations, func(r *Remains, fresh *DB) (err error) {
		if other, err = Open(t.Context(), path+".salvage", thingMigrations); err != nil {
			return err
		}
		if err := other.Read(t.Context(), func(tx *Tx) error { return check(tx, "PRAGMA quick_check(1)") }); err != nil {
			return err
		}
		return rescueThings(t.Context())(r, fresh)
	})
	if other == nil || !errors.Is(err, ErrNoSpace) {
		t.Fatalf("%v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, path); !slices.Contains(names, "test.db") || slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "damaged") }) {
		t.Errorf("%v", names)
	}
}

// A salvage that was complete when the node was killed is completed at the next
// start, however far it was.
func TestSalvageIsCompletedByTheNextOpen(t *testing.T) {
	t.Parallel()
	for _, moved := range []bool{false, true} {
		dir := t.TempDir()
		path := filepath.Join(dir, "test.db")
		makeThings(t, path)
		if err := os.Rename(path, path+salvaged); err != nil {
			t.Fatal(err)
		}
		for _, suffix := range belonging {
			if moved && suffix == "" {
				continue
			}
			if err := os.WriteFile(path+suffix, []byte("damaged"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		db, err := Open(t.Context(), path, thingMigrations)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Check(t.Context()), db.Close()); err != nil {
			t.Error(err)
		}
		kept, err := filepath.Glob(path + ".damaged-*")
		if want := map[bool]int{false: 3, true: 2}[moved]; err != nil || len(kept) != want {
			t.Errorf("kept %v, %v", kept, err)
		}
	}
}

func TestCheckTables(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	makeThings(t, path)
	pages := map[string]int64{}
	check := func() error {
		db, err := Open(t.Context(), path, thingMigrations)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		err = db.Read(t.Context(), func(tx *Tx) error {
			for row, err := range tx.Query("SELECT name, rootpage FROM sqlite_schema WHERE rootpage>0") {
				var name string
				var page int64
				if err := errors.Join(err, row.Scan(&name, &page)); err != nil {
					return err
				}
				pages[name] = page
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return db.CheckTables(t.Context(), "thing", "counted")
	}
	if err := check(); err != nil {
		t.Errorf("a whole file: %v", err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"thing", "thing_n", "counted", "durable_chunk"} {
		damagePage(t, path, pages[name])
		if err := check(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s (page %d): %v", name, pages[name], err)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
