package durable

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// maxStatements bounds the prepared statements kept per connection.
const maxStatements = 128

// conn is one SQLite connection with its prepared statements. It is used by
// one goroutine at a time.
type conn struct {
	raw   *sqlite3.Conn
	idle  map[string]*sqlite3.Stmt // prepared and not in use, by query
	chunk []byte                   // WriteBlob's buffer, on the writer's connection
	bytes int64                    // payload bound since the transaction began

	dir     string                // where the file is
	full    func(dir string) bool // asks whether an I/O error was a full disk
	reserve int64                 // see WithReserve
	short   int64                 // see shortRoom

	logPages   int // length of the log after the last commit, on the writer's
	movedPages int // how much of it the last checkpoint left behind
}

// pragma is a setting and the value that must be read back.
type pragma struct{ name, value string }

// writerPragmas: WAL with FULL syncs the log at each commit; the automatic
// checkpoint is off because the writer checkpoints after it has answered;
// temporary tables stay in memory because a node's root is read-only. A fresh
// file keeps account of its pages so that it can be made shorter ([conn.shrink]);
// one that has tables cannot begin to.
func writerPragmas(fresh bool) []pragma {
	var first []pragma
	if fresh {
		first = []pragma{{"auto_vacuum", "2"}} // incremental
	}
	return append(first, []pragma{
		{"busy_timeout", "5000"},
		{"journal_mode", "wal"},
		{"synchronous", "2"},
		{"wal_autocheckpoint", "0"},
		{"journal_size_limit", strconv.Itoa(walSizeLimit)},
		{"temp_store", "2"},
		{"cache_size", "-1024"},
		{"foreign_keys", "1"},
	}...)
}

func readerPragmas() []pragma {
	return []pragma{
		{"busy_timeout", "5000"},
		{"temp_store", "2"},
		{"cache_size", "-256"},
		{"query_only", "1"},
	}
}

// openConn opens the file and verifies every pragma by reading it back.
func openConn(ctx context.Context, path string, flags sqlite3.OpenFlag, pragmas []pragma) (*conn, error) {
	if err := registerVFS(); err != nil {
		return nil, err
	}
	// As a URI, so that no character of the path has a meaning to SQLite.
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	// modeof: the log gets the permissions of the file. SQLite decodes %20,
	// but takes + for itself.
	modeof := "modeof=" + strings.ReplaceAll(url.QueryEscape(abs), "+", "%20")
	uri := url.URL{Scheme: "file", Path: abs, RawQuery: "vfs=" + logVFSName + "&" + modeof}
	raw, err := sqlite3.OpenFlags(uri.String(), flags|sqlite3.OPEN_URI)
	if err != nil {
		return nil, classify("open "+path, err)
	}
	c := &conn{raw: raw, idle: make(map[string]*sqlite3.Stmt), dir: filepath.Dir(abs), full: diskIsFull, short: shortRoom}
	raw.SetInterrupt(ctx)
	defer raw.SetInterrupt(context.Background())
	for _, p := range pragmas {
		if err := c.setPragma(p); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

func (c *conn) setPragma(p pragma) error {
	if err := c.raw.Exec("PRAGMA " + p.name + "=" + p.value); err != nil {
		return c.classify("pragma "+p.name, err)
	}
	got, err := c.pragma(p.name)
	if err != nil {
		return err
	}
	if !strings.EqualFold(got, p.value) {
		return fmt.Errorf("pragma %s: set to %s, reads back %q", p.name, p.value, got)
	}
	return nil
}

func (c *conn) pragma(name string) (string, error) {
	stmt, _, err := c.raw.Prepare("PRAGMA " + name)
	if err != nil {
		return "", c.classify("pragma "+name, err)
	}
	value := ""
	if stmt.Step() {
		value = stmt.ColumnText(0)
	}
	err = errors.Join(stmt.Err(), stmt.Close())
	return value, c.classify("pragma "+name, err)
}

// exec runs a statement without arguments or rows, prepared once.
func (c *conn) exec(query string) error {
	stmt, err := c.take(query)
	if err != nil {
		return err
	}
	defer c.give(query, stmt)
	if err := stmt.Exec(); err != nil {
		return c.classify(query, err)
	}
	return nil
}

// take lends a prepared statement: the cached one, or a new one when it is
// already in use further up the stack.
func (c *conn) take(query string) (*sqlite3.Stmt, error) {
	if stmt, ok := c.idle[query]; ok {
		delete(c.idle, query)
		return stmt, nil
	}
	stmt, tail, err := c.raw.PrepareFlags(query, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, c.classify("prepare "+strconv.Quote(query), err)
	}
	if stmt == nil || strings.TrimSpace(tail) != "" {
		return nil, errors.Join(fmt.Errorf("prepare %q: want exactly one statement", query), stmt.Close())
	}
	return stmt, nil
}

// give takes a statement back; the error of the last step was already
// reported, so what Reset repeats of it is dropped.
func (c *conn) give(query string, stmt *sqlite3.Stmt) {
	_ = stmt.Reset()
	_, twice := c.idle[query]
	if twice || len(c.idle) >= maxStatements || stmt.ClearBindings() != nil {
		_ = stmt.Close()
		return
	}
	c.idle[query] = stmt
}

// inTransaction reports whether the transaction is still there: a full disk
// or an I/O error makes SQLite roll back all of it by itself.
func (c *conn) inTransaction() bool { return !c.raw.GetAutocommit() }

func (c *conn) close() error {
	for _, stmt := range c.idle {
		_ = stmt.Close() // reports only the error of the last step
	}
	c.idle = nil
	if err := c.raw.Close(); err != nil {
		return c.classify("close", err)
	}
	return nil
}
