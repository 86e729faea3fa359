package durable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"correio/services/internal/durable/internal/btree"
)

// Remains is what a damaged file still holds. It is read page by page and not by
// SQLite, which finds a row only by the pages that lead to it: where one of those
// is damaged, SQLite loses all behind it, and Remains what was on that page.
//
// It knows the files that this package makes: pages of 4096 octets, text in UTF-8.
// What has been deleted does not come back: pages that are free, by the pointer map
// (auto_vacuum) or else by the list of free pages, are left out. Where neither can be
// read from end to end, or the end of the file is missing, nobody can tell what has
// been deleted, and nothing is read: mail that was delivered would be sent again.
type Remains struct {
	file   *os.File
	pages  uint32
	apart  []bool           // by page number: it is free, or no page of a tree
	chunks map[int64]uint32 // on which page a chunk of a blob is
}

// Remnant is a row of a damaged file: nil, int64, float64, string or []byte for each
// column, in the order of the table, but that the key of one WITHOUT ROWID comes
// first. A column that was added to the table later may be missing at the end.
type Remnant struct {
	RowID  int64 // of a table that has one; its INTEGER PRIMARY KEY is nil among Fields
	Fields []any
}

// Fits reports whether the row can be one of a table by the kinds of its columns:
// i is an integer, t a text, b a blob, n nil. That tells tables from each other: a
// page does not say what it belongs to. At least so many columns are there.
func (r Remnant) Fits(kinds string, least int) bool {
	if len(r.Fields) < least || len(r.Fields) > len(kinds) {
		return false
	}
	for i, f := range r.Fields {
		if kindOf(f) != kinds[i] {
			return false
		}
	}
	return true
}

func kindOf(field any) byte {
	switch field.(type) {
	case nil:
		return 'n'
	case int64:
		return 'i'
	case string:
		return 't'
	case []byte:
		return 'b'
	}
	return '?'
}

// RemnantPage is a page of a table or an index.
type RemnantPage struct {
	// Leaf says that it is one of those that hold most rows. The rows of the others,
	// which only tables WITHOUT ROWID and indexes have, stand between leaves: in the
	// order of keys there is one between each two.
	Leaf    bool
	Rows    []Remnant
	Garbled int // rows that cannot be read
}

// errUnclear tells that nobody can say which rows of a damaged file are deleted.
var errUnclear = errors.New("durable: what is deleted cannot be told from what is not")

// openRemains opens a damaged file that nobody else has open; errUnclear says that
// none of it can be used.
func openRemains(path string) (*Remains, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open damaged file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open damaged file: %w", err), f.Close())
	}
	r := &Remains{file: f, pages: uint32(min(info.Size()/pageSize, 1<<31)), chunks: map[int64]uint32{}}
	if count := binary.BigEndian.Uint32(r.header()[28:]); count > r.pages {
		return nil, errors.Join(errUnclear, f.Close())
	} else if count > 0 {
		r.pages = count // a file may be longer than what is in use of it
	}
	if !r.setApart() {
		return nil, errors.Join(errUnclear, f.Close())
	}
	for n := range r.trees {
		page, _ := r.page(n)
		kind, list, _ := btree.Cells(page)
		for _, c := range list {
			if kind != btree.LeafTable || !isChunk(c) {
				continue
			}
			at := n
			if _, twice := r.chunks[c.RowID]; twice {
				at = 0 // one of the two is another's: nobody gets either
			}
			r.chunks[c.RowID] = at
		}
	}
	return r, nil
}

func (r *Remains) close() error { return r.file.Close() }

// isChunk reports whether it is a row of durable_chunk.
func isChunk(c btree.Cell) bool {
	types, _, err := btree.Columns(c.Local)
	return err == nil && len(types) == 3 && types[0] == 0 && types[1] < 12 && types[1] != 7 && types[2] >= 12 && types[2]%2 == 0
}

