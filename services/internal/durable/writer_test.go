package durable

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ncruces/go-sqlite3"
)

func mustMemory(t *testing.T) *sqlite3.Conn {
	t.Helper()
	raw, err := sqlite3.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := raw.Close(); err != nil {
			t.Error(err)
		}
	})
	return raw
}

// hold occupies the writer until release is called, so that what is written
// meanwhile waits and forms one group behind it.
func hold(t *testing.T, db *DB) (release func() error) {
	t.Helper()
	entered, gate, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- db.Write(context.Background(), func(*Tx) error {
			close(entered)
			<-gate
			return nil
		})
	}()
	<-entered
	return func() error {
		close(gate)
		return <-done
	}
}

// enqueued starts a Write and returns once it waits in the queue.
func enqueued(ctx context.Context, db *DB, fn func(tx *Tx) error) <-chan error {
	db.writer.mu.Lock()
	before := len(db.writer.queue)
	db.writer.mu.Unlock()
	result := make(chan error, 1)
	go func() { result <- db.Write(ctx, fn) }()
	for {
		db.writer.mu.Lock()
		n := len(db.writer.queue)
		db.writer.mu.Unlock()
		if n > before {
			return result
		}
		runtime.Gosched()
	}
}

func TestSavepointIsolation(t *testing.T) {
	t.Parallel()
	own := errors.New("own error")
	db := openTest(t)
	release := hold(t, db)
	failing := func(name string) func(tx *Tx) error {
		return func(tx *Tx) error {
			if err := insertItem(name)(tx); err != nil {
				return err
			}
			return own
		}
	}
	results := []struct {
		name string
		got  <-chan error
		want error
	}{
		{"first", enqueued(t.Context(), db, insertItem("a")), nil},
		{"own error", enqueued(t.Context(), db, failing("b")), own},
		{"sees the first", enqueued(t.Context(), db, insertItem("a")), ErrConstraint},
		{"not what was undone", enqueued(t.Context(), db, insertItem("b")), nil},
		{"bad statement", enqueued(t.Context(), db, func(tx *Tx) error { return tx.Exec("INSERT INTO nowhere VALUES(1)") }), nil},
		{"last", enqueued(t.Context(), db, insertItem("c")), nil},
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	for _, r := range results {
		got := <-r.got
		switch {
		case r.name == "bad statement":
			if got == nil || !strings.Contains(got.Error(), "nowhere") {
				t.Errorf("%s: got %v", r.name, got)
			}
		case r.want == own && got != own: //nolint:errorlint // returned as it is
			t.Errorf("%s: got %v, want exactly %v", r.name, got, own)
		case !errors.Is(got, r.want):
			t.Errorf("%s: got %v, want %v", r.name, got, r.want)
		}
	}
	if got, want := itemNames(t, db), []string{"a", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("stored %v, want %v", got, want)
	}
}

func TestWritersShareACommit(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	const n = 100
	release := hold(t, db)
	before := db.Stats()
	var results []<-chan error
	for i := range n {
		results = append(results, enqueued(t.Context(), db, insertItem(fmt.Sprint(i))))
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	for _, r := range results {
		if err := <-r; err != nil {
			t.Error(err)
		}
	}
	after := db.Stats()
	// The held function and all that waited behind it.
	if commits := after.Commits - before.Commits; commits != 1 {
		t.Errorf("%d writes took %d commits, want 1", n, commits)
	}
	if writes := after.Writes - before.Writes; writes != n+1 {
		t.Errorf("counted %d writes, want %d", writes, n+1)
	}
}

func TestGroupIsBounded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		writes  int
		size    int
		commits int64
	}{
		{"count", 2 * maxGroupCount, 1, 3}, // with the held one
		{"bytes", 4, maxGroupBytes/2 + 1, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := openTest(t)
			release := hold(t, db)
			var results []<-chan error
			for range tt.writes {
				data := make([]byte, tt.size)
				results = append(results, enqueued(t.Context(), db, func(tx *Tx) error {
					return tx.Exec("INSERT INTO item(data) VALUES(?)", data)
				}))
			}
			if err := release(); err != nil {
				t.Error(err)
			}
			for _, r := range results {
				if err := <-r; err != nil {
					t.Error(err)
				}
			}
			if got := db.Stats().Commits; got != tt.commits {
				t.Errorf("got %d commits, want %d", got, tt.commits)
			}
		})
	}
}

func TestCancelBeforeStart(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := hold(t, db)
	waiting := enqueued(ctx, db, insertItem("never"))
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: got %v, want Canceled", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if err := db.Write(ctx, insertItem("never")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: got %v, want Canceled", err)
	}
	if got := itemNames(t, db); len(got) != 0 {
		t.Errorf("stored %v, want nothing", got)
	}
}

func TestCancelAfterStartCompletes(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Write(ctx, func(tx *Tx) error {
		cancel()
		return insertItem("done")(tx)
	})
	if err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if got := itemNames(t, db); !slices.Equal(got, []string{"done"}) {
		t.Errorf("stored %v", got)
	}
}

