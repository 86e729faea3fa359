package history

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/journey/journeytest"
)

// filled returns a full log as it comes from the network, where no string is
// another's, and the names of messages that it knows.
func filled(t testing.TB, logBytes int) (log *event.Log, h *History, names []string) {
	log = event.NewLog("observatory", logBytes)
	h = New(log)
	for seed := uint64(100); log.Dropped() < 5000; seed++ {
		traffic := journeytest.New(seed, 100)
		for _, r := range traffic.Records {
			log.Import(received(t, r))
		}
		names = traffic.Names
	}
	return log, h, names
}

func received(t testing.TB, r event.Record) event.Record {
	data, err := r.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := event.ParseJSON(string(data))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// inUse returns the bytes of all objects, those that nobody uses any more
// included unless they were collected.
func inUse() int {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}

// highest returns the most bytes in use while f runs.
func highest(f func()) int {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for peak := 0; ; {
		peak = max(peak, inUse())
		select {
		case <-tick.C:
		case <-done:
			return peak
		}
	}
}

// collected returns the bytes of all objects that are used.
func collected() int {
	runtime.GC()
	runtime.GC() // what the first one began to free
	return inUse()
}

// The observatory was killed for want of memory while a test suite waited for
// many messages: each answer had copied and indexed the whole log, 80 MB for
// one of 32.
func TestAnswersTakeNoMemoryInProportionToTheLog(t *testing.T) {
	const logBytes, bound = 8 << 20, 6 << 20
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // what is used, with little that was
	log, h, names := filled(t, logBytes)
	more := journeytest.New(1, 100)
	ctx, stop := context.WithCancel(t.Context())
	base := collected()
	var waiting, asking sync.WaitGroup
	for i := range 20 {
		waiting.Go(func() { h.Await(ctx, more.Names[i], Bounced) })
		waiting.Go(func() { h.Await(ctx, "unseen@pc.aurora.test", Any) })
		asking.Go(func() {
			for k := range 20 {
				h.Find(names[(i*20+k)%len(names)])
				h.List(50)
				h.Latest(100)
				log.Import(more.Records[i*20+k])
			}
		})
	}
	peak := highest(func() {
		asking.Wait()
		for _, r := range more.Records {
			log.Import(r)
		}
		stop()
		waiting.Wait()
	})
	t.Logf("base %d KiB, peak %d KiB", base>>10, peak>>10)
	if peak-base > bound {
		t.Errorf("the heap grew by %d KiB over %d KiB, want less than %d KiB", (peak-base)>>10, base>>10, bound>>10)
	}
}

// The log's bound is that of all memory that it takes, its index included.
func TestFullLogKeepsItsBoundWithItsIndex(t *testing.T) {
	const logBytes = 8 << 20
	before := collected()
	log, h, _ := filled(t, logBytes)
	used := collected() - before
	t.Logf("%d records, index %d KiB, in use %d KiB", log.Last()-log.Dropped(), h.live.Bytes()>>10, used>>10)
	if used > logBytes {
		t.Errorf("a log of %d KiB takes %d KiB", logBytes>>10, used>>10)
	}
	runtime.KeepAlive(h)
}
