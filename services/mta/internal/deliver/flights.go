package deliver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"correio/services/mta/internal/spool"
)

// flights are those under way.
type flights struct {
	free chan struct{} // places for those without a transaction of their own
	slow atomic.Int64  // until when nothing is brought directly, Unix nanoseconds
	all  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	ends    map[*Flight]context.CancelFunc
	adopted map[unwritten]adopted
	closed  bool
}

// adopted is a flight whose message is in the spool, as entry.
type adopted struct {
	flight *Flight
	entry  *spool.Entry
}

// maxAdopted bounds the flights whose outcome nobody has taken: of jobs that wait
// for a place, or are held.
const maxAdopted = 1000

func newFlights() *flights {
	return &flights{free: make(chan struct{}, maxDirect), ends: map[*Flight]context.CancelFunc{}, adopted: map[unwritten]adopted{}}
}

// Adopt makes a flight the first attempt at a message that has been stored since:
// whatever becomes of its job on the way, the next attempt takes the outcome of
// the flight. Without, what the MDA has would be brought once more.
func (d *Deliverer) Adopt(f *Flight, e *spool.Entry) {
	fs := d.flights
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, r := range e.Rcpts {
		if len(fs.adopted) >= maxAdopted {
			d.log.Warn("too many flights, so a message may arrive twice", "msg_id", e.ID)
			return
		}
		fs.adopted[unwritten{e.ID, r.To.Domain}] = adopted{f, e}
	}
}

// adoptedBy takes the flight of a job, if it has one.
func (fs *flights) adoptedBy(id, domain string) (adopted, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	key := unwritten{id, domain}
	a, ok := fs.adopted[key]
	delete(fs.adopted, key)
	return a, ok
}

// Disown forgets the flight of a message at a domain, and the outcome that the disk
// did not take: it was dropped, and nobody is to be told.
func (d *Deliverer) Disown(id, domain string) {
	d.flights.adoptedBy(id, domain)
	d.takeUnwritten(id, domain)
}

// begin runs a flight, unless none may begin any more.
func (fs *flights) begin(f *Flight, patience time.Duration, fly func(ctx context.Context)) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.closed {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	fs.ends[f] = cancel
	fs.all.Go(func() {
		fly(ctx)
		fs.end(f)
	})
	return true
}

// end cuts a flight off.
func (fs *flights) end(f *Flight) {
	fs.mu.Lock()
	cancel := fs.ends[f]
	delete(fs.ends, f)
	fs.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// close cuts all flights off and waits for them.
func (fs *flights) close() {
	fs.mu.Lock()
	fs.closed = true
	for _, cancel := range fs.ends {
		cancel()
	}
	fs.mu.Unlock()
	fs.all.Wait()
}
