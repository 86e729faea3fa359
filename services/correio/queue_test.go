package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"correio/services/correio/internal/client"
	"correio/services/internal/control"
	"correio/services/internal/problem"
	"correio/services/internal/reason"
	"correio/services/internal/text"
)

// queues is a lab of two MTAs that answer, one that does not, and a workstation.
type queues struct {
	url     string
	stopped string // the node that somebody has stopped

	mu     sync.Mutex // guards orders
	orders []string   // as "mx1.aurora.test drop {...}"
}

const heldReply = "451 4.4.1 nobody\x1b[31m there"

func newQueues(t *testing.T) *queues {
	t.Helper()
	q := &queues{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/nodes", func(w http.ResponseWriter, _ *http.Request) {
		nodes := []client.Node{
			{Name: "pc.aurora.test", Role: "pc", Site: "aurora"}, {Name: "mx1.aurora.test", Role: "mta", Site: "aurora"},
			{Name: "mx1.boreal.test", Role: "mta", Site: "boreal"}, {Name: "mx1.cedro.test", Role: "mta", Site: "cedro"},
		}
		for i := range nodes {
			if nodes[i].Name == q.stopped {
				nodes[i].State = "stopped"
			}
		}
		control.WriteJSON(w, http.StatusOK, map[string]any{"nodes": nodes})
	})
	mux.HandleFunc("GET /api/v1/nodes/{node}/control/queue", q.list)
	mux.HandleFunc("GET /api/v1/nodes/{node}/control/queue/{id}", q.show)
	mux.HandleFunc("POST /api/v1/nodes/{node}/control/queue/{order}", q.change)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q.stopped != "" && strings.Contains(r.URL.Path, "/"+q.stopped+"/") {
			cause := errors.New("dial tcp 198.19.240.80:0->198.19.241.17:9025: connect: connection refused")
			control.WriteProblem(w, http.StatusBadGateway, fmt.Errorf("%w: %w", problem.New(problem.NodeUnreachable, q.stopped), cause))
			return
		}
		if strings.Contains(r.URL.Path, "/mx1.cedro.test/") {
			control.WriteError(w, http.StatusBadGateway, "mx1.cedro.test: connection refused")
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	q.url = server.URL
	return q
}

func (q *queues) list(w http.ResponseWriter, r *http.Request) {
	answer := client.Queue{Messages: []client.Queued{}, Dead: []client.Dead{}}
	if r.PathValue("node") == "mx1.aurora.test" && r.URL.Query().Get("domain") != "nobody.test" {
		answer.Messages = append(answer.Messages, waitingMessage())
		answer.Next, answer.Total, answer.Matching = "1.ABC", 9, 7
		answer.Dead = append(answer.Dead, client.Dead{Domain: "y.test", Since: time.Now(), Probing: true, LastReply: "451 no"},
			client.Dead{Domain: "x.test", Since: time.Now().Add(-time.Hour), NextProbe: time.Now().Add(90 * time.Second), LastReply: "451 dead"})
	}
	control.WriteJSON(w, http.StatusOK, answer)
}

func waitingMessage() client.Queued {
	return client.Queued{
		ID: "ABC", From: "<ana@aurora.test>", To: []string{"a@x.test", "b@x.test"}, Size: 367, Arrived: time.Now().Add(-90 * time.Minute),
		Attempts: 11, LastReply: heldReply, State: "held", MessageID: "m@aurora.test",
	}
}

func (q *queues) show(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("node") != "mx1.boreal.test" || r.PathValue("id") != "ABC" {
		control.WriteError(w, http.StatusNotFound, "no message is queued here")
		return
	}
	next := time.Now().Add(30*time.Second + 500*time.Millisecond)
	control.WriteJSON(w, http.StatusOK, client.QueuedDetails{
		Queued: waitingMessage(), Header: "Subject: Oi\r\nX: \x1b[31m\u202e",
		Recipients: []client.QueuedRecipient{
			{Address: "a@x.test", Attempts: 11, LastReply: heldReply, Held: true}, {Address: "b@x.test", Attempts: 2, NextAttempt: &next, Dead: true},
		},
	})
}

