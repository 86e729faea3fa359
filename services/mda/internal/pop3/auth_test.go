package pop3_test

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/sasl"
	"correio/services/mda/internal/pop3"
)

// offered are the mechanisms of CAPA.
var offered = []string{sasl.Plain, sasl.CRAMMD5, sasl.SCRAMSHA256}

// authenticate plays the client's side of AUTH and returns the last answer.
func (c *client) authenticate(mechanism, user, password string, alone bool) string {
	c.t.Helper()
	x, err := sasl.NewClient(mechanism, user, password)
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := x.Start()
	if err != nil {
		c.t.Fatal(err)
	}
	line := "AUTH " + mechanism
	if response != nil && !alone {
		line += " " + sasl.EncodeInitial(response)
	}
	for {
		answer := c.ask(line)
		text, more := strings.CutPrefix(answer, "+ ")
		if !more {
			if err := x.Done(); err != nil && strings.HasPrefix(answer, "+OK") {
				c.t.Errorf("%s: %v", mechanism, err)
			}
			return answer
		}
		challenge, err := sasl.Decode(text)
		if err != nil {
			c.t.Fatalf("challenge %q: %v", text, err)
		}
		if response, err = x.Next(challenge); err != nil {
			c.t.Fatalf("challenge %q: %v", challenge, err)
		}
		line = sasl.Encode(response)
	}
}

func TestEveryMechanismLogsIn(t *testing.T) {
	t.Parallel()
	for _, mechanism := range offered {
		for _, alone := range []bool{false, true} {
			s := newServer(t, func(c *pop3.Config) { c.Limits.AuthTries = 10 })
			c := s.dial().greeting()
			for _, try := range []struct{ user, password, want string }{
				{"ana", "bob", "-ERR [AUTH] wrong name or password"},
				{"nobody", "nobody", "-ERR [AUTH] wrong name or password"},
				{"erro", "x", "-ERR [SYS/TEMP] "},
				{"alice", "two words ", "+OK alice has "},
			} {
				if got := c.authenticate(mechanism, try.user, try.password, alone); !strings.HasPrefix(got, try.want) {
					t.Errorf("%s %s: %q, want %q", mechanism, try.user, got, try.want)
				}
			}
			c.want("STAT", "+OK 0 0")
			checkAuthRecords(t, s, mechanism)
		}
	}
}

// checkAuthRecords looks for who, how and with what success, and for nothing of
// what was said between AUTH and its outcome.
func checkAuthRecords(t *testing.T, s *server, mechanism string) {
	t.Helper()
	var outcomes []string
	for _, r := range s.records(event.KindAuth) {
		outcomes = append(outcomes, r.Text+" "+r.Meta.Get(event.User))
		if r.Meta.Get(event.Mechanism) != mechanism || r.Meta.Get(event.Note) != string(reason.InClear) {
			t.Errorf("%+v", r)
		}
	}
	if got := strings.Join(outcomes, ", "); got != "refused ana, refused nobody, refused erro, accepted alice" {
		t.Errorf("%s: %s", mechanism, got)
	}
	for _, r := range s.records(event.KindLine) {
		switch shown := strings.TrimSuffix(r.Text, "****"); {
		case r.Dir == event.Out && (shown == "+ " || strings.HasPrefix(r.Text, "+OK ") || strings.HasPrefix(r.Text, "-ERR ")):
		case r.Dir == event.In && (shown == "" || shown == "AUTH "+mechanism || shown == "AUTH "+mechanism+" " || shown == "STAT"):
		default:
			t.Errorf("recorded %q", r.Text)
		}
	}
}

// A session that AUTH opened holds its mailbox as one that PASS opened.
func TestAUTHLocksTheMailbox(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	first := s.dial().login()
	second := s.dial().greeting()
	if got := second.authenticate(sasl.SCRAMSHA256, "ana", "ana", false); !strings.HasPrefix(got, "-ERR [IN-USE]") {
		t.Errorf("%q", got)
	}
	first.want("QUIT", "+OK...")
	if got := second.authenticate(sasl.SCRAMSHA256, "ana", "ana", false); !strings.HasPrefix(got, "+OK") {
		t.Errorf("%q", got)
	}
}

// Guessing by one mechanism after the other is guessing.
func TestWrongProofsOfAllMechanismsAddUp(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *pop3.Config) { c.Limits.AuthTries = 4 })
	c := s.dial().greeting()
	for _, mechanism := range offered {
		c.want("AUTH "+mechanism+" !", "-ERR that is not base64") // no guess
		if got := c.authenticate(mechanism, "ana", "bob", false); got != "-ERR [AUTH] wrong name or password" {
			t.Errorf("%s: %q", mechanism, got)
		}
	}
	c.want("USER ana", "+OK...")
	c.want("PASS bob", "-ERR [AUTH] wrong name or password, too often")
	c.ended()
}

// curl is an independent reading of RFC 5034.
func TestAuthPeerCurl(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl here")
	}
	s := newServer(t, nil)
	s.deliver("ana", anas...)
	for _, mechanism := range []string{sasl.Plain, sasl.CRAMMD5} { // SCRAM needs a curl that has it
		for password, want := range map[string]bool{"bob": false, "ana": true} {
			out, err := exec.CommandContext(t.Context(), curl, "--silent", "--show-error", "--max-time", "20",
				"--login-options", "AUTH="+mechanism, "--user", "ana:"+password, "pop3://"+s.plain+"/1").CombinedOutput()
			if (err == nil) != want || strings.HasPrefix(string(out), head) != want {
				t.Errorf("%s, password %s: %v\n%s", mechanism, password, err, out)
			}
		}
	}
	used := map[string]bool{}
	for _, r := range s.records(event.KindAuth) {
		used[r.Text+" "+r.Meta.Get(event.Mechanism)] = true
	}
	if len(used) != 4 || !used["accepted CRAM-MD5"] || !used["accepted PLAIN"] {
		t.Errorf("came as %v", used)
	}
}

// poplib reads our CAPA, and what it logs in by stays as it was.
const poplib = `
import poplib, sys
c = poplib.POP3(sys.argv[1], int(sys.argv[2]), timeout=20)
assert c.capa()["SASL"] == ["PLAIN", "CRAM-MD5", "SCRAM-SHA-256"], c.capa()
c.user("ana")
c.pass_("ana")
assert c.stat()[0] == 3
c.quit()
`

func TestAuthPeerPoplib(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	s := newServer(t, nil)
	s.deliver("ana", anas...)
	host, port, err := net.SplitHostPort(s.plain)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), python, "-c", poplib, host, port).CombinedOutput(); err != nil {
		t.Error(fmt.Errorf("%w\n%s", err, out))
	}
}
