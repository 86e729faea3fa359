package smtpd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"correio/services/internal/smtpd"
)

// pipe serves one end of an in-memory connection and returns the other.
func pipe(ctx context.Context, t *testing.T, cfg smtpd.Config) (net.Conn, *bufio.Reader) {
	t.Helper()
	if cfg.Hostname == "" {
		cfg.Hostname = "mx1.boreal.test"
	}
	if cfg.Backend == nil {
		cfg.Backend = &memory{}
	}
	srv, err := smtpd.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.ServeConn(ctx, server)
	}()
	t.Cleanup(func() {
		client.Close()
		<-done
	})
	return client, bufio.NewReader(client)
}

func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatalf("write %q: %v", s, err)
	}
}

// expect reads replies until one has each of the codes, in order.
func expect(t *testing.T, in *bufio.Reader, codes ...string) string {
	t.Helper()
	var last string
	for _, code := range codes {
		for {
			line, err := in.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, code) {
				t.Fatalf("got %q, %v, want %s", line, err, code)
			}
			if last = strings.TrimSuffix(line, "\r\n"); last[3] == ' ' {
				break
			}
		}
	}
	return last
}

func expectEOF(t *testing.T, in *bufio.Reader) {
	t.Helper()
	if line, err := in.ReadString('\n'); err != io.EOF {
		t.Fatalf("got %q, %v, want the connection closed", line, err)
	}
}

const (
	ehlo = "EHLO pc.aurora.test\r\n"
	from = "MAIL FROM:<ana@aurora.test>\r\n"
	to   = "RCPT TO:<bruno@boreal.test>\r\n"
)

// Replies to commands that arrived together leave together (RFC 2920).
func TestPipelining_AnswersInOneWrite(t *testing.T) {
	t.Parallel()
	c, _ := pipe(t.Context(), t, smtpd.Config{})
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
	write(t, c, from+to+to+"DATA\r\n")
	if got := read(); strings.Count(got, "250 ") != 3 || !strings.Contains(got, "\n354 ") {
		t.Errorf("first write: %q", got)
	}
	write(t, c, "text\r\n.\r\n"+from+to+"DATA\r\n")
	if got := read(); strings.Count(got, "250 ") != 3 || !strings.Contains(got, "\n354 ") {
		t.Errorf("second write: %q", got)
	}
	write(t, c, ".\r\nQUIT\r\n")
	if got := read(); !strings.HasPrefix(got, "250 ") || !strings.Contains(got, "\r\n221 ") {
		t.Errorf("third write: %q", got)
	}
}

// refusing refuses connections.
type refusing struct{ err error }

func (r refusing) Open(context.Context, smtpd.Peer) (smtpd.Session, error) { return nil, r.err }

func TestGreeting_Refused(t *testing.T) {
	t.Parallel()
	c, in := pipe(t.Context(), t, smtpd.Config{Backend: refusing{denied.Err(nil)}})
	if got := expect(t, in, "554"); got != "554 Not you" {
		t.Errorf("got %q", got)
	}
	// RFC 5321 §3.1: the server waits for QUIT, and answers all else by 503.
	for _, command := range []string{ehlo, from, "NOOP\r\n", "XYZZY\r\n", "\r\n", "DATA now\r\n"} {
		write(t, c, command)
		expect(t, in, "503")
	}
	write(t, c, "QUIT\r\n")
	expect(t, in, "221")
	expectEOF(t, in)
}

func TestGreeting_BackendFails(t *testing.T) {
	t.Parallel()
	for name, backend := range map[string]smtpd.Backend{"error": refusing{errDisk}, "no session": refusing{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, in := pipe(t.Context(), t, smtpd.Config{Backend: backend})
			if got := expect(t, in, "421"); strings.Contains(got, "disk") || strings.Contains(got, "4.3.0") {
				t.Errorf("got %q", got)
			}
			expectEOF(t, in)
		})
	}
}

func TestNew_TellsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := smtpd.New(smtpd.Config{Proto: smtpd.Submissions, AuthMechanisms: []string{"X"}, Limits: smtpd.Limits{CommandLine: 1 << 20}})
	for _, want := range []string{"host name", "backend", "TLS", `"X"`, "line limits"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not speak of %s", err, want)
		}
	}
	if _, err := smtpd.New(smtpd.Config{Hostname: "a", Backend: &memory{}, Proto: "uucp"}); err == nil {
		t.Error("unknown protocol accepted")
	}
}

func TestSessions_AreClosedOnce(t *testing.T) {
	t.Parallel()
	m := &memory{}
	synctest.Test(t, func(t *testing.T) {
		c, in := pipe(t.Context(), t, smtpd.Config{Backend: m})
		expect(t, in, "220")
		write(t, c, "QUIT\r\n")
		expect(t, in, "221")
		expectEOF(t, in)
		synctest.Wait()
		if got := fmt.Sprint(m.opened, m.closed); got != "1 1" {
			t.Errorf("opened and closed: %s", got)
		}
	})
}
