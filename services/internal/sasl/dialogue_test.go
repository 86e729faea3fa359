package sasl

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var errDown = errors.New("the directory is down")

// people are the users of the tests: those of the RFCs' examples, and ours.
type people map[string]string

func testPeople() people {
	return people{
		"tim": "tanstaaftanstaaf", "user": "pencil", "Kurt": "xipj3plmq", "ana": "fim",
		"two words": "two words pw", "josé": "s\u00eanha", "a,b=c": "x",
	}
}

// Secret implements Credentials. The name of an account is upper case.
func (p people) Secret(_ context.Context, user string) (Secret, error) {
	password, ok := p[user]
	switch {
	case user == "erro":
		return Secret{}, errDown
	case !ok:
		return Secret{}, ErrNobody
	}
	return Secret{Account: strings.ToUpper(user), Password: password}, nil
}

// TestDialogues plays testdata/*.txt. A script is lines of
//
//	# comment
//	CHALLENGE, NONCE, SALT text   what the server would choose at random
//	BEGIN mechanism
//	C: text                       the client's response, with \0 and \xNN
//	S: text                       the server's challenge
//	OK user                       the exchange succeeds
//	REFUSED, MALFORMED, INITIAL, FAULT   how it fails
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) != len(Mechanisms) {
		t.Fatalf("%d scripts, want one for each mechanism: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := &player{t: t, server: NewServer("mx1.aurora.test")}
			for i, line := range strings.Split(string(text), "\n") {
				p.at = fmt.Sprintf("%s:%d", file, i+1)
				p.step(line)
			}
			p.settled()
		})
	}
}

// player turns each response into a step of the exchange when what must come
// of it is known: the next line.
type player struct {
	t        *testing.T
	at       string
	server   *Server
	x        *Exchange
	pending  bool   // a step is to be made
	response []byte // of it
}

func (p *player) step(line string) {
	verb, arg, _ := strings.Cut(line, " ")
	if line == "" || verb == "#" {
		return
	}
	if fault, ok := map[string]error{"REFUSED": ErrRefused, "MALFORMED": ErrMalformed, "INITIAL": ErrInitial, "FAULT": errDown}[verb]; ok {
		if _, done, err := p.next(); !errors.Is(err, fault) || done || p.x.Who().Account != "" {
			p.t.Errorf("%s: %v, done %v, %+v; want %v", p.at, err, done, p.x.Who(), fault)
		}
		return
	}
	switch verb {
	case "CHALLENGE":
		p.server.challenge = func() string { return arg }
	case "NONCE":
		p.server.nonce = func() string { return arg }
	case "SALT":
		salt, err := base64.StdEncoding.DecodeString(arg)
		if err != nil {
			p.t.Fatal(err)
		}
		p.server.salt = func(string) []byte { return salt }
	case "BEGIN":
		p.settled()
		p.x, p.pending, p.response = p.server.Begin(arg, testPeople()), true, nil
	case "C:":
		response, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.ReplaceAll(arg, `"`, `\"`), `\0`, `\x00`) + `"`)
		if err != nil {
			p.t.Fatalf("%s: %v", p.at, err)
		}
		p.pending, p.response = true, []byte(response)
	case "S:":
		if challenge, done, err := p.next(); err != nil || done || string(challenge) != arg || challenge == nil {
			p.t.Errorf("%s: %q, done %v, %v", p.at, challenge, done, err)
		}
	case "OK":
		if _, done, err := p.next(); err != nil || !done || p.x.Who() != (Identity{User: arg, Account: strings.ToUpper(arg)}) {
			p.t.Errorf("%s: %+v, done %v, %v", p.at, p.x.Who(), done, err)
		}
	default:
		p.t.Fatalf("%s: what is %q?", p.at, line)
	}
}

func (p *player) next() ([]byte, bool, error) {
	if !p.pending {
		p.t.Fatalf("%s: nothing was said", p.at)
	}
	p.pending = false
	return p.x.Next(p.t.Context(), p.response)
}

// settled fails when a response was never answered.
func (p *player) settled() {
	if p.pending {
		p.t.Fatalf("%s: a response without an outcome", p.at)
	}
}
