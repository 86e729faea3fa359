package sasl

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// converse lets a client and a server speak, and returns what came of it.
func converse(ctx context.Context, c Client, x *Exchange) error {
	response, err := c.Start()
	for err == nil {
		var challenge []byte
		var done bool
		if challenge, done, err = x.Next(ctx, response); done {
			return c.Done()
		} else if err == nil {
			response, err = c.Next(challenge)
		}
	}
	return err
}

func TestClientsWithServers(t *testing.T) {
	t.Parallel()
	s := NewServer("mx1.aurora.test")
	for _, mechanism := range Mechanisms {
		for _, c := range []struct {
			user, password string
			want           error
			proved         string
		}{
			{"tim", "tanstaaftanstaaf", nil, "tim"},
			{"a,b=c", "x", nil, "a,b=c"},                    // SCRAM escapes the name
			{"jose\u0301", "se\u0302nha", nil, "jos\u00e9"}, // the same letters, written otherwise
			{"tim", "wrong", ErrRefused, ""},
			{"tim", "tanstaaftanstaa", ErrRefused, ""},
			{"nobody", "tanstaaftanstaaf", ErrRefused, ""},
			{"../tim", "tanstaaftanstaaf", ErrRefused, ""},
			{"*", "tanstaaftanstaaf", ErrRefused, ""},
			{"%s", "tanstaaftanstaaf", ErrRefused, ""},
			{"TIM", "tanstaaftanstaaf", ErrRefused, ""}, // case is for Credentials to forgive
			{strings.Repeat("x", 300), "x", ErrRefused, ""},
			{"erro", "x", errDown, ""},
		} {
			client, err := NewClient(mechanism, c.user, c.password)
			if err != nil {
				t.Errorf("%s %q: %v", mechanism, c.user, err)
				continue
			}
			x := s.Begin(mechanism, testPeople())
			if err := converse(t.Context(), client, x); !errors.Is(err, c.want) {
				t.Errorf("%s %q %q: %v, want %v", mechanism, c.user, c.password, err, c.want)
			}
			who := x.Who()
			if c.want == nil && who != (Identity{c.proved, strings.ToUpper(c.proved)}) || c.want != nil && who.Account != "" {
				t.Errorf("%s %q: %+v", mechanism, c.user, who)
			}
			if _, _, err := x.Next(t.Context(), nil); err == nil {
				t.Errorf("%s: an exchange goes on behind its end", mechanism)
			}
		}
	}
	if x := s.Begin("X-UNKNOWN", testPeople()); x != nil {
		t.Error("an unknown mechanism began")
	}
}

// counting is Credentials that count what they are asked.
type counting struct {
	people
	asked []string
}

func (c *counting) Secret(ctx context.Context, user string) (Secret, error) {
	c.asked = append(c.asked, user)
	return c.people.Secret(ctx, user)
}

// Whoever asks about a name hears the same, whether it exists or not.
func TestNobodyCannotBeToldFromSomebody(t *testing.T) {
	t.Parallel()
	s := NewServer("mx1.aurora.test")
	s.challenge = func() string { return "<1.1@mx1>" }
	s.nonce = func() string { return "nonce" }
	s.salt = func(user string) []byte { return []byte("salt of 3")[:len(user)] }
	for _, mechanism := range Mechanisms {
		var heard []string
		for _, user := range []string{"tim", "nob"} {
			c := &counting{people: testPeople()}
			client, err := NewClient(mechanism, user, "wrong")
			if err != nil {
				t.Fatal(err)
			}
			if sc, ok := client.(*scramClient); ok {
				sc.conv = withNonce(t, user, "wrong", "client")
			}
			x := s.Begin(mechanism, c)
			var said strings.Builder
			response, err := client.Start()
			for err == nil {
				var challenge []byte
				if challenge, _, err = x.Next(t.Context(), response); err == nil {
					fmt.Fprintf(&said, "%q ", challenge)
					response, err = client.Next(challenge)
				}
			}
			fmt.Fprintf(&said, "%v; asked %d times", err, len(c.asked))
			heard = append(heard, said.String())
		}
		if heard[0] != heard[1] || !strings.Contains(heard[0], ErrRefused.Error()) {
			t.Errorf("%s: a user with a wrong password heard\n%s\nnobody heard\n%s", mechanism, heard[0], heard[1])
		}
	}
}

