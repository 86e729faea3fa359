package main

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"correio/services/correio/internal/client"
	"correio/services/internal/control"
	"correio/services/internal/journey"
	"correio/services/internal/network"
	"correio/services/internal/problem"
)

// troubled is a lab where much is stopped.
func troubled(t *testing.T) string {
	t.Helper()
	nodes := []client.Node{
		{Name: "pc.aurora.test", Role: "pc", State: "ready"}, {Name: "pc.boreal.test", Role: "pc", State: "stopped"},
		{Name: "mx1.aurora.test", Role: "mta", State: "stopped", LAN: netip.MustParseAddr("198.19.1.25"), Problem: problem.New(problem.Stopped)},
		{Name: "mx1.boreal.test", Role: "mta", State: "not-ready", Internet: netip.MustParseAddr("198.18.2.25"), Problem: problem.New(problem.Starting), Reason: "starting"},
		{Name: "mda.aurora.test", Role: "mda", State: "unreachable"},
		{Name: "ns.aurora.test", Role: "dns", State: "not-ready", Problem: problem.New("of-a-newer-lab"), Reason: "solar wind"},
		{Name: "resolver1.nic.test", Role: "resolver", State: "stopped", Internet: netip.MustParseAddr("198.18.0.8")},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/nodes", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, map[string]any{"nodes": nodes})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusServiceUnavailable, map[string]any{"reason": "mx1.aurora.test: stopped on request", "waiting": nodes[2:4]})
	})
	mux.HandleFunc("GET /api/v1/journeys", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, map[string]any{"journeys": []journey.Summary{{Message: "m2@pc"}, {Message: "m1@pc"}}})
	})
	mux.HandleFunc("GET /api/v1/nodes/{name}/control/people", func(w http.ResponseWriter, r *http.Request) {
		control.WriteJSON(w, http.StatusOK, map[string]any{"people": []string{"ana", "beto"}})
	})
	mux.HandleFunc("POST /api/v1/nodes/{name}/control/send", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("name") == "pc.boreal.test" {
			control.WriteProblem(w, http.StatusBadGateway, problem.New(problem.NodeUnreachable, "pc.boreal.test"))
			return
		}
		control.WriteJSON(w, http.StatusOK, client.Sent{Code: 2, Step: "connect", Reply: "dial tcp 198.19.1.25:587: connect: connection refused",
			Server: "mx1.aurora.test:587", Trouble: network.Refused})
	})
	mux.HandleFunc("POST /api/v1/nodes/{name}/control/fetch", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, client.Fetched{Step: "connect", Reply: "i/o timeout", Server: "mda.aurora.test:110", Trouble: network.Timeout})
	})
	mux.HandleFunc("GET /api/v1/dial", func(w http.ResponseWriter, r *http.Request) {
		to := r.URL.Query().Get("to")
		p := problem.New(problem.ConnectRefused, to)
		if strings.HasPrefix(to, "far.") {
			p = problem.New(problem.ResolverSilent, "far.test", "198.18.0.8")
		}
		control.WriteProblem(w, http.StatusBadGateway, p)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// A stopped node was shown as "dial tcp 198.19.1.25:587: connect: connection
// refused", in English alone, and nothing said what to do.
func TestWhatDoesNotAnswerIsNamedWithWhatToDo(t *testing.T) {
	lab := troubled(t)
	tests := []struct{ name, args, en, pt string }{
		{"talk to a stopped node", "talk mx1.aurora.test 25", "mx1.aurora.test is stopped. To start it: correio up mx1.aurora.test", "mx1.aurora.test está parado. Para iniciá-lo: correio up mx1.aurora.test"},
		{"by its address", "talk 198.19.1.25 25", "mx1.aurora.test is stopped.", "mx1.aurora.test está parado."},
		{"a node that starts", "talk mx1.boreal.test. 25", "mx1.boreal.test is not ready yet: starting", "mx1.boreal.test ainda não está pronto: iniciando"},
		{"with a problem of a newer lab", "talk ns.aurora.test 53", "not ready yet: solar wind", "ainda não está pronto: solar wind"},
		{"a host of nobody's", "talk x.test 25", "nothing listens at x.test:25", "nada escuta em x.test:25"},
		{"the resolver", "talk far.test 25", "resolver1.nic.test is stopped.", "resolver1.nic.test está parado."},
		{"dig", "dig @resolver1.nic.test boreal.test", "no answer from resolver1.nic.test (198.18.0.8): resolver1.nic.test is stopped.", "sem resposta de resolver1.nic.test (198.18.0.8): resolver1.nic.test está parado."},
		{"dig --trace", "dig --trace boreal.test", "resolver1.nic.test is stopped.", "resolver1.nic.test está parado."},
		{"send", "send --from ana@aurora.test --to x@y.test", "failed in step 2 (connect): mx1.aurora.test is stopped.", "falhou no passo 2 (connect): mx1.aurora.test está parado."},
		{"send from a stopped workstation", "send --from beto@boreal.test --to x@y.test", "pc.boreal.test is stopped.", "pc.boreal.test está parado."},
		{"fetch", "fetch ana@aurora.test", "mda.aurora.test does not answer; it may be stopped.", "mda.aurora.test não responde; pode estar parado."},
		{"wait for all", "status --wait --timeout 1ns", "not ready within 1ns", "não ficou pronto em 1ns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for lang, want := range map[string]string{"en": tt.en, "pt-BR": tt.pt} {
				got := execute(t, nil, "", append(strings.Fields(tt.args), "--lab", lab, "--lang", lang)...)
				if got.status == exitOK || !strings.Contains(got.stderr, want) || strings.Contains(got.stderr, "dial tcp") {
					t.Errorf("%s in %s: status %d, stderr %q; want %q", tt.args, lang, got.status, got.stderr, want)
				}
			}
		})
	}
}