func (q *queues) change(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	q.mu.Lock()
	defer q.mu.Unlock()
	node := r.PathValue("node")
	q.orders = append(q.orders, node+" "+r.PathValue("order")+" "+string(body))
	switch {
	case strings.Contains(string(body), "HELD"):
		control.WriteError(w, http.StatusConflict, "the message is held: release it")
	case strings.Contains(string(body), "AGAIN"):
		control.WriteJSON(w, http.StatusOK, map[string]int{"messages": 0, "already": 1})
	case strings.Contains(string(body), "again.test"):
		control.WriteJSON(w, http.StatusOK, map[string]int{"messages": 0, "already": len(node)})
	case strings.Contains(string(body), "aside.test"):
		control.WriteJSON(w, http.StatusOK, map[string]int{"messages": 2, "aside": 4})
	case strings.Contains(string(body), "dead.test"): // "12 message(s) tried now", when one probe was made
		control.WriteJSON(w, http.StatusOK, map[string]int{"messages": 12, "parked": 11, "aside": 1})
	case strings.Contains(string(body), "some.test"):
		control.WriteJSON(w, http.StatusOK, map[string]int{"messages": 2, "already": 3})
	case strings.Contains(string(body), `"id"`) && (node != "mx1.boreal.test" || !strings.Contains(string(body), "ABC")):
		control.WriteError(w, http.StatusNotFound, "no message is queued here")
	default:
		control.WriteJSON(w, http.StatusOK, map[string]int{"messages": len(node)})
	}
}

func TestQueueListsEveryMTAAndSaysWhoIsSilent(t *testing.T) {
	lab := newQueues(t)
	got := execute(t, nil, "", "queue", "--lab", lab.url)
	for _, want := range []string{
		"NODE", "LAST REPLY", "mx1.aurora.test  ABC  1h30m  367   <ana@aurora.test>  a@x.test +1  11     -     held   451 4.4.1 nobody\\x1b[31m there",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in\n%s", want, got.stdout)
		}
	}
	for _, want := range []string{
		"mx1.aurora.test: x.test has been dead for 1h00m, next probe in 1m", "mx1.aurora.test: y.test has been dead for 0s, a probe is under way: 451 no", "mx1.aurora.test: 1 of 7 messages are shown",
		"\nmx1.cedro.test: connection refused\n", "1 of 3 MTAs did not answer",
	} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("no %q in\n%s", want, got.stderr)
		}
	}
	if got.status != exitFailed {
		t.Errorf("status %d", got.status)
	}
}

// The states were English in a Portuguese table.
func TestQueueSaysStatesInTheWordsOfTheTrace(t *testing.T) {
	for state, want := range map[string]string{"active": "ativa", "deferred": "adiada", "held": "retida", "quarantined": "em quarentena", "newer": "newer"} {
		if en, pt := queueState(state, text.English), queueState(state, text.Portuguese); en != state || pt != want {
			t.Errorf("%s: %s and %s, want %s", state, en, pt, want)
		}
	}
	lab := newQueues(t)
	if got := execute(t, nil, "", "queue", "--lab", lab.url, "--lang", "pt-BR"); !strings.Contains(got.stdout, "  retida  451") {
		t.Errorf("list: %s", got.stdout)
	}
	if got := execute(t, nil, "", "queue", "show", "ABC", "--lab", lab.url, "--lang", "pt-BR"); !strings.Contains(got.stdout, "estado      retida\n") {
		t.Errorf("show: %s", got.stdout)
	}
	if got := execute(t, nil, "", "queue", "--lab", lab.url, "--lang", "pt-BR", "--json"); !strings.Contains(got.stdout, `"state":"held"`) {
		t.Errorf("--json: %s", got.stdout)
	}
}

// Why a message is in quarantine was in English in every language.
func TestQueueSaysWhyInTheReadersLanguage(t *testing.T) {
	m := client.Queued{ID: "ABC", State: "quarantined", LastReply: "the message cannot be read: x", Why: []reason.Reason{reason.New(reason.Unreadable, "x\x1b")}}
	old := client.Queued{ID: "OLD", State: "quarantined", LastReply: "look at it"}
	var b, list strings.Builder
	a := &app{stdout: &b, lang: text.Portuguese}
	for _, m := range []client.Queued{m, old} {
		if err := a.showQueued("mx1.aurora.test", client.QueuedDetails{Queued: m}); err != nil {
			t.Fatal(err)
		}
		list.WriteString(a.queueRow(m) + "\n")
	}
	for _, want := range []string{`a mensagem não pode ser lida: x\x1b` + "\n", "look at it\n"} {
		if !strings.Contains(b.String(), "\n  "+want) || !strings.Contains(list.String(), "\t"+want) {
			t.Errorf("no %q in\n%s\n%s", want, b.String(), list.String())
		}
	}
}

