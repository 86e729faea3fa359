package pop3c_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/sasl"
	"correio/services/pc/internal/pop3c"
)

// script plays a server: lines of "S: " it says, lines of "C: " it must hear.
func script(t *testing.T, text string) (net.Conn, func() error) {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan error, 1)
	go func() {
		defer far.Close()
		far.SetDeadline(time.Now().Add(10 * time.Second))
		done <- play(far, text)
	}()
	return near, func() error {
		near.Close()
		return <-done
	}
}

func play(far net.Conn, text string) error {
	r := bufio.NewReader(far)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if said, ok := strings.CutPrefix(line, "S: "); ok {
			if _, err := io.WriteString(far, said+"\r\n"); err != nil {
				return err
			}
		} else if got, err := r.ReadString('\n'); err != nil || got != strings.TrimPrefix(line, "C: ")+"\r\n" {
			return fmt.Errorf("heard %q, %w; want %q", got, err, line)
		}
	}
	return nil
}

// RFC 2195's and RFC 4616's examples, and where they fail.
func TestLoginDialogues(t *testing.T) {
	t.Parallel()
	const (
		capa  = "S: +OK hi\nC: CAPA\nS: +OK\nS: TOP\nS: sasl "
		plain = "AHRpbQB0YW5zdGFhZnRhbnN0YWFm"
		cram  = "C: AUTH CRAM-MD5\nS: + PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\nC: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\n"
		user  = "C: USER tim\nS: +OK\nC: PASS tanstaaftanstaaf\nS: +OK in\n"
	)
	for name, test := range map[string]struct {
		script    string
		mechanism string
		inClear   bool
		want      error // nil for a login
		refused   string
	}{
		"the strongest":               {capa + "PLAIN CRAM-MD5\nS: .\n" + cram + "S: +OK in\n", "", true, nil, ""},
		"the strongest, not in clear": {capa + "PLAIN CRAM-MD5\nS: .\n" + cram + "S: +OK in\n", "", false, nil, ""},
		"refused":                     {capa + "CRAM-MD5\nS: .\n" + cram + "S: -ERR [AUTH] no\n", "", false, nil, "-ERR [AUTH] no"},
		"PLAIN":                       {capa + "PLAIN\nS: .\nC: AUTH PLAIN " + plain + "\nS: +OK in\n", "", true, nil, ""},
		"PLAIN, asked again":          {capa + "PLAIN\nS: .\nC: AUTH PLAIN " + plain + "\nS: + \nC: " + plain + "\nS: +OK in\n", "", true, nil, ""},
		"PLAIN, asked without space":  {capa + "PLAIN\nS: .\nC: AUTH PLAIN " + plain + "\nS: +\nC: " + plain + "\nS: +OK in\n", "", true, nil, ""},
		"PLAIN, not in clear":         {capa + "PLAIN\nS: .\n", "", false, pop3c.ErrInClear, ""},
		"no SASL":                     {"S: +OK hi\nC: CAPA\nS: +OK\nS: TOP\nS: .\n" + user, "", true, nil, ""},
		"no CAPA":                     {"S: +OK hi\nC: CAPA\nS: -ERR what\n" + user, "", true, nil, ""},
		"no CAPA, not in clear":       {"S: +OK hi\nC: CAPA\nS: -ERR what\n", "", false, pop3c.ErrInClear, ""},
		"by choice":                   {"S: +OK hi\n" + user, pop3c.User, true, nil, ""},
		"by choice, not in clear":     {"S: +OK hi\n", pop3c.User, false, pop3c.ErrInClear, ""},
		"not offered, by choice":      {"S: +OK hi\nC: AUTH CRAM-MD5\nS: -ERR what\n", sasl.CRAMMD5, false, nil, "-ERR what"},
		"a challenge that is none":    {"S: +OK hi\nC: AUTH CRAM-MD5\nS: + <1@x>\nC: *\nS: -ERR fine\n", sasl.CRAMMD5, false, sasl.ErrBase64, ""},
		"a challenge too many":        {"S: +OK hi\n" + cram + "S: + PDE+\nC: *\nS: -ERR fine\n", sasl.CRAMMD5, false, sasl.ErrChallenge, ""},
		"cut off":                     {"S: +OK hi\nC: AUTH CRAM-MD5\n", sasl.CRAMMD5, false, io.ErrUnexpectedEOF, ""},
		"cut off in CAPA":             {capa + "PLAIN\n", "", false, io.ErrUnexpectedEOF, ""},
		"endless CAPA":                {capa + "X\n" + strings.Repeat("S: x\n", 198), "", false, pop3c.ErrTooLarge, ""},
		"not POP3":                    {"S: +OK hi\nC: AUTH CRAM-MD5\nS: 334 PDE+\n", sasl.CRAMMD5, false, pop3c.ErrReply, ""},
		"a name with a line end":      {"S: +OK hi\n", "USER\r\nDELE 1", true, nil, "unknown mechanism"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, finish := script(t, test.script)
			c, err := pop3c.Open(t.Context(), conn, pop3c.Options{Host: "mda.test", Mechanism: test.mechanism, InClear: test.inClear})
			if err != nil {
				t.Fatal(err)
			}
			err = c.Login(t.Context(), "tim", "tanstaaftanstaaf")
			c.Close()
			var e *pop3c.Error
			switch {
			case err == nil && (test.want != nil || test.refused != ""), err != nil && !errors.As(err, &e):
				t.Errorf("got %v", err)
			case test.want != nil && !errors.Is(err, test.want), err != nil && test.want == nil && (test.refused == "" || !strings.Contains(err.Error(), test.refused)):
				t.Errorf("got %v, want %v %s", err, test.want, test.refused)
			}
			if err := finish(); err != nil {
				t.Error(err)
			}
		})
	}
}

