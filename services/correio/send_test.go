package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"correio/services/correio/internal/client"
	"correio/services/internal/control"
	"correio/services/internal/reason"
)

// answering is a lab whose only workstation is told so of every mail it sends.
func answering(t *testing.T, sent client.Sent) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/nodes", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, map[string]any{"nodes": []client.Node{{Name: "pc.boreal.test", Role: "pc", State: "ready"}}})
	})
	mux.HandleFunc("POST /api/v1/nodes/pc.boreal.test/control/send", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, sent)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// Of a mail that one of two recipients got, only the refusal of the other was
// told: who sent it again sent it twice.
func TestSendToSomeOfTheRecipients(t *testing.T) {
	const no = "550 5.1.1 <ninguem@boreal.test>: no such user"
	sent := client.Sent{
		MessageID: "m@pc.boreal.test", QueueID: "ABC", Code: 24, Step: "rcpt", Reply: no,
		Accepted: []string{"beatriz@boreal.test"}, Refused: []client.Refusal{{To: "ninguem@boreal.test", Reply: no}},
	}
	args := strings.Fields("send --from bruno@boreal.test --to beatriz@boreal.test --to ninguem@boreal.test --lab " + answering(t, sent))
	for lang, want := range map[string][]string{
		"en":    {"Sent to beatriz@boreal.test alone", "correio trace m@pc.boreal.test", "not sent to ninguem@boreal.test, failed in step 24 (rcpt): " + no},
		"pt-BR": {"Enviada só a beatriz@boreal.test", "correio trace m@pc.boreal.test", "não enviada a ninguem@boreal.test, falhou no passo 24 (rcpt): " + no},
	} {
		got := execute(t, nil, "", append(args, "--lang", lang)...)
		if got.status != exitFailed || got.stdout != "ABC m@pc.boreal.test\n" {
			t.Errorf("%s: %+v", lang, got)
		}
		for _, line := range want {
			if !strings.Contains(got.stderr, line) {
				t.Errorf("%s: no %q in\n%s", lang, line, got.stderr)
			}
		}
	}
	got := execute(t, nil, "", append(args, "--json")...)
	var told client.Sent
	if err := json.Unmarshal([]byte(got.stdout), &told); err != nil || got.status != exitFailed || told.OK || told.QueueID != "ABC" ||
		strings.Join(told.Accepted, " ") != "beatriz@boreal.test" || len(told.Refused) != 1 || told.Refused[0].Reply != no {
		t.Errorf("--json: %v in %+v", err, got)
	}
}

// The size of the message, which stands in its place, was in English.
func TestSendShowsTheDialogueInTheReadersLanguage(t *testing.T) {
	size := reason.New(reason.MessageSize, "51")
	url := answering(t, client.Sent{OK: true, MessageID: "m@x", QueueID: "ABC", Lines: []client.Line{
		{Dir: ">", Text: "(message: 51 octets)", Note: &size}, {Dir: ">", Text: "(message: 51 octets)"}, {Dir: "<", Text: "250 2.0.0 Ok"},
	}})
	for lang, want := range map[string]string{
		"en":    "    0 ms  > (message: 51 octets)\n    0 ms  > (message: 51 octets)\n    0 ms <  250 2.0.0 Ok\n",
		"pt-BR": "    0 ms  > (mensagem: 51 octetos)\n    0 ms  > (message: 51 octets)\n    0 ms <  250 2.0.0 Ok\n",
	} {
		got := execute(t, nil, "", "send", "-v", "--from", "bruno@boreal.test", "--to", "a@x.test", "--lab", url, "--lang", lang)
		if got.status != exitOK || !strings.HasPrefix(got.stderr, want) {
			t.Errorf("in %s: %+v, want %q", lang, got, want)
		}
	}
}

func TestSendToNobodyNamesEachRefusal(t *testing.T) {
	sent := client.Sent{
		Code: 24, Step: "rcpt", Reply: "550 a", Refused: []client.Refusal{{To: "a@x.test", Reply: "550 a"}, {To: "b@x.test", Reply: "452 b"}},
	}
	got := execute(t, nil, "", "send", "--from", "bruno@boreal.test", "--to", "a@x.test", "--to", "b@x.test", "--lab", answering(t, sent))
	want := "not sent to a@x.test, failed in step 24 (rcpt): 550 a\nnot sent to b@x.test, failed in step 24 (rcpt): 452 b\n"
	if got.status != exitFailed || got.stdout != "" || got.stderr != want {
		t.Errorf("%+v, want %q", got, want)
	}
}
