package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/durable"
)

// three is a spool of A1 to x and y, A2 to x, and A3 to y in quarantine.
func three(t *testing.T, dir string) *Spool {
	s := open(t, dir)
	add(t, s, entry(t, "A1", "ana@aurora.test", "a@x.test", "b@y.test"), "Subject: um\r\n\r\nOi\r\n")
	add(t, s, entry(t, "A2", "ana@aurora.test", "a@x.test"), "Oi\r\n")
	add(t, s, entry(t, "A3", "ana@aurora.test", "b@y.test"), "Oi\r\n")
	if err := s.Quarantine(t.Context(), "A3", "look at it"); err != nil {
		t.Fatal(err)
	}
	return s
}

type change func(*Spool, context.Context, Selection, func([]Changed) error) (already int, err error)

// apply returns what was changed, as "A1: a@x.test b@y.test", with an "!" when
// it was removed, and how many were so before.
func apply(t *testing.T, s *Spool, do change, sel Selection) (said []string, already int) {
	t.Helper()
	already, err := do(s, t.Context(), sel, func(batch []Changed) error {
		for _, c := range batch {
			line := c.ID + ": " + strings.Join(c.To, " ")
			if c.Removed {
				line += "!"
			}
			said = append(said, line)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return said, already
}

// left says what a node would go on with.
func left(t *testing.T, s *Spool) (list []string) {
	for _, d := range waiting(t, s) {
		list = append(list, d.ID+" "+d.Domain)
	}
	return list
}

func TestChangesTouchWhatIsSelected(t *testing.T) {
	all := []string{"A1 x.test", "A1 y.test", "A2 x.test"}
	for _, test := range []struct {
		name     string
		first    change // done to everything before
		do       change
		sel      Selection
		said     []string
		left     []string
		already  int
		messages int64
	}{
		{"hold one", nil, (*Spool).Hold, Selection{ID: "A1"}, []string{"A1: a@x.test b@y.test"}, []string{"A2 x.test"}, 0, 3},
		{"hold a domain", nil, (*Spool).Hold, Selection{Domain: "x.test"}, []string{"A1: a@x.test", "A2: a@x.test"}, []string{"A1 y.test"}, 0, 3},
		{"hold all", nil, (*Spool).Hold, Selection{}, []string{"A1: a@x.test b@y.test", "A2: a@x.test", "A3: b@y.test"}, nil, 0, 3},
		{"hold what is held", (*Spool).Hold, (*Spool).Hold, Selection{}, nil, nil, 3, 3},
		{"hold a domain that is held", (*Spool).Hold, (*Spool).Hold, Selection{Domain: "x.test"}, nil, nil, 2, 3},
		{"hold nobody's domain", nil, (*Spool).Hold, Selection{Domain: "z.test"}, nil, all, 0, 3},
		{"release one", (*Spool).Hold, (*Spool).Release, Selection{ID: "A2"}, []string{"A2: a@x.test"}, []string{"A2 x.test"}, 0, 3},
		{"release a domain", (*Spool).Hold, (*Spool).Release, Selection{Domain: "y.test"}, []string{"A1: b@y.test", "A3: b@y.test"}, []string{"A1 y.test", "A3 y.test"}, 0, 3},
		{"release all", (*Spool).Hold, (*Spool).Release, Selection{}, []string{"A1: a@x.test b@y.test", "A2: a@x.test", "A3: b@y.test"}, append(slices.Clone(all), "A3 y.test"), 0, 3},
		{"release from quarantine", nil, (*Spool).Release, Selection{ID: "A3"}, []string{"A3: b@y.test"}, append(slices.Clone(all), "A3 y.test"), 0, 3},
		{"release what is free", nil, (*Spool).Release, Selection{ID: "A2"}, nil, all, 1, 3},
		{"drop one", nil, (*Spool).Drop, Selection{ID: "A1"}, []string{"A1: a@x.test b@y.test!"}, []string{"A2 x.test"}, 0, 2},
		{"drop from quarantine", nil, (*Spool).Drop, Selection{ID: "A3"}, []string{"A3: b@y.test!"}, all, 0, 2},
		{"drop a domain", nil, (*Spool).Drop, Selection{Domain: "x.test"}, []string{"A1: a@x.test", "A2: a@x.test!"}, []string{"A1 y.test"}, 0, 2},
		{"drop what is held", (*Spool).Hold, (*Spool).Drop, Selection{ID: "A2"}, []string{"A2: a@x.test!"}, nil, 0, 2},
		{"drop all", nil, (*Spool).Drop, Selection{}, []string{"A1: a@x.test b@y.test!", "A2: a@x.test!", "A3: b@y.test!"}, nil, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			s := three(t, dir)
			if test.first != nil {
				apply(t, s, test.first, Selection{})
			}
			said, already := apply(t, s, test.do, test.sel)
			if d := cmp.Diff(test.said, said); d != "" || already != test.already {
				t.Errorf("%d were so before, want %d; said (-want +got)\n%s", already, test.already, d)
			}
			for _, when := range []string{"now", "after a restart"} {
				if d := cmp.Diff(test.left, left(t, s)); d != "" {
					t.Errorf("left %s (-want +got)\n%s", when, d)
				}
				st, err := s.Stats(t.Context())
				if err != nil || st.Messages != test.messages || (st.Octets == 0) != (test.messages == 0) {
					t.Errorf("%s: %+v, %v; want %d messages", when, st, err, test.messages)
				}
				s.Close()
				s = open(t, dir)
			}
		})
	}
}

func TestHeldMessageIsGoneForAttempts(t *testing.T) {
	s := three(t, t.TempDir())
	apply(t, s, (*Spool).Hold, Selection{Domain: "x.test"})
	if _, err := s.Entry(t.Context(), "A1", "x.test"); !errors.Is(err, ErrGone) {
		t.Errorf("held: %v", err)
	}
	if e, err := s.Entry(t.Context(), "A1", "y.test"); err != nil || len(e.Rcpts) != 1 {
		t.Errorf("the other domain: %+v, %v", e, err)
	}
}

func TestChangeOfWhatIsNotThereSaysSo(t *testing.T) {
	s := three(t, t.TempDir())
	for _, do := range []change{(*Spool).Hold, (*Spool).Release, (*Spool).Drop} {
		if _, err := do(s, t.Context(), Selection{ID: "A9"}, func([]Changed) error { return nil }); !errors.Is(err, ErrGone) {
			t.Errorf("%v", err)
		}
	}
	if err := s.Quarantine(t.Context(), "A9", "why"); !errors.Is(err, ErrGone) {
		t.Errorf("quarantine: %v", err)
	}
}

func TestDroppedMessageLeavesNothing(t *testing.T) {
	s := three(t, t.TempDir())
	apply(t, s, (*Spool).Drop, Selection{})
	var rows int
	err := s.db.Read(t.Context(), func(tx *durable.Tx) error {
		return tx.QueryRow("SELECT (SELECT COUNT(*) FROM durable_chunk)+(SELECT COUNT(*) FROM recipient)+(SELECT COUNT(*) FROM message)").Scan(&rows)
	})
	if err != nil || rows != 0 {
		t.Errorf("%d rows are left, %v", rows, err)
	}
}

// Changes of many messages come in batches, each durable, and of all.
func TestChangesOfManyMessagesComeInBatches(t *testing.T) {
	s := open(t, t.TempDir())
	const n = 2*changeBatch + 1
	for i := range n {
		add(t, s, entry(t, fmt.Sprintf("A%05d", i), "ana@aurora.test", "a@x.test"), "Oi\r\n")
	}
	batches, messages := 0, 0
	_, err := s.Drop(t.Context(), Selection{}, func(batch []Changed) error {
		batches++
		messages += len(batch)
		st, err := s.Stats(t.Context())
		if want := int64(n - messages); err != nil || st.Messages != want {
			t.Errorf("after %d: %+v, %v", messages, st, err)
		}
		return nil
	})
	if err != nil || messages != n || batches != 3 {
		t.Errorf("%d messages in %d batches, %v", messages, batches, err)
	}
}

func TestPagesAreInOrderAndWhatIsAskedFor(t *testing.T) {
	s := three(t, t.TempDir())
	if _, err := s.Settle(t.Context(), Outcome{ID: "A2", Waiting: []Recipient{{N: 0, Next: noon, Reply: "450 busy"}}}); err != nil {
		t.Fatal(err)
	}
	old := entry(t, "A0", "ana@aurora.test", "a@x.test")
	old.Arrived = noon.Add(time.Hour)
	add(t, s, old, "Oi\r\n")
	apply(t, s, (*Spool).Hold, Selection{ID: "A0"})
	behind := func(id string) Position {
		p, err := s.Position(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		again, ok := ParsePosition(p.String())
		if !ok || again != p {
			t.Errorf("%v is read back as %v", p, again)
		}
		return again
	}
	for _, test := range []struct {
		page  Page
		limit int
		want  string
	}{
		{Page{}, 10, "A1 active, A2 deferred, A3 quarantined, A0 held"},
		{Page{}, 2, "A1 active, A2 deferred"},
		{Page{After: behind("A2")}, 10, "A3 quarantined, A0 held"},
		{Page{After: behind("A0")}, 10, ""},
		{Page{Domain: "y.test"}, 10, "A1 active, A3 quarantined"},
		{Page{Domain: "y.test", After: behind("A1")}, 10, "A3 quarantined"},
		{Page{Domain: "z.test"}, 10, ""},
		{Page{State: Active}, 10, "A1 active"},
		{Page{State: Deferred}, 10, "A2 deferred"},
		{Page{State: Held}, 10, "A0 held"},
		{Page{State: Quarantined}, 10, "A3 quarantined"},
		{Page{State: Held, Domain: "y.test"}, 10, ""},
	} {
		list, err := s.List(t.Context(), test.page, test.limit)
		var got []string
		for _, l := range list {
			got = append(got, l.ID+" "+l.State)
		}
		if err != nil || strings.Join(got, ", ") != test.want {
			t.Errorf("%+v: %v, %v; want %s", test.page, got, err, test.want)
		}
	}
	if _, err := s.Position(t.Context(), "A9"); !errors.Is(err, ErrGone) {
		t.Errorf("%v", err)
	}
	for _, wrong := range []string{"", "A1", ".A1", "12.", "x.A1"} {
		if _, ok := ParsePosition(wrong); ok {
			t.Errorf("%q is a position", wrong)
		}
	}
}

func TestShowHasTheHeaderAndTheRecipients(t *testing.T) {
	s := three(t, t.TempDir())
	l, head, err := s.Show(t.Context(), "A1")
	if err != nil || head != "Subject: um" || len(l.Rcpts) != 2 || l.From.String() != "ana@aurora.test" || l.Ret != "HDRS" {
		t.Errorf("%+v, %q, %v", l, head, err)
	}
	if l, _, err := s.Show(t.Context(), "A3"); err != nil || l.Quarantined != "look at it" || l.State != Quarantined {
		t.Errorf("%+v, %v", l, err)
	}
	if _, _, err := s.Show(t.Context(), "A9"); !errors.Is(err, ErrGone) {
		t.Errorf("%v", err)
	}
}

// What is asked often must not read the whole queue.
func TestQueriesUseIndexes(t *testing.T) {
	s := three(t, t.TempDir())
	for _, test := range []struct{ name, query, want string }{
		{"what a node goes on with", waitingQuery, "SCAN r; SEARCH m USING PRIMARY KEY (id=?)"},
		{"oldest", oldestQuery, "SEARCH message USING COVERING INDEX message_arrived"},
		{"count", countQuery, "SCAN message USING COVERING INDEX message_arrived"}, // once, at the start
		{"list", strings.NewReplacer("?='' OR", "0 OR", "?='", "'' ='").Replace(listQuery), "SEARCH m USING INDEX message_arrived ((arrived,id)>(?,?))"},
		{"change", chooseQuery, "SEARCH message USING PRIMARY KEY (id>?)"},
		{"recipients to change", chooseRcpts, "SEARCH recipient USING PRIMARY KEY (message=?)"},
		{"begin", "UPDATE recipient SET attempts=?, next=? WHERE message=? AND domain=?", "SEARCH recipient USING PRIMARY KEY (message=?)"},
	} {
		var plan []string
		err := s.db.Read(t.Context(), func(tx *durable.Tx) error {
			args := make([]any, strings.Count(test.query, "?"))
			for row, err := range tx.Query("EXPLAIN QUERY PLAN "+test.query, args...) {
				if err != nil {
					return err
				}
				var id, parent, unused int
				var detail string
				if err := row.Scan(&id, &parent, &unused, &detail); err != nil {
					return err
				}
				plan = append(plan, detail)
			}
			return nil
		})
		got := strings.Join(plan, "; ")
		if err != nil || !strings.HasPrefix(got, test.want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s: %s, %v\nwant %s", test.name, got, err, test.want)
		}
	}
}
