package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// keptMemory is the most that a closed buffer leaves to the next one.
const keptMemory = 2 * DefaultBufferMemory

// DefaultBufferMemory is how much a [Buffer] keeps in memory by default.
const DefaultBufferMemory = 256 << 10

// Buffer is an [io.Writer] that holds a message while it arrives: in memory
// up to a bound, beyond it in a temporary file that has no name any more, so
// that a crash leaves nothing behind. It is not durable, and it is used by
// one goroutine at a time.
type Buffer struct {
	dir    string
	memory int
	limit  int64
	keep   int64         // what its file leaves free on the disk
	mem    *bytes.Buffer // nil before the first octet; lent by memories
	file   *os.File      // nil until the message has outgrown memory
	size   int64
	closed bool
}

// memories is the memory of buffers that were closed, for those to come.
var memories = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// giveBack lends the memory to somebody else. None that has grown large waits for
// a message as large to come.
func (b *Buffer) giveBack() {
	if b.mem != nil && b.mem.Cap() <= keptMemory {
		b.mem.Reset()
		memories.Put(b.mem)
	}
	b.mem = nil
}

// NewBuffer returns a buffer that keeps up to memory bytes in memory
// (0 means [DefaultBufferMemory]), moves to a file in dir beyond that, and
// refuses to grow beyond limit bytes (0 means no limit). Its file leaves room on
// the disk for what a database there needs to get rid of mail ([WithReserve]):
// mail that is only arriving must not keep a node from that.
func NewBuffer(dir string, memory int, limit int64) *Buffer {
	if memory <= 0 {
		memory = DefaultBufferMemory
	}
	return &Buffer{dir: dir, memory: memory, limit: limit, keep: 2 * defaultReserve}
}

// Write appends p, or returns [ErrTooLarge] or [ErrNoSpace]. Once it has
// refused p, the message is incomplete and of no use.
func (b *Buffer) Write(p []byte) (int, error) {
	if b.closed {
		return 0, os.ErrClosed
	}
	if b.limit > 0 && b.size+int64(len(p)) > b.limit {
		return 0, ErrTooLarge
	}
	if b.file == nil && b.size+int64(len(p)) > int64(b.memory) {
		if err := b.spill(); err != nil {
			return 0, err
		}
	}
	if b.file == nil {
		if b.mem == nil {
			b.mem = memories.Get().(*bytes.Buffer)
		}
		n, err := b.mem.Write(p)
		b.size += int64(n)
		return n, err
	}
	if free, err := DiskFree(b.dir); err == nil && free < b.keep+int64(len(p)) {
		return 0, fmt.Errorf("write buffer: %w: %d bytes free in %s", ErrNoSpace, free, b.dir)
	}
	n, err := b.file.Write(p)
	b.size += int64(n)
	return n, classify("write buffer", err)
}

// spill moves what is in memory to a file.
func (b *Buffer) spill() error {
	f, err := os.CreateTemp(b.dir, "buffer-*.tmp")
	if err != nil {
		return classify("create buffer", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return errors.Join(fmt.Errorf("unlink buffer: %w", err), f.Close())
	}
	if b.mem != nil {
		if _, err := f.Write(b.mem.Bytes()); err != nil {
			return errors.Join(classify("write buffer", err), f.Close())
		}
	}
	b.file = f
	b.giveBack()
	return nil
}

// Size returns how many bytes were written.
func (b *Buffer) Size() int64 { return b.size }

// Reader returns a new reader over what has been written so far, from its
// beginning. Readers are independent of each other and end with Close.
func (b *Buffer) Reader() *io.SectionReader {
	if b.file != nil {
		return io.NewSectionReader(b.file, 0, b.size)
	}
	return io.NewSectionReader((*held)(b), 0, b.size)
}

// held reads what a Buffer holds, wherever that is by now. Behind Close the memory
// is somebody else's mail.
type held Buffer

// ReadAt implements io.ReaderAt.
func (h *held) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case h.closed:
		return 0, os.ErrClosed
	case h.file != nil:
		return h.file.ReadAt(p, off)
	case off >= h.size:
		return 0, io.EOF
	}
	n := copy(p, h.mem.Bytes()[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close frees the memory or the file. A second Close does nothing.
func (b *Buffer) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	b.giveBack()
	b.size = 0
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}