func TestQueueOfOneHostOrOrganisation(t *testing.T) {
	lab := newQueues(t)
	for _, which := range []string{"mx1.aurora.test", "aurora.test", "aurora", "AURORA"} {
		got := execute(t, nil, "", "queue", which, "--lab", lab.url)
		if got.status != exitOK || !strings.HasPrefix(got.stdout, "ID ") || !strings.Contains(got.stdout, "ABC") {
			t.Errorf("%s: %+v", which, got)
		}
	}
	if got := execute(t, nil, "", "queue", "boreal.test", "--lab", lab.url); got.status != exitOK || got.stdout != "" || !strings.Contains(got.stderr, "Nothing waits.") {
		t.Errorf("empty: %+v", got)
	}
	if got := execute(t, nil, "", "queue", "cedro.test", "--lab", lab.url); got.status != exitFailed || !strings.Contains(got.stderr, "connection refused") {
		t.Errorf("silent: %+v", got)
	}
	var list struct{ Nodes []nodeQueue }
	got := execute(t, nil, "", "queue", "--json", "--lab", lab.url)
	if err := json.Unmarshal([]byte(got.stdout), &list); err != nil || len(list.Nodes) != 3 || list.Nodes[0].Messages[0].ID != "ABC" || list.Nodes[0].Next == "" || list.Nodes[2].Error == "" {
		t.Errorf("%v in %s", err, got.stdout)
	}
}

// A node that was stopped on purpose was shown as "dial tcp ...: connection
// refused", and made the command fail.
func TestQueueOfAStoppedNodeSaysSo(t *testing.T) {
	lab := newQueues(t)
	lab.stopped = "mx1.cedro.test"
	en, pt := "mx1.cedro.test is stopped. To start it: correio up mx1.cedro.test", "mx1.cedro.test está parado. Para iniciá-lo: correio up mx1.cedro.test"
	for _, test := range []struct {
		args   string
		status int
		stdout string
	}{
		{"", exitOK, "ABC"},
		{"cedro", exitFailed, ""},
		{"show XYZ", exitFailed, ""},
		{"show XYZ --node cedro", exitFailed, ""},
		{"hold --all", exitFailed, "mx1.boreal.test: 15 message(s) held"},
		{"hold --all --node cedro", exitFailed, ""},
	} {
		for lang, want := range map[string]string{"en": en, "pt-BR": pt} {
			got := execute(t, nil, "", append(strings.Fields("queue "+test.args), "--lab", lab.url, "--lang", lang)...)
			if got.status != test.status || lang == "en" && !strings.Contains(got.stdout, test.stdout) {
				t.Errorf("queue %s: %+v", test.args, got)
			}
			if strings.Count(got.stderr, want) != 1 || strings.Contains(got.stderr, "dial tcp") {
				t.Errorf("queue %s in %s: stderr %q, want %q", test.args, lang, got.stderr, want)
			}
		}
	}
	got := execute(t, nil, "", "queue", "--domain", "nobody.test", "--lab", lab.url)
	if got.status != exitOK || !strings.HasSuffix(got.stderr, "\nNothing waits at the others.\n") || strings.Contains(got.stderr, "did not answer") {
		t.Errorf("empty ones: %+v", got)
	}
	var list struct{ Nodes []nodeQueue }
	got = execute(t, nil, "", "queue", "--json", "--lab", lab.url)
	if err := json.Unmarshal([]byte(got.stdout), &list); err != nil || got.status != exitOK || !list.Nodes[2].Stopped || list.Nodes[2].Error != en || list.Nodes[0].Stopped {
		t.Errorf("%v in %+v", err, got)
	}
}

