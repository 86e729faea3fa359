package smtpc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"correio/services/internal/mailaddr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// converse runs a client against a server that follows a script: "S: " lines
// it says, "C: " lines it expects, "D: " the octets that it expects (quoted as
// in Go), and "HANG" waits until the client has gone. When the script ends it
// closes. The function returned fails the test if the client strayed.
func converse(t *testing.T, script string) (net.Conn, func()) {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan error, 1)
	go func() {
		defer server.Close()
		server.SetDeadline(time.Now().Add(10 * time.Second))
		done <- play(server, bufio.NewReader(server), script)
	}()
	return client, func() {
		t.Helper()
		client.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func play(server io.Writer, r *bufio.Reader, script string) error {
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case line == "HANG":
			io.Copy(io.Discard, r)
		case strings.HasPrefix(line, "D: "):
			if err := expect(r, line[3:]); err != nil {
				return err
			}
		case strings.HasPrefix(line, "S: "):
			if _, err := io.WriteString(server, line[3:]+"\r\n"); err != nil {
				return fmt.Errorf("server says %q: %w", line[3:], err)
			}
		case strings.HasPrefix(line, "C:"):
			want := strings.TrimPrefix(line[2:], " ")
			got, err := r.ReadString('\n')
			if err != nil || got != want+"\r\n" {
				return fmt.Errorf("got %q, want %q: %w", got, want, err)
			}
		default:
			return fmt.Errorf("bad script line %q", line)
		}
	}
	return nil
}

func expect(r io.Reader, quoted string) error {
	want, err := strconv.Unquote(quoted)
	if err != nil {
		return fmt.Errorf("bad script: %s: %w", quoted, err)
	}
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		return fmt.Errorf("got %q, want %q: %w", got[:n], want, err)
	}
	return nil
}

func addr(t testing.TB, s string) mailaddr.Address {
	t.Helper()
	if s == "" {
		return mailaddr.Address{}
	}
	a, err := mailaddr.Parse(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return a
}

func envelope(t testing.TB, from string, to ...string) Envelope {
	env := Envelope{From: addr(t, from)}
	for _, s := range to {
		env.To = append(env.To, Recipient{To: addr(t, s)})
	}
	return env
}

const hello = `
	S: 220 mx1.boreal.test ESMTP
	C: EHLO mx1.aurora.test
`

// told writes results as the tests do: "step: reply", or "step! error". Our own
// verdicts are marked by "we, at ".
func told(results []Result) []string {
	var list []string
	for _, r := range results {
		switch {
		case r.Err != nil:
			list = append(list, fmt.Sprintf("%s! %v", r.Step, r.Err))
		case r.Own:
			list = append(list, fmt.Sprintf("we, at %s: %s", r.Step, r.Reply))
		default:
			list = append(list, fmt.Sprintf("%s: %s", r.Step, r.Reply))
		}
	}
	return list
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }
