package durable

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
)

const (
	// A group is committed at the latest when it holds this many functions
	// or this many bytes of text and blobs.
	maxGroupCount = 256
	maxGroupBytes = 8 << 20

	// A checkpoint is due when the log has grown by this many pages (4 MiB);
	// while others wait it is put off until it is four times as much.
	checkpointPages = 1000
	// The log starts over by itself when a checkpoint finds no reader at
	// work. Beyond this many pages (64 MiB) the writer waits for the readers.
	restartPages = 16 * checkpointPages
	// The log is cut back to this size when it starts over.
	walSizeLimit = 8 << 20
)

// Patient requests begin a group of their own when there are this many of them, or
// when the first one has waited for this long.
const (
	maxPatient = 8
	patience   = 3 * time.Millisecond
)

// States of a request. Whoever moves it out of waiting owns it: the writer
// by starting it, the caller by abandoning it when its context ends.
const (
	waiting int32 = iota
	started
	abandoned
)

// request is one function on its way through the writer.
type request struct {
	fn       func(tx *Tx) error
	patient  bool // waits for others
	state    atomic.Int32
	err      error // result of fn, then of the commit
	panicked any   // what fn panicked with
	done     chan struct{}
}

// writer owns the connection that writes, and the goroutine that uses it.
type writer struct {
	conn *conn
	path string
	done chan struct{} // closed when the goroutine has ended
	wake chan struct{} // capacity 1: there is something new in queue or closed

	mu     sync.Mutex // guards queue, hurry and closed
	queue  []*request
	hurry  bool // one in the queue is not patient
	closed bool

	// Owned by the goroutine.
	late *time.Timer // runs while all that waits is patient
	// suspected says that damage was met, and is noted beside the file for the next
	// start: SQLite commits nothing that comes by it.
	suspected bool
	next      []*request // taken from queue, not started
	taken     int        // how many of next are used up
	group     []*request // started in the current transaction

	writes, commits, failed atomic.Int64
}

func startWriter(c *conn, path string) *writer {
	w := &writer{conn: c, path: path, done: make(chan struct{}), wake: make(chan struct{}, 1), late: time.NewTimer(patience)}
	w.late.Stop()
	c.raw.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		if pages < c.movedPages { // it has started over
			c.movedPages = 0
		}
		c.logPages = pages
		return nil
	})
	go w.run() // ended and waited for by stop
	return w
}

func (w *writer) write(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.done = make(chan struct{})
	if !w.enqueue(r) {
		return ErrClosed
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
		<-r.done
	}
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.err
}

func (w *writer) enqueue(r *request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.queue = append(w.queue, r)
	w.hurry = w.hurry || !r.patient
	w.signal()
	return true
}

