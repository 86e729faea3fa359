package mta

import (
	"net/http"
	"testing"
)

// A retry that found everything held said "0 messages", as if the queue were empty.
func TestRetrySaysHowManyItLeftAside(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	ids := w.queued(t, aurora, "x@one.casos.test", "y@one.casos.test z@closed.casos.test", "z@closed.casos.test")
	for _, test := range []struct {
		verb, body string
		want       QueueChanged
	}{
		{"hold", oneDomain, QueueChanged{Messages: 2}},
		{"retry", oneDomain, QueueChanged{Aside: 2}},
		{"retry", `{"domain":"closed.casos.test"}`, QueueChanged{Messages: 2}},
		{"retry", `{"all":true}`, QueueChanged{Messages: 2, Aside: 2}}, // of one, half
		{"retry", byID(ids[2]), QueueChanged{Messages: 1}},
	} {
		var got QueueChanged
		if status, problem := aurora.ask(t, http.MethodPost, "/queue/"+test.verb, test.body, &got); status != http.StatusOK || got != test.want {
			t.Errorf("%s %s: %d %s, %+v; want %+v", test.verb, test.body, status, problem, got, test.want)
		}
	}
}

// An order to hold what was held already said "0 messages", as if there were none.
func TestHoldSaysHowManyWereHeldAlready(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	ids := w.queued(t, aurora, "x@one.casos.test", "y@one.casos.test z@closed.casos.test", "z@closed.casos.test")
	for _, test := range []struct {
		verb, body string
		want       QueueChanged
	}{
		{"release", byID(ids[0]), QueueChanged{Already: 1}},
		{"hold", byID(ids[0]), QueueChanged{Messages: 1}},
		{"hold", byID(ids[0]), QueueChanged{Already: 1}},
		{"hold", oneDomain, QueueChanged{Messages: 1, Already: 1}},
		{"hold", oneDomain, QueueChanged{Already: 2}},
		{"hold", `{"all":true}`, QueueChanged{Messages: 2, Already: 1}}, // one of two recipients was not
		{"hold", `{"all":true}`, QueueChanged{Already: 3}},
		{"hold", `{"domain":"two.casos.test"}`, QueueChanged{}},
		{"release", oneDomain, QueueChanged{Messages: 2}},
		{"drop", `{"all":true}`, QueueChanged{Messages: 3}},
	} {
		var got QueueChanged
		if status, problem := aurora.ask(t, http.MethodPost, "/queue/"+test.verb, test.body, &got); status != http.StatusOK || got != test.want {
			t.Errorf("%s %s: %d %s, %+v; want %+v", test.verb, test.body, status, problem, got, test.want)
		}
	}
}
