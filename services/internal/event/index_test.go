package event_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/event"
)

// shelf is an index that remembers the records themselves.
type shelf struct {
	t       *testing.T
	records []*event.Record
	texts   []string // what they said when they came
	each    int      // bytes for each
}

func (s *shelf) Add(r *event.Record) {
	s.records = append(s.records, r)
	s.texts = append(s.texts, r.Text)
}

func (s *shelf) Remove(r *event.Record) {
	if r != s.records[0] || r.Text != s.texts[0] {
		s.t.Errorf("Remove(%p %q), want %p %q", r, r.Text, s.records[0], s.texts[0])
	}
	s.records, s.texts = s.records[1:], s.texts[1:]
}

func (s *shelf) Bytes() int { return s.each * len(s.records) }

// A record stays where it is while the log keeps it, however much comes and goes.
func TestIndexKnowsExactlyWhatTheLogKeeps(t *testing.T) {
	l := event.NewLog("n", 100_000)
	x := &shelf{t: t}
	l.Append(event.Record{Kind: event.KindLine, Text: "before"})
	l.Attach(x)
	for i := range 3000 {
		r := event.Record{Kind: event.KindLine, Text: strings.Repeat("x", i%90) + fmt.Sprint(i)}
		if i%2 == 0 {
			l.Append(r)
		} else {
			l.Import(r)
		}
	}
	batch := l.After(0, 10_000)
	var kept, known []string
	for _, r := range batch.Records {
		kept = append(kept, r.Text)
	}
	l.View(func() {
		for _, r := range x.records {
			known = append(known, r.Text)
		}
	})
	if diff := cmp.Diff(kept, known); diff != "" || !slices.Equal(known, x.texts) || len(kept) < 100 {
		t.Errorf("%d records kept (-log +index):\n%s", len(kept), diff)
	}
	if last := l.Last(); last != 3001 || last != batch.Last {
		t.Errorf("Last = %d, After says %d, want 3001", last, batch.Last)
	}
}

func TestBytesOfTheIndexCountAsTheLogs(t *testing.T) {
	count := func(each int) int {
		l := event.NewLog("n", 100_000)
		x := &shelf{t: t, each: each}
		for range 600 {
			l.Append(event.Record{Kind: event.KindNode})
		}
		l.Attach(x)
		l.Append(event.Record{Kind: event.KindNode})
		return len(l.After(0, 10_000).Records)
	}
	free, dear := count(0), count(1000)
	if dear >= free/3 || dear < 50 {
		t.Errorf("%d records with an index that takes nothing, %d with one that takes 1000 bytes each", free, dear)
	}
}

func TestLogHasOneIndex(t *testing.T) {
	l := event.NewLog("n", 0)
	l.Attach(&shelf{})
	defer func() {
		if recover() == nil {
			t.Error("a second Attach did not panic")
		}
	}()
	l.Attach(&shelf{})
}

// What comes from JSON is a copy of its own each time; kept, equal strings
// share their bytes, also when they are said seldom among many others.
func TestImportSharesWhatIsSaidAgain(t *testing.T) {
	l := event.NewLog("observatory", 64<<20)
	record := func(text string) event.Record {
		fresh := strings.Clone
		return event.Record{Node: fresh("mx1.aurora.test"), Conn: fresh("a-1"), Kind: event.Kind(fresh("line")), Text: fresh(text),
			Meta: event.Meta{{Key: fresh("local"), Value: fresh("198.18.1.25:25")}}}
	}
	long := strings.Repeat("long ", 100)
	l.Import(record("QUIT"))
	for i := range 10_000 {
		l.Import(event.Record{Node: "pc", Text: fmt.Sprint(i)})
		if i%1000 == 0 {
			l.Import(record("QUIT"))
		}
	}
	l.Import(record(long))
	records := l.After(0, 20_000).Records
	first, last := records[0], records[len(records)-1]
	if diff := cmp.Diff(record("QUIT"), first); diff != "" {
		t.Errorf("it was changed (-want +got):\n%s", diff)
	}
	if last.Text != long {
		t.Errorf("text %q, want %q", last.Text, long)
	}
	for what, pair := range map[string][2]string{
		"node": {first.Node, last.Node}, "conn": {first.Conn, last.Conn}, "kind": {string(first.Kind), string(last.Kind)},
		"key": {first.Meta[0].Key, last.Meta[0].Key}, "value": {first.Meta[0].Value, last.Meta[0].Value},
	} {
		if unsafe.StringData(pair[0]) != unsafe.StringData(pair[1]) {
			t.Errorf("the %s %q is kept twice", what, pair[0])
		}
	}
}
