package control_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/journey/journeytest"
)

// watcher takes a stream and remembers when each write came.
type watcher struct {
	header http.Header
	start  time.Time

	mu     sync.Mutex // guards what follows
	writes []string
}

func (w *watcher) Header() http.Header { return w.header }
func (w *watcher) WriteHeader(int)     {}
func (w *watcher) Flush()              {}

func (w *watcher) Write(p []byte) (int, error) {
	var said []string
	err := control.ReadEvents(bytes.NewReader(p), func(_ string, r event.Record) { said = append(said, r.Text) }, func(uint64) {})
	if len(said) == 0 {
		said = []string{strings.TrimSpace(string(p))}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = append(w.writes, fmt.Sprintf("%v %s", time.Since(w.start), strings.Join(said, " ")))
	return len(p), err
}

// watch follows a log in the bubble until the test ends; the result tells what
// was written so far, once all have come to rest.
func watch(t *testing.T, log *event.Log) func() []string {
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/events", nil)
	w := &watcher{header: http.Header{}, start: time.Now()}
	var done sync.WaitGroup
	done.Go(func() { control.StreamEvents(w, r, log) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return func() []string {
		synctest.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.writes[1:] // the first is the boot
	}
}

func line(text string) event.Record { return event.Record{Kind: event.KindLine, Text: text} }

// A stream that was written to for each record cost the node a system call and
// its watcher a wake-up each, a quarter of what the lab did under load.
func TestABusyNodeWakesItsWatcherSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := event.NewLog("n", 0)
		written := watch(t, log)
		written()
		log.Append(line("a"))
		written()
		for _, text := range []string{"b", "c", "d", "e", "f"} {
			<-time.After(1500 * time.Microsecond)
			log.Append(line(text))
		}
		<-time.After(20 * time.Millisecond)
		log.Append(line("g"))
		if diff := cmp.Diff([]string{"0s a", "4ms b c", "8ms d e f", "27.5ms g"}, written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	})
}

func TestABacklogIsSentWithoutRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := event.NewLog("n", 0)
		for range 1000 {
			log.Append(line("x"))
		}
		written := watch(t, log)
		sent := 0
		for _, w := range written() {
			if !strings.HasPrefix(w, "0s ") {
				t.Errorf("written late: %s", w)
			}
			sent += strings.Count(w, "x")
		}
		if sent != 1000 {
			t.Errorf("%d records were sent at once, want all 1000", sent)
		}
	})
}

func TestAQuietStreamIsKeptAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		written := watch(t, event.NewLog("n", 0))
		<-time.After(31 * time.Second)
		if diff := cmp.Diff([]string{"15s : still here", "30s : still here"}, written()); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	})
}

// streamed returns what a stream of the records that are there says.
func streamed(tb testing.TB, log *event.Log, lastID string) string {
	tb.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/events?follow=false", nil)
	r.Header.Set("Last-Event-ID", lastID)
	control.StreamEvents(w, r, log)
	return w.Body.String()
}

func TestStreamIsServerSentEvents(t *testing.T) {
	log := event.NewLog("mx1.aurora.test", 0)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	log.Append(event.Record{Time: at, Kind: event.KindNode, Text: event.Ready})
	log.Append(event.Record{Time: at, Conn: "c-1", Kind: event.KindLine, Dir: event.In, Text: `MAIL FROM:<"a b"@x.test>`, Meta: event.M(event.Step, "mail", event.Note, "á")})
	want := ": boot BOOT\n\n" +
		`id: BOOT:1
data: {"seq":1,"time":"2026-01-02T03:04:05.000006Z","node":"mx1.aurora.test","kind":"node","text":"ready"}

id: BOOT:2
data: {"seq":2,"time":"2026-01-02T03:04:05.000006Z","node":"mx1.aurora.test","conn":"c-1","kind":"line","dir":"\u003c","text":"MAIL FROM:\u003c\"a b\"@x.test\u003e","meta":{"step":"mail","note":"á"}}

`
	if diff := cmp.Diff(want, strings.ReplaceAll(streamed(t, log, ""), log.Boot(), "BOOT")); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
}

// Records, ids and gaps must come through as they were, wherever one goes on.
func TestStreamIsReadAsItWasRecorded(t *testing.T) {
	log := event.NewLog("n", 100_000)
	for _, r := range journeytest.New(1, 50).Records {
		log.Append(r)
	}
	kept := log.After(0, 100_000)
	if kept.Missed == 0 {
		t.Fatal("the ring holds all there was")
	}
	first := kept.Last - uint64(len(kept.Records)) + 1
	for _, from := range []uint64{0, 1, first - 1, first, first + 100, kept.Last - 1, kept.Last} {
		want := log.After(from, 100_000)
		var got event.Batch
		ids := map[string]bool{}
		err := control.ReadEvents(strings.NewReader(streamed(t, log, fmt.Sprintf("%s:%d", log.Boot(), from))),
			func(id string, r event.Record) {
				got.Records, got.Last = append(got.Records, r), r.Seq
				ids[id] = id == fmt.Sprintf("%s:%d", log.Boot(), r.Seq)
			}, func(n uint64) { got.Missed += n })
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Records {
			want.Records[i].Time = want.Records[i].Time.Round(0).UTC() // as JSON has it
		}
		for i := range got.Records {
			got.Records[i].Time = got.Records[i].Time.UTC()
			if len(got.Records[i].Meta) == 0 {
				got.Records[i].Meta = want.Records[i].Meta // nothing, or none
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("behind %d (-want +got):\n%s", from, diff)
		}
		for id, ok := range ids {
			if !ok {
				t.Errorf("behind %d: %s names another record", from, id)
			}
		}
	}
}

// The lines of one event add up: without a bound, they filled the memory.
func TestAnEventOfManyLinesIsBounded(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("id: b:1\n"), &repeat{text: "data: " + strings.Repeat("x", 1000) + "\n", left: 100_000})
	err := control.ReadEvents(endless, func(string, event.Record) { t.Error("a record came of it") }, func(uint64) {})
	if err == nil || !strings.Contains(err.Error(), "1048576") {
		t.Errorf("ReadEvents = %v, want that it is too long", err)
	}
}

// repeat says a text again and again.
type repeat struct {
	text string
	left int
}

func (r *repeat) Read(p []byte) (n int, err error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	for ; r.left > 0 && len(p)-n >= len(r.text); r.left-- {
		n += copy(p[n:], r.text)
	}
	return n, nil
}

// filled returns a log of records as they are while mail goes through.
func filled(b *testing.B) (log *event.Log, records int) {
	log = event.NewLog("n", 64<<20)
	all := journeytest.New(1, 100).Records
	for _, r := range all {
		log.Append(r)
	}
	return log, len(all)
}

// sink takes a stream and forgets it.
type sink struct{ header http.Header }

func (s sink) Header() http.Header       { return s.header }
func (sink) WriteHeader(int)             {}
func (sink) Flush()                      {}
func (sink) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkStreamEvents(b *testing.B) {
	log, records := filled(b)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/events?follow=false", nil)
	b.ReportAllocs()
	for b.Loop() {
		control.StreamEvents(sink{http.Header{}}, r, log)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
}

func BenchmarkReadEvents(b *testing.B) {
	log, records := filled(b)
	stream := streamed(b, log, "")
	b.ReportAllocs()
	for b.Loop() {
		if err := control.ReadEvents(strings.NewReader(stream), func(string, event.Record) {}, func(uint64) {}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
}
