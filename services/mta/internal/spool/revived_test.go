package spool

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// living fills a spool in rounds, of which most messages are delivered, and returns
// its file and who still waits: freed pages are all over it.
func living(t *testing.T) (file []byte, waits map[string]bool) {
	t.Helper()
	const each, stay = 300, 10
	dir := t.TempDir()
	s := open(t, dir)
	waits = map[string]bool{}
	for round := range 4 {
		for i := range each {
			n := round*each + i
			add(t, s, entry(t, livingID(n), "ana@aurora.test", fmt.Sprintf("a%d@x.test", n)), strings.Repeat(fmt.Sprintf("linha %d\r\n", n), 1+n*n%1000))
		}
		for i := range each {
			id := livingID(round*each + i)
			if i < stay {
				waits[id] = true
			} else if _, err := s.Settle(t.Context(), Outcome{ID: id, Done: []int{0}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return readFile(t, filepath.Join(dir, "spool.db")), waits
}

func livingID(n int) string { return fmt.Sprintf("%05X%010X", n/7, n*7919) }

// Where what tells free pages from others is damaged as well, or the end of the file
// is missing, delivered mail was taken for waiting and sent again.
func TestDeliveredMailIsNotSalvaged(t *testing.T) {
	good, waits := living(t)
	pages := len(good) / pageSize
	for _, test := range []struct {
		name string
		bad  []byte
		all  bool // what waits goes on; else nothing is salvaged
	}{
		{"the first page is gone", slices.Concat(make([]byte, pageSize), good[pageSize:]), true},
		{"the first two pages are gone", slices.Concat(make([]byte, 2*pageSize), good[2*pageSize:]), false},
		{"the first 64 KiB are gone", slices.Concat(make([]byte, 16*pageSize), good[16*pageSize:]), false},
		{"the last 5% are gone", good[:pages*95/100*pageSize], false},
		{"the last 25% are gone", good[:pages*75/100*pageSize], false},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "spool.db"), test.bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		waiting := 0
		if err := s.Waiting(t.Context(), func(d Due) {
			waiting++
			if !waits[d.ID] {
				t.Errorf("%s: %s was delivered, and waits again", test.name, d.ID)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if test.all && waiting != len(waits) {
			t.Errorf("%s: %d wait, want %d", test.name, waiting, len(waits))
		}
		if s.Salvage() == nil || s.Salvage().File == "" {
			t.Errorf("%s: nothing is told", test.name)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// SQLite commits nothing that comes by a damaged list of free pages: no mail was
// taken any more, and what was delivered was sent again at every start.
func TestNextStartMendsWhatNoWriteGotBy(t *testing.T) {
	good := manyMessages(t, t.TempDir())
	s, _ := damagedSpool(t, good, int(binary.BigEndian.Uint32(good[32:]))) // the first page of the list
	if s.Salvage() != nil {
		t.Fatal("the damage shows at the start")
	}
	refused := func(s *Spool, when string) (n int) {
		for i := range 50 {
			if s.Add(t.Context(), entry(t, fmt.Sprint(when, i), "ana@aurora.test", "a@z.test"), strings.NewReader(strings.Repeat("linha\r\n", 1000))) != nil {
				n++
			}
		}
		return n
	}
	if refused(s, "A") == 0 {
		t.Fatal("no write met the damage")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, s.dir)
	if n := refused(again, "B"); n > 0 || again.Salvage() == nil {
		t.Errorf("after the next start %d messages are refused; salvaged: %+v", n, again.Salvage())
	}
	for i := 0; i < 120; i += 2 {
		if _, err := again.Settle(t.Context(), Outcome{ID: manyEntry(t, i).ID, Done: []int{0, 1, 2}}); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}
