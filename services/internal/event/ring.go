package event

// ring is a queue of records in one circular slice, which grows when it is
// full and is never copied otherwise.
type ring struct {
	buf  []Record
	head int // index of the oldest
	len  int
}

const firstRing = 64

// push adds the newest record.
func (r *ring) push(rec Record) {
	if r.len == len(r.buf) {
		grown := make([]Record, max(firstRing, 2*len(r.buf)))
		n := copy(grown, r.buf[r.head:])
		copy(grown[n:], r.buf[:r.head])
		r.buf, r.head = grown, 0
	}
	r.buf[(r.head+r.len)%len(r.buf)] = rec
	r.len++
}

// pop takes the oldest record out; there must be one.
func (r *ring) pop() Record {
	rec := r.buf[r.head]
	r.buf[r.head] = Record{} // let go of its strings
	r.head = (r.head + 1) % len(r.buf)
	r.len--
	return rec
}

// slice copies n records from the i-th oldest on; they must be there.
func (r *ring) slice(i, n int) []Record {
	out := make([]Record, n)
	for k := range out {
		out[k] = r.buf[(r.head+i+k)%len(r.buf)]
	}
	return out
}
