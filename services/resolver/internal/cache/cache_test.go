package cache

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func TestEntriesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string](100, 60) // a minute of the lab is a second
		key := KeyOf("A.Test", dns.TypeA)
		c.Put(key, "x", 1, time.Minute)
		time.Sleep(500 * time.Millisecond)
		v, left, ok := c.Get(KeyOf("a.test.", dns.TypeA))
		if v != "x" || !ok || Seconds(left) != 30 {
			t.Errorf("after half the time: %q %s %t", v, left, ok)
		}
		if _, _, ok := c.Get(KeyOf("a.test.", dns.TypeAAAA)); ok {
			t.Error("another type is there")
		}
		time.Sleep(500 * time.Millisecond)
		if _, _, ok := c.Get(key); ok || c.Len() != 0 {
			t.Error("it is still there")
		}
	})
}

func TestNothingIsKeptForNoTime(t *testing.T) {
	c := New[string](100, 1)
	key := KeyOf("a.test", dns.TypeA)
	c.Put(key, "x", 1, time.Minute)
	c.Put(key, "y", 1, 0)
	if v, _, ok := c.Get(key); ok {
		t.Errorf("got %q", v)
	}
}

func TestBound(t *testing.T) {
	c := New[int](1000, 1)
	for i := range 5000 {
		c.Put(KeyOf(fmt.Sprintf("%d.test", i), dns.TypeA), i, 10, time.Duration(i+1)*time.Minute)
		if c.weight > 1000 || len(c.items) > 100 {
			t.Fatalf("%d entries weigh %d", len(c.items), c.weight)
		}
	}
	if c.Len() != 100 {
		t.Errorf("%d entries, want 100", c.Len())
	}
	// What ends last is kept rather than what ends first.
	late := 0
	c.Each(func(_ Key, v int, _ time.Duration) {
		if v > 4000 {
			late++
		}
	})
	if late < 80 {
		t.Errorf("%d of 100 entries are among the last", late)
	}
	c.Put(KeyOf("huge.test", dns.TypeA), 1, 1001, time.Minute)
	if c.Len() != 100 {
		t.Error("an entry above the bound pushed others out")
	}
	c.Clear()
	if c.Len() != 0 || c.weight != 0 {
		t.Error("not empty after Clear")
	}
}
