package page

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/problem"
	"correio/services/internal/reason"
	"correio/services/observatory/internal/collect"
	"correio/services/observatory/internal/history"
)

// international is a lab with an internationalised site, a message to it and a
// report.
func international(t *testing.T, target string) string {
	t.Helper()
	log := event.NewLog("observatory", 0)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	see := func(queue, message, word string, meta ...string) {
		log.Import(event.Record{Time: at, Node: "mx1.aurora.test", Kind: event.KindQueue, Queue: queue, Message: message, Text: word, Meta: event.M(meta...)})
	}
	see("Q1", "m1@x", event.Accepted, event.From, "<ana@xn--caf-dma.test>", event.To, "bruno@boreal.test, li@xn--r8jz45g.test")
	see("Q1", "", event.Attempt, event.Next, "mx1.boreal.test", event.Rules, reason.Encode(reason.New(reason.Shuffled, "2", "10", "mx2")))
	see("Q2", "m2@x", event.Accepted, event.From, "<>", event.To, "ana@xn--caf-dma.test")
	node := collect.Status{Name: "mx1.xn--caf-dma.test", Role: lab.RoleMTA, State: collect.NotReady, Reason: "starting", Problem: problem.New(problem.Starting)}
	mux := http.NewServeMux()
	err := Register(mux, Config{
		Lab:     &lab.Lab{Name: "lab", Orgs: []*lab.Org{{Title: "Café", Domain: "xn--caf-dma.test", Hosts: []lab.Host{{Name: node.Name, Role: node.Role}}}}},
		History: history.New(log), Log: slog.New(slog.DiscardHandler), Nodes: func() []collect.Status { return []collect.Status{node} },
	})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%s = %d %s", target, w.Code, w.Body)
	}
	return w.Body.String()
}

func TestPageShowsDomainsInBothForms(t *testing.T) {
	for target, wants := range map[string][]string{
		"/": {
			"<td>ana@café.test (xn--caf-dma.test)</td>", "bruno@boreal.test, li@例え.test (xn--r8jz45g.test)",
			`data-node="mx1.xn--caf-dma.test"`, ">mx1.café.test (mx1.xn--caf-dma.test)<", `<span class="quiet">café.test (xn--caf-dma.test)</span>`,
		},
		"/m/m1@x": {"ana@café.test (xn--caf-dma.test) → bruno@boreal.test, li@例え.test"},
	} {
		body := international(t, target)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q:\n%s", target, want, body)
			}
		}
	}
}

// Reports were from nobody: an empty cell.
func TestReportsAreFromTheNullSender(t *testing.T) {
	for lang, word := range map[string]string{"en": "report", "pt-BR": "relatório"} {
		if body := international(t, "/?lang="+lang); !strings.Contains(body, `<td>&lt;&gt; <span class="quiet" title="`) || !strings.Contains(body, ">"+word+"</span></td>") {
			t.Errorf("the list in %s does not say <> and %q", lang, word)
		}
	}
	if body := international(t, "/m/m2@x?lang=pt-BR"); !strings.Contains(body, "envelope: &lt;&gt; (ninguém: um relatório") {
		t.Errorf("the journey does not explain <>:\n%s", body)
	}
}

func TestPageSaysReasonsInItsLanguage(t *testing.T) {
	for target, want := range map[string]string{
		"/live/records?follow=false&lang=pt-BR": "regras 2 servidores de preferência 10, sorteados: mx2 primeiro", "/live/records?follow=false": "rules 2 hosts of preference 10, shuffled: mx2 first",
		"/m/m1@x?lang=pt-BR": "2 servidores de preferência 10, sorteados: mx2 primeiro", "/m/m1@x?lang=en": "2 hosts of preference 10, shuffled: mx2 first",
		"/?lang=pt-BR": `<span class="reason">iniciando</span>`, "/?lang=en": `<span class="reason">starting</span>`,
	} {
		if body := international(t, target); !strings.Contains(body, want) {
			t.Errorf("%s lacks %q:\n%s", target, want, body)
		}
	}
}
