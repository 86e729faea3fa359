package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"correio/services/internal/durable"
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

// openBad opens a spool of which the file is this, after a write that met damage.
func openBad(t *testing.T, bad []byte) *Spool {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"spool.db": bad, "spool.db.suspect": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return open(t, dir)
}

// leafOf returns where the root of an index begins in a file.
func leafOf(t *testing.T, file []byte, index string) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := durable.Open(t.Context(), path, migrations)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var root int
	if err := db.Read(t.Context(), func(tx *durable.Tx) error {
		return tx.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name=?", index).Scan(&root)
	}); err != nil {
		t.Fatal(err)
	}
	return (root - 1) * pageSize
}

// A quick check does not compare an index with its table: nothing was found, and the
// message could not be removed at any start.
func TestNextStartFindsADamagedIndex(t *testing.T) {
	bad := manyMessages(t, t.TempDir())
	id := manyEntry(t, 40).ID
	at := leafOf(t, bad, "message_arrived")
	i := bytes.Index(bad[at:at+pageSize], []byte(id))
	if i < 0 || bad[at] != 10 {
		t.Fatal("the message is not on the first page of the index")
	}
	bad[at+i+len(id)] ^= 1 // of its size
	s := openBad(t, bad)
	if _, err := s.Settle(t.Context(), Outcome{ID: id, Done: []int{0, 1, 2}}); err != nil || s.Salvage() == nil {
		t.Errorf("%v, salvaged: %+v", err, s.Salvage())
	}
}

// A bit of a body's number sent one person's mail to another.
func TestNobodyGetsAnothersBody(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 40 {
		add(t, s, entry(t, livingID(i), "ana@aurora.test", fmt.Sprintf("a%d@x.test", i)), fmt.Sprintf("for a%02d only\r\n", i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	bad := readFile(t, filepath.Join(dir, "spool.db"))
	at := bytes.Index(bad, []byte("for a07 only"))
	number := bytes.LastIndexByte(bad[:at], 8)
	if at < 0 || at-number > 8 {
		t.Fatal("the body is not found")
	}
	bad[number] = 40
	s = openBad(t, bad)
	if s.Salvage() == nil {
		t.Fatal("the damage is not found")
	}
	for i := range 40 {
		e, err := s.Entry(t.Context(), livingID(i), "x.test")
		if err != nil {
			continue // it is in quarantine
		}
		body, err := s.Body(t.Context(), e)
		if err != nil {
			continue
		}
		data, err := io.ReadAll(body)
		body.Close()
		if want := fmt.Sprintf("for a%02d only\r\n", i); err == nil && string(data) != want {
			t.Errorf("a%02d gets %q", i, data)
		}
	}
}

// Entries of the map that are older than the list of free pages brought delivered
// mail back.
func TestFreePagesStayFreeWhateverTheMapSays(t *testing.T) {
	bad, waits := living(t)
	for n := 3; n <= len(bad)/pageSize && n < 820; n++ {
		if e := bad[pageSize+(n-3)*5:]; e[0] == 2 {
			e[0], e[4] = 5, 3
		}
	}
	s := openBad(t, bad)
	if err := s.Waiting(t.Context(), func(d Due) {
		if !waits[d.ID] {
			t.Errorf("%s was delivered, and waits again", d.ID)
		}
	}); err != nil {
		t.Fatal(err)
	}
}
