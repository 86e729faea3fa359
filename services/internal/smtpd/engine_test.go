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

	"correio/services/internal/event"
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

func TestIdle_Is421(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, in := pipe(t.Context(), t, smtpd.Config{})
		expect(t, in, "220")
		began := time.Now()
		if got := expect(t, in, "421"); !strings.HasPrefix(got, "421 4.4.2 ") {
			t.Errorf("got %q", got)
		}
		if waited := time.Since(began); waited != 5*time.Minute {
			t.Errorf("after %v", waited)
		}
		expectEOF(t, in)
		c.Close()
	})
}

// A line has one deadline, however slowly it drips in.
func TestIdle_DrippingLineIs421(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, in := pipe(t.Context(), t, smtpd.Config{})
		expect(t, in, "220")
		began := time.Now()
		drip := time.NewTicker(time.Minute)
		defer drip.Stop()
		for range 4 {
			write(t, c, "x")
			<-drip.C
		}
		write(t, c, "x")
		expect(t, in, "421")
		if waited := time.Since(began); waited != 5*time.Minute {
			t.Errorf("after %v", waited)
		}
	})
}

// Every command has the whole of the idle time for itself.
func TestIdle_BeginsAnewWithEachCommand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, in := pipe(t.Context(), t, smtpd.Config{})
		expect(t, in, "220")
		pause := time.NewTicker(4 * time.Minute)
		defer pause.Stop()
		for range 5 {
			<-pause.C
			write(t, c, "NOOP\r\n")
			expect(t, in, "250")
		}
	})
}

func begin(t *testing.T, c net.Conn, in *bufio.Reader) {
	t.Helper()
	expect(t, in, "220")
	for _, command := range []string{ehlo, from, to, "DATA\r\n"} {
		write(t, c, command)
		expect(t, in, map[bool]string{true: "354", false: "250"}[command == "DATA\r\n"])
	}
}

// behaviour §5, no. 5: a slow but live message is taken, as long as it takes.
func TestData_SlowButLiveIsAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		c, in := pipe(t.Context(), t, smtpd.Config{Backend: m})
		begin(t, c, in)
		began := time.Now()
		tick := time.NewTicker(time.Minute)
		defer tick.Stop()
		block := strings.Repeat("0123456\r\n", 1000) // 150 octets a second
		for range 30 {
			<-tick.C
			write(t, c, block)
		}
		write(t, c, ".\r\n")
		expect(t, in, "250")
		if d := time.Since(began); d != 30*time.Minute || len(m.stored()) != 1 || len(m.stored()[0].text) != 30*len(block) {
			t.Errorf("after %v: %d messages", d, len(m.stored()))
		}
	})
}

// behaviour §5, no. 5: after a timeout inside of DATA the rest of the message
// must not be read as commands.
func TestData_TimeoutClosesAndRunsNothing(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]time.Duration{"pause": 6 * time.Minute, "below the floor": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := &memory{}
				c, in := pipe(t.Context(), t, smtpd.Config{Backend: m})
				begin(t, c, in)
				told := make(chan string, 1)
				go func() {
					rest, _ := io.ReadAll(in)
					told <- string(rest)
				}()
				tick := time.NewTicker(pause)
				defer tick.Stop()
				for range 20 {
					<-tick.C
					if _, err := io.WriteString(c, "RSET\r\n"); err != nil {
						break
					}
				}
				if got := <-told; !strings.HasPrefix(got, "421 4.4.2 ") || strings.Count(got, "\n") != 1 {
					t.Errorf("got %q", got)
				}
				if len(m.stored()) != 0 {
					t.Error("a message was stored")
				}
			})
		})
	}
}

func TestData_HasATotalLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, in := pipe(t.Context(), t, smtpd.Config{})
		begin(t, c, in)
		began := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			tick := time.NewTicker(time.Minute)
			defer tick.Stop()
			block := strings.Repeat("0123456\r\n", 2000)
			for {
				<-tick.C
				if _, err := io.WriteString(c, block); err != nil {
					return
				}
			}
		}()
		expect(t, in, "421")
		if d := time.Since(began); d != time.Hour {
			t.Errorf("after %v", d)
		}
		c.Close()
		<-done
	})
}

