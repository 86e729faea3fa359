package pop3_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"correio/services/internal/event"
	"correio/services/internal/sasl"
	"correio/services/mda/internal/pop3"
	"correio/services/mda/internal/store"
)

// behaviour.md §6 row 6: no line costs more memory or time than the limit.
func TestRow6LongAndEndlessLines(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := s.dial().greeting()
	c.want("USER "+strings.Repeat("a", 247), "+OK now PASS") // 254 octets and more are checked below
	c.want("USER "+strings.Repeat("a", 249), "-ERR line is longer than 255 octets")
	c.want("USER "+strings.Repeat("a", 30_000), "-ERR line is longer than 255 octets")
	c.want("NOOP", "-ERR NOOP comes after...")
	endless := strings.NewReader(strings.Repeat("x", 1<<20))
	_, _ = io.Copy(c.Conn, endless) // fails when the server hangs up
	if got := c.line(); got != "-ERR line has no end" {
		t.Errorf("endless line: %q", got)
	}
}

// The same in the middle of AUTH, where a line may be longer.
func TestRow6EndlessLineInAUTH(t *testing.T) {
	t.Parallel()
	c := newServer(t, nil).dial().greeting()
	c.want("AUTH PLAIN", "+ ")
	c.want(strings.Repeat("A", 12284), "-ERR authentication response is malformed")
	c.want("AUTH PLAIN", "+ ")
	c.want(strings.Repeat("A", 12288), "-ERR line is longer than 12288 octets")
	c.want("AUTH PLAIN", "+ ")
	_, _ = io.Copy(c.Conn, strings.NewReader(strings.Repeat("A", 1<<20))) // fails when the server hangs up
	if got := c.line(); got != "-ERR line has no end" {
		t.Errorf("endless line: %q", got)
	}
}

func TestTooManyBadCommandsEndTheSession(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *pop3.Config) { c.Limits.BadLines = 3 })
	c := s.dial().greeting()
	c.want("GET / HTTP/1.1", "-ERR...")
	c.want("Host: x", "-ERR...")
	c.want("CAPA", "+OK...") // a good one in between starts the count anew
	c.multi()
	c.want("x", "-ERR unknown command")
	c.want("y", "-ERR unknown command")
	c.want("z", "-ERR too many bad commands, good-bye")
	c.ended()
}

func TestTooManyWrongPasswordsEndTheSession(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *pop3.Config) { c.Limits.AuthTries = 2 })
	c := s.dial().greeting()
	c.want("USER ana", "+OK...")
	c.want("PASS no", "-ERR [AUTH] wrong name or password")
	c.want("USER ana", "+OK...")
	c.want("PASS no", "-ERR [AUTH] wrong name or password, too often")
	c.ended()
	if got := len(s.records(event.KindAuth)); got != 2 {
		t.Errorf("%d auth events, want 2", got)
	}
}

// behaviour.md §6 row 12: aborted and garbled logins harm nobody.
func TestRow12AbortedLogins(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	half := []string{"USER ana\r\n", "USER ana\r\nPASS", "STLS\r\n\x16\x03", "AUTH PLAIN\r\n!!!\r\n", "AUTH PLAIN\r\nAGFuYQ", "AUTH PLAIN\r\n",
		"AUTH CRAM-MD5\r\n", "AUTH CRAM-MD5\r\n\x00\xff\r\n", "AUTH SCRAM-SHA-256 biwsbj1hbmEscj14\r\n", "AUTH SCRAM-SHA-256\r\n====\r\n"}
	for i := range 1000 {
		c := s.dial().greeting()
		c.send(half[i%len(half)])
		c.Close()
	}
	s.dial().login()
}

// behaviour.md §6 row 13.
func TestRow13HostileNames(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *pop3.Config) { c.Limits.AuthTries, c.Limits.BadLines = 1000, 1000 })
	c := s.dial().greeting()
	for _, name := range []string{"../ana", "*", "%", "ana'--", "ana\x00", "ana\x1b[2J", "\xff\xfe", "ana@", "@", "ana@aurora.test@x"} {
		c.send("USER " + name + "\r\nPASS ana\r\n")
		first, second := c.line(), c.line()
		if strings.HasPrefix(second, "+OK") {
			t.Errorf("%q logged in: %q, %q", name, first, second)
		}
		for _, user := range []string{name, "ana\x00b", "", strings.Repeat("x", 300)} {
			if answer := c.ask("AUTH PLAIN " + sasl.Encode([]byte("\x00"+user+"\x00ana"))); !strings.HasPrefix(answer, "-ERR") {
				if answer = c.ask("*"); !strings.HasPrefix(answer, "-ERR") {
					t.Errorf("%q logged in: %q", user, answer)
				}
			}
		}
	}
	for _, r := range s.records(event.KindLine) {
		if strings.Contains(r.Text, "PASS ana") {
			t.Errorf("password in event %+v", r)
		}
	}
	for _, r := range s.records(event.KindAuth) {
		if user := r.Meta.Get(event.User); strings.ContainsFunc(user, unicode.IsControl) || !utf8.ValidString(user) {
			t.Errorf("user %q in event %+v", user, r)
		}
	}
}

