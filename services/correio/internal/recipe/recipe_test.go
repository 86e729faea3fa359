package recipe_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"correio/services/correio/internal/recipe"
	"correio/services/internal/reply"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server plays a script of "S: " and "C: " lines on a connection, and closes it
// at the end when the client has, or at CLOSE.
func server(t *testing.T, script string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		r := bufio.NewReader(theirs)
		for line := range strings.Lines(script) {
			line = strings.TrimRight(line, "\n")
			if line == "CLOSE" {
				return
			}
			if text, ok := strings.CutPrefix(line, "S: "); ok {
				if _, err := io.WriteString(theirs, text+"\r\n"); err != nil {
					t.Errorf("nobody hears %q", text)
					return
				}
				continue
			}
			if got, err := r.ReadString('\n'); strings.TrimRight(got, "\r\n") != strings.TrimPrefix(line, "C: ") {
				t.Errorf("heard %q, %v, want %q", got, err, line)
				return
			}
		}
		if rest, _ := io.ReadAll(r); len(rest) > 0 {
			t.Errorf("the client goes on: %q", rest)
		}
	}()
	t.Cleanup(func() { ours.Close(); <-done })
	return ours
}

func play(t *testing.T, script, want string, times int, lines ...string) (recipe.Played, error) {
	t.Helper()
	r := reply.Recipe{Port: 25, Security: reply.Plain, Lines: lines, Times: times, Want: want}
	return recipe.Play(t.Context(), server(t, script), "mx1.boreal.test", r, reply.Values{Me: "pc"})
}

func TestPlay(t *testing.T) {
	for _, test := range []struct {
		name, script string
		want         string
		times        int
		lines        []string
		reply        string
		ok           bool
	}{
		{"the greeting", "S: 220-a\nS: 220 b\nC: QUIT\nS: 221 x", "220", 0, nil, "220 b", true},
		{"the reply to the last line", "S: 220 b\nC: EHLO pc\nS: 250-a\nS: 250 b\nC: X\nS: 450 4.2.1 busy\nC: QUIT\nS: 221 x",
			"450 4.2.1", 0, []string{"EHLO {me}", "X"}, "450 4.2.1 busy", true},
		{"another code", "S: 220 b\nC: X\nS: 250 2.1.5 ok\nC: QUIT\nS: 221 x", "450 4.2.1", 0, []string{"X"}, "250 2.1.5 ok", false},
		{"a longer enhanced code", "S: 220 b\nC: X\nS: 450 4.2.10 ok\nC: QUIT\nS: 221 x", "450 4.2.1", 0, []string{"X"}, "450 4.2.10 ok", false},
		{"again and again", "S: 220 b\nC: X\nS: 535 no\nC: X\nS: 535 no\nC: X\nS: 421 4.7.0 enough", "421 4.7.0", 9, []string{"X"}, "421 4.7.0 enough", true},
		{"not too often", "S: 220 b\nC: X\nS: 535 no\nC: X\nS: 535 no\nC: QUIT\nS: 221 x", "421", 2, []string{"X"}, "535 no", false},
		{"the server leaves early", "S: 220 b\nC: X\nS: 421 stopping", "250", 0, []string{"X", "Y"}, "421 stopping", false},
		{"a message", "S: 220 b\nC: DATA\nS: 354 go\nC: Subject: oi\nC: \nC: .\nS: 554 5.7.1 no\nC: QUIT\nS: 221 x",
			"554 5.7.1", 0, []string{"DATA", "Subject: oi", "", "."}, "554 5.7.1 no", true},
		{"no message when DATA is refused", "S: 220 b\nC: DATA\nS: 503 no\nC: QUIT\nS: 221 x", "554", 0, []string{"DATA", "Subject: oi", "."}, "503 no", false},
		{"DATA is ended", "S: 220 b\nC: DATA\nS: 354 go\nC: .\nS: 554 no\nC: QUIT\nS: 221 x", "354", 0, []string{"DATA"}, "354 go", true},
		{"AUTH is given up", "S: 220 b\nC: AUTH LOGIN\nS: 334 VXNl\nC: *\nS: 501 x\nC: QUIT\nS: 221 x", "334", 0, []string{"AUTH LOGIN"}, "334 VXNl", true},
		{"QUIT is not said twice", "S: 220 b\nC: QUIT\nS: 221 2.0.0 bye", "221 2.0.0", 0, []string{"QUIT"}, "221 2.0.0 bye", true},
		{"a server that says no good-bye", "S: 220 b\nC: X\nS: 250 ok\nC: QUIT\nCLOSE", "250", 0, []string{"X"}, "250 ok", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := play(t, test.script, test.want, test.times, test.lines...)
			if err != nil || got.Reply != test.reply || got.OK != test.ok {
				t.Errorf("got %+v, %v, want %q, %v", got, err, test.reply, test.ok)
			}
		})
	}
}

func TestDialogueThatBreaksOff(t *testing.T) {
	got, err := play(t, "S: 220 b\nC: X\nCLOSE", "250", 0, "X", "Y")
	if !errors.Is(err, io.EOF) || got.OK || len(got.Lines) != 2 || got.Lines[1].Text != "X" {
		t.Errorf("got %+v, %v, want both lines and EOF", got, err)
	}
	if got, err := play(t, strings.Repeat("S: 220-a\n", 100)+"CLOSE", "220", 0); err == nil || got.OK {
		t.Errorf("an endless reply: %+v, %v", got, err)
	}
}

func TestALoginThatFailsIsTheResult(t *testing.T) {
	c := server(t, "S: 220 b\nC: EHLO pc\nS: 250 b\nC: AUTH PLAIN AHgAeQ==\nS: 535 no\nC: QUIT\nS: 221 x")
	r := reply.Recipe{Port: 587, Security: reply.Plain, Login: true, Lines: []string{"MAIL FROM:<>"}, Want: "553"}
	got, err := recipe.Play(t.Context(), c, "mx", r, reply.Values{Me: "pc", Auth: reply.Plaintext("x", "y")})
	if err != nil || got.OK || got.Reply != "535 no" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPlayEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := server(t, "")
	cancel()
	r := reply.Recipe{Port: 25, Security: reply.Plain, Lines: []string{"NOOP"}, Want: "250"}
	if _, err := recipe.Play(ctx, c, "mx", r, reply.Values{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
