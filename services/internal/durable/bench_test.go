package durable

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"
)

// BenchmarkWrite stores a 4 KB message and the row that names it.
func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			db, err := Open(context.Background(), filepath.Join(b.TempDir(), "bench.db"), itemMigrations)
			if err != nil {
				b.Fatal(err)
			}
			defer mustClose(b, db)
			body := noise(4096)
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					for i := w; i < b.N; i += writers {
						if err := db.Write(context.Background(), storeMessage(body)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.StopTimer()
			stats := db.Stats()
			b.ReportMetric(float64(stats.Writes)/b.Elapsed().Seconds(), "writes/s")
			b.ReportMetric(float64(stats.Writes)/float64(stats.Commits), "writes/commit")
		})
	}
}

func storeMessage(body []byte) func(tx *Tx) error {
	return func(tx *Tx) error {
		id, _, err := WriteBlob(tx, bytes.NewReader(body))
		if err != nil {
			return err
		}
		return tx.Exec("INSERT INTO item(id) VALUES(?)", id)
	}
}

// BenchmarkOpenBlob reads a stored message whole.
func BenchmarkOpenBlob(b *testing.B) {
	for _, size := range []int{4096, 5_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			db := openTest(b)
			id, _ := writeBlob(b, db, bytes.NewReader(noise(size)))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				blob, err := db.OpenBlob(context.Background(), id)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, blob); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
