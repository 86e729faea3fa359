package store_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"correio/services/internal/durable"
	"correio/services/mda/internal/store"
)

func blobs(t testing.TB, s *store.Store) int {
	t.Helper()
	n, err := s.Chunks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// stored sends a text through a draft, cut into pieces of the given length,
// and returns what the mailbox holds.
func stored(t testing.TB, s *store.Store, text []byte, cut int) string {
	t.Helper()
	d := s.NewDraft(0)
	defer d.Close()
	for rest := text; len(rest) > 0; {
		n := min(cut, len(rest))
		if _, err := d.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	c := &store.Copy{Owner: "ana", ID: store.NewID()}
	if err := s.Deliver(t.Context(), &store.Delivery{Draft: d, Received: time.Unix(1e9, 0), Copies: []*store.Copy{c}}); err != nil {
		t.Fatal(err)
	}
	m := maildrop(t, s, "ana")
	defer m.Close()
	e := m.Entries()[len(m.Entries())-1]
	defer remove(t, m, e.UID)
	return read(t, m, e)
}

// canonical is the slow and obvious way to what a draft does.
func canonical(text []byte) string {
	var b strings.Builder
	for i, c := range text {
		switch {
		case c == '\n' && (i == 0 || text[i-1] != '\r'):
			b.WriteString("\r\n")
		case c == '\r' && (i+1 == len(text) || text[i+1] != '\n'):
			b.WriteString("\r\n")
		default:
			b.WriteByte(c)
		}
	}
	if s := b.String(); s != "" && !strings.HasSuffix(s, "\r\n") {
		return s + "\r\n"
	}
	return b.String()
}

// behaviour.md §6 rows 2 and 14: no line of a stored message ends otherwise
// than in CRLF, whatever came through the hop before.
func TestRow2DraftCompletesEveryLine(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for _, text := range []string{
		"", "a", "a\r", "a\n", "a\r\n", "\n", "\r", "\r\r\n", "\n\r", "\n\n", "a\nb\rc\r\nd", "\r\n.\r\n", "\n.\n", "\r.\r", "x\r\r\r",
	} {
		for cut := 1; cut <= 3; cut++ {
			if got, want := stored(t, s, []byte(text), cut), canonical([]byte(text)); got != want {
				t.Errorf("%q in pieces of %d: stored %q, want %q", text, cut, got, want)
			}
		}
	}
}

func TestDraftHasALimit(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	d := s.NewDraft(1000)
	defer d.Close()
	n, err := io.Copy(d, bytes.NewReader(make([]byte, 2000)))
	if !errors.Is(err, durable.ErrTooLarge) {
		t.Errorf("after %d octets: %v, want ErrTooLarge", n, err)
	}
}

func FuzzDraft(f *testing.F) {
	for _, seed := range []string{"a\r\nb\r\n", "\r\n.\r\n", "a\rb\nc\r\n", "\r", "\n", "no end"} {
		f.Add([]byte(seed), 1)
		f.Add([]byte(seed), 4)
	}
	s := open(f, f.TempDir())
	f.Fuzz(func(t *testing.T, text []byte, cut int) {
		if cut < 1 {
			cut = 1
		}
		if got, want := stored(t, s, text, cut), canonical(text); got != want {
			t.Errorf("%q in pieces of %d: stored %q, want %q", text, cut, got, want)
		}
	})
}

// RFC 3030 §3: every octet of a BINARYMIME message means itself.
func TestBinaryDraftKeepsEveryOctet(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for _, text := range []string{"a", "a\n", "\n.\n\r.\r\x00\xff", "\r", "x\r\n"} {
		d := s.NewDraft(0)
		d.Binary()
		if _, err := io.WriteString(d, text); err != nil {
			t.Fatal(err)
		}
		c := &store.Copy{Owner: "ana", ID: store.NewID()}
		if err := s.Deliver(t.Context(), &store.Delivery{Draft: d, Received: time.Unix(1e9, 0), Copies: []*store.Copy{c}}); err != nil {
			t.Fatal(err)
		}
		d.Close()
		m := maildrop(t, s, "ana")
		e := m.Entries()[len(m.Entries())-1]
		if got := read(t, m, e); got != text {
			t.Errorf("%q is stored as %q", text, got)
		}
		remove(t, m, e.UID)
		m.Close()
	}
}
