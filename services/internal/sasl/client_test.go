package sasl

import (
	"errors"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		offered string
		bare    bool
		want    string
	}{
		{"PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256", true, SCRAMSHA256},
		{"PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256-PLUS", true, CRAMMD5},
		{"login plain", true, Plain},
		{"LOGIN", true, Login},
		{"LOGIN PLAIN", false, ""},
		{"PLAIN cram-md5", false, CRAMMD5},
		{"GSSAPI X", true, ""},
		{"", true, ""},
	} {
		if got, ok := Choose(strings.Fields(c.offered), c.bare); got != c.want || ok != (c.want != "") {
			t.Errorf("of %q (bare %v): %q", c.offered, c.bare, got)
		}
	}
}

// A server may ask for the response again that came with AUTH, and no more.
func TestClientsAnswerAnEmptyChallengeOnce(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{Plain, SCRAMSHA256} {
		c, err := NewClient(mechanism, "tim", "x")
		if err != nil {
			t.Fatal(err)
		}
		first, err := c.Start()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := c.Next([]byte{}); err != nil || string(again) != string(first) {
			t.Errorf("%s: %q, %v; want %q again", mechanism, again, err, first)
		}
		if more, err := c.Next([]byte{}); err == nil {
			t.Errorf("%s: a third time %q", mechanism, more)
		}
	}
}

func TestClientsRefuseWhatDoesNotBelong(t *testing.T) {
	t.Parallel()
	for mechanism, challenges := range map[string][]string{
		Plain:   {"Password:"},
		Login:   {"Username:", "Password:", "PIN:"},
		CRAMMD5: {"<1@x>", "<2@x>"},
	} {
		c, err := NewClient(mechanism, "tim", "x")
		if err != nil {
			t.Fatal(err)
		}
		for i, challenge := range challenges {
			if _, err := c.Next([]byte(challenge)); (err != nil) != (i == len(challenges)-1) {
				t.Errorf("%s, challenge %d: %v", mechanism, i+1, err)
			}
		}
	}
	if _, err := NewClient(Plain, "a\x00b", "x"); err == nil {
		t.Error("NUL in a name")
	}
	if _, err := NewClient("GSSAPI", "a", "x"); err == nil {
		t.Error("an unknown mechanism")
	}
	for _, password := range []string{"geheim\x01", "geheim\xff"} {
		if _, err := NewClient(SCRAMSHA256, "a", password); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%v", err) // RFC 5802 §2.2: SASLprep may fail, and must not tell the password
		}
	}
}

// The client of SCRAM believes no server that does not know the password, and
// does not work for one without end.
func TestSCRAMClientChecksTheServer(t *testing.T) {
	t.Parallel()
	const salt = ",s=W22ZaJ0SNY7soEsUEjb6gQ=="
	for name, c := range map[string]struct {
		challenges []string
		want       error // nil: whatever
	}{
		"another nonce":                 {[]string{"r=other" + salt + ",i=4096"}, nil},
		"half the nonce":                {[]string{"r=clie" + salt + ",i=4096"}, nil},
		"too few iterations":            {[]string{"r=clientX" + salt + ",i=1"}, nil},
		"too many iterations":           {[]string{"r=clientX" + salt + ",i=2000000000"}, errIterations},
		"iterations beyond any number":  {[]string{"r=clientX" + salt + ",i=99999999999999999999"}, errIterations},
		"an extension":                  {[]string{"m=x,r=clientX" + salt + ",i=4096"}, nil},
		"an error":                      {[]string{"r=clientX" + salt + ",i=4096", "e=other-error"}, nil},
		"a signature that is not":       {[]string{"r=clientX" + salt + ",i=4096", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="}, nil},
		"garbage":                       {[]string{"\xff\x00"}, nil},
		"garbage in place of the proof": {[]string{"r=clientX" + salt + ",i=4096", ""}, nil},
	} {
		client := &scramClient{conv: withNonce(t, "tim", "x", "client")}
		if _, err := client.Start(); err != nil {
			t.Fatal(err)
		}
		var err error
		for i, challenge := range c.challenges {
			if _, err = client.Next([]byte(challenge)); (err != nil) != (i == len(c.challenges)-1) {
				t.Errorf("%s: challenge %d: %v", name, i+1, err)
			}
		}
		if c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err := client.Done(); !errors.Is(err, errUnproved) {
			t.Errorf("%s: the server counts as proved: %v", name, err)
		}
	}
	early := &scramClient{conv: withNonce(t, "tim", "x", "client")}
	if _, err := early.Start(); err != nil || early.Done() == nil {
		t.Error("a server that says yes at once counts as proved")
	}
}