// RFC 5034 §4: an initial response that would make AUTH longer than 255 octets
// goes by itself.
func TestLongInitialResponseGoesByItself(t *testing.T) {
	t.Parallel()
	password := strings.Repeat("x", 180)
	response := sasl.Encode([]byte("\x00tim\x00" + password))
	conn, finish := script(t, "S: +OK hi\nC: AUTH PLAIN\nS: + \nC: "+response+"\nS: +OK in\n")
	c, err := pop3c.Open(t.Context(), conn, pop3c.Options{Host: "mda.test", Mechanism: sasl.Plain, InClear: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context(), "tim", password); err != nil {
		t.Error(err)
	}
	c.Close()
	if err := finish(); err != nil {
		t.Error(err)
	}
}

// A server that says +OK without its own proof has not proved who it is.
func TestSCRAMServerMustProveItself(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	done := make(chan error, 1)
	go func() {
		far.SetDeadline(time.Now().Add(10 * time.Second))
		r := bufio.NewReader(far)
		_, err := io.WriteString(far, "+OK hi\r\n")
		if err == nil {
			_, err = r.ReadString('\n')
		}
		if err == nil {
			_, err = io.WriteString(far, "+OK welcome\r\n")
		}
		done <- err
	}()
	log := event.NewLog("pc", 0)
	c, err := pop3c.Open(t.Context(), near, pop3c.Options{Host: "mda.test", Mechanism: sasl.SCRAMSHA256, Events: log})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var e *pop3c.Error
	if err := c.Login(t.Context(), "tim", "x"); !errors.As(err, &e) || e.Err == nil || e.Step != pop3c.StepAuth {
		t.Errorf("got %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, r := range log.After(0, 100).Records {
		if r.Kind == event.KindAuth && r.Text != event.Refused || strings.HasPrefix(r.Text, "AUTH") && r.Text != "AUTH SCRAM-SHA-256 ****" {
			t.Errorf("%+v", r)
		}
	}
}
