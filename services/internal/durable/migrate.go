package durable

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ncruces/go-sqlite3"
)

// migrate applies the migrations that user_version does not count yet.
func migrate(ctx context.Context, c *conn, migrations []string) error {
	c.raw.SetInterrupt(ctx)
	defer c.raw.SetInterrupt(context.Background())
	if err := c.raw.Exec(chunkTable); err != nil {
		return c.classify("create blob table", err)
	}
	text, err := c.pragma("user_version")
	if err != nil {
		return err
	}
	applied, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("read user_version: %w", err)
	}
	if applied < 0 || applied > len(migrations) {
		return fmt.Errorf("database has %d migrations, this program knows %d", applied, len(migrations))
	}
	for i := applied; i < len(migrations); i++ {
		if err := migrateOne(c, i+1, migrations[i]); err != nil {
			return fmt.Errorf("migration %d: %w", i+1, err)
		}
	}
	return nil
}

func migrateOne(c *conn, version int, migration string) error {
	if err := c.raw.Exec("BEGIN IMMEDIATE"); err != nil {
		return c.classify("begin", err)
	}
	for _, sql := range []string{migration, fmt.Sprintf("PRAGMA user_version=%d", version), "COMMIT"} {
		if err := c.raw.Exec(sql); err != nil {
			return errors.Join(c.classify("apply", err), rollback(c.raw))
		}
	}
	return nil
}

// rollback ends the transaction, if SQLite has not already done so.
func rollback(raw *sqlite3.Conn) error {
	if raw.GetAutocommit() {
		return nil
	}
	return classify("rollback", raw.Exec("ROLLBACK"))
}

// limitSize translates bytes to SQLite's max_page_count.
func limitSize(c *conn, maxBytes int64) error {
	text, err := c.pragma("page_size")
	if err != nil {
		return err
	}
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil || size <= 0 {
		return fmt.Errorf("read page_size %q: %w", text, err)
	}
	pages := strconv.FormatInt(max(1, maxBytes/size), 10)
	// Not read back: SQLite never sets it below the size the file already has.
	return c.classify("limit size", c.raw.Exec("PRAGMA max_page_count="+pages))
}
