package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/event"
)

func TestRecordKeepsItsDetailsInOrderThroughJSON(t *testing.T) {
	r := event.Record{Seq: 7, Node: "mx1.aurora.test", Conn: "a-1", Kind: event.KindConn, Text: event.Open,
		Meta: event.M("remote", "198.18.2.25:25", "local", "198.18.1.25:4000", "host", `a "b" \ c`)}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back event.Record
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Errorf("through %s (-want +got):\n%s", data, diff)
	}
}

func TestMetaRefusesWhatIsNotAnObjectOfStrings(t *testing.T) {
	for _, in := range []string{`[]`, `{"a":1}`, `{"a":{"b":"c"}}`, `"x"`, `{`} {
		var m event.Meta
		if err := json.Unmarshal([]byte(in), &m); err == nil {
			t.Errorf("Unmarshal(%s) = %v, want an error", in, m)
		}
	}
}

func TestMLeavesEmptyValuesOut(t *testing.T) {
	m := event.M("a", "", "b", "1")
	if diff := cmp.Diff(event.Meta{{Key: "b", Value: "1"}}, m); diff != "" {
		t.Errorf("M (-want +got):\n%s", diff)
	}
}

func TestRingDropsTheOldestAndCountsThem(t *testing.T) {
	l := event.NewLog("n", 2000)
	for i := range 100 {
		l.Append(event.Record{Kind: event.KindNode, Text: fmt.Sprint(i)})
	}
	b := l.After(0, 1000)
	if b.Missed == 0 || b.Missed != l.Dropped() {
		t.Fatalf("Missed = %d, Dropped = %d, want the same and not 0", b.Missed, l.Dropped())
	}
	if got := b.Missed + uint64(len(b.Records)); got != 100 {
		t.Errorf("missed and kept add up to %d, want 100", got)
	}
	if last := b.Records[len(b.Records)-1]; last.Seq != 100 || last.Text != "99" || last.Node != "n" || last.Time.IsZero() {
		t.Errorf("last record = %+v, want seq 100, text 99, node and time set", last)
	}
	if b := l.After(100, 10); len(b.Records) != 0 || b.Missed != 0 {
		t.Errorf("After(100) = %+v, want nothing", b)
	}
}

func TestRecordLargerThanTheRingIsKeptAlone(t *testing.T) {
	l := event.NewLog("n", 500)
	l.Append(event.Record{Kind: event.KindNode})
	l.Append(event.Record{Kind: event.KindLine, Text: strings.Repeat("x", 5000)})
	if b := l.After(0, 10); len(b.Records) != 1 || b.Missed != 1 {
		t.Errorf("After(0) = %d records, %d missed; want 1 and 1", len(b.Records), b.Missed)
	}
}

func TestWaitWakesForARecordAndForTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := event.NewLog("n", 0)
		ctx, cancel := context.WithCancel(t.Context())
		var got event.Batch
		var err error
		var done sync.WaitGroup
		done.Go(func() { got, err = l.Wait(ctx, 0, 10) })
		synctest.Wait()
		l.Append(event.Record{Kind: event.KindNode, Text: event.Ready})
		done.Wait()
		if err != nil || len(got.Records) != 1 || got.Records[0].Text != event.Ready {
			t.Errorf("Wait = %+v, %v; want the record", got, err)
		}
		done.Go(func() { _, err = l.Wait(ctx, 1, 10) })
		synctest.Wait()
		cancel()
		done.Wait()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Wait after cancel = %v, want %v", err, context.Canceled)
		}
	})
}

func TestConcurrentWritersAndReadersSeeEveryRecordOnce(t *testing.T) {
	const writers, each = 8, 500
	l := event.NewLog("n", 64<<20)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				l.Append(event.Record{Kind: event.KindLine, Conn: l.NextConn()})
			}
		})
	}
	seen := map[string]bool{}
	for seq := uint64(0); seq < writers*each; {
		b, err := l.Wait(t.Context(), seq, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Seq != seq+1 {
				t.Fatalf("seq %d follows %d", r.Seq, seq)
			}
			seq = r.Seq
			seen[r.Conn] = true
		}
	}
	all.Wait()
	if len(seen) != writers*each {
		t.Errorf("%d distinct connection names, want %d", len(seen), writers*each)
	}
}

func TestNilLogForgets(t *testing.T) {
	var l *event.Log
	l.Append(event.Record{Kind: event.KindNode})
	if c := l.NextConn(); c != "" {
		t.Errorf("NextConn of a nil Log = %q, want nothing", c)
	}
}

func FuzzMetaJSON(f *testing.F) {
	f.Add(`{"a":"b","c":"d"}`)
	f.Add(`{"a":"b","a":"c"}`)
	f.Add(`{}`)
	f.Add(`{"a":[1,{"b":"c"}]}`)
	f.Fuzz(func(t *testing.T, in string) {
		var m event.Meta
		if err := json.Unmarshal([]byte(in), &m); err != nil {
			return
		}
		out, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("Marshal(%v): %v", m, err)
		}
		var again event.Meta
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("Unmarshal(%s): %v", out, err)
		}
		if diff := cmp.Diff(m, again); diff != "" && len(m)+len(again) > 0 {
			t.Errorf("%s became %s:\n%s", in, out, diff)
		}
	})
}

// The ring stays at its bound here: what an old record costs to drop counts.
func BenchmarkAppend(b *testing.B) {
	l := event.NewLog("n", 0)
	meta := event.M(event.Local, "198.18.1.25:25", event.Remote, "198.18.2.25:4000")
	b.ReportAllocs()
	for b.Loop() {
		l.Append(event.Record{Kind: event.KindLine, Conn: "a-1", Dir: event.In, Text: "NOOP", Meta: meta})
	}
}
