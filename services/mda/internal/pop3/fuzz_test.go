package pop3_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"correio/services/mda/internal/pop3"
	"correio/services/mda/internal/store"
)

func testLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// memConn is a connection whose client has said everything before it listens.
type memConn struct {
	in  io.Reader
	out bytes.Buffer
}

func (c *memConn) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *memConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *memConn) Close() error                     { return nil }
func (c *memConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *memConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// keep is a mailbox from which nothing is removed.
type keep struct{ pop3.Maildrop }

func (keep) Remove(context.Context, []uint32) ([]store.Removed, error) { return nil, nil }

// FuzzServer speaks to the whole server. Whatever is said, each line gets one
// reply, multi-line ones end in a dot, and the mailbox is free in the end.
func FuzzServer(f *testing.F) {
	for _, seed := range []string{
		"USER ana\r\nPASS ana\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 3 1\r\nDELE 1\r\nRSET\r\nNOOP\r\nQUIT\r\n",
		"user ana\npass ana\nretr 3\nlist 2\nuidl 9\ndele 2\nquit\n",
		"CAPA\r\nSTLS\r\n\x16\x03\x01", "USER a b\r\n\r\n \r\n\x00\r\nPASS\r\nQUIT",
		"USER alice\r\nPASS two words \r\nTOP 1 0\r\nLIST 0\r\n" + strings.Repeat("x", 300) + "\r\n",
		"AUTH PLAIN\r\nAGFuYQBhbmE=\r\nSTAT\r\nQUIT\r\n", "AUTH PLAIN AGFuYQBhbmE=\r\nLIST\r\n", "auth plain =\nAUTH\nAUTH LOGIN\nAUTH PLAIN !\nAUTH A B C\n",
		"AUTH CRAM-MD5\r\n*\r\nAUTH CRAM-MD5\r\nYW5hIDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw\r\nQUIT\r\n",
		"AUTH SCRAM-SHA-256 biwsbj1hbmEscj14\r\nYz1iaXdzLHI9eSxwPUFBPT0=\r\nAUTH SCRAM-SHA-256\r\n\r\n" + strings.Repeat("x", 2000) + "\r\n",
	} {
		f.Add([]byte(seed))
	}
	st := openStore(f, f.TempDir())
	deliver(f, st, "ana", anas...)
	cfg := pop3.Config{
		Host: "mda.aurora.test", Accounts: accounts{}, Log: testLog(), Limits: pop3.Limits{AuthDelay: 1, BadLines: 1 << 30, AuthTries: 1 << 30},
		Open: func(ctx context.Context, name string) (pop3.Maildrop, error) {
			m, err := st.Open(ctx, name)
			if err != nil {
				return nil, err
			}
			return keep{m}, nil
		},
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		c := &memConn{in: bytes.NewReader(said)}
		pop3.New(cfg).Serve(t.Context(), c, false)
		if st.Locked("ana") || st.Locked("alice") {
			t.Fatal("a mailbox stays locked")
		}
		checkReplies(t, said, c.out.String())
	})
}

// checkReplies follows the dialogue as a client does.
func checkReplies(t *testing.T, said []byte, heard string) {
	next := func() string {
		line, rest, ok := strings.Cut(heard, "\r\n")
		if !ok || strings.Contains(line, "\n") {
			t.Fatalf("said %q: no line at %q", said, heard)
		}
		heard = rest
		return line
	}
	next() // the greeting
	for rest := said; bytes.IndexByte(rest, '\n') >= 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if len(line) > 64<<10 {
			break // the server may hang up
		}
		reply := next()
		if !strings.HasPrefix(reply, "+OK") && !strings.HasPrefix(reply, "-ERR ") && !strings.HasPrefix(reply, "+ ") {
			t.Fatalf("%q got %q", line, reply)
		}
		ok := strings.HasPrefix(reply, "+OK")
		for ok && multiLine(string(bytes.ReplaceAll(line, []byte("\t"), []byte(" "))), reply) {
			if next() == "." {
				break
			}
		}
		verb := strings.ToUpper(strings.TrimSpace(string(line)))
		if verb == "QUIT" && ok {
			break
		}
	}
	if n := strings.Count(heard, "\r\n"); n > 1 {
		t.Fatalf("said %q: %d more lines: %q", said, n, heard)
	}
}
