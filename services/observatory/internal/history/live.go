package history

import (
	"context"
	"strings"

	"correio/services/internal/event"
	"correio/services/internal/journey"
)

// live is the index of a log as it is now, and who waits for it to change.
type live struct {
	journey.Index
	waiters map[string]map[*waiter]bool // by what they wait for
}

var _ event.Index = (*live)(nil)

// Add implements event.Index.
func (l *live) Add(r *event.Record) {
	l.Index.Add(r)
	if len(l.waiters) == 0 || r.Kind != event.KindQueue && r.Kind != event.KindStore && r.Message == "" {
		return
	}
	l.wake(r.Message)
	l.wake(r.Queue)
	if r.Kind == event.KindQueue && r.Text == event.Accepted {
		l.wake(Last)
	}
}

func (l *live) wake(name string) {
	for w := range l.waiters[name] {
		select {
		case w.woken <- struct{}{}:
		default: // it has been woken already
		}
	}
}

// name returns what the message goes by that a person means, "" for none.
func (l *live) name(id string) string {
	if id == Last {
		return l.Newest()
	}
	return strings.TrimSuffix(strings.TrimPrefix(id, "<"), ">")
}

// waiter waits for one message.
type waiter struct {
	woken chan struct{} // has room for one
	names []string      // what it waits for: see journey.Standing
}

// expect has the waiter woken by records with one of the names, or Last, and by
// no others.
func (l *live) expect(w *waiter, names []string) {
	l.leave(w)
	w.names = names
	for _, name := range names {
		if name == "" {
			continue // what most records have for a Message-ID
		}
		if l.waiters[name] == nil {
			l.waiters[name] = map[*waiter]bool{}
		}
		l.waiters[name][w] = true
	}
}

// leave forgets the waiter.
func (l *live) leave(w *waiter) {
	for _, name := range w.names {
		delete(l.waiters[name], w)
		if len(l.waiters[name]) == 0 {
			delete(l.waiters, name)
		}
	}
	w.names = nil
}

// wait returns true as soon as the waiter is woken, false when the context ends.
func (w *waiter) wait(ctx context.Context) bool {
	select {
	case <-w.woken:
		return true
	case <-ctx.Done():
		return false
	}
}
