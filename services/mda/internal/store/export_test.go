package store

import (
	"context"

	"correio/services/internal/durable"
)

// Chunks counts the rows that hold bodies.
func (s *Store) Chunks(ctx context.Context) (n int, err error) {
	err = s.db.Read(ctx, func(tx *durable.Tx) error {
		return tx.QueryRow("SELECT count(*) FROM durable_chunk").Scan(&n)
	})
	return n, err
}
