package event

// Index finds records of one Log by what they say. It is told of every record
// that comes and goes, so that it is never behind; what it points to is in the
// log alone. A node's own log has none: there, appending waits for no reader.
type Index interface {
	// Add takes in a record that the log keeps from now on: it stays at this
	// address, and the same, until Remove.
	Add(r *Record)
	// Remove is called with the oldest record before the log lets go of it.
	Remove(r *Record)
	// Bytes is about what the index takes. It counts as the log's.
	Bytes() int
}

// Attach gives the log its index, which takes in what is there already. The
// index is called by whoever appends, one at a time, and must be quick. It
// panics when there is one, which is a mistake in the program.
func (l *Log) Attach(x Index) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.index != nil {
		panic("event: the log has an index already")
	}
	l.index = x
	for i := range l.ring.len {
		x.Add(l.ring.at(i))
	}
	l.evict()
}

// View calls f while no record comes or goes, so that f can ask the index. Who
// appends waits meanwhile: f must be quick, and leave the log alone.
func (l *Log) View(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}