func TestPanicBelongsToTheCaller(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v, want boom", got)
			}
		}()
		_ = db.Write(t.Context(), func(tx *Tx) error {
			if err := insertItem("undone")(tx); err != nil {
				return err
			}
			panic("boom")
		})
	}()
	if err := db.Write(t.Context(), insertItem("after")); err != nil {
		t.Error(err)
	}
	if got := itemNames(t, db); !slices.Equal(got, []string{"after"}) {
		t.Errorf("stored %v", got)
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	db := openTest(t, WithMaxBytes(1<<20))
	if err := db.Write(t.Context(), insertItem("before")); err != nil {
		t.Fatal(err)
	}
	err := db.Write(t.Context(), func(tx *Tx) error {
		if err := insertItem("half")(tx); err != nil {
			return err
		}
		_, _, err := WriteBlob(tx, strings.NewReader(strings.Repeat("x", 5<<20)))
		return err
	})
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("got %v, want ErrNoSpace", err)
	}
	// There is room again for what is small.
	if err := db.Write(t.Context(), insertItem("small")); err != nil {
		t.Errorf("after: %v", err)
	}
	if got := itemNames(t, db); !slices.Equal(got, []string{"before", "small"}) {
		t.Errorf("stored %v", got)
	}
	if n := countChunks(t, db); n != 0 {
		t.Errorf("%d chunks are left", n)
	}
	if err := db.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// SQLite undoes the whole transaction when the disk is full: the group's
// other functions hear so, and those behind it start afresh.
func TestDiskFullFailsItsGroupOnly(t *testing.T) {
	t.Parallel()
	db := openTest(t, WithMaxBytes(1<<20))
	release := hold(t, db)
	before := enqueued(t.Context(), db, insertItem("before"))
	tooMuch := enqueued(t.Context(), db, func(tx *Tx) error {
		_, _, err := WriteBlob(tx, strings.NewReader(strings.Repeat("x", 5<<20)))
		return err
	})
	behind := enqueued(t.Context(), db, insertItem("behind"))
	if err := release(); !errors.Is(err, ErrNoSpace) {
		t.Errorf("first of the group: got %v, want ErrNoSpace", err)
	}
	if err := <-before; !errors.Is(err, ErrNoSpace) {
		t.Errorf("before it in the group: got %v, want ErrNoSpace", err)
	}
	if err := <-tooMuch; !errors.Is(err, ErrNoSpace) {
		t.Errorf("too much: got %v, want ErrNoSpace", err)
	}
	if err := <-behind; err != nil {
		t.Errorf("behind it: %v", err)
	}
	if got := itemNames(t, db); !slices.Equal(got, []string{"behind"}) {
		t.Errorf("stored %v", got)
	}
}

func countChunks(t *testing.T, db *DB) (n int) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *Tx) error {
		return tx.QueryRow("SELECT count(*) FROM durable_chunk").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCloseWaitsForQueuedWrites(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	release := hold(t, db)
	var results []<-chan error
	for i := range 10 {
		results = append(results, enqueued(t.Context(), db, insertItem(fmt.Sprint(i))))
	}
	var closing sync.WaitGroup
	closing.Go(func() { mustClose(t, db) })
	for {
		db.writer.mu.Lock()
		closed := db.writer.closed
		db.writer.mu.Unlock()
		if closed {
			break
		}
		runtime.Gosched()
	}
	if err := db.Write(t.Context(), insertItem("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("write while closing: got %v, want ErrClosed", err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	for i, r := range results {
		if err := <-r; err != nil {
			t.Errorf("queued write %d: %v", i, err)
		}
	}
	closing.Wait()
	if err := db.Read(t.Context(), func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("read after close: got %v, want ErrClosed", err)
	}
}

// The first function of a group runs without a savepoint: when it fails, its group
// ends with it, and those behind it are committed all the same.
func TestFailureOfTheFirstOfAGroupUndoesItsChangesAlone(t *testing.T) {
	t.Parallel()
	for _, panics := range []bool{false, true} {
		db := openTest(t)
		broken := errors.New("broken")
		began := make(chan struct{})
		var all sync.WaitGroup
		all.Go(func() {
			defer func() {
				if (recover() != nil) != panics {
					t.Error("the panic did not come back")
				}
			}()
			err := db.Write(t.Context(), func(tx *Tx) error {
				if err := tx.Exec("INSERT INTO item(id) VALUES(1)"); err != nil {
					return err
				}
				close(began)
				for db.writer.waiting() == 0 {
					runtime.Gosched()
				}
				if panics {
					panic(broken)
				}
				return broken
			})
			if !errors.Is(err, broken) {
				t.Errorf("got %v", err)
			}
		})
		<-began
		if err := db.Write(t.Context(), func(tx *Tx) error { return tx.Exec("INSERT INTO item(id) VALUES(2)") }); err != nil {
			t.Error(err)
		}
		all.Wait()
		var n, id int
		if err := db.Read(t.Context(), func(tx *Tx) error {
			return tx.QueryRow("SELECT count(*), max(id) FROM item").Scan(&n, &id)
		}); err != nil || n != 1 || id != 2 {
			t.Errorf("panics %t: %d rows, the last is %d, %v", panics, n, id, err)
		}
	}
}

func (w *writer) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}
