package smtpd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
)

// chunked opens a session up to a chunk of five octets.
func chunked(t *testing.T, cfg smtpd.Config) (net.Conn, *bufio.Reader) {
	t.Helper()
	cfg.Chunking = true
	c, in := pipe(t.Context(), t, cfg)
	expect(t, in, "220")
	for _, line := range []string{ehlo, from, to, "BDAT 5\r\nabc\r\n"} {
		write(t, c, line)
		expect(t, in, "250")
	}
	return c, in
}

// A client that goes away between two chunks, or inside of one, leaves nothing:
// no message, no session, no goroutine (synctest waits for all of them).
func TestBdat_DisconnectStoresNothing(t *testing.T) {
	t.Parallel()
	for _, last := range []string{"", "BD", "BDAT 10 LAST\r\n", "BDAT 10 LAST\r\nxyz", "RSET\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			m := &memory{}
			c, _ := chunked(t, smtpd.Config{Backend: m})
			write(t, c, last)
			c.Close()
			synctest.Wait()
			if len(m.stored()) != 0 || m.closed != 1 {
				t.Errorf("%q: %d messages, closed %d times", last, len(m.stored()), m.closed)
			}
			if got := m.log[len(m.log)-1]; !strings.HasPrefix(got, "data ") || !strings.Contains(got, " unexpected EOF") {
				t.Errorf("%q: the backend heard %q", last, got)
			}
		})
	}
}

// A message in chunks is as pressed for time as one by DATA: between chunks an
// idle client is told 421, and so is one that stays below the floor.
func TestBdat_Deadlines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pause time.Duration
		sends string
		want  time.Duration
	}{
		"idle between chunks":    {0, "", 5 * time.Minute},
		"idle inside of a chunk": {0, "BDAT 10\r\nabc", 5 * time.Minute},
		"below the floor":        {4 * time.Minute, "BDAT 1\r\nx", 15 * time.Minute},
		"above the floor":        {time.Minute, "BDAT 9000\r\n" + strings.Repeat("y", 9000), time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &memory{}
				c1, in := chunked(t, smtpd.Config{Backend: m})
				began := time.Now()
				told := make(chan string, 1)
				go func() {
					rest, _ := io.ReadAll(in)
					told <- string(rest)
				}()
				for {
					if c.sends != "" {
						if _, err := io.WriteString(c1, c.sends); err != nil {
							break
						}
					}
					if c.pause == 0 {
						break
					}
					<-time.After(c.pause)
				}
				got := <-told
				lines := strings.Split(strings.TrimSpace(got), "\r\n")
				if last := lines[len(lines)-1]; !strings.HasPrefix(last, "421 4.4.2 ") {
					t.Errorf("got %q", last)
				}
				if c.pause == 0 && time.Since(began) != c.want || len(m.stored()) != 0 {
					t.Errorf("after %v: %d messages", time.Since(began), len(m.stored()))
				}
				if c.pause != 0 && (time.Since(began) < c.want || time.Since(began) > c.want+2*c.pause) {
					t.Errorf("after %v, want %v", time.Since(began), c.want)
				}
			})
		})
	}
}

// A server that stops does not wait for chunks to come.
func TestBdat_StopBetweenChunks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		ctx, stop := context.WithCancel(t.Context())
		c, in := pipe(ctx, t, smtpd.Config{Backend: m, Chunking: true})
		expect(t, in, "220")
		for _, line := range []string{ehlo, from, to, "BDAT 1\r\na"} {
			write(t, c, line)
			expect(t, in, "250")
		}
		stop()
		if got := expect(t, in, "421"); !strings.HasPrefix(got, "421 4.3.2 ") {
			t.Errorf("got %q", got)
		}
		expectEOF(t, in)
		if len(m.stored()) != 0 {
			t.Error("a message was stored")
		}
	})
}

// Too many errors between chunks end the session, and the message with it.
func TestBdat_ErrorsBetweenChunks(t *testing.T) {
	t.Parallel()
	m := &memory{}
	c, in := chunked(t, smtpd.Config{Backend: m, Limits: smtpd.Limits{Errors: 3}})
	for _, want := range []string{"500", "503", "421"} {
		write(t, c, map[string]string{"500": "XYZZY\r\n", "503": from, "421": to}[want])
		expect(t, in, want)
	}
	expectEOF(t, in)
	if len(m.stored()) != 0 {
		t.Error("a message was stored")
	}
}

