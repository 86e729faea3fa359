package smtpc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/sasl"
)

// login opens a connection to a script and does Auth.
func login(t *testing.T, script string, opt Options, user, password string) (*Client, error) {
	t.Helper()
	conn, finish := converse(t, script)
	opt.Protocol, opt.Hello = Submission, "mx1.aurora.test"
	c, err := Open(t.Context(), conn, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(finish)
	t.Cleanup(c.Close)
	return c, c.Auth(t.Context(), user, password)
}

// RFC 2195's and RFC 4616's examples, and where they fail.
func TestAuthDialogues(t *testing.T) {
	const (
		plain = "AHRpbQB0YW5zdGFhZnRhbnN0YWFm"
		cram  = "S: 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n" +
			"C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\n"
	)
	clear := Options{AuthInClear: true}
	for name, test := range map[string]struct {
		offer, script string
		opt           Options
		want          string // part of the error, "" for none
		broken        bool
	}{
		"CRAM-MD5 before PLAIN":                 {"PLAIN CRAM-MD5 LOGIN", "C: AUTH CRAM-MD5\n" + cram + "S: 235 Ok", clear, "", false},
		"in lower case":                         {"plain cram-md5", "C: AUTH CRAM-MD5\n" + cram + "S: 235 Ok", Options{}, "", false},
		"PLAIN":                                 {"LOGIN PLAIN", "C: AUTH PLAIN " + plain + "\nS: 235 Ok", clear, "", false},
		"PLAIN, asked again":                    {"PLAIN", "C: AUTH PLAIN " + plain + "\nS: 334 \nC: " + plain + "\nS: 235 Ok", clear, "", false},
		"PLAIN, by choice":                      {"CRAM-MD5 PLAIN", "C: AUTH PLAIN " + plain + "\nS: 535 No", Options{AuthInClear: true, Mechanism: "PLAIN"}, "auth: 535 No", false},
		"not offered, by choice":                {"PLAIN", "C: AUTH CRAM-MD5\nS: 504 5.5.4 What", Options{Mechanism: "CRAM-MD5"}, "auth: 504 5.5.4 What", false},
		"nothing in clear":                      {"LOGIN PLAIN", "", Options{}, ErrNoMechanism.Error(), false},
		"in clear, by choice":                   {"LOGIN PLAIN", "", Options{Mechanism: "LOGIN"}, ErrInClear.Error(), false},
		"nothing that we know":                  {"GSSAPI X", "", clear, ErrNoMechanism.Error(), false},
		"nothing that anybody knows, by choice": {"X", "", Options{Mechanism: "X"}, `unknown mechanism "X"`, false},
		"a challenge that is not base64":        {"CRAM-MD5", "C: AUTH CRAM-MD5\nS: 334 <1@x>\nC: *\nS: 501 No", clear, sasl.ErrBase64.Error(), false},
		"a challenge of two lines":              {"CRAM-MD5", "C: AUTH CRAM-MD5\nS: 334-PDE\nS: 334 PDE\nC: *\nS: 501 No", clear, sasl.ErrBase64.Error(), false},
		"a challenge to LOGIN's end":            {"LOGIN", "C: AUTH LOGIN\nS: 334 \nC: dGlt\nS: 334 \nC: dGFuc3RhYWZ0YW5zdGFhZg==\nS: 334 \nC: *\nS: 501 No", clear, "asks for more", false},
		"two challenges of CRAM-MD5":            {"CRAM-MD5", "C: AUTH CRAM-MD5\n" + cram + "S: 334 PDE+\nC: *\nS: 235 Ok", clear, "asks for more", true},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := login(t, hello+"S: 250-x\nS: 250 AUTH "+test.offer+"\n"+test.script, test.opt, "tim", "tanstaaftanstaaf")
			var e *Error
			if (err == nil) != (test.want == "") || err != nil && (!errors.As(err, &e) || e.Step != StepAuth || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if c.Usable() == test.broken {
				t.Errorf("usable %t", c.Usable())
			}
		})
	}
}

// people are the users of the server below.
type people struct{}

func (people) Secret(_ context.Context, user string) (sasl.Secret, error) {
	if user != "ana" {
		return sasl.Secret{}, sasl.ErrNobody
	}
	return sasl.Secret{Account: user, Password: "segredo"}, nil
}

