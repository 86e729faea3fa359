package durable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// ChunkSize is how much of a blob one row holds.
const ChunkSize = 64 << 10

// chunkTable holds the bodies. A blob is the rows first..id, without gaps,
// each of ChunkSize bytes but the last; the last one is the blob's id and
// knows its size. AUTOINCREMENT: the id of a deleted blob is never given to
// another, so that a late reader cannot see somebody else's mail.
const chunkTable = `CREATE TABLE IF NOT EXISTS durable_chunk (
	id   INTEGER PRIMARY KEY AUTOINCREMENT,
	size INTEGER,
	data BLOB NOT NULL
)`

// WriteBlob stores what r yields until io.EOF and returns the blob's id and
// size. An error of r is returned as it is and must fail the function given
// to Write, which undoes the chunks already stored.
func WriteBlob(tx *Tx, r io.Reader) (id, size int64, err error) {
	// One byte more than a chunk tells whether a full chunk is the last.
	if tx.conn.chunk == nil {
		tx.conn.chunk = make([]byte, ChunkSize+1)
	}
	buf, kept := tx.conn.chunk, 0
	for {
		n, err := fill(r, buf, kept)
		if err != nil {
			return 0, 0, err
		}
		if n <= ChunkSize {
			size += int64(n)
			if err := insertChunk(tx, size, buf[:n]); err != nil {
				return 0, 0, err
			}
			return tx.LastInsertID(), size, nil
		}
		if err := insertChunk(tx, nil, buf[:ChunkSize]); err != nil {
			return 0, 0, err
		}
		size += ChunkSize
		buf[0], kept = buf[ChunkSize], 1
	}
}

// fill reads into buf from n on until it is full or r ends. Unlike
// [io.ReadFull] it does not take r's own io.ErrUnexpectedEOF, which means a
// message cut short, for the end of a whole one.
func fill(r io.Reader, buf []byte, n int) (int, error) {
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err == io.EOF { // io.Reader: EOF itself
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func insertChunk(tx *Tx, size any, data []byte) error {
	if err := tx.conn.roomFor(len(data)); err != nil {
		return fmt.Errorf("write blob: %w", err)
	}
	return tx.Exec("INSERT INTO durable_chunk(size, data) VALUES(?, ?)", size, data)
}

// DeleteBlob removes a blob, or returns [ErrNotFound].
func DeleteBlob(tx *Tx, id int64) error {
	var size int64
	if err := tx.QueryRow("SELECT size FROM durable_chunk WHERE id=? AND size IS NOT NULL", id).Scan(&size); err != nil {
		return fmt.Errorf("delete blob %d: %w", id, err)
	}
	return tx.Exec("DELETE FROM durable_chunk WHERE id BETWEEN ? AND ?", firstChunk(id, size), id)
}

// firstChunk returns the row of a blob's first chunk.
func firstChunk(id, size int64) int64 {
	return id - max(0, size-1)/ChunkSize
}

// Blob reads a stored body. It implements [io.ReadSeekCloser] and
// [io.ReaderAt], holds one chunk in memory and is used by one goroutine.
type Blob struct {
	view   func(fn func(tx *Tx) error) error // gives a transaction to read in
	first  int64                             // row of the first chunk
	size   int64
	offset int64
	chunk  int64 // number of the chunk in data, from 0; -1 for none
	data   []byte
}

// OpenBlob opens a blob for reading outside of a transaction: each chunk is
// fetched by a short read of its own, so that a slow peer holds up nothing.
// If the blob is deleted meanwhile, the next chunk gives [ErrNotFound]. ctx
// guards the opening only.
func (db *DB) OpenBlob(ctx context.Context, id int64) (*Blob, error) {
	b := &Blob{view: func(fn func(tx *Tx) error) error { return db.Read(context.Background(), fn) }}
	err := db.Read(ctx, func(tx *Tx) error { return b.open(tx, id) })
	if err != nil {
		return nil, err
	}
	return b, nil
}

// OpenBlob opens a blob for reading within tx, and only as long as tx lasts.
func OpenBlob(tx *Tx, id int64) (*Blob, error) {
	b := &Blob{view: func(fn func(tx *Tx) error) error { return fn(tx) }}
	if err := b.open(tx, id); err != nil {
		return nil, err
	}
	return b, nil
}

// open finds the blob's size and, when it is small, fetches it in the same step.
func (b *Blob) open(tx *Tx, id int64) error {
	const query = "SELECT size, data FROM durable_chunk WHERE id=? AND size IS NOT NULL"
	for row, err := range tx.Query(query, id) {
		if err != nil {
			return fmt.Errorf("open blob %d: %w", id, err)
		}
		b.size = row.stmt.ColumnInt64(0)
		b.first = firstChunk(id, b.size)
		b.chunk = -1
		if b.first == id {
			b.chunk, b.data = 0, row.stmt.ColumnBlob(1, nil)
		}
		return nil
	}
	return fmt.Errorf("open blob %d: %w", id, ErrNotFound)
}

// Size returns the length of the blob in bytes.
func (b *Blob) Size() int64 { return b.size }

// Read implements [io.Reader].
func (b *Blob) Read(p []byte) (int, error) {
	if b.offset >= b.size && b.view != nil {
		return 0, io.EOF
	}
	part, err := b.at(b.offset)
	if err != nil {
		return 0, err
	}
	n := copy(p, part)
	b.offset += int64(n)
	return n, nil
}

// ReadAt implements [io.ReaderAt].
func (b *Blob) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("read blob: negative offset")
	}
	for n < len(p) {
		if off+int64(n) >= b.size && b.view != nil {
			return n, io.EOF
		}
		part, err := b.at(off + int64(n))
		if err != nil {
			return n, err
		}
		n += copy(p[n:], part)
	}
	return n, nil
}

// Seek implements [io.Seeker].
func (b *Blob) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.offset
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("seek blob: negative offset")
	}
	b.offset = offset
	return offset, nil
}

// WriteTo implements [io.WriterTo]: a chunk goes to w without a copy.
func (b *Blob) WriteTo(w io.Writer) (written int64, err error) {
	for b.offset < b.size || b.view == nil {
		part, err := b.at(b.offset)
		if err != nil {
			return written, err
		}
		n, err := w.Write(part)
		written += int64(n)
		b.offset += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Close releases the memory of the blob; reading it then fails.
func (b *Blob) Close() error {
	b.data, b.chunk, b.view = nil, -1, nil
	return nil
}

// at returns what the chunk that holds off has from there on; off < size.
func (b *Blob) at(off int64) ([]byte, error) {
	if b.view == nil {
		return nil, fmt.Errorf("read blob: %w", os.ErrClosed)
	}
	chunk := off / ChunkSize
	if chunk != b.chunk {
		if err := b.view(func(tx *Tx) error { return b.fetch(tx, chunk) }); err != nil {
			return nil, err
		}
	}
	start := off - chunk*ChunkSize
	if start >= int64(len(b.data)) {
		return nil, fmt.Errorf("read blob: %w: chunk %d is short", ErrCorrupt, chunk)
	}
	return b.data[start:], nil
}

func (b *Blob) fetch(tx *Tx, chunk int64) error {
	for row, err := range tx.Query("SELECT data FROM durable_chunk WHERE id=?", b.first+chunk) {
		if err != nil {
			return fmt.Errorf("read blob: %w", err)
		}
		b.chunk, b.data = chunk, row.stmt.ColumnBlob(0, b.data[:0])
		return nil
	}
	return fmt.Errorf("read blob: %w", ErrNotFound)
}