func (w *writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// stop refuses new requests, waits until the queued ones are answered and
// reports whether this call was the one that stopped the writer.
func (w *writer) stop() bool {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	w.signal()
	<-w.done
	return first
}

func (w *writer) stats() Stats {
	return Stats{Writes: w.writes.Load(), Commits: w.commits.Load(), Failed: w.failed.Load()}
}

func (w *writer) run() {
	defer close(w.done)
	for w.wait() {
		// Who is about to write goes first, and shares the commit: with many
		// writers that is a fifth of all that a message costs.
		runtime.Gosched()
		w.runGroup()
		w.checkpointIfDue()
		w.giveBack()
	}
}

// wait blocks until there is a reason for a group, and returns false when none
// will come.
func (w *writer) wait() bool {
	defer w.late.Stop()
	timing := false
	for {
		w.mu.Lock()
		n, hurry, closed := len(w.queue), w.hurry, w.closed
		w.mu.Unlock()
		switch {
		case w.taken < len(w.next), hurry, n >= maxPatient, n > 0 && closed:
			return w.more()
		case closed:
			return false
		case n > 0 && !timing:
			timing = true
			w.late.Reset(patience)
		}
		select {
		case <-w.wake:
		case <-w.late.C:
			return w.more()
		}
	}
}

// more reports whether a request is at hand, taking over the queue if needed.
func (w *writer) more() bool {
	if w.taken < len(w.next) {
		return true
	}
	clear(w.next)
	w.mu.Lock()
	w.next, w.queue, w.hurry = w.queue, w.next[:0], false
	w.mu.Unlock()
	w.taken = 0
	return len(w.next) > 0
}

// runGroup runs what waits in one transaction, commits it and answers.
func (w *writer) runGroup() {
	err := w.conn.exec("BEGIN IMMEDIATE")
	w.conn.bytes = 0
	for len(w.group) < maxGroupCount && w.conn.bytes < maxGroupBytes && w.more() {
		r := w.next[w.taken]
		w.taken++
		if !r.state.CompareAndSwap(waiting, started) {
			continue
		}
		w.group = append(w.group, r)
		if err != nil {
			continue
		}
		w.runOne(r)
		if !w.conn.inTransaction() {
			// A full disk or an I/O error undid everybody's changes; who
			// has not started yet gets a group of its own.
			err = fmt.Errorf("group rolled back: %w", r.err)
			break
		}
	}
	if err == nil {
		err = w.commit()
	}
	w.answer(err)
}

// runOne runs fn between SAVEPOINT and RELEASE, or as the first of a group in the
// bare transaction: for a savepoint SQLite keeps a copy of every page that changes,
// and mostly there is only one to run.
func (w *writer) runOne(r *request) {
	if len(w.group) == 1 {
		w.runFirst(r)
		return
	}
	if r.err = w.conn.exec("SAVEPOINT one"); r.err != nil {
		return
	}
	tx := &Tx{conn: w.conn}
	r.err = r.call(tx)
	tx.conn = nil
	if !w.conn.inTransaction() {
		if r.err == nil {
			r.err = errors.New("function ended the transaction")
		}
		return
	}
	if r.err != nil || r.panicked != nil {
		if err := w.conn.exec("ROLLBACK TO one"); err != nil {
			r.err = errors.Join(r.err, err, rollback(w.conn.raw))
			return
		}
	}
	if err := w.conn.exec("RELEASE one"); err != nil {
		r.err = errors.Join(r.err, err, rollback(w.conn.raw))
	}
}

// runFirst ends the transaction, and thereby the group, when fn fails.
func (w *writer) runFirst(r *request) {
	tx := &Tx{conn: w.conn}
	r.err = r.call(tx)
	tx.conn = nil
	switch {
	case !w.conn.inTransaction():
		if r.err == nil {
			r.err = errors.New("function ended the transaction")
		}
	case r.err != nil || r.panicked != nil:
		if err := rollback(w.conn.raw); err != nil {
			r.err = errors.Join(r.err, err)
		}
	}
}

// call runs fn and catches its panic, which belongs to the caller: one bad
// message must not stop the node's only writer.
func (r *request) call(tx *Tx) error {
	defer func() { r.panicked = recover() }()
	return r.fn(tx)
}

func (w *writer) commit() error {
	err := w.conn.exec("COMMIT")
	if err != nil {
		return errors.Join(err, rollback(w.conn.raw))
	}
	return nil
}

// answer tells each function of the group its own error or else the group's.
func (w *writer) answer(err error) {
	var ok int64
	for _, r := range w.group {
		if r.err == nil {
			r.err = err
		}
		if r.err == nil && r.panicked == nil {
			ok++
		}
		w.suspect(r.err)
	}
	w.failed.Add(int64(len(w.group)) - ok)
	w.writes.Add(ok)
	if ok > 0 {
		w.commits.Add(1)
	}
	for _, r := range w.group {
		close(r.done)
	}
	clear(w.group)
	w.group = w.group[:0]
}

// suspect notes that a write has met damage.
func (w *writer) suspect(err error) {
	if w.suspected || !errors.Is(err, ErrCorrupt) {
		return
	}
	w.suspected = true
	_ = os.WriteFile(w.path+suspect, nil, 0o600) // the next start finds out less without it
}

// checkpointIfDue moves the log into the database file. Nobody waits for an
// answer at this point; its failure (disk full) loses nothing, since the log
// is kept and a later group tries again.
func (w *writer) checkpointIfDue() {
	due := checkpointPages
	if w.more() {
		due *= 4
	}
	if w.conn.logPages-w.conn.movedPages < due {
		return
	}
	mode := sqlite3.CHECKPOINT_PASSIVE
	if w.conn.logPages >= restartPages {
		mode = sqlite3.CHECKPOINT_RESTART
	}
	w.conn.checkpoint(mode)
}

// checkpoint moves the log into the file, and reports whether all of it could
// be moved: readers that are at work may still need the file as it was.
func (c *conn) checkpoint(mode sqlite3.CheckpointMode) (all bool) {
	log, moved, err := c.raw.WALCheckpoint("main", mode)
	if err != nil {
		return false
	}
	c.movedPages = c.logPages
	return log == moved
}
