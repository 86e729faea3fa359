package pop3c_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"correio/services/internal/event"
	"correio/services/pc/internal/pop3c"
	"correio/services/pc/internal/transcript"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve plays a server that greets and then answers each line with the next
// answer, whatever was said. It hangs up after the last.
func serve(t *testing.T, greeting string, answers ...string) net.Conn {
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		if _, err := io.WriteString(far, greeting); err != nil {
			return
		}
		r := bufio.NewReader(far)
		for _, a := range answers {
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
			if _, err := io.WriteString(far, a); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { near.Close(); <-done })
	return near
}

func open(t *testing.T, conn net.Conn) *pop3c.Client {
	t.Helper()
	c, err := pop3c.Open(t.Context(), conn, pop3c.Options{Host: "mda.test", Mechanism: pop3c.User, InClear: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestMessagesComeOctetForOctet(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("l", 70_000)
	for name, c := range map[string]struct{ wire, want string }{
		"plain":          {"a\r\nb\r\n.\r\n", "a\r\nb\r\n"},
		"empty":          {".\r\n", ""},
		"stuffed dots":   {"..\r\n...\r\n..x\r\n.\r\n", ".\r\n..\r\n.x\r\n"},
		"dot within":     {"a.\r\n.\r\n", "a.\r\n"},
		"a long line":    {long + "\r\n.." + long + "\r\n.\r\n", long + "\r\n." + long + "\r\n"},
		"bare line feed": {"a\nb\n.\r\n", "a\nb\n"},
		"8 bits":         {"\xff\x00\x80\r\n.\r\n", "\xff\x00\x80\r\n"},
	} {
		got, err := open(t, serve(t, "+OK hi\r\n", "+OK\r\n"+c.wire)).Retr(t.Context(), 1, 1<<20)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %d octets, %v; want %d", name, len(got), err, len(c.want))
		}
	}
}

func TestListing(t *testing.T) {
	t.Parallel()
	c := open(t, serve(t, "+OK hi\r\n", "+OK\r\n1 10\r\n3 30\r\n.\r\n", "+OK\r\n3 three\r\n1 one\r\n.\r\n"))
	list, err := c.List(t.Context())
	if err != nil || len(list) != 2 || list[0] != (pop3c.Entry{1, 10, "one"}) || list[1] != (pop3c.Entry{3, 30, "three"}) {
		t.Errorf("%+v, %v", list, err)
	}
}

// A server that does not keep to the protocol costs an error, not memory.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	endless := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		greeting string
		answers  []string
		do       func(ctx context.Context, c *pop3c.Client) error
		want     error
		step     pop3c.Step
	}{
		"no POP3":               {greeting: "220 smtp\r\n", want: pop3c.ErrReply, step: pop3c.StepBanner},
		"endless greeting":      {greeting: "+OK" + endless, want: pop3c.ErrTooLong, step: pop3c.StepBanner},
		"silent end":            {greeting: "", want: io.ErrUnexpectedEOF, step: pop3c.StepBanner},
		"message over limit":    {"+OK\r\n", []string{"+OK\r\n" + endless}, retr, pop3c.ErrTooLarge, pop3c.StepRetr},
		"message cut off":       {"+OK\r\n", []string{"+OK\r\nhalf\r\n"}, retr, io.ErrUnexpectedEOF, pop3c.StepRetr},
		"garbage in a listing":  {"+OK\r\n", []string{"+OK\r\none 1\r\n.\r\n"}, list, pop3c.ErrReply, pop3c.StepList},
		"negative size":         {"+OK\r\n", []string{"+OK\r\n1 -1\r\n.\r\n", "+OK\r\n.\r\n"}, list, pop3c.ErrReply, pop3c.StepList},
		"plaintext behind STLS": {"+OK\r\n", []string{"+OK\r\n+OK injected\r\n"}, stls, pop3c.ErrInjected, pop3c.StepTLS},
	} {
		client, err := pop3c.Open(t.Context(), serve(t, c.greeting, c.answers...), pop3c.Options{Host: "mda.test"})
		if err == nil {
			err = c.do(t.Context(), client)
			client.Close()
		}
		var e *pop3c.Error
		if !errors.As(err, &e) || !errors.Is(err, c.want) || e.Step != c.step {
			t.Errorf("%s: %v, want %v at %s", name, err, c.want, c.step)
		}
	}
}

