package smtpd_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/smtpd"
)

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