func TestQueueShowFindsTheMessage(t *testing.T) {
	lab := newQueues(t)
	got := execute(t, nil, "", "queue", "show", "ABC", "--lab", lab.url)
	for _, want := range []string{
		"ABC at mx1.boreal.test\n", "Message-ID  m@aurora.test\n", "a@x.test: 11 attempt(s), next -, held\n              451 4.4.1 nobody\\x1b[31m there\n",
		"b@x.test: 2 attempt(s), next in 30s, its destination is dead\n", "\n  Subject: Oi\n  X: \\x1b[31m\\u202e\n",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("no %q in\n%s", want, got.stdout)
		}
	}
	if got.status != exitOK {
		t.Errorf("%+v", got)
	}
	if got := execute(t, nil, "", "queue", "show", "ABC", "--json", "--lab", lab.url); !strings.HasPrefix(got.stdout, `{"node":"mx1.boreal.test","id":"ABC"`) {
		t.Errorf("--json: %s", got.stdout)
	}
	for args, want := range map[string]string{
		"queue show ABC --node aurora":         "no MTA asked has a message ABC",
		"queue show XYZ":                       "no MTA asked has a message XYZ",
		"queue show ABC --node mx1.cedro.test": "connection refused",
		"queue show ABC --node nobody":         `"nobody" is no MTA`,
	} {
		if got := execute(t, nil, "", append(strings.Fields(args), "--lab", lab.url)...); got.status != exitFailed || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func TestQueueOrders(t *testing.T) {
	for _, test := range []struct {
		args   string
		status int
		orders string
		stdout string
		stderr string
	}{
		{"drop ABC", exitOK, `mx1.aurora.test drop {"id":"ABC"}; mx1.boreal.test drop {"id":"ABC"}`, "mx1.boreal.test: 15 message(s) dropped\n", ""},
		{"hold abc --node boreal", exitOK, `mx1.boreal.test hold {"id":"ABC"}`, "mx1.boreal.test: 15 message(s) held\n", ""}, // as people type it
		{"hold ABC --node boreal", exitOK, `mx1.boreal.test hold {"id":"ABC"}`, "mx1.boreal.test: 15 message(s) held\n", ""},
		{"release --all --node mx1.aurora.test", exitOK, `mx1.aurora.test release {"all":true}`, "mx1.aurora.test: 15 message(s) released\n", ""},
		{"retry --domain x.test --node boreal.test --json", exitOK, `mx1.boreal.test retry {"domain":"x.test"}`, `{"changed":[{"node":"mx1.boreal.test","messages":15,"already":0,"aside":0,"parked":0}]}` + "\n", ""},
		{"retry --domain x.test", exitFailed, `mx1.aurora.test retry {"domain":"x.test"}; mx1.boreal.test retry {"domain":"x.test"}`,
			"mx1.aurora.test: 15 message(s) tried now\nmx1.boreal.test: 15 message(s) tried now\n", "1 of 3 MTAs did not answer"},
		{"retry --domain aside.test --node boreal", exitOK, `mx1.boreal.test retry {"domain":"aside.test"}`,
			"mx1.boreal.test: 2 message(s) tried now; held or in quarantine, so not tried: 4\n", ""},
		{"retry --domain aside.test --node boreal --lang pt", exitOK, `mx1.boreal.test retry {"domain":"aside.test"}`,
			"mx1.boreal.test: 2 mensagem(ns) tentada(s) agora; retida(s) ou em quarentena, portanto não tentada(s): 4\n", ""},
		{"retry --domain dead.test --node boreal", exitOK, `mx1.boreal.test retry {"domain":"dead.test"}`,
			"mx1.boreal.test: 1 message(s) tried now; waiting for the probe of a dead destination: 11; held or in quarantine, so not tried: 1\n", ""},
		{"retry --domain dead.test --node boreal --lang pt", exitOK, `mx1.boreal.test retry {"domain":"dead.test"}`,
			"mx1.boreal.test: 1 mensagem(ns) tentada(s) agora; à espera da sondagem de um destino morto: 11; retida(s) ou em quarentena, portanto não tentada(s): 1\n", ""},
		{"retry HELD", exitFailed, `mx1.aurora.test retry {"id":"HELD"}`, "", "the message is held: release it"},
		{"hold AGAIN --node boreal", exitOK, `mx1.boreal.test hold {"id":"AGAIN"}`, "mx1.boreal.test: AGAIN was held already\n", ""},
		{"release AGAIN --node boreal", exitOK, `mx1.boreal.test release {"id":"AGAIN"}`, "mx1.boreal.test: AGAIN was neither held nor in quarantine\n", ""},
		{"hold AGAIN --node boreal --lang pt", exitOK, `mx1.boreal.test hold {"id":"AGAIN"}`, "mx1.boreal.test: AGAIN já estava retida\n", ""},
		{"hold --domain again.test --node boreal", exitOK, `mx1.boreal.test hold {"domain":"again.test"}`, "mx1.boreal.test: 0 message(s) held; held already: 15\n", ""},
		{"hold --domain again.test --node boreal --lang pt", exitOK, `mx1.boreal.test hold {"domain":"again.test"}`, "mx1.boreal.test: 0 mensagem(ns) retida(s); já retida(s) antes: 15\n", ""},
		{"hold --domain some.test --node boreal", exitOK, `mx1.boreal.test hold {"domain":"some.test"}`, "mx1.boreal.test: 2 message(s) held; held already: 3\n", ""},
		{"hold --domain some.test --node boreal --lang pt", exitOK, `mx1.boreal.test hold {"domain":"some.test"}`, "mx1.boreal.test: 2 mensagem(ns) retida(s); já retida(s) antes: 3\n", ""},
		{"hold --domain some.test --node boreal --json", exitOK, `mx1.boreal.test hold {"domain":"some.test"}`, `{"changed":[{"node":"mx1.boreal.test","messages":2,"already":3,"aside":0,"parked":0}]}` + "\n", ""},
		{"release --domain again.test --node boreal", exitOK, `mx1.boreal.test release {"domain":"again.test"}`,
			"mx1.boreal.test: 0 message(s) released; neither held nor in quarantine: 15\n", ""},
		{"release --domain some.test --node boreal", exitOK, `mx1.boreal.test release {"domain":"some.test"}`, "mx1.boreal.test: 2 message(s) released\n", ""},
		{"drop XYZ ABC --node boreal", exitFailed, `mx1.boreal.test drop {"id":"XYZ"}; mx1.boreal.test drop {"id":"ABC"}`,
			"mx1.boreal.test: 15 message(s) dropped\n", "no MTA asked has a message XYZ"},
		{"drop XYZ --node boreal", exitFailed, `mx1.boreal.test drop {"id":"XYZ"}`, "", "no MTA asked has a message XYZ"},
		{"drop", exitUsage, "", "", "one of these"},
		{"drop ABC --all", exitUsage, "", "", "one of these"},
		{"hold --domain x.test --all", exitUsage, "", "", "one of these"},
	} {
		t.Run(test.args, func(t *testing.T) {
			lab := newQueues(t)
			got := execute(t, nil, "", append(strings.Fields("queue "+test.args), "--lab", lab.url)...)
			if got.status != test.status || got.stdout != test.stdout || !strings.Contains(got.stderr, test.stderr) {
				t.Errorf("%+v", got)
			}
			if orders := strings.Join(lab.orders, "; "); orders != test.orders {
				t.Errorf("orders %s\nwant   %s", orders, test.orders)
			}
		})
	}
}

// An empty id showed a message without a name that had arrived in the year 1, or
// was an order about "0".
func TestQueueWantsIDsThatNameSomething(t *testing.T) {
	lab := newQueues(t)
	for _, verb := range []string{"show", "retry", "hold", "release", "drop"} {
		for _, id := range []string{"", " "} {
			for lang, want := range map[string]string{"en": "an id is empty", "pt-BR": "um id está vazio"} {
				got := execute(t, nil, "", "queue", verb, id, "--lab", lab.url, "--lang", lang)
				if got.status != exitUsage || got.stdout != "" || !strings.HasPrefix(got.stderr, "correio: "+want) {
					t.Errorf("%s %q: %+v", verb, id, got)
				}
			}
		}
	}
	if len(lab.orders) != 0 {
		t.Errorf("orders %q", lab.orders)
	}
}

func TestQueueMistakesAndHelpInBothLanguages(t *testing.T) {
	for _, test := range []struct{ args, en, pt string }{
		{"queue --limit 0", "--limit takes a number from 1 to 10000", "--limit aceita um número de 1 a 10000"},
		{"queue --state sleepy", "--state takes active", "--state aceita active"},
		{"queue show", "an argument is missing", "falta um argumento"},
		{"queue retry", "--domain DOMAIN, or --all", "--domain DOMÍNIO, ou --all"},
		{"queue a b", "one argument too many", "argumento a mais"},
	} {
		for lang, want := range map[string]string{"en": test.en, "pt-BR": test.pt} {
			if got := execute(t, nil, "", append(strings.Fields(test.args), "--lang", lang)...); got.status != exitUsage || !strings.Contains(got.stderr, want) {
				t.Errorf("%s: %+v", test.args, got)
			}
		}
	}
	en, pt := (&app{lang: "en"}).queueCommand(), (&app{lang: "pt-BR"}).queueCommand()
	for i, verb := range en.Commands() {
		other := pt.Commands()[i]
		if verb.Short == "" || verb.Short == other.Short || verb.Example == "" {
			t.Errorf("%s: help %q and %q, example %q", verb.Name(), verb.Short, other.Short, verb.Example)
		}
		sameInBoth(t, verb, other)
	}
	if got := execute(t, nil, "", "queue", "--help"); !strings.Contains(got.stdout, "  correio queue [HOST|ORG]\n") || !strings.Contains(got.stdout, "  release ") {
		t.Errorf("help: %s", got.stdout)
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", 25 * time.Hour: "1d01h", 3*time.Hour + time.Minute: "3h01m",
	} {
		if got := brief(d); got != want {
			t.Errorf("brief(%s) = %s, want %s", d, got, want)
		}
	}
}