// page reads one page; what cannot be read of the disk is zero.
func (r *Remains) page(n uint32) (page []byte, ok bool) {
	page = make([]byte, pageSize)
	if n < 1 || n > r.pages {
		return page, false
	}
	if _, err := r.file.ReadAt(page, int64(n-1)*pageSize); err != nil {
		clear(page)
		return page, false
	}
	return page, true
}

// trees yields the numbers of the pages that may be of a tree. The first page, with
// what describes the tables, is none of them.
func (r *Remains) trees(yield func(n uint32) bool) {
	for n := uint32(2); n <= r.pages; n++ {
		if !r.apart[n] && !yield(n) {
			return
		}
	}
}

// A page of the pointer map says of each of those behind it what it is and which
// page leads to it, in five octets. The first one is page 2, and the next tree has
// its root in page 3. The page where processes lock the file holds nothing.
const (
	mapEntry = 5
	mapCount = pageSize / mapEntry
	lockPage = 1<<30/pageSize + 1

	mapRoot  = 1
	mapFree  = 2
	mapInner = 5 // a page of a tree that is not its root; 3 and 4 are the rest of long rows
)

// setApart finds out which pages are of trees, and whether that is known of all.
func (r *Remains) setApart() (known bool) {
	r.apart = make([]bool, r.pages+1)
	known = r.followFreeList()
	first, _ := r.page(2)
	looksSo := first[0] == mapRoot && binary.BigEndian.Uint32(first[1:]) == 0
	if says := binary.BigEndian.Uint32(r.header()[52:]) != 0; !says && !looksSo {
		return known // it is older than that we have a map
	}
	whole := true
	for at := uint32(2); at <= r.pages; at += mapCount + 1 {
		here := at
		if here == lockPage {
			here++
		}
		whole = r.readMap(here) && whole
	}
	if lockPage <= r.pages {
		r.apart[lockPage] = true
	}
	return known || whole
}

// readMap reads a page of the map, and reports whether it can be read.
func (r *Remains) readMap(here uint32) bool {
	page, ok := r.page(here)
	if here <= r.pages {
		r.apart[here] = true
	}
	if !ok {
		return false
	}
	count := min(mapCount, r.pages-here)
	for i := range count {
		kind, from := page[i*mapEntry], binary.BigEndian.Uint32(page[i*mapEntry+1:])
		if kind > mapInner || from > r.pages || kind <= mapFree && from != 0 || kind > mapFree && from == 0 {
			return false
		}
	}
	whole := true
	for i := range count {
		kind := page[i*mapEntry]
		if kind == 0 {
			whole = whole && here+1+i == lockPage
			continue
		}
		if kind != mapRoot && kind != mapInner { // what the list says is free stays so
			r.apart[here+1+i] = true
		}
	}
	return whole
}

// header is the first page, or zero where that is damaged.
func (r *Remains) header() []byte {
	page, _ := r.page(1)
	if !bytes.HasPrefix(page, []byte("SQLite format 3\x00")) {
		clear(page)
	}
	return page
}

// followFreeList sets free pages apart by their list, as far as it can be read, and
// reports whether that is all of it.
func (r *Remains) followFreeList() (whole bool) {
	header := r.header()
	left := binary.BigEndian.Uint32(header[36:])
	for trunk := binary.BigEndian.Uint32(header[32:]); trunk != 0; {
		if trunk > r.pages || r.apart[trunk] {
			return false
		}
		page, _ := r.page(trunk)
		count := binary.BigEndian.Uint32(page[4:])
		if count > pageSize/4-2 || count+1 > left {
			return false
		}
		leaves := page[8 : 8+4*count]
		for at := 0; at < len(leaves); at += 4 {
			if leaf := binary.BigEndian.Uint32(leaves[at:]); leaf < 2 || leaf > r.pages {
				return false
			}
		}
		for at := 0; at < len(leaves); at += 4 {
			r.apart[binary.BigEndian.Uint32(leaves[at:])] = true
		}
		r.apart[trunk] = true
		left -= count + 1
		trunk = binary.BigEndian.Uint32(page)
	}
	return left == 0 && binary.BigEndian.Uint32(header[28:]) > 0
}

