package durable

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestValues(t *testing.T) {
	t.Parallel()
	type state string
	type flags uint8
	moment := time.Date(2026, 11, 23, 1, 2, 3, 456789, time.FixedZone("BRT", -3*3600))
	tests := []struct {
		name  string
		value any
		dest  any
		want  any
	}{
		{"int", -5, new(int), -5},
		{"int64", int64(math.MinInt64), new(int64), int64(math.MinInt64)},
		{"uint32", uint32(math.MaxUint32), new(uint32), uint32(math.MaxUint32)},
		{"float", 1.5, new(float64), 1.5},
		{"bool", true, new(bool), true},
		{"string", "ação", new(string), "ação"},
		{"bytes", []byte{0, 1}, new([]byte), []byte{0, 1}},
		{"time", moment, new(time.Time), moment.UTC()},
		{"zero time", time.Time{}, new(time.Time), time.Time{}},
		{"named string", state("queued"), new(state), state("queued")},
		{"named integer", flags(3), new(flags), flags(3)},
		{"null as string", nil, new(string), ""},
		{"null as integer", nil, new(int), 0},
	}
	db := openTest(t)
	for _, tt := range tests {
		err := db.Read(t.Context(), func(tx *Tx) error { return tx.QueryRow("SELECT ?", tt.value).Scan(tt.dest) })
		if got := reflect.ValueOf(tt.dest).Elem().Interface(); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestValuesRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		query string
		args  []any
		dest  []any
	}{
		{"too few values", "SELECT ?, ?", []any{1}, []any{new(int), new(int)}},
		{"too many values", "SELECT ?", []any{1, 2}, []any{new(int)}},
		{"unknown type", "SELECT ?", []any{struct{}{}}, []any{new(int)}},
		{"too large", "SELECT ?", []any{uint64(math.MaxUint64)}, []any{new(int)}},
		{"too few variables", "SELECT 1, 2", nil, []any{new(int)}},
		{"no pointer", "SELECT 1", nil, []any{1}},
		{"overflow", "SELECT 300", nil, []any{new(uint8)}},
		{"negative", "SELECT -1", nil, []any{new(uint32)}},
		{"two statements", "SELECT 1; SELECT 2", nil, []any{new(int)}},
		{"no statement", "", nil, nil},
		{"write on a read connection", "INSERT INTO item(name) VALUES('x') RETURNING id", nil, []any{new(int)}},
	}
	db := openTest(t)
	for _, tt := range tests {
		err := db.Read(t.Context(), func(tx *Tx) error { return tx.QueryRow(tt.query, tt.args...).Scan(tt.dest...) })
		if err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%s: got %v, want an error", tt.name, err)
		}
	}
	if got := itemNames(t, db); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	err := db.Write(t.Context(), func(tx *Tx) error {
		for i := range 5 {
			if err := insertItem(fmt.Sprint(i))(tx); err != nil {
				return err
			}
			if got := tx.LastInsertID(); got != int64(i+1) {
				t.Errorf("LastInsertID %d, want %d", got, i+1)
			}
		}
		if err := tx.Exec("UPDATE item SET data=x'00' WHERE id>?", 2); err != nil {
			return err
		}
		if got := tx.Changes(); got != 3 {
			t.Errorf("Changes %d, want 3", got)
		}
		var id int64
		err := tx.QueryRow("INSERT INTO item(id, name) VALUES(3000, 'r') ON CONFLICT DO NOTHING RETURNING id").Scan(&id)
		if err != nil || id != 3000 {
			t.Errorf("RETURNING gave %d, %v", id, err)
		}
		return tx.Exec("DELETE FROM item WHERE id=3000")
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Read(t.Context(), func(tx *Tx) error {
		const query = "SELECT id FROM item WHERE id>? ORDER BY id"
		var pairs []string
		// The same statement twice at a time, the inner loop left early.
		for outer, err := range tx.Query(query, 3) {
			if err != nil {
				return err
			}
			for inner, err := range tx.Query(query, 0) {
				if err != nil {
					return err
				}
				var a, b int
				if err := errors.Join(outer.Scan(&a), inner.Scan(&b)); err != nil {
					return err
				}
				pairs = append(pairs, fmt.Sprintf("%d%d", a, b))
				break
			}
		}
		if want := []string{"41", "51"}; !slices.Equal(pairs, want) {
			t.Errorf("got %v, want %v", pairs, want)
		}
		var none int
		if err := tx.QueryRow("SELECT id FROM item WHERE id=99").Scan(&none); !errors.Is(err, ErrNotFound) {
			t.Errorf("no row: got %v, want ErrNotFound", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestReadSeesOneCommit(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	err := db.Read(t.Context(), func(tx *Tx) error {
		count := func() (n int) {
			if err := tx.QueryRow("SELECT count(*) FROM item").Scan(&n); err != nil {
				t.Error(err)
			}
			return n
		}
		before := count()
		if err := db.Write(t.Context(), insertItem("meanwhile")); err != nil {
			return err
		}
		if after := count(); before != 0 || after != 0 {
			t.Errorf("counted %d, then %d, want 0 twice", before, after)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got := itemNames(t, db); len(got) != 1 {
		t.Errorf("afterwards %v", got)
	}
}

func TestReadConnectionsAreFew(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	itemNames(t, db)
	itemNames(t, db)
	if n := len(db.readers.idle); n != 1 {
		t.Errorf("reads one after the other opened %d connections, want 1", n)
	}
	var all sync.WaitGroup
	for range 10 * maxReaders {
		all.Go(func() { itemNames(t, db) })
	}
	all.Wait()
	if n := len(db.readers.idle); n > maxReaders {
		t.Errorf("%d connections, want at most %d", n, maxReaders)
	}
}

func TestReadIsInterrupted(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Read(ctx, func(tx *Tx) error {
		const endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT x FROM n"
		for _, err := range tx.Query(endless) {
			if err != nil {
				return err
			}
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
	itemNames(t, db) // the connection is still good
}

func TestStatementCacheIsBounded(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	err := db.Read(t.Context(), func(tx *Tx) error {
		for i := range 2 * maxStatements {
			var n int
			if err := tx.QueryRow(fmt.Sprintf("SELECT %d", i)).Scan(&n); err != nil || n != i {
				return fmt.Errorf("got %d, want %d: %w", n, i, err)
			}
		}
		if n := len(tx.conn.idle); n > maxStatements {
			t.Errorf("%d statements are kept", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTxAfterItsEnd(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	var kept *Tx
	if err := db.Write(t.Context(), func(tx *Tx) error { kept = tx; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := kept.Exec("DELETE FROM item"); err == nil {
		t.Error("a transaction that has ended was used")
	}
}
