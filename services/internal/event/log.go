package event

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"
	"unsafe"
)

// DefaultRingBytes bounds the ring of one node.
const DefaultRingBytes = 4 << 20

// What a record costs in the ring besides the bytes of its strings, and each of
// its details.
const (
	recordOverhead = int(unsafe.Sizeof(Record{}))
	attrOverhead   = int(unsafe.Sizeof(Attr{}))
)

// Log is the bounded ring of a node's records. Its methods may be called from
// any goroutine; a nil Log takes records and forgets them.
type Log struct {
	node     string
	boot     string
	maxBytes int

	mu      sync.Mutex // guards what follows
	ring    ring
	first   uint64 // position of the oldest record, or of the next one when empty
	bytes   int
	index   Index // nil unless Attach gave one; its Bytes count too
	names   names
	dropped uint64
	conns   uint64
	grown   chan struct{} // closed and replaced when a record is appended and somebody waits
	waiting bool
}

// NewLog returns an empty ring for the named node that keeps about maxBytes of
// records (DefaultRingBytes when 0).
func NewLog(node string, maxBytes int) *Log {
	if maxBytes <= 0 {
		maxBytes = DefaultRingBytes
	}
	var boot [4]byte
	rand.Read(boot[:]) // never fails, see crypto/rand
	return &Log{node: node, boot: hex.EncodeToString(boot[:]), maxBytes: maxBytes, first: 1, grown: make(chan struct{})}
}

// Boot names this run of the node: a reader that sees another one knows that
// sequence numbers began anew.
func (l *Log) Boot() string { return l.boot }

// NextConn returns a name for a new connection, unique across restarts.
func (l *Log) NextConn() string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns++
	return fmt.Sprintf("%s-%d", l.boot, l.conns)
}

// Append stamps the record with sequence number, node and (unless it has one)
// time, and keeps it.
func (l *Log) Append(r Record) {
	if l == nil {
		return
	}
	if r.Time.IsZero() {
		r.Time = time.Now()
	}
	r.Node = l.node
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Seq = l.first + uint64(l.ring.len)
	l.keep(r)
}

// Import keeps another node's record as it is, and takes its details over. A
// log that imports is read by positions (Batch.Last), which then differ from
// the records' own Seq.
func (l *Log) Import(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep(l.names.share(r))
}

// keep adds a record, makes room and wakes who waits. The caller holds mu.
func (l *Log) keep(r Record) {
	kept := l.ring.push(r)
	l.bytes += weight(kept)
	if l.index != nil {
		l.index.Add(kept)
	}
	l.evict()
	if l.waiting {
		close(l.grown)
		l.grown = make(chan struct{})
		l.waiting = false
	}
}

// evict drops the oldest records until the ring fits. The caller holds mu.
func (l *Log) evict() {
	for l.ring.len > 1 && l.size() > l.maxBytes {
		oldest := l.ring.at(0)
		l.bytes -= weight(oldest)
		if l.index != nil {
			l.index.Remove(oldest)
		}
		l.ring.pop()
		l.first++
		l.dropped++
	}
}

// size is what the log takes with its index, in bytes. The caller holds mu.
func (l *Log) size() int {
	if l.index == nil {
		return l.bytes
	}
	return l.bytes + l.index.Bytes()
}

// Last returns the position of the newest record, 0 before the first.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first + uint64(l.ring.len) - 1
}

// Dropped counts the records that left the ring since the node started.
func (l *Log) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// Batch is what a reader gets: records in order, and how many between its
// position and the first of them were dropped before it came.
type Batch struct {
	Records []Record
	Missed  uint64
	Last    uint64 // the position of the last of them, to go on from
}

// After returns up to limit records that follow position seq: the sequence
// number of the last record seen, 0 for all there is.
func (l *Log) After(seq uint64, limit int) Batch { return l.AfterIn(nil, seq, limit) }

// AfterIn is After for who reads again and again: the records are put into
// room, as far as they fit, which they were in before.
func (l *Log) AfterIn(room []Record, seq uint64, limit int) Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.after(room, seq, limit)
}

func (l *Log) after(room []Record, seq uint64, limit int) Batch {
	next := seq + 1
	b := Batch{Records: room[:0]}
	if next < l.first {
		b.Missed = l.first - next
		next = l.first
	}
	if end := l.first + uint64(l.ring.len); next < end {
		b.Records = l.ring.copy(b.Records, int(next-l.first), min(limit, int(end-next)))
		b.Last = next + uint64(len(b.Records)) - 1
	}
	return b
}

// Wait returns what After does as soon as that is not empty, or the context's
// error.
func (l *Log) Wait(ctx context.Context, seq uint64, limit int) (Batch, error) {
	for {
		l.mu.Lock()
		b := l.after(nil, seq, limit)
		grown := l.grown
		if len(b.Records) == 0 {
			l.waiting = true
		}
		l.mu.Unlock()
		if len(b.Records) > 0 {
			return b, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		}
	}
}

// weight estimates what a record costs, in bytes.
func weight(r *Record) int {
	n := recordOverhead + len(r.Conn) + len(r.Queue) + len(r.Message) + len(r.Text)
	for _, a := range r.Meta {
		n += attrOverhead + len(a.Value)
	}
	return n
}
