package event

import "slices"

// chunkLen is how many records are allocated at a time.
const chunkLen = 64

// ring is a queue of records in chunks. A record stays at its address for as
// long as it is kept, which an Index relies on, and growing copies none.
type ring struct {
	chunks []*chunk // the oldest first
	head   int      // index of the oldest record in the first chunk
	len    int
	spare  *chunk // an emptied one, to be used again
}

type chunk [chunkLen]Record

// at returns the i-th oldest record; it must be there.
func (r *ring) at(i int) *Record {
	i += r.head
	return &r.chunks[i/chunkLen][i%chunkLen]
}

// push adds the newest record and returns its place.
func (r *ring) push(rec Record) *Record {
	if r.head+r.len == len(r.chunks)*chunkLen {
		if r.spare == nil {
			r.spare = new(chunk)
		}
		r.chunks = append(r.chunks, r.spare)
		r.spare = nil
	}
	r.len++
	place := r.at(r.len - 1)
	*place = rec
	return place
}

// pop lets go of the oldest record; there must be one.
func (r *ring) pop() {
	*r.at(0) = Record{} // let go of its strings
	r.head++
	r.len--
	if r.head == chunkLen {
		r.spare = r.chunks[0]
		r.chunks[0] = nil // the slice's array outlives this
		r.chunks, r.head = r.chunks[1:], 0
	}
}

// copy appends n records from the i-th oldest on; they must be there.
func (r *ring) copy(to []Record, i, n int) []Record {
	to = slices.Grow(to, n)
	for k := range n {
		to = append(to, *r.at(i + k))
	}
	return to
}
