package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"correio/services/correio/internal/client"
	"correio/services/internal/reply"
	"correio/services/internal/text"
)

func TestCodesListsEveryCodeInBothLanguages(t *testing.T) {
	for lang, want := range map[string]string{"en": "start mail input", "pt-BR": "comece a mensagem"} {
		got := execute(t, nil, "", "codes", "--lang", lang)
		table, reserved, _ := strings.Cut(got.stdout, "\n\n")
		if lines := strings.Count(table, "\n"); got.status != exitOK || lines != len(reply.Catalogue()) || !strings.Contains(reserved, "\nrejeita-dados ") || !strings.Contains(got.stdout, want) {
			t.Errorf("codes in %s: status %d, %d lines:\n%s%s", lang, got.status, lines, got.stdout, got.stderr)
		}
		var list struct{ Codes []codeJSON }
		got = execute(t, nil, "", "codes", "--json", "--lang", lang)
		if err := json.Unmarshal([]byte(got.stdout), &list); err != nil || len(list.Codes) != len(reply.Catalogue()) {
			t.Errorf("codes --json in %s: %v, %d codes", lang, err, len(list.Codes))
		}
	}
}

func TestCodesExplainsACode(t *testing.T) {
	for args, want := range map[string][]string{
		"codes 451 --org boreal.test": {
			"451  local error in processing", "4xx: not now", "RFC 5321 §4.2.3", "451 4.3.0  an error of the system", "What to do",
			"correio talk mx1.boreal.test 25\n", "RCPT TO:<erro@boreal.test>\n",
		},
		"codes 451 --lang pt-BR":     {"451  erro local de processamento", "4xx: agora não", "O que fazer", "RCPT TO:<erro@aurora.test>\n"},
		"codes 553":                  {"correio talk mx1.aurora.test 587 --starttls\n", "AUTH PLAIN (base64: ", "MAIL FROM:<ninguem@aurora.test>\n"},
		"codes 421":                  {"... and the last line again"},
		"codes 454":                  {"temporary authentication failure"},
		"codes 450 --json":           {`"want":"450 4.7.1"`, `"security":"plain"`, `"code":"4.2.1"`},
		"codes 454 --json":           {`"recipes":[]`},
		"codes 5.7.1":                {"550 5.7.1  not allowed: ", "553 5.7.1  the sender is somebody else's address"},
		"codes 5.7.1 --json":         {`"code":550`, `"code":553`},
		"codes 4.2.1 --lang pt-BR":   {"450 4.2.1  a caixa não recebe mensagens no momento"},
		"codes 220 --lang=pt --json": {`"lines":[]`, `"host":"mx1.aurora.test"`},
	} {
		got := execute(t, nil, "", strings.Fields(args)...)
		for _, part := range want {
			if got.status != exitOK || !strings.Contains(got.stdout, part) {
				t.Errorf("%s: status %d, want %q in\n%s%s", args, got.status, part, got.stdout, got.stderr)
			}
		}
	}
}

// oneServer is a lab whose mail server answers everything alike.
type oneServer struct {
	t      *testing.T
	answer string
	dialed string
}

func (s *oneServer) Nodes(context.Context) ([]client.Node, error) {
	var nodes []client.Node
	for _, n := range []string{"mx1.aurora.test mta", "pc.aurora.test pc", "mx1.boreal.test mta", "mx2.boreal.test mta", "pc.boreal.test pc", "pc.nada.test pc"} {
		name, role, _ := strings.Cut(n, " ")
		nodes = append(nodes, client.Node{Name: name, Role: role})
	}
	return nodes, nil
}

func (s *oneServer) People(context.Context, string) ([]string, error) {
	return []string{"bruno", "beatriz"}, nil
}

func (s *oneServer) Dial(_ context.Context, via, to string) (net.Conn, error) {
	s.dialed = via + " " + to
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		in := bufio.NewScanner(theirs)
		for line := "220 ready"; ; line = s.answer {
			if _, err := io.WriteString(theirs, line+"\r\n"); err != nil || !in.Scan() {
				return
			}
		}
	}()
	s.t.Cleanup(func() { <-done })
	return ours, nil
}

func TestTryTellsWhetherTheCodeCame(t *testing.T) {
	entry, _ := reply.Find(451)
	for _, test := range []struct {
		name, answer, org string
		lang              text.Lang
		dialed            string
		fails             bool
		stdout, stderr    string
	}{
		{"it came", "451 4.3.0 no", "", text.English, "pc.aurora.test mx1.aurora.test:25", false, "=== 451 4.3.0 came\n", ""},
		{"elsewhere", "451 4.3.0 no", "Boreal.test", text.English, "pc.boreal.test mx1.boreal.test:25", false, " -> RCPT TO:<erro@boreal.test>\n", ""},
		{"in Portuguese", "451 4.3.0 no", "", text.Portuguese, "pc.aurora.test mx1.aurora.test:25", false, "=== 451 4.3.0 veio\n", ""},
		{"another came", "250 2.1.5 ok", "", text.English, "pc.aurora.test mx1.aurora.test:25", true, "<-  250 2.1.5 ok\n", "451 4.3.0 did not come; the reply was: 250 2.1.5 ok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			lab := &oneServer{t: t, answer: test.answer}
			a := &app{stdout: &stdout, stderr: &stderr, lang: test.lang}
			err := a.tryOn(t.Context(), lab, entry, codesFlags{org: test.org})
			if errors.Is(err, errReported) != test.fails || !test.fails && err != nil || lab.dialed != test.dialed {
				t.Errorf("tryOn: %v; dialed %s", err, lab.dialed)
			}
			if !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("stdout:\n%sstderr:\n%s", &stdout, &stderr)
			}
			stdout.Reset()
			a.json = true
			err = a.tryOn(t.Context(), lab, entry, codesFlags{org: test.org})
			var got struct {
				OK    bool
				Tries []tryJSON
			}
			if parsed := json.Unmarshal(stdout.Bytes(), &got); parsed != nil || got.OK == test.fails || len(got.Tries) != 1 || got.Tries[0].Reply != test.answer {
				t.Errorf("--json: %v, %v: %s", err, parsed, &stdout)
			}
		})
	}
}

func TestTryNamesAnOrganisationThatIsNotThere(t *testing.T) {
	entry, _ := reply.Find(451)
	a := &app{stdout: io.Discard, stderr: io.Discard, lang: text.English}
	for org, want := range map[string]string{
		"cedro.test": "the lab has: aurora.test, boreal.test, nada.test",
		"nada.test":  "nada.test has no mail server",
	} {
		if err := a.tryOn(t.Context(), &oneServer{t: t}, entry, codesFlags{org: org}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", org, err, want)
		}
	}
}

func TestTryLogsInAsTheFirstPerson(t *testing.T) {
	a := &app{}
	for login, want := range map[string]string{
		"": reply.Plaintext("bruno", "bruno"), "beatriz": reply.Plaintext("beatriz", "beatriz"), "x:y:z": reply.Plaintext("x", "y:z"),
	} {
		at, err := a.place(t.Context(), &oneServer{t: t}, codesFlags{org: "boreal.test", login: login})
		if err != nil || at.values.Auth != want {
			t.Errorf("--login %q: %+v, %v", login, at, err)
		}
	}
}
