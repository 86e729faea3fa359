// Package cache keeps what a resolver learnt until its TTL has passed, within
// bounds. It is a map of names and types to values of any kind, each with its
// own end.
//
// TTLs are times of the lab: they pass Speed times as fast as the wall clock
// does (see package clock). When the cache is full, a sample of its entries is
// taken and the one that ends first goes.
package cache

import (
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/clock"
)

// Key names an entry. Type is 0 where the entry is about the name as such.
type Key struct {
	Name string // lower case, with a final dot
	Type uint16
}

// KeyOf makes a key of a name in any case.
func KeyOf(name string, qtype uint16) Key { return Key{strings.ToLower(dns.Fqdn(name)), qtype} }

// sample is how many entries are compared to find the one to evict.
const sample = 8

// Cache is a bounded map with TTLs. Its methods may be called from any
// goroutine. Values that were put in must not be changed any more.
type Cache[V any] struct {
	speed clock.Speed
	max   int

	mu     sync.Mutex // guards what follows
	items  map[Key]item[V]
	weight int
}

type item[V any] struct {
	value  V
	weight int
	ends   time.Time
}

// New returns an empty cache whose weights add up to at most max.
func New[V any](max int, speed clock.Speed) *Cache[V] {
	return &Cache[V]{speed: speed, max: max, items: map[Key]item[V]{}}
}

// Put keeps a value for a TTL, in place of what was there. A TTL of zero or a
// weight above the bound keeps nothing.
func (c *Cache[V]) Put(key Key, value V, weight int, ttl time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(key)
	if ttl <= 0 || weight > c.max {
		return
	}
	for c.weight+weight > c.max {
		c.evict()
	}
	c.items[key] = item[V]{value, weight, time.Now().Add(c.speed.Real(ttl))}
	c.weight += weight
}

func (c *Cache[V]) remove(key Key) {
	if old, ok := c.items[key]; ok {
		c.weight -= old.weight
		delete(c.items, key)
	}
}

// evict drops one entry. The order in which Go walks a map is random enough
// for a sample.
func (c *Cache[V]) evict() {
	var first Key
	var ends time.Time
	n := 0
	for key, it := range c.items {
		if n == 0 || it.ends.Before(ends) {
			first, ends = key, it.ends
		}
		if n++; n == sample {
			break
		}
	}
	c.remove(first)
}

// Get returns a value that has not ended, and what is left of its TTL: more
// than zero.
func (c *Cache[V]) Get(key Key) (V, time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	it, ok := c.items[key]
	left := time.Until(it.ends)
	if ok && left <= 0 {
		c.remove(key)
		ok = false
	}
	if !ok {
		var zero V
		return zero, 0, false
	}
	return it.value, c.speed.Lab(left), true
}

// Clear forgets everything.
func (c *Cache[V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.items)
	c.weight = 0
}

// Len counts the entries, those that have ended included.
func (c *Cache[V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.items)
}

// Each calls do for every entry that has not ended, in no order. do must not
// call the cache.
func (c *Cache[V]) Each(do func(key Key, value V, left time.Duration)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, it := range c.items {
		if left := time.Until(it.ends); left > 0 {
			do(key, it.value, c.speed.Lab(left))
		}
	}
}

// Seconds turns what is left of a TTL into what an answer says: rounded up, so
// that nothing that is still believed says 0.
func Seconds(left time.Duration) uint32 {
	return uint32((left + time.Second - 1) / time.Second)
}
