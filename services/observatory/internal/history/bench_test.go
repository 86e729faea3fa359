package history

import (
	"context"
	"testing"

	"correio/services/internal/journey/journeytest"
)

const benchLog = 32 << 20

func BenchmarkFind(b *testing.B) {
	_, h, names := filled(b, benchLog)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok := h.Find(names[i%len(names)]); !ok {
			b.Fatal("no journey")
		}
	}
}

func BenchmarkList(b *testing.B) {
	_, h, _ := filled(b, benchLog)
	b.ReportAllocs()
	for b.Loop() {
		if len(h.List(50)) != 50 {
			b.Fatal("not 50 messages")
		}
	}
}

// What all records of a message cost while 100 others are awaited.
func BenchmarkImportOfAMessage(b *testing.B) {
	log, h, names := filled(b, benchLog)
	for _, name := range names {
		h.look(&waiter{woken: make(chan struct{}, 1)}, name)
	}
	records := journeytest.New(1, 1).Records
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range records {
			log.Import(r)
		}
	}
	b.ReportMetric(float64(len(records)), "records/op")
}

func BenchmarkFullLog(b *testing.B) {
	var used, records int
	for b.Loop() {
		before := collected()
		log, h, _ := filled(b, benchLog)
		used, records = collected()-before, int(log.Last()-log.Dropped())
		if _, ok := h.Find(context.Canceled.Error()); ok {
			b.Fatal("a message of that name")
		}
	}
	b.ReportMetric(float64(used)/(1<<20), "MiB")
	b.ReportMetric(float64(records), "records")
}