// speakAuth is a server that knows AUTH and nothing else. final, if not "", is
// what it says in place of its last challenge.
func speakAuth(conn net.Conn, mechanism, final string) error {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(conn)
	x := sasl.NewServer("mx1").Begin(mechanism, people{})
	said := "220 mx1"
	challenges := 0
	for {
		if _, err := io.WriteString(conn, said+"\r\n"); err != nil {
			return err
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		line = strings.TrimSpace(line)
		initial := ""
		switch verb, rest, _ := strings.Cut(line, " "); verb {
		case "EHLO":
			said = "250-mx1\r\n250 AUTH " + mechanism
			continue
		case "QUIT":
			_, err := io.WriteString(conn, "221 Bye\r\n")
			return err
		case "*":
			said = "501 Cancelled"
			continue
		case "AUTH":
			_, initial, _ = strings.Cut(rest, " ")
			line = ""
		}
		response, err := sasl.DecodeInitial(initial)
		if line != "" || challenges > 0 {
			response, err = sasl.Decode(line)
		}
		if err != nil {
			return err
		}
		challenge, done, err := x.Next(context.Background(), response)
		challenges++
		switch {
		case err != nil:
			said = "535 " + err.Error()
		case done:
			said = "235 Ok"
		case final != "" && challenges == 2:
			said = final
		default:
			said = "334 " + sasl.Encode(challenge)
		}
	}
}

func TestAuthByEveryMechanism(t *testing.T) {
	for _, mechanism := range sasl.Mechanisms {
		for password, want := range map[string]bool{"segredo": true, "errado": false} {
			client, server := net.Pipe()
			done := make(chan error, 1)
			go func() { done <- speakAuth(server, mechanism, "") }()
			log := event.NewLog("pc", 0)
			c, err := Open(t.Context(), client, Options{Protocol: Submission, Hello: "pc.aurora.test", AuthInClear: true, Events: log})
			if err != nil {
				t.Fatal(err)
			}
			err = c.Auth(t.Context(), "ana", password)
			if (err == nil) != want || !c.Usable() {
				t.Errorf("%s: %v, usable %t", mechanism, err, c.Usable())
			}
			c.Quit(t.Context())
			if err := <-done; err != nil {
				t.Error(err)
			}
			checkMasked(t, log, mechanism, want)
		}
	}
}

// checkMasked looks for the outcome, and for any secret in the records.
func checkMasked(t *testing.T, log *event.Log, mechanism string, accepted bool) {
	t.Helper()
	outcome := ""
	for _, r := range log.After(0, 100).Records {
		shown, _, _ := strings.Cut(r.Text, "****")
		switch {
		case r.Kind == event.KindAuth:
			outcome = fmt.Sprint(r.Text, r.Meta.Get(event.User), r.Meta.Get(event.Mechanism))
		case r.Kind != event.KindLine:
		case r.Dir == event.Out && (shown == "" || shown == "QUIT" || shown == "EHLO pc.aurora.test" || strings.TrimSpace(shown) == "AUTH "+mechanism):
		case r.Dir == event.In && (!strings.HasPrefix(shown, "334 ") || shown == "334 " || sasl.Bare(mechanism)):
		default:
			t.Errorf("%s: recorded %q", mechanism, r.Text)
		}
	}
	if want := fmt.Sprint(map[bool]string{true: event.Accepted, false: event.Refused}[accepted], "ana", mechanism); outcome != want {
		t.Errorf("recorded %q, want %q", outcome, want)
	}
}

// A server that does not prove that it knows the password is not given a
// message, though it says 235.
func TestSCRAMServerMustProveItself(t *testing.T) {
	for name, final := range map[string]string{"says yes at once": "235 Welcome", "another's signature": "334 " + sasl.Encode([]byte("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))} {
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); speakAuth(server, sasl.SCRAMSHA256, final) }()
		c, err := Open(t.Context(), client, Options{Protocol: Submission, Hello: "pc.aurora.test"})
		if err != nil {
			t.Fatal(err)
		}
		err = c.Auth(t.Context(), "ana", "segredo")
		var e *Error
		if !errors.As(err, &e) || e.Err == nil || strings.HasPrefix(final, "235") && c.Usable() {
			t.Errorf("%s: %v, usable %t", name, err, c.Usable())
		}
		c.Close()
		<-done
	}
}