func TestStatusSpeaksPortuguese(t *testing.T) {
	got := execute(t, nil, "", "status", "--lab", troubled(t), "--lang", "pt-BR")
	for _, want := range []string{"ESTADO", "não está pronto: iniciando", "  parado\n", "inalcançável", "não está pronto: solar wind"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("status lacks %q:\n%s", want, got.stdout)
		}
	}
	if !strings.Contains(got.stderr, "6 de 7 nós não estão prontos") {
		t.Errorf("stderr %q", got.stderr)
	}
}

func TestShellsCompleteWhatTheLabHas(t *testing.T) {
	lab := troubled(t)
	for line, want := range map[string]string{
		"up mx1.":                  "mx1.aurora.test mx1.boreal.test",
		"down mx1.aurora.test mx1": "mx1.boreal.test",
		"talk m":                   "mx1.aurora.test mx1.boreal.test mda.aurora.test",
		"talk mx1.aurora.test mx":  "",
		"talk --via pc":            "pc.aurora.test pc.boreal.test",
		"trace m":                  "m2@pc m1@pc",
		"trace --wait d":           "delivered",
		"fetch b":                  "beto@aurora.test beto@boreal.test",
		"send --to ana":            "ana@aurora.test ana@boreal.test",
		"codes 451":                "451",
		"dig @r":                   "@resolver1.nic.test",
		"dig bor":                  "",
		"status --lang p":          "pt-BR",
		"queue mx1.a":              "mx1.aurora.test",
	} {
		got := execute(t, []string{"CORREIO_LAB=" + lab}, "", append([]string{"__complete"}, strings.Fields(line)...)...)
		words, _, _ := strings.Cut(got.stdout, ":")
		if strings.Join(strings.Fields(words), " ") != want {
			t.Errorf("%q completes to %q, want %q", line, got.stdout, want)
		}
	}
	if got := execute(t, []string{"CORREIO_LAB=" + nobody(t)}, "", "__complete", "up", ""); got.status != exitOK || !strings.HasPrefix(got.stdout, ":") {
		t.Errorf("without a lab: %+v", got)
	}
}
