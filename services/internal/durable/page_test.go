package durable

import (
	"os"
	"path/filepath"
	"testing"

	"correio/services/internal/durable/internal/btree"
)

// FuzzPage gives anything for a page of a damaged file.
func FuzzPage(f *testing.F) {
	path := filepath.Join(f.TempDir(), "test.db")
	makeThings(f, path)
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	for _, kind := range []byte{btree.LeafTable, btree.LeafIndex, btree.InteriorIndex, btree.InteriorTable} {
		for at := pageSize; at < len(data); at += pageSize {
			if data[at] == kind {
				f.Add(data[at : at+pageSize])
				break
			}
		}
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		if len(page) < 12 || len(page) > pageSize {
			return
		}
		_, list, _ := btree.Cells(page)
		for _, c := range list {
			isChunk(c)
			if row, err := btree.Fields(c.Local); err == nil {
				Remnant{c.RowID, row}.Fits("ti", 1)
			}
		}
	})
}