// behaviour.md §6 row 14: LIST says what RETR sends, dots are stuffed, and the
// last line has an end.
func TestRow14SizesAndDots(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	bodies := []string{
		"", ".", "..", ".\r\n", "\r\n.\r\n", "\n.\n", "a\r\n.b\r\n..\r\n...\r\n", "no end", ".\r.\n.",
		strings.Repeat(".\r\n", 50_000), strings.Repeat("x", 64<<10-2) + "\r\n.dot at a chunk's edge\r\n",
		strings.Repeat("y", 64<<10-1) + "\r\n.dot again\r\n",
	}
	s.deliver("ana", bodies...)
	c := s.dial().login()
	for i := range bodies {
		var n, size int
		if _, err := fmt.Sscanf(c.ask(fmt.Sprintf("LIST %d", i+1)), "+OK %d %d", &n, &size); err != nil {
			t.Fatal(err)
		}
		c.want(fmt.Sprintf("RETR %d", i+1), fmt.Sprintf("+OK %d octets", size))
		if got := c.multi(); len(got) != size || !strings.HasPrefix(got, head) || !strings.HasSuffix(got, "\r\n") {
			t.Errorf("body %d: LIST says %d octets, RETR sent %d", i, size, len(got))
		}
	}
	c.want("NOOP", "+OK")
}

// behaviour.md §6 row 15: a line of 70 KB is a line.
func TestRow15LineOf70KB(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	long := strings.Repeat("l", 70_000)
	s.deliver("ana", "Subject: long\r\n\r\n"+long+"\r\nafter\r\n")
	c := s.dial().login()
	c.want("RETR 1", "+OK...")
	if got, want := c.multi(), head+"Subject: long\r\n\r\n"+long+"\r\nafter\r\n"; got != want {
		t.Errorf("got %d octets, want %d", len(got), len(want))
	}
	c.want("TOP 1 1", "+OK...")
	if got, want := c.multi(), head+"Subject: long\r\n\r\n"+long+"\r\n"; got != want {
		t.Errorf("TOP: got %d octets, want %d", len(got), len(want))
	}
	c.want("QUIT", "+OK...")
	c.ended()
}

// broken is a mailbox that makes the session panic.
type broken struct{ pop3.Maildrop }

func (broken) Message(context.Context, store.Entry) (*store.Message, error) { panic("boom") }

// One message that made a session panic ended the node with every mailbox in
// it, and would again when its owner came back.
func TestPanicEndsTheSessionAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.deliver("ana", "Subject: x\r\n\r\nx\r\n")
	open := s.cfg.Open
	s.stop()
	s.cfg.Open = func(ctx context.Context, name string) (pop3.Maildrop, error) {
		drop, err := open(ctx, name)
		return broken{drop}, err
	}
	s.run()
	other := s.dial().greeting()
	c := s.dial().greeting()
	c.want("USER ana", "+OK...")
	c.want("PASS ana", "+OK...")
	c.want("RETR 1", "-ERR [SYS/TEMP] internal error, good-bye")
	c.ended()
	other.want("USER ana", "+OK...")
	other.want("PASS ana", "+OK...") // the mailbox is free again
}

// A client that does not wait for the answer to AUTH sends its secrets as lines
// of their own; they were recorded as unknown commands.
func TestSecretsBehindARefusedAUTHAreMasked(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	c := s.dial().greeting()
	c.want("auth LOGIN", "-ERR...")
	c.want("YW5h", "-ERR...")
	c.want("c2VjcmV0", "-ERR...")
	c.want("CAPA", "+OK...")
	c.multi()
	c.want("XYZZY", "-ERR...")
	var said []string
	for _, r := range s.events.After(0, 1000).Records {
		if r.Kind == event.KindLine && r.Dir == event.In {
			said = append(said, r.Text)
		}
	}
	if got := strings.Join(said, "; "); got != "AUTH ****; ****; ****; CAPA; XYZZY" {
		t.Errorf("recorded %s", got)
	}
}
