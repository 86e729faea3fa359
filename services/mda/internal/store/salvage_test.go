package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"correio/services/mda/internal/store"
)

const pageSize = 4096

// mailOf are the messages of a store that is to be damaged, by what they begin with:
// "n for ana" and "n for both", of which every third was removed since.
func mailOf(t *testing.T, dir string) (file []byte, want map[string]string) {
	t.Helper()
	s, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	want = map[string]string{}
	var gone []uint32
	for i := range 60 {
		text := fmt.Sprintf("message %d\r\n", i) + strings.Repeat("linha\r\n", i*i%500)
		copies := []*store.Copy{to("ana"), to("alice")}[:1+i%2]
		deliver(t, s, text, copies...)
		if i%3 == 0 {
			gone = append(gone, copies[0].UID)
			copies = copies[1:]
		}
		for _, c := range copies {
			want[fmt.Sprint(c.Owner, " ", c.UID)] = string(c.Head) + text
		}
	}
	m := maildrop(t, s, "ana")
	remove(t, m, gone...)
	m.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err = os.ReadFile(filepath.Join(dir, "mail.db"))
	if err != nil {
		t.Fatal(err)
	}
	return file, want
}

// One damaged page kept the node from starting, for ever, or lost mailboxes that
// could be read.
func TestDamagedPageCostsOnlyTheMessagesOnIt(t *testing.T) {
	t.Parallel()
	good, want := mailOf(t, t.TempDir())
	noticed := 0
	for page := 1; page <= len(good)/pageSize; page++ {
		dir := t.TempDir()
		bad := slices.Clone(good)
		copy(bad[(page-1)*pageSize:], bytes.Repeat([]byte("\xa5"), pageSize))
		if err := os.WriteFile(filepath.Join(dir, "mail.db"), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		salvaged := s.Salvage()
		if salvaged == nil {
			continue // a body, or nothing that matters
		}
		noticed++
		if kept, err := os.ReadFile(salvaged.File); err != nil || len(kept) != len(good) {
			t.Errorf("page %d: %d octets are kept as %s, %v", page, len(kept), salvaged.File, err)
		}
		found := 0
		for _, owner := range []string{"ana", "alice"} {
			m := maildrop(t, s, owner)
			var octets int64
			for _, e := range m.Entries() {
				if got := read(t, m, e); got != want[fmt.Sprint(owner, " ", e.UID)] {
					t.Errorf("page %d: message %d of %s is %.100q", page, e.UID, owner, got)
				}
				octets += e.Size
			}
			if u := s.Usage(owner); u.Messages != len(m.Entries()) || u.Octets != octets {
				t.Errorf("page %d: %s: %+v", page, owner, u)
			}
			found += len(m.Entries())
			m.Close()
		}
		if found != salvaged.Messages || found+salvaged.Lost != len(want) || found < 40 {
			t.Errorf("page %d: %d found of %d, %+v", page, found, len(want), salvaged)
		}
		// A UID is not given to another message.
		c := to("ana")
		deliver(t, s, "new\r\n", c)
		if c.UID != 61 {
			t.Errorf("page %d: UID %d", page, c.UID)
		}
	}
	if noticed < 5 {
		t.Errorf("only %d pages mattered", noticed)
	}
}
