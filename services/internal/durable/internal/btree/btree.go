// Package btree reads the pages of a database file as SQLite's documentation of the
// file format describes them (https://www.sqlite.org/fileformat2.html, the sections
// "B-tree Pages" and "Record Format"). It is for damaged files: every number in them
// may be wrong.
package btree

import (
	"encoding/binary"
	"errors"
	"math"
)

// PageSize is how many octets a page has, in all files that package durable makes.
const PageSize = 4096

// The kinds of pages of a tree, in the words of that document.
const (
	InteriorIndex = 0x02
	InteriorTable = 0x05
	LeafIndex     = 0x0a
	LeafTable     = 0x0d
)

// maxLocal and minLocal bound how much of a payload is on the page itself.
const (
	maxLocalTable = PageSize - 35
	maxLocalIndex = (PageSize-12)*64/255 - 23
	minLocal      = (PageSize-12)*32/255 - 23
)

// maxPayload bounds a row, in octets: that of a chunk is the largest we write.
const maxPayload = 1 << 20

// ErrGarbage tells that what is on a page cannot have been written there.
var ErrGarbage = errors.New("makes no sense")

// Cell is one row on a page.
type Cell struct {
	RowID    int64  // in the tree of a table
	Size     int    // octets of the payload
	Local    []byte // what of it is on the page
	Overflow uint32 // the page that holds what follows, or 0
}

// Cells takes a page of a tree apart; garbled counts those that are not to be
// read. Of pages of other kinds, and of those that only lead to others, it makes
// none.
func Cells(page []byte) (kind byte, list []Cell, garbled int) {
	kind = page[0]
	if kind != LeafTable && kind != LeafIndex && kind != InteriorIndex {
		return kind, nil, 0
	}
	at := 8
	if kind == InteriorIndex {
		at = 12
	}
	n := int(binary.BigEndian.Uint16(page[3:]))
	if at+2*n > len(page) {
		return 0, nil, 0
	}
	for i := range n {
		start := int(binary.BigEndian.Uint16(page[at+2*i:]))
		if start < at+2*n || start >= len(page) {
			garbled++
			continue
		}
		c, err := cellOf(kind, page[start:])
		if err != nil {
			garbled++
			continue
		}
		list = append(list, c)
	}
	return kind, list, garbled
}

func cellOf(kind byte, b []byte) (c Cell, err error) {
	limit := maxLocalIndex
	if kind == InteriorIndex {
		if len(b) < 4 {
			return c, ErrGarbage
		}
		b = b[4:] // the page to the left
	}
	size, b := varint(b)
	if kind == LeafTable {
		limit = maxLocalTable
		c.RowID, b = varint(b)
	}
	if b == nil || size <= 0 || size > maxPayload {
		return c, ErrGarbage
	}
	c.Size = int(size)
	local := c.Size
	if local > limit {
		if local = minLocal + (c.Size-minLocal)%(PageSize-4); local > limit {
			local = minLocal
		}
		if len(b) < local+4 {
			return c, ErrGarbage
		}
		c.Overflow = binary.BigEndian.Uint32(b[local:])
	}
	if len(b) < local {
		return c, ErrGarbage
	}
	c.Local = b[:local]
	return c, nil
}

// varint reads an integer of one to nine octets; the rest is nil when there is none.
func varint(b []byte) (n int64, rest []byte) {
	for i := range min(len(b), 9) {
		if i == 8 {
			return n<<8 | int64(b[i]), b[9:]
		}
		n = n<<7 | int64(b[i]&0x7f)
		if b[i] < 0x80 {
			return n, b[i+1:]
		}
	}
	return 0, nil
}

// Columns returns the serial types of a record, and what follows them.
func Columns(record []byte) (types []int64, values []byte, err error) {
	size, rest := varint(record)
	if rest == nil || size < 1 || size > int64(len(record)) {
		return nil, nil, ErrGarbage
	}
	values = record[size:]
	for len(rest) > len(values) {
		var t int64
		if t, rest = varint(rest); rest == nil || len(rest) < len(values) || t < 0 || t == 10 || t == 11 {
			return nil, nil, ErrGarbage
		}
		types = append(types, t)
	}
	return types, values, nil
}

// fixed is the length of the values of the serial types below 12.
var fixed = [12]int64{1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8}

// valueSize is how long a value is.
func valueSize(t int64) int64 {
	if t < 12 {
		return fixed[t]
	}
	return (t - 12) / 2
}

// Fields reads a whole record: nil, int64, float64, string and []byte.
func Fields(record []byte) ([]any, error) {
	types, values, err := Columns(record)
	if err != nil {
		return nil, err
	}
	list := make([]any, len(types))
	for i, t := range types {
		n := valueSize(t)
		if n > int64(len(values)) {
			return nil, ErrGarbage
		}
		list[i] = value(t, values[:n])
		values = values[n:]
	}
	if len(values) > 0 {
		return nil, ErrGarbage
	}
	return list, nil
}

func value(t int64, b []byte) any {
	switch {
	case t == 0:
		return nil
	case t == 7:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	case t == 8, t == 9:
		return t - 8
	case t < 12:
		n := int64(int8(b[0]))
		for _, c := range b[1:] {
			n = n<<8 | int64(c)
		}
		return n
	case t%2 == 0:
		return append([]byte{}, b...)
	}
	return string(b)
}