// Pages hands over what can be read, in no order: the rows of tables and of
// indexes. Those of durable_chunk are left out, see [Remains.Blob].
func (r *Remains) Pages(each func(p RemnantPage) error) error {
	for n := range r.trees {
		page, _ := r.page(n)
		kind, list, garbled := btree.Cells(page)
		if kind == btree.InteriorTable || len(list) == 0 {
			continue
		}
		p := RemnantPage{Leaf: kind != btree.InteriorIndex, Garbled: garbled}
		for _, c := range list {
			if kind == btree.LeafTable && isChunk(c) {
				continue
			}
			if row, err := r.row(c); err != nil {
				p.Garbled++
			} else {
				p.Rows = append(p.Rows, row)
			}
		}
		if len(p.Rows) == 0 {
			continue
		}
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

// row reads the row of a cell.
func (r *Remains) row(c btree.Cell) (Remnant, error) {
	record := c.Local
	if c.Overflow != 0 {
		record = append(make([]byte, 0, c.Size), record...)
	}
	for next := c.Overflow; len(record) < c.Size; {
		page, ok := r.page(next)
		if !ok {
			return Remnant{}, btree.ErrGarbage
		}
		next = binary.BigEndian.Uint32(page)
		record = append(record, page[4:4+min(c.Size-len(record), pageSize-4)]...)
		if (next == 0) != (len(record) == c.Size) {
			return Remnant{}, btree.ErrGarbage
		}
	}
	list, err := btree.Fields(record)
	return Remnant{c.RowID, list}, err
}

// chunk reads one chunk of a blob; last says that it is the last one of a blob of so
// many octets.
func (r *Remains) chunk(id int64) (data []byte, size int64, last bool, err error) {
	page, _ := r.page(r.chunks[id])
	_, list, _ := btree.Cells(page)
	for _, c := range list {
		if c.RowID != id || !isChunk(c) {
			continue
		}
		row, err := r.row(c)
		if err != nil {
			return nil, 0, false, err
		}
		size, last = row.Fields[1].(int64)
		data, _ = row.Fields[2].([]byte)
		return data, size, last, nil
	}
	return nil, 0, false, fmt.Errorf("chunk %d: %w", id, ErrNotFound)
}

// Blob opens a blob whose chunks can all be read; else it returns [ErrCorrupt].
func (r *Remains) Blob(id int64) (body io.Reader, size int64, err error) {
	_, size, last, err := r.chunk(id)
	if err == nil && (!last || size < 0 || size > maxBlob) {
		err = btree.ErrGarbage
	}
	if err != nil {
		return nil, 0, fmt.Errorf("blob %d: %w: %w", id, ErrCorrupt, err)
	}
	all := &blobRemains{remains: r, next: firstChunk(id, size), last: id, left: size}
	whole := *all
	if _, err := io.Copy(io.Discard, &whole); err != nil {
		return nil, 0, fmt.Errorf("blob %d: %w: %w", id, ErrCorrupt, err)
	}
	return all, size, nil
}

// maxBlob bounds a blob, in octets, against a size that is damaged.
const maxBlob = 1 << 40

// blobRemains reads the chunks of a blob.
type blobRemains struct {
	remains    *Remains
	next, last int64
	left       int64 // octets of the chunks from next on
	data       []byte
}

// Read implements io.Reader.
func (b *blobRemains) Read(p []byte) (int, error) {
	for len(b.data) == 0 {
		if b.next > b.last {
			return 0, io.EOF
		}
		data, _, last, err := b.remains.chunk(b.next)
		if err == nil && (last != (b.next == b.last) || int64(len(data)) != min(b.left, ChunkSize)) {
			err = btree.ErrGarbage
		}
		if err != nil {
			return 0, err
		}
		b.next++
		b.left -= int64(len(data))
		b.data = data
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}
