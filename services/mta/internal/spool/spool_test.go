package spool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"correio/services/internal/durable"
	"correio/services/internal/mailaddr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, dir string) *Spool {
	t.Helper()
	s, err := Open(t.Context(), dir, 1<<30, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func address(t testing.TB, s string) mailaddr.Address {
	t.Helper()
	a, err := parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func entry(t testing.TB, id, from string, to ...string) *Entry {
	e := &Entry{Message: Message{ID: id, Arrived: noon, From: address(t, from), MessageID: id + "@aurora.test", Ret: "HDRS", EnvID: "e", EightBit: true, Binary: true}}
	for _, a := range to {
		e.Rcpts = append(e.Rcpts, Recipient{To: address(t, a), Next: noon.Add(5 * time.Second), Notify: "FAILURE", ORcpt: "rfc822;x"})
	}
	return e
}

func add(t testing.TB, s *Spool, e *Entry, body string) {
	t.Helper()
	if err := s.Add(t.Context(), e, strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
}

func TestEntryComesBackAsItWentIn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	want := entry(t, "A1", "ana@aurora.test", `"x y"@boreal.test`, "bruno@boreal.test", "caio@cedro.test")
	body := strings.Repeat("linha\r\n", 30_000)
	add(t, s, want, body)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	got, err := s.Entry(t.Context(), "A1", "boreal.test")
	if err != nil {
		t.Fatal(err)
	}
	want.Rcpts = want.Rcpts[:2]
	if d := cmp.Diff(want, got, cmp.AllowUnexported(Message{})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	b, err := s.Body(t.Context(), got)
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(b)
	if err != nil || string(read) != body {
		t.Errorf("body of %d octets, %v", len(read), err)
	}
}

func TestMessageGoesWithItsLastRecipient(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, entry(t, "A1", "ana@aurora.test", "a@x.test", "b@y.test"), "Oi\r\n")
	for i, wantRemoved := range []bool{false, true} {
		left, err := s.Settle(t.Context(), Outcome{ID: "A1", Done: []int{i}})
		if err != nil || left.Removed != wantRemoved {
			t.Fatalf("recipient %d: %+v, %v", i, left, err)
		}
	}
	if _, err := s.Entry(t.Context(), "A1", "x.test"); !errors.Is(err, ErrGone) {
		t.Errorf("got %v", err)
	}
	st, err := s.Stats(t.Context())
	if err != nil || st != (Stats{}) {
		t.Errorf("%+v, %v", st, err)
	}
	var chunks int
	err = s.db.Read(t.Context(), func(tx *durable.Tx) error {
		return tx.QueryRow("SELECT COUNT(*) FROM durable_chunk").Scan(&chunks)
	})
	if err != nil || chunks != 0 {
		t.Errorf("%d chunks are left, %v", chunks, err)
	}
}

func TestReportReplacesItsRecipientInOneStep(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, entry(t, "A1", "ana@aurora.test", "a@x.test"), "Oi\r\n")
	o := Outcome{ID: "A1", Done: []int{0}, Reports: []Report{{entry(t, "B1", "", "ana@aurora.test"), brokenReader{}}}}
	if _, err := s.Settle(t.Context(), o); err == nil {
		t.Fatal("a report that cannot be read was stored")
	}
	if _, err := s.Entry(t.Context(), "A1", "x.test"); err != nil {
		t.Fatalf("the recipient is gone without its report: %v", err)
	}
	o.Reports[0].Body = strings.NewReader("report\r\n")
	if left, err := s.Settle(t.Context(), o); err != nil || !left.Removed {
		t.Fatalf("%+v, %v", left, err)
	}
	e, err := s.Entry(t.Context(), "B1", "aurora.test")
	if err != nil || !e.From.Null() || e.Size != 8 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestWhatIsLeftCanBeQuarantinedInTheSameStep(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, entry(t, "A1", "", "a@x.test", "b@x.test"), "Oi\r\n")
	rest := Recipient{N: 1, Reply: "550 no"}
	left, err := s.Settle(t.Context(), Outcome{ID: "A1", Done: []int{0}, Kept: []Recipient{rest}, Why: "double bounce"})
	if err != nil || left != (Left{Quarantined: "double bounce"}) {
		t.Fatalf("%+v, %v", left, err)
	}
	if _, err := s.Entry(t.Context(), "A1", "x.test"); !errors.Is(err, ErrGone) {
		t.Errorf("it is tried again: %v", err)
	}
	list, err := s.List(t.Context(), Page{}, 10)
	if err != nil || len(list) != 1 || list[0].Quarantined != "double bounce" || len(list[0].Rcpts) != 1 || list[0].Rcpts[0].Reply != "550 no" {
		t.Errorf("%+v, %v", list, err)
	}
}

// What was kept beside another recipient stayed held when that one was done, as if
// somebody had put it aside, and was in no list of what is in quarantine.
func TestKeptMessageGoesIntoQuarantineWhenNobodyElseWaits(t *testing.T) {
	const why = "postmaster-not-told(a|b)"
	settle := func(o Outcome) func(*testing.T, *Spool) Left {
		return func(t *testing.T, s *Spool) Left {
			o.ID = "A1"
			left, err := s.Settle(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			return left
		}
	}
	drop := func(t *testing.T, s *Spool) (left Left) {
		_, err := s.Drop(t.Context(), Selection{Domain: "x.test"}, func(batch []Changed) error { left = batch[0].Left; return nil })
		if err != nil {
			t.Fatal(err)
		}
		return left
	}
	hold := func(t *testing.T, s *Spool) Left { apply(t, s, (*Spool).Hold, Selection{ID: "A1"}); return Left{} }
	release := func(t *testing.T, s *Spool) Left { apply(t, s, (*Spool).Release, Selection{ID: "A1"}); return Left{} }
	type step struct {
		name  string
		do    func(*testing.T, *Spool) Left
		left  Left
		state string
	}
	kept := step{"kept", settle(Outcome{Kept: []Recipient{{N: 0, Reply: "550 Who?"}}, Why: why}), Left{}, Held}
	for name, steps := range map[string][]step{
		"the other is delivered": {kept, {"delivered", settle(Outcome{Done: []int{1}}), Left{Quarantined: why}, Quarantined}},
		"the other is dropped":   {kept, {"dropped", drop, Left{Quarantined: why}, Quarantined}},
		"the other waits first": {
			kept, {"deferred", settle(Outcome{Waiting: []Recipient{{N: 1, Next: noon, Reply: "450 Busy"}}}), Left{}, Held},
			{"delivered", settle(Outcome{Done: []int{1}}), Left{Quarantined: why}, Quarantined},
		},
		"somebody holds the other": {
			kept, {"held", hold, Left{}, Held}, // it was not dealt with yet
			{"dropped", drop, Left{Quarantined: why}, Quarantined},
		},
		"both are kept": {kept, {"the other, too", settle(Outcome{Kept: []Recipient{{N: 1, Reply: "550 No"}}, Why: "x"}), Left{Quarantined: why}, Quarantined}},
		"somebody releases it": {
			kept, {"released", release, Left{}, Deferred},
			{"delivered", settle(Outcome{Done: []int{1}}), Left{}, Deferred}, // to the postmaster, again
			{"delivered, too", settle(Outcome{Done: []int{0}}), Left{Removed: true}, ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			add(t, s, entry(t, "A1", "", "postmaster@aurora.test", "a@x.test"), "Oi\r\n")
			for _, step := range steps {
				left := step.do(t, s)
				s.Close()
				s = open(t, dir)
				state, err := s.State(t.Context(), "A1")
				if left != step.left || state != step.state || err != nil && !left.Removed {
					t.Errorf("%s: %+v, state %q, %v; want %+v, state %q", step.name, left, state, err, step.left, step.state)
				}
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

func TestWhatANodeGoesOnWith(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, entry(t, "A1", "ana@aurora.test", "a@x.test", "b@x.test", "c@y.test"), "Oi\r\n")
	add(t, s, entry(t, "A2", "ana@aurora.test", "a@x.test"), "Oi\r\n")
	add(t, s, entry(t, "A3", "ana@aurora.test", "a@x.test"), "Oi\r\n")
	parked := entry(t, "A4", "ana@aurora.test", "a@x.test")
	parked.Rcpts[0].Reply = "451 4.4.1 Nobody there"
	add(t, s, parked, "Oi\r\n")
	later := noon.Add(time.Hour)
	if err := s.Begin(t.Context(), "A1", "y.test", 2, later); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Settle(t.Context(), Outcome{ID: "A2", Waiting: []Recipient{{N: 0, Next: later, Reply: "450 busy", Noticed: true}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Quarantine(t.Context(), "A3", "why not"); err != nil {
		t.Fatal(err)
	}
	got := waiting(t, s)
	want := []Due{
		{ID: "A1", Domain: "x.test", Arrived: noon, Next: noon.Add(5 * time.Second), Interrupted: true}, // died in its first attempt
		{ID: "A1", Domain: "y.test", Arrived: noon, Next: later},                                        // died in its second
		{ID: "A2", Domain: "x.test", Arrived: noon, Next: later, Noticed: true},
		{ID: "A4", Domain: "x.test", Arrived: noon, Next: noon.Add(5 * time.Second), Unreached: true}, // never attempted
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func waiting(t testing.TB, s *Spool) (list []Due) {
	t.Helper()
	if err := s.Waiting(t.Context(), func(d Due) { list = append(list, d) }); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestUnreadableEntriesSaySo(t *testing.T) {
	s := open(t, t.TempDir())
	for id, damage := range map[string]string{
		"A1": "UPDATE message SET sender='not an address' WHERE id='A1'",
		"A2": "UPDATE recipient SET address='' WHERE message='A2'",
		"A3": "UPDATE recipient SET address='<<' WHERE message='A3'",
	} {
		add(t, s, entry(t, id, "ana@aurora.test", "a@x.test"), "Oi\r\n")
		if err := s.db.Write(t.Context(), func(tx *durable.Tx) error { return tx.Exec(damage) }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Entry(t.Context(), id, "x.test"); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: got %v", damage, err)
		}
	}
	e := entry(t, "A4", "ana@aurora.test", "a@x.test")
	add(t, s, e, "Oi\r\n")
	if err := s.db.Write(t.Context(), func(tx *durable.Tx) error { return durable.DeleteBlob(tx, e.body) }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Body(t.Context(), e); !errors.Is(err, ErrUnreadable) {
		t.Errorf("missing body: got %v", err)
	}
}

func TestDamagedDatabaseIsSetAside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "spool.db"), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	add(t, s, entry(t, "A1", "ana@aurora.test", "a@x.test"), "Oi\r\n")
	aside, err := filepath.Glob(filepath.Join(dir, "spool.db.damaged-*"))
	if err != nil || len(aside) != 1 {
		t.Errorf("%v, %v", aside, err)
	}
}

func TestListShowsWhatPeopleAskFor(t *testing.T) {
	s := open(t, t.TempDir())
	for i := range 3 {
		e := entry(t, fmt.Sprint("A", i), "ana@aurora.test", "a@x.test", "b@y.test")
		e.Arrived = noon.Add(time.Duration(-i) * time.Hour)
		add(t, s, e, "Oi\r\n")
	}
	if _, err := s.Settle(t.Context(), Outcome{ID: "A2", Waiting: []Recipient{{N: 1, Next: noon.Add(time.Minute), Reply: "450 busy"}}}); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(t.Context(), Page{}, 2)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	l := list[0]
	want := []ListedRecipient{
		{Address: "a@x.test", Domain: "x.test", Notify: "FAILURE", ORcpt: "rfc822;x", Attempts: 1, Next: noon.Add(5 * time.Second)},
		{Address: "b@y.test", Domain: "y.test", Notify: "FAILURE", ORcpt: "rfc822;x", Attempts: 1, Next: noon.Add(time.Minute), Reply: "450 busy"},
	}
	if l.ID != "A2" || l.Size != 4 || l.State != Deferred || list[1].ID != "A1" || list[1].State != Active {
		t.Errorf("%+v", list)
	}
	if d := cmp.Diff(want, l.Rcpts); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]bool{}
		last := ""
		for range 1000 {
			id := NewID()
			if len(id) != 15 || strings.Trim(id, "0123456789ABCDEF") != "" || seen[id] {
				t.Fatalf("%q", id)
			}
			seen[id] = true
			time.Sleep(time.Second)
			if id[:5] == last {
				t.Fatalf("%q does not tell the second", id)
			}
			last = id[:5]
		}
	})
}

func TestPartsOfAMessageAreStoredTogetherOrNotAtAll(t *testing.T) {
	s := open(t, t.TempDir())
	one, two := entry(t, "A1", "ana@aurora.test", "bruno@boreal.test"), entry(t, "A2", "turma-owner@boreal.test", "caio@cedro.test")
	broken := io.MultiReader(strings.NewReader("Oi"), iotest.ErrReader(errors.New("gone")))
	if err := s.AddAll(t.Context(), []Part{{one, strings.NewReader("um")}, {two, broken}}); err == nil {
		t.Fatal("half a message is stored")
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Messages != 0 || st.Octets != 0 {
		t.Errorf("after a failure: %+v, %v", st, err)
	}
	if err := s.AddAll(t.Context(), []Part{{one, strings.NewReader("um")}, {two, strings.NewReader("dois")}}); err != nil {
		t.Fatal(err)
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Messages != 2 || st.Octets != 6 {
		t.Errorf("stored: %+v, %v", st, err)
	}
	if e, err := s.Entry(t.Context(), "A2", "cedro.test"); err != nil || e.From.String() != "turma-owner@boreal.test" || e.Size != 4 {
		t.Errorf("the second: %+v, %v", e, err)
	}
}

// The bound of the queue holds exactly, however many come together.
func TestQueueTakesNoMoreThanItsLimit(t *testing.T) {
	s := open(t, t.TempDir())
	const size = 1000
	s.limit = 10*size + size/2
	var full atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			e := entry(t, fmt.Sprint("A", i), "ana@aurora.test", "a@x.test")
			e.Size = size
			switch err := s.Add(t.Context(), e, strings.NewReader(strings.Repeat("x", size))); {
			case errors.Is(err, ErrNoSpace):
				full.Add(1)
			case err != nil:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if st, err := s.Stats(t.Context()); err != nil || st.Messages != 10 || st.Octets != 10*size || full.Load() != 30 || s.Room() != size/2 {
		t.Errorf("%+v, %v, %d refused, room for %d", st, err, full.Load(), s.Room())
	}
	e := entry(t, "B", "ana@aurora.test", "a@x.test")
	e.Size = size / 2
	if err := s.Add(t.Context(), e, brokenReader{}); err == nil || s.Room() != size/2 {
		t.Errorf("%v; room for %d", err, s.Room())
	}
}
