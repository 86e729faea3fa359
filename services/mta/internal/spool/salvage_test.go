package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/durable"
)

const pageSize = 4096

// manyMessages fills a spool, of which some have been delivered since, and returns
// its file.
func manyMessages(t *testing.T, dir string) []byte {
	t.Helper()
	s := open(t, dir)
	for i := range 120 {
		add(t, s, manyEntry(t, i), manyBody(i))
	}
	for i := 1; i < 120; i += 2 {
		if _, err := s.Settle(t.Context(), Outcome{ID: manyEntry(t, i).ID, Done: []int{0, 1, 2}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return readFile(t, filepath.Join(dir, "spool.db"))
}

func manyEntry(t *testing.T, i int) *Entry {
	return entry(t, fmt.Sprintf("%04X-%d", i*7919%65536, i), "ana@aurora.test", fmt.Sprintf("a%d@x.test", i), "b@y.test", strings.Repeat("c", 40)+"@x.test")
}

func manyBody(i int) string { return strings.Repeat(fmt.Sprintf("linha %d\r\n", i), 1+i*i%300) }

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// damagedSpool opens a spool of which one page is damaged.
func damagedSpool(t *testing.T, good []byte, page int) (*Spool, string) {
	t.Helper()
	dir := t.TempDir()
	bad := slices.Clone(good)
	copy(bad[(page-1)*pageSize:], bytes.Repeat([]byte("\xa5"), pageSize))
	if err := os.WriteFile(filepath.Join(dir, "spool.db"), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := Open(t.Context(), dir, 1<<30, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatalf("page %d: %v", page, err)
	}
	t.Cleanup(func() { s.Close() })
	return s, log.String()
}

// One damaged page kept the node from starting, for ever, with all that waited in
// its queue; a damaged first page lost all of it.
func TestDamagedPageCostsOnlyTheMessagesOnIt(t *testing.T) {
	good := manyMessages(t, t.TempDir())
	noticed := 0
	for page := 1; page <= len(good)/pageSize; page++ {
		s, log := damagedSpool(t, good, page)
		salvaged := s.Salvage()
		if salvaged == nil {
			salvaged = &Salvage{Messages: 60} // not a page that the node needs before a message's time
		} else {
			noticed++
			if kept := readFile(t, salvaged.File); len(kept) != len(good) || !strings.Contains(log, salvaged.File) {
				t.Errorf("page %d: %d octets are kept as %s; log %s", page, len(kept), salvaged.File, log)
			}
		}
		whole := 0
		for i := range 120 {
			if isWhole(t, s, i) {
				whole++
			} else if i%2 == 0 && s.Salvage() != nil && !accounted(salvaged, manyEntry(t, i).ID) {
				t.Errorf("page %d: nobody is told about %s", page, manyEntry(t, i).ID)
			}
		}
		st, err := s.Stats(t.Context())
		if err != nil || st.Messages != int64(salvaged.Messages) || salvaged.Messages+len(salvaged.Lost) != 60 || whole < 25 { // a page holds 31 messages
			t.Errorf("page %d: %d whole, %d counted of %+v, %v", page, whole, st.Messages, salvaged, err)
		}
		if err := errors.Join(s.db.CheckTables(t.Context(), "message", "recipient"), s.Close()); err != nil {
			t.Errorf("page %d: %v", page, err)
		}
	}
	if noticed < 10 {
		t.Errorf("only %d pages mattered", noticed)
	}
}

func accounted(s *Salvage, id string) bool {
	return slices.Contains(s.Lost, id) || slices.Contains(s.Partial, id) ||
		slices.ContainsFunc(s.Quarantined, func(m Unwhole) bool { return m.ID == id })
}

// isWhole reports whether a message waits as it did before.
func isWhole(t *testing.T, s *Spool, i int) bool {
	want := manyEntry(t, i)
	l, _, err := s.Show(t.Context(), want.ID)
	if err != nil || l.State != Active || len(l.Rcpts) != 3 {
		return false
	}
	for k, r := range l.Rcpts {
		if r.Address != want.Rcpts[k].To.String() || !r.Next.Equal(want.Rcpts[k].Next) || r.Attempts != 1 {
			t.Errorf("%s: recipient %+v", want.ID, r)
		}
	}
	e, err := s.Entry(t.Context(), want.ID, "y.test")
	if err != nil {
		t.Errorf("%s: %v", want.ID, err)
		return false
	}
	b, err := s.Body(t.Context(), e)
	if err != nil {
		return false
	}
	body, err := io.ReadAll(b)
	if err != nil {
		return false
	}
	want.Rcpts, want.Size = want.Rcpts[1:2], int64(len(manyBody(i)))
	want.Rcpts[0].N, want.Rcpts[0].Attempts, want.body = 1, 1, e.body
	if d := cmp.Diff(want, e, cmp.AllowUnexported(Message{})); d != "" || string(body) != manyBody(i) {
		t.Errorf("%s (-want +got), body of %d octets\n%s", want.ID, len(body), d)
	}
	return true
}

// pagesOf lists the pages that hold a text, in a file that nobody has open.
func pagesOf(file []byte, text string) (list []int) {
	for n := 1; n <= len(file)/pageSize; n++ {
		if bytes.Contains(file[(n-1)*pageSize:n*pageSize], []byte(text)) {
			list = append(list, n)
		}
	}
	return list
}

// What is in quarantine, held or kept is so after a salvage, and what cannot be read
// whole is in quarantine with the reason.
func TestSalvageKeepsStates(t *testing.T) {
	dir := t.TempDir()
	s := three(t, dir)
	apply(t, s, (*Spool).Hold, Selection{ID: "A2"})
	if _, err := s.Settle(t.Context(), Outcome{ID: "A1", Kept: []Recipient{{N: 0, Reply: "550 Who?"}}, Why: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good := readFile(t, filepath.Join(dir, "spool.db"))
	s, _ = damagedSpool(t, good, 1)
	for id, want := range map[string]string{"A1": Held, "A2": Held, "A3": Quarantined} {
		if state, err := s.State(t.Context(), id); err != nil || state != want {
			t.Errorf("%s: %s, %v", id, state, err)
		}
	}
	if left, err := s.Settle(t.Context(), Outcome{ID: "A1", Done: []int{1}}); err != nil || left.Quarantined != "x" {
		t.Errorf("%+v, %v", left, err)
	}
	for _, test := range []struct{ lose, why string }{
		{"b@y.test", "recipients-damaged"}, {"Subject: um", "body-damaged"},
	} {
		pages := pagesOf(good, test.lose)
		bad := slices.Clone(good)
		copy(bad[(pages[len(pages)-1]-1)*pageSize:], make([]byte, pageSize))
		s, _ := damagedSpool(t, bad, 1)
		l, _, err := s.Show(t.Context(), "A1")
		if err != nil || l.State != Quarantined || l.Quarantined != test.why || len(s.Salvage().Quarantined) != 3 {
			t.Errorf("without %q (pages %v): %+v, %v; %+v", test.lose, pages, l, err, s.Salvage())
		}
		// Somebody who has looked at it can drop it.
		if said, _ := apply(t, s, (*Spool).Drop, Selection{ID: "A1"}); len(said) != 1 || !strings.HasSuffix(said[0], "!") {
			t.Errorf("dropped: %v", said)
		}
	}
}

// A file of an older version lacks columns, which is no damage.
func TestSalvageOfAnOlderFile(t *testing.T) {
	dir := t.TempDir()
	db, err := durable.Open(t.Context(), filepath.Join(dir, "spool.db"), migrations[:1])
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(t.Context(), func(tx *durable.Tx) error {
		body, size, err := durable.WriteBlob(tx, strings.NewReader("Oi\r\n"))
		return errors.Join(err,
			tx.Exec("INSERT INTO message VALUES('A1',?,'ana@aurora.test',?,?,'','',0,0,'m','')", noon, size, body),
			tx.Exec("INSERT INTO recipient VALUES('A1',0,'a@x.test','x.test','','',1,?,'',0)", noon))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	old := readFile(t, filepath.Join(dir, "spool.db"))
	if s := open(t, dir); s.Salvage() != nil || len(waiting(t, s)) != 1 {
		t.Errorf("salvaged: %+v", s.Salvage())
	}
	s, _ := damagedSpool(t, old, 1)
	e, err := s.Entry(t.Context(), "A1", "x.test")
	if err != nil || e.Size != 4 || e.Binary || len(e.Rcpts) != 1 || e.Rcpts[0].Attempts != 1 {
		t.Errorf("%+v, %v", e, err)
	}
}

// A message whose body is on a damaged page could be neither sent nor dropped.
func TestMessageWithADamagedBodyCanBeDropped(t *testing.T) {
	good := manyMessages(t, t.TempDir())
	s, _ := damagedSpool(t, good, pagesOf(good, "linha 40\r\n")[0])
	if s.Salvage() != nil || isWhole(t, s, 40) {
		t.Fatalf("the page is another one's: %+v", s.Salvage())
	}
	id := manyEntry(t, 40).ID
	if said, _ := apply(t, s, (*Spool).Drop, Selection{ID: id}); len(said) != 1 || !strings.HasSuffix(said[0], "!") {
		t.Errorf("dropped: %v", said)
	}
	if _, err := s.State(t.Context(), id); !errors.Is(err, ErrGone) {
		t.Errorf("left: %v", err)
	}
	if said, _ := apply(t, s, (*Spool).Drop, Selection{}); len(said) != 59 {
		t.Errorf("dropped, too: %d", len(said))
	}
}
