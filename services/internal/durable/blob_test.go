package durable

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// noise returns n bytes that differ from chunk to chunk.
func noise(n int) []byte {
	data := make([]byte, n)
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

func writeBlob(t testing.TB, db *DB, r io.Reader) (id, size int64) {
	t.Helper()
	err := db.Write(context.Background(), func(tx *Tx) (err error) {
		id, size, err = WriteBlob(tx, r)
		return err
	})
	if err != nil {
		t.Fatalf("write blob: %v", err)
	}
	return id, size
}

func TestBlobRoundTrip(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		size   int
		chunks int
	}{
		{"empty", 0, 1},
		{"one byte", 1, 1},
		{"a chunk less one", ChunkSize - 1, 1},
		{"a chunk", ChunkSize, 1},
		{"a chunk and one", ChunkSize + 1, 2},
		{"two chunks", 2 * ChunkSize, 2},
		{"5 MB", 5_000_000, 77},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := openTest(t)
			writeBlob(t, db, strings.NewReader("a neighbour"))
			want := noise(tt.size)
			id, size := writeBlob(t, db, iotest.HalfReader(bytes.NewReader(want)))
			writeBlob(t, db, strings.NewReader("another"))
			if size != int64(tt.size) {
				t.Errorf("WriteBlob says %d bytes, want %d", size, tt.size)
			}
			if n := countChunks(t, db); n != tt.chunks+2 {
				t.Errorf("stored in %d rows, want %d", n-2, tt.chunks)
			}
			checkBlob(t, db, id, want)
			if err := db.Write(t.Context(), func(tx *Tx) error { return DeleteBlob(tx, id) }); err != nil {
				t.Error(err)
			}
			if n := countChunks(t, db); n != 2 {
				t.Errorf("%d rows are left, want the 2 neighbours", n)
			}
		})
	}
}

// checkBlob reads the blob in every way there is.
func checkBlob(t *testing.T, db *DB, id int64, want []byte) {
	t.Helper()
	blob, err := db.OpenBlob(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(blob, want); err != nil {
		t.Errorf("outside of a transaction: %v", err)
	}
	if _, err := blob.Seek(0, io.SeekStart); err != nil {
		t.Error(err)
	}
	var copied bytes.Buffer
	if _, err := blob.WriteTo(&copied); err != nil || !bytes.Equal(copied.Bytes(), want) {
		t.Errorf("WriteTo: %d bytes, %v", copied.Len(), err)
	}
	if err := blob.Close(); err != nil {
		t.Error(err)
	}
	if _, err := blob.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	err = db.Read(t.Context(), func(tx *Tx) error {
		blob, err := OpenBlob(tx, id)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(blob)
		if !bytes.Equal(got, want) {
			t.Errorf("within a transaction: %d bytes, want %d", len(got), len(want))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestBlobOfAFailingReader(t *testing.T) {
	t.Parallel()
	// io.ErrUnexpectedEOF is a message cut short and must not look complete.
	for _, want := range []error{errors.New("lost"), io.ErrUnexpectedEOF} {
		t.Run(want.Error(), func(t *testing.T) {
			t.Parallel()
			db := openTest(t)
			r := io.MultiReader(bytes.NewReader(noise(3*ChunkSize)), iotest.ErrReader(want))
			err := db.Write(t.Context(), func(tx *Tx) error {
				_, _, err := WriteBlob(tx, r)
				return err
			})
			if err != want { //nolint:errorlint // returned as it is
				t.Errorf("got %v, want exactly %v", err, want)
			}
			if n := countChunks(t, db); n != 0 {
				t.Errorf("%d chunks are left", n)
			}
		})
	}
}

func TestBlobNotFound(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	long, _ := writeBlob(t, db, bytes.NewReader(noise(ChunkSize+1)))
	for name, id := range map[string]int64{"never was": 99, "a part of another": long - 1} {
		if _, err := db.OpenBlob(t.Context(), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("open %s: got %v, want ErrNotFound", name, err)
		}
		err := db.Write(t.Context(), func(tx *Tx) error { return DeleteBlob(tx, id) })
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("delete %s: got %v, want ErrNotFound", name, err)
		}
	}
}

// A POP3 client may still read what another session deletes; it must not be
// given a piece of a newer message instead.
func TestBlobDeletedWhileRead(t *testing.T) {
	t.Parallel()
	db := openTest(t)
	id, _ := writeBlob(t, db, bytes.NewReader(noise(3*ChunkSize)))
	blob, err := db.OpenBlob(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, blob, 10); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *Tx) error { return DeleteBlob(tx, id) }); err != nil {
		t.Fatal(err)
	}
	if newer, _ := writeBlob(t, db, bytes.NewReader(noise(5*ChunkSize))); newer-4 <= id {
		t.Errorf("the rows of blob %d are used again for %d", id, newer)
	}
	if _, err := io.Copy(io.Discard, blob); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}
