// Package transfer moves the octets of messages from where they are to where
// they go. The buffers that this takes are shared by all: a node moves each
// message several times, and a buffer of its own for each of them would be most
// of the memory that the node allocates.
package transfer

import (
	"io"
	"sync"
)

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Copy is io.Copy by a shared buffer. dst must not keep what it is given.
func Copy(dst io.Writer, src io.Reader) (int64, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	return io.CopyBuffer(onlyWriter{dst}, onlyReader{src}, buf[:])
}

// onlyWriter and onlyReader hide other ways to copy, which take buffers of their own.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
