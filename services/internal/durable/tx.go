package durable

import (
	"fmt"
	"iter"
	"strconv"

	"github.com/ncruces/go-sqlite3"
)

// Tx is a transaction, valid until the function it was given to returns and
// only on that function's goroutine. Statements are prepared once per
// connection, so a query should be a constant with ? for its values.
//
// Values may be nil, integers, floats, bool, string, []byte (a nil slice is
// NULL), [time.Time] (stored as integer Unix nanoseconds, the zero time as
// NULL) and named types of these kinds.
type Tx struct {
	conn *conn // nil once the function has returned
}

// Row is the current row of a query, valid until the next one.
type Row struct {
	stmt *sqlite3.Stmt
}

// Result is the one row that [Tx.QueryRow] asks for.
type Result struct {
	tx    *Tx
	query string
	args  []any
}

// Exec runs a statement that returns no rows.
func (tx *Tx) Exec(query string, args ...any) error {
	stmt, err := tx.take(query, args)
	if err != nil {
		return err
	}
	defer tx.conn.give(query, stmt)
	if err := stmt.Exec(); err != nil {
		return tx.conn.classify("exec "+strconv.Quote(query), err)
	}
	return nil
}

// LastInsertID returns the row id of the last INSERT of this connection.
func (tx *Tx) LastInsertID() int64 { return tx.conn.raw.LastInsertRowID() }

// Changes returns how many rows the last INSERT, UPDATE or DELETE changed.
func (tx *Tx) Changes() int64 { return tx.conn.raw.Changes() }

// Query runs a query and yields its rows:
//
//	for row, err := range tx.Query("SELECT id, name FROM t WHERE n > ?", n) {
//		if err != nil {
//			return err
//		}
//		if err := row.Scan(&id, &name); err != nil {
//			return err
//		}
//	}
//
// An error is yielded once, as the last pair. Leaving the loop ends the query.
func (tx *Tx) Query(query string, args ...any) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		stmt, err := tx.take(query, args)
		if err != nil {
			yield(nil, err)
			return
		}
		defer tx.conn.give(query, stmt)
		row := Row{stmt: stmt}
		for stmt.Step() {
			if !yield(&row, nil) {
				return
			}
		}
		if err := stmt.Err(); err != nil {
			yield(nil, tx.conn.classify("query "+strconv.Quote(query), err))
		}
	}
}

// QueryRow asks for one row; the query runs when its Scan is called.
func (tx *Tx) QueryRow(query string, args ...any) Result {
	return Result{tx: tx, query: query, args: args}
}

// Scan runs the query and copies the columns of its first row into dest, as
// [Row.Scan] does. It returns [ErrNotFound] when there is no row.
func (r Result) Scan(dest ...any) error {
	for row, err := range r.tx.Query(r.query, r.args...) {
		if err != nil {
			return err
		}
		return row.Scan(dest...)
	}
	return ErrNotFound
}

// Scan copies the columns of the row into the variables that dest points to,
// one for each column. NULL becomes the zero value. Slices are fresh copies.
func (r *Row) Scan(dest ...any) error {
	if n := r.stmt.ColumnCount(); n != len(dest) {
		return fmt.Errorf("scan: %d columns, %d variables", n, len(dest))
	}
	for i, d := range dest {
		if err := scanColumn(r.stmt, i, d); err != nil {
			return fmt.Errorf("scan column %s: %w", r.stmt.ColumnName(i), err)
		}
	}
	return nil
}

// take prepares the query and binds its values.
func (tx *Tx) take(query string, args []any) (*sqlite3.Stmt, error) {
	if tx.conn == nil {
		return nil, fmt.Errorf("query %q: transaction has ended", query)
	}
	stmt, err := tx.conn.take(query)
	if err != nil {
		return nil, err
	}
	if n := stmt.BindCount(); n != len(args) {
		err = fmt.Errorf("query %q: %d placeholders, %d values", query, n, len(args))
	}
	for i := 0; err == nil && i < len(args); i++ {
		var n int
		if n, err = bind(stmt, i+1, args[i]); err != nil {
			err = fmt.Errorf("query %q: bind value %d: %w", query, i+1, err)
		}
		tx.conn.bytes += int64(n)
	}
	if err != nil {
		tx.conn.give(query, stmt)
		return nil, err
	}
	return stmt, nil
}
