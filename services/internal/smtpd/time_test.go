package smtpd_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
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

// slowly takes its time for each recipient.
type slowly struct{ *memory }

func (s slowly) Open(ctx context.Context, p smtpd.Peer) (smtpd.Session, error) {
	session, err := s.memory.Open(ctx, p)
	return slowSession{session}, err
}

type slowSession struct{ smtpd.Session }

func (s slowSession) Rcpt(ctx context.Context, t *smtpd.Transaction, to smtpd.Recipient) (reply.Reply, error) {
	<-time.After(4 * time.Second)
	return s.Session.Rcpt(ctx, t, to)
}

// Replies waited for the end of the pipeline, however long its commands took: a
// client that waits a minute for each of them heard nothing and left.
func TestPipelining_RepliesDoNotWaitForSlowCommands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, in := pipe(t.Context(), t, smtpd.Config{Backend: slowly{&memory{}}})
		expect(t, in, "220")
		write(t, c, ehlo)
		expect(t, in, "250")
		go io.WriteString(c, from+strings.Repeat(to, 30)+"NOOP\r\n")
		began, last := time.Now(), time.Now()
		for range 32 {
			expect(t, in, "250")
			if waited := time.Since(last); waited > 9*time.Second {
				t.Errorf("a reply came after %v", waited)
			}
			last = time.Now()
		}
		if all := time.Since(began); all != 30*4*time.Second {
			t.Errorf("all came within %v", all)
		}
	})
}