func withNonce(t *testing.T, user, password, nonce string) *scram.ClientConversation {
	t.Helper()
	c, err := scram.SHA256.NewClient(user, password, "")
	if err != nil {
		t.Fatal(err)
	}
	return c.WithNonceGenerator(func() string { return nonce }).NewConversation()
}

// The salt of a name stays, differs from others', and from another process'.
func TestSaltTellsNothing(t *testing.T) {
	t.Parallel()
	a, b := NewServer("mx1"), NewServer("mx1")
	tim, nobody := string(a.salt("tim")), string(a.salt("nobody"))
	if tim != string(a.salt("tim")) || nobody != string(a.salt("nobody")) {
		t.Error("asking again gives another salt")
	}
	if tim == nobody || tim == string(b.salt("tim")) {
		t.Error("two names, or two processes, have one salt")
	}
}

// RFC 5802 §6: a client that could bind channels and saw no -PLUS says "y".
func TestSCRAMClientThatCouldBind(t *testing.T) {
	t.Parallel()
	c, err := scram.SHA256.NewClient("tim", "tanstaaftanstaaf", "")
	if err != nil {
		t.Fatal(err)
	}
	x := NewServer("mx1").Begin(SCRAMSHA256, testPeople())
	if err := converse(t.Context(), &scramClient{conv: c.NewConversationAdvertisingChannelBinding()}, x); err != nil {
		t.Error(err)
	}
}

// RFC 5802 §5.1: whoever proves to be one may not act as another.
func TestSCRAMActingForAnother(t *testing.T) {
	t.Parallel()
	for other, want := range map[string]error{"tim": nil, "ana": ErrRefused, "nobody": ErrRefused, "\x7f": ErrRefused} {
		c, err := scram.SHA256.NewClientUnprepped("tim", "tanstaaftanstaaf", other)
		if err != nil {
			t.Fatal(err)
		}
		x := NewServer("mx1").Begin(SCRAMSHA256, testPeople())
		if err := converse(t.Context(), &scramClient{conv: c.NewConversation()}, x); !errors.Is(err, want) {
			t.Errorf("as %q: %v, want %v", other, err, want)
		}
		if x.Who().Account != map[bool]string{true: "TIM"}[want == nil] {
			t.Errorf("as %q: %+v", other, x.Who())
		}
	}
}

func TestResponsesHaveALargestSize(t *testing.T) {
	t.Parallel()
	for _, mechanism := range Mechanisms {
		x := NewServer("mx1").Begin(mechanism, testPeople())
		if mechanism == CRAMMD5 {
			if _, _, err := x.Next(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := x.Next(t.Context(), make([]byte, maxResponse+1)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", mechanism, err)
		}
	}
}

// A password that no client may send opens nothing, nor does an empty one.
func TestPasswordsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "\u00ad", "\x01", "\xff", strings.Repeat("x", 256)} {
		if _, err := Verify(t.Context(), people{"tim": password}, "tim", password); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v", password, err)
		}
	}
}

func TestWireForm(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{"": "nil", "=": `""`, "AA==": `"\x00"`, "YW5h": `"ana"`} {
		got, err := DecodeInitial(line)
		if show := map[bool]string{true: "nil", false: fmt.Sprintf("%q", got)}[got == nil]; err != nil || show != want {
			t.Errorf("%q: %s, %v; want %s", line, show, err, want)
		}
	}
	for _, line := range []string{"==", "AA", "AA=", "AB==", "A A=", "!!!!", "AA==AA==", "YW5h\r\n", "YW\n5h", "\x00"} {
		if got, err := DecodeInitial(line); !errors.Is(err, ErrBase64) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	if got, err := Decode(""); got == nil || err != nil {
		t.Errorf("an empty line: %v, %v; want an empty response", got, err)
	}
	if _, err := Decode("="); !errors.Is(err, ErrBase64) {
		t.Error("\"=\" is an empty response in the command alone")
	}
	if EncodeInitial(nil) != "=" || EncodeInitial([]byte("ana")) != "YW5h" || Encode(nil) != "" {
		t.Error("encoding")
	}
}