// A client that disconnects in the middle leaves no message and no reply.
func TestData_DisconnectStoresNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		c, in := pipe(t.Context(), t, smtpd.Config{Backend: m})
		begin(t, c, in)
		write(t, c, "text\r\n.\r")
		c.Close()
		synctest.Wait()
		if len(m.stored()) != 0 || m.closed != 1 {
			t.Errorf("%d messages, closed %d times", len(m.stored()), m.closed)
		}
	})
}

func TestStop_IdleSessionHears421(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		c, in := pipe(ctx, t, smtpd.Config{})
		expect(t, in, "220")
		write(t, c, "NOO") // even in the middle of a line
		synctest.Wait()
		began := time.Now()
		stop()
		if got := expect(t, in, "421"); !strings.HasPrefix(got, "421 4.3.2 ") || time.Since(began) != 0 {
			t.Errorf("got %q after %v", got, time.Since(began))
		}
		expectEOF(t, in)
	})
}

// The command at hand is finished; the next one is not begun.
func TestStop_MessageInFlightIsFinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		ctx, stop := context.WithCancel(t.Context())
		c, in := pipe(ctx, t, smtpd.Config{Backend: m})
		begin(t, c, in)
		write(t, c, "text\r\n")
		stop()
		synctest.Wait()
		write(t, c, ".\r\n"+from)
		expect(t, in, "250", "421")
		expectEOF(t, in)
		if len(m.stored()) != 1 {
			t.Errorf("%d messages", len(m.stored()))
		}
	})
}

// What a backend waits for is given up after the grace.
func TestStop_BackendIsCutAfterTheGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		_, in := pipe(ctx, t, smtpd.Config{Backend: stuck{}, Limits: smtpd.Limits{Grace: 7 * time.Second}})
		synctest.Wait()
		began := time.Now()
		stop()
		expect(t, in, "421")
		if d := time.Since(began); d != 7*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

type stuck struct{}

func (stuck) Open(ctx context.Context, _ smtpd.Peer) (smtpd.Session, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

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

// Row 6 of behaviour §6: endless lines, in commands and in AUTH.
func TestRow6_EndlessLine(t *testing.T) {
	t.Parallel()
	auth := smtpd.Config{Proto: smtpd.Submission, AuthMechanisms: []string{"PLAIN"}, Backend: &memory{}}
	for name, c := range map[string]struct {
		cfg    smtpd.Config
		before []string
	}{
		"command": {smtpd.Config{Backend: &memory{}}, nil},
		"auth":    {auth, []string{ehlo, "AUTH PLAIN\r\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", serve(t, c.cfg))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			in := bufio.NewReader(conn)
			expect(t, in, "220")
			for _, line := range c.before {
				write(t, conn, line)
				expect(t, in, map[bool]string{true: "334", false: "250"}[strings.HasPrefix(line, "AUTH")])
			}
			sent := make(chan int64, 1)
			go func() {
				n, _ := io.CopyN(conn, endless{}, 64<<20)
				sent <- n
			}()
			if got := expect(t, in, "500"); !strings.HasPrefix(got, "500 5.5.") {
				t.Errorf("got %q", got)
			}
			expectEOF(t, in)
			conn.Close()
			if n := <-sent; n == 64<<20 {
				t.Error("64 MiB of one line were taken")
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestLongLine_IsRefusedAndTheNextOneWorks(t *testing.T) {
	t.Parallel()
	c, in := pipe(t.Context(), t, smtpd.Config{})
	expect(t, in, "220")
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, "NOOP "+strings.Repeat("x", 5000)+"\r\nNOOP\r\n")
		sent <- err
	}()
	if got := expect(t, in, "500"); got != "500 5.5.2 Line too long" {
		t.Errorf("got %q", got)
	}
	expect(t, in, "250")
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestBusy_Is421(t *testing.T) {
	t.Parallel()
	events := event.NewLog("mx1.boreal.test", 0)
	addr := serve(t, smtpd.Config{Backend: &memory{}, Events: events, Limits: smtpd.Limits{PerClient: 1}})
	first, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	expect(t, bufio.NewReader(first), "220")
	second, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	second.SetDeadline(time.Now().Add(10 * time.Second))
	in := bufio.NewReader(second)
	if got := expect(t, in, "421"); got != "421 Too many connections; try again later" {
		t.Errorf("got %q", got)
	}
	expectEOF(t, in)
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
