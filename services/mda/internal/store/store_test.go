package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"correio/services/internal/durable"
	"correio/services/mda/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// deliver stores a message for the copies.
func deliver(t testing.TB, s *store.Store, text string, copies ...*store.Copy) {
	t.Helper()
	if err := tryDeliver(t, s, text, copies...); err != nil {
		t.Fatal(err)
	}
}

func tryDeliver(t testing.TB, s *store.Store, text string, copies ...*store.Copy) error {
	t.Helper()
	d := s.NewDraft(0)
	defer d.Close()
	if _, err := io.WriteString(d, text); err != nil {
		t.Fatal(err)
	}
	return s.Deliver(t.Context(), &store.Delivery{
		Draft: d, Sender: "bruno@boreal.test", MessageID: "1@boreal.test", Received: time.Unix(1e9, 0), Copies: copies,
	})
}

func to(owner string) *store.Copy {
	return &store.Copy{
		Owner: owner, ID: store.NewID(), Recipient: owner + "@aurora.test",
		Head: []byte("Delivered-To: " + owner + "\r\n"),
	}
}

func maildrop(t testing.TB, s *store.Store, owner string) *store.Maildrop {
	t.Helper()
	m, err := s.Open(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func read(t testing.TB, m *store.Maildrop, e store.Entry) string {
	t.Helper()
	msg, err := m.Message(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	n, err := msg.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	if n != e.Size || int64(b.Len()) != e.Size {
		t.Errorf("message %d: %d octets written, %d counted, size says %d", e.UID, b.Len(), n, e.Size)
	}
	return b.String()
}

// corpus has bodies on both sides of every boundary of a blob.
func corpus() []string {
	texts := []string{"", "a\r\n", ".\r\n..\r\n"}
	for _, n := range []int{durable.ChunkSize - 1, durable.ChunkSize, durable.ChunkSize + 1, 3*durable.ChunkSize + 5} {
		texts = append(texts, strings.Repeat("x", n-2)+"\r\n")
	}
	return texts
}

func TestWhatIsStoredIsReadBackAfterAReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range corpus() {
		c := to("ana")
		deliver(t, s, text, c)
		if c.UID != uint32(i+1) {
			t.Errorf("message %d got UID %d", i+1, c.UID)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	m := maildrop(t, s, "ana")
	var octets int64
	for i, text := range corpus() {
		e := m.Entries()[i]
		octets += e.Size
		if got, want := read(t, m, e), "Delivered-To: ana\r\n"+text; got != want {
			t.Errorf("message %d: got %d octets, want %d", i, len(got), len(want))
		}
	}
	used := s.Usage("ana")
	if want := (store.Usage{Messages: len(corpus()), Octets: octets}); used != want {
		t.Errorf("Usage = %+v; want %+v", used, want)
	}
}

func TestUIDsAreNeverUsedAgain(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for range 3 {
		deliver(t, s, "x\r\n", to("ana"))
	}
	m := maildrop(t, s, "ana")
	remove(t, m, 2, 3)
	m.Close()
	deliver(t, s, "y\r\n", to("ana"))
	m = maildrop(t, s, "ana")
	var got []uint32
	for _, e := range m.Entries() {
		got = append(got, e.UID)
	}
	if fmt.Sprint(got) != "[1 4]" {
		t.Errorf("UIDs after removing 2 and 3 and one more delivery: %v", got)
	}
	if a, b := m.UniqueID(m.Entries()[0]), m.UniqueID(m.Entries()[1]); a == b || len(a) != 16 {
		t.Errorf("unique ids %q and %q", a, b)
	}
}

func remove(t testing.TB, m *store.Maildrop, uids ...uint32) []store.Removed {
	t.Helper()
	removed, err := m.Remove(t.Context(), uids)
	if err != nil {
		t.Fatal(err)
	}
	return removed
}

func TestBodyIsSharedAndGoesWithItsLastCopy(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	body := strings.Repeat("line of a shared body\r\n", 8000)
	ana, alice := to("ana"), to("alice")
	deliver(t, s, body, ana, alice)
	anas, alices := maildrop(t, s, "ana"), maildrop(t, s, "alice")
	a, b := anas.Entries()[0], alices.Entries()[0]
	if a.Size == b.Size {
		t.Fatal("the heads are of the same length; the test needs them to differ")
	}
	if removed := remove(t, anas, a.UID, 77); len(removed) != 1 || removed[0].ID != ana.ID || removed[0].MessageID != "1@boreal.test" {
		t.Errorf("Remove = %+v", removed)
	}
	if _, err := anas.Message(t.Context(), a); !errors.Is(err, store.ErrGone) {
		t.Errorf("removed message: %v, want ErrGone", err)
	}
	if got := read(t, alices, b); got != "Delivered-To: alice\r\n"+body {
		t.Errorf("the other copy has %d octets, want %d", len(got), len(body))
	}
	remove(t, alices, b.UID)
	if n := blobs(t, s); n != 0 {
		t.Errorf("%d chunks of bodies are left after the last copy went", n)
	}
	for _, owner := range []string{"ana", "alice"} {
		if used := s.Usage(owner); used != (store.Usage{}) {
			t.Errorf("%s: Usage = %+v after everything was removed", owner, used)
		}
	}
}

func TestOneFullMailboxDoesNotFailTheOthers(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	full, fits := to("ana"), to("alice")
	full.Quota = 10
	deliver(t, s, "some text\r\n", full, fits)
	if !errors.Is(full.Err, store.ErrOverQuota) || fits.Err != nil {
		t.Errorf("errors: full %v, other %v", full.Err, fits.Err)
	}
	if n := len(maildrop(t, s, "ana").Entries()); n != 0 {
		t.Errorf("the full mailbox holds %d messages", n)
	}
	if n := len(maildrop(t, s, "alice").Entries()); n != 1 {
		t.Errorf("the other mailbox holds %d messages", n)
	}
	full = to("ana")
	full.Quota = 10
	deliver(t, s, "some text\r\n", full)
	if n := blobs(t, s); n != 1 {
		t.Errorf("%d bodies after a delivery that nobody took", n)
	}
}

func TestQuotaIsExact(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	c := to("ana")
	c.Quota = int64(len(c.Head)) + 3
	deliver(t, s, "x\r\n", c)
	if c.Err != nil {
		t.Errorf("a message that fills the mailbox to the octet: %v", c.Err)
	}
	c = to("ana")
	c.Quota = 2*int64(len(c.Head)) + 5
	deliver(t, s, "x\r\n", c)
	if !errors.Is(c.Err, store.ErrOverQuota) {
		t.Errorf("one octet too many: %v", c.Err)
	}
}

func TestMailboxHasOneHolder(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	first := maildrop(t, s, "ana")
	if _, err := s.Open(t.Context(), "ana"); !errors.Is(err, store.ErrLocked) {
		t.Errorf("second holder: %v", err)
	}
	if !s.Locked("ana") || s.Locked("alice") {
		t.Error("Locked does not tell who is")
	}
	other := maildrop(t, s, "alice")
	first.Close()
	second := maildrop(t, s, "ana")
	first.Close() // a late second Close must not free what another holds
	if _, err := s.Open(t.Context(), "ana"); !errors.Is(err, store.ErrLocked) {
		t.Errorf("after the first holder's second Close: %v", err)
	}
	second.Close()
	other.Close()
}

func TestSnapshotDoesNotSeeNewMail(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	deliver(t, s, "1\r\n", to("ana"))
	m := maildrop(t, s, "ana")
	deliver(t, s, "2\r\n", to("ana"))
	if n := len(m.Entries()); n != 1 {
		t.Errorf("the session sees %d messages", n)
	}
	m.Close()
	if n := len(maildrop(t, s, "ana").Entries()); n != 2 {
		t.Errorf("the next session sees %d messages", n)
	}
}

// behaviour.md §6 row 13: names never reach SQL, paths or patterns unescaped.
func TestRow13NamesAreOnlyNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	names := []string{"../../etc", "a'; DROP TABLE message; --", "%", "*", "_", "\x00", "ana\x00", "", strings.Repeat("n", 9000)}
	deliver(t, s, "for ana\r\n", to("ana"))
	for _, name := range names {
		if n := len(maildrop(t, s, name).Entries()); n != 0 {
			t.Errorf("%q sees %d messages that are not theirs", name, n)
		}
	}
	for _, name := range names {
		deliver(t, s, "x\r\n", to(name))
		if used := s.Usage(name); used.Messages != 1 {
			t.Errorf("%q: Usage = %+v", name, used)
		}
	}
	if usages := s.Usages(); len(usages) != len(names)+1 || usages["ana"].Messages != 1 {
		t.Errorf("Usages = %v", usages)
	}
}

func TestManyDeliveriesAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	const workers, each = 8, 25
	done := make(chan error, workers)
	for w := range workers {
		go func() {
			for i := range each {
				if err := tryDeliver(t, s, fmt.Sprintf("%d %d\r\n", w, i), to("ana"), to("alice")); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	m := maildrop(t, s, "ana")
	for i, e := range m.Entries() {
		if e.UID != uint32(i+1) {
			t.Fatalf("entry %d has UID %d", i, e.UID)
		}
	}
	if n := len(m.Entries()); n != workers*each {
		t.Errorf("%d messages, want %d", n, workers*each)
	}
}

// What mailboxes hold is kept in memory: it must be what the disk says.
func TestUsageIsWhatTheDiskSays(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for i := range 5 {
		deliver(t, s, fmt.Sprintf("message %d\r\n", i), to("ana"), to("alice"))
	}
	full := to("bia")
	full.Quota = 1
	deliver(t, s, "x\r\n", full, to("ana"))
	m := maildrop(t, s, "ana")
	if _, err := m.Remove(t.Context(), []uint32{2, 4, 99}); err != nil {
		t.Fatal(err)
	}
	m.Close()
	before := s.Usages()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	after := open(t, dir).Usages()
	delete(after, "bia") // who has a mailbox, and nothing in it
	if before["ana"].Messages != 4 || before["alice"].Messages != 5 || before["bia"] != (store.Usage{}) || !maps.Equal(before, after) {
		t.Errorf("in memory %v, on disk %v", before, after)
	}
}