// early refuses a message as soon as it has seen the beginning.
type early struct{ discard }

func (e early) Open(context.Context, smtpd.Peer) (smtpd.Session, error) { return e, nil }

func (early) Data(_ context.Context, t *smtpd.Transaction, message io.Reader) ([]reply.Reply, error) {
	if t.From.Local == "pane" {
		panic("a mistake in the policy")
	}
	if _, err := io.ReadFull(message, make([]byte, 4)); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return nil, reply.New(554, "5.7.1", "Seen enough").Err(errors.New("policy"))
}

func TestBdat_BackendRefusesEarly(t *testing.T) {
	t.Parallel()
	c, in := pipe(t.Context(), t, smtpd.Config{Backend: early{}, Chunking: true})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, in, "220")
	write(t, c, ehlo)
	expect(t, in, "250")
	go io.WriteString(c, from+to+"BDAT 2\r\nab"+"BDAT 6\r\ncdQUIT"+"BDAT 6\r\nQUIT\r\n"+"BDAT 6 LAST\r\nQUIT\r\n"+"NOOP\r\n") // it ends with the connection
	expect(t, in, "250", "250", "250", "554", "503", "503", "250")
	write(t, c, "MAIL FROM:<pane@aurora.test>\r\n")
	expect(t, in, "250")
	write(t, c, to)
	expect(t, in, "250")
	write(t, c, "BDAT 2\r\nab")
	expect(t, in, "421")
	expectEOF(t, in)
}

// Replies to chunks that arrived together leave together (RFC 2920, RFC 3030).
func TestBdat_PipelinedAnswersInOneWrite(t *testing.T) {
	t.Parallel()
	c, _ := pipe(t.Context(), t, smtpd.Config{Chunking: true})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 64<<10)
	read := func() string {
		n, err := c.Read(buf) // a Read of net.Pipe returns one Write
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	read()
	write(t, c, ehlo)
	read()
	write(t, c, from+to+"BDAT 3\r\nabcBDAT 2\r\n\r\nBDAT 0 LAST\r\nQUIT\r\n")
	if got := read(); strings.Count(got, "\r\n250 ") != 4 || !strings.Contains(got, "\r\n221 ") {
		t.Errorf("got %q", got)
	}
}

func chunk(text, last string) string { return fmt.Sprintf("BDAT %d%s\r\n%s", len(text), last, text) }

func TestBdat_Events(t *testing.T) {
	t.Parallel()
	cfg := smtpd.Config{Chunking: true, Events: event.NewLog("mx1.boreal.test", 0)}
	c, in := transaction(t, cfg)
	write(t, c, chunk("Subject: hi\r\nMessage-ID: <1@", ""))
	expect(t, in, "250")
	write(t, c, chunk("a>\r\n\r\nx", " LAST"))
	expect(t, in, "250")
	write(t, c, from+to+chunk("a: b\r\n", ""))
	expect(t, in, "250", "250", "250")
	write(t, c, "RSET\r\n")
	expect(t, in, "250")
	var got []string
	seen := false
	for _, r := range cfg.Events.After(0, 100).Records {
		if seen = seen || strings.HasPrefix(r.Text, "BDAT"); seen {
			got = append(got, show(r))
		}
	}
	want := []string{
		"line < BDAT 28",
		"line < Subject: hi",
		"line > 250 2.0.0 Ok: 28 octets so far",
		"line < BDAT 7 LAST",
		"line < Message-ID: <1@a>",
		`line < (message: 37 octets) queue=ABCDEF0123 message=1@a summary="message-size(37)"`,
		"line > 250 2.0.0 Ok: queued as ABCDEF0123 queue=ABCDEF0123",
		"line < MAIL FROM:<ana@aurora.test>",
		"line > 250 2.1.0 Sender <ana@aurora.test> ok",
		"line < RCPT TO:<bruno@boreal.test>",
		"line > 250 2.1.5 Recipient <bruno@boreal.test> ok",
		"line < BDAT 6",
		"line < a: b",
		"line > 250 2.0.0 Ok: 6 octets so far",
		"line < RSET",
		"line > 250 2.0.0 Ok",
		`line < (message: 6 octets) summary="message-size(6)" note="given-up"`,
	}
	if len(got) != len(want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("record %d:\n got %s\nwant %s", i, got[i], want[i])
		}
	}
}