func retr(ctx context.Context, c *pop3c.Client) error {
	_, err := c.Retr(ctx, 1, 1000)
	return err
}

func list(ctx context.Context, c *pop3c.Client) error {
	_, err := c.List(ctx)
	return err
}

func stls(ctx context.Context, c *pop3c.Client) error { return c.StartTLS(ctx, nil) }

func TestRefusalsCarryTheReply(t *testing.T) {
	t.Parallel()
	err := open(t, serve(t, "+OK hi\r\n", "+OK\r\n", "-ERR [AUTH] no\r\n")).Login(t.Context(), "ana", "x")
	var e *pop3c.Error
	if !errors.As(err, &e) || e.Step != pop3c.StepPass || e.Reply != "-ERR [AUTH] no" {
		t.Errorf("%#v", err)
	}
	err = open(t, serve(t, "+OK hi\r\n", "+OK\r\n")).Login(t.Context(), "ana\r\nDELE 1", "x")
	if !errors.As(err, &e) || e.Err == nil {
		t.Errorf("a line end in a name: %v", err)
	}
}

func TestPasswordIsMasked(t *testing.T) {
	t.Parallel()
	log := event.NewLog("pc.test", 0)
	var said []string
	c, err := pop3c.Open(t.Context(), serve(t, "+OK hi\r\n", "+OK\r\n", "+OK\r\n"), pop3c.Options{
		Host: "mda.test", Events: log, Mechanism: pop3c.User, InClear: true,
		Trace: func(_ time.Time, l transcript.Line) { said = append(said, string(l.Dir)+l.Text) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(t.Context(), "ana", "geheim"); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(said, "|"); got != "<+OK hi|>USER ana|<+OK|>PASS ****|<+OK" {
		t.Errorf("transcript %q", got)
	}
	for _, r := range log.After(0, 100).Records {
		if strings.Contains(r.Text, "geheim") {
			t.Errorf("password in event %+v", r)
		}
	}
}

// The dialogue of a fetch is shown in a terminal, which obeyed what a server said.
func TestTraceSpellsOutControlCharacters(t *testing.T) {
	t.Parallel()
	log := event.NewLog("pc.test", 0)
	var said []string
	c, err := pop3c.Open(t.Context(), serve(t, "+OK \x1b[31mhi\u202e\r\n"), pop3c.Options{
		Host: "mda.test", Events: log,
		Trace: func(_ time.Time, l transcript.Line) { said = append(said, string(l.Dir)+l.Text) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, want := strings.Join(said, "|"), `<+OK \x1b[31mhi\u202e`; got != want {
		t.Errorf("transcript %q, want %q", got, want)
	}
	if got := log.After(0, 100).Records[1].Text; got != "+OK \x1b[31mhi\u202e" {
		t.Errorf("event %q", got)
	}
}

func TestSilentServerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		start := time.Now()
		_, err := pop3c.Open(t.Context(), near, pop3c.Options{Host: "mda.test"})
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

func TestEndOfContextCutsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := pop3c.Open(ctx, near, pop3c.Options{Host: "mda.test"}); err == nil || time.Since(start) != time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

func FuzzRetr(f *testing.F) {
	for _, s := range []string{"a\r\n.\r\n", "..\r\n.\r\n", ".", "\n.\n", ".\r", "x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, err := open(t, serve(t, "+OK\r\n", "+OK\r\n"+string(wire))).Retr(t.Context(), 1, 4096)
		if err != nil {
			return
		}
		if len(got) > 4096 || unstuff(string(wire)) != string(got) {
			t.Errorf("wire %q: got %q", wire, got)
		}
	})
}

// unstuff is the slow and obvious reading of RFC 1939 §3.
func unstuff(wire string) string {
	var b strings.Builder
	for _, line := range strings.SplitAfter(wire, "\n") {
		if strings.TrimRight(line, "\r\n") == "." && strings.HasSuffix(line, "\n") {
			return b.String()
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	return "no end"
}
