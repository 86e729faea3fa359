// Package api is the observatory's HTTP interface for programs, which the
// command line lives on: JSON under /api/v1, events as a stream.
//
//	GET  /api/v1/lab                     name, version, speed
//	GET  /api/v1/nodes                   every node's state (?lang=)
//	GET  /api/v1/events                  the merged records, as control.StreamEvents
//	GET  /api/v1/journeys                messages, newest first (?limit=)
//	GET  /api/v1/journeys/{id|last}      one journey (?wait=&timeout=&lang=)
//	ANY  /api/v1/nodes/{name}/control/…  a node's control port
//	GET  /api/v1/dial?via=&to=           a tunnel (Upgrade: correio-dial)
//	POST /api/v1/nodes/{name}/stop|start where there is a supervisor
//	GET  /readyz /healthz
//
// It is no authority on anything: it reads what the nodes tell and passes
// requests on. Who may ask is package guard's concern. Errors are
// control.Problem: a text in English, and a code with what it speaks of (package
// problem). With ?lang=pt-BR texts for people are in Portuguese; keys, codes and
// states are the same in every language.
package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/journey"
	"correio/services/internal/problem"
	"correio/services/internal/text"
	"correio/services/observatory/internal/collect"
	"correio/services/observatory/internal/forward"
	"correio/services/observatory/internal/history"
)

const (
	maxStreams    = 100 // event streams open at a time
	maxWaits      = 256 // journeys waited for at a time
	maxList       = 1000
	defaultList   = 100
	defaultWait   = 30 * time.Second
	maxWait       = 10 * time.Minute
	writeWait     = time.Minute // to send one answer
	supervising   = 30 * time.Second
	maxProxied    = 64 << 20 // octets of a request to a control port
	proxyReadWait = 30 * time.Second
)

// Supervisor starts and stops nodes.
type Supervisor interface {
	Stop(ctx context.Context, name string) error
	Start(ctx context.Context, name string) error
}

// Lab is the answer of /api/v1/lab.
type Lab struct {
	Name       string    `json:"name"`
	Version    string    `json:"version"`
	Speed      string    `json:"speed"`
	Boot       string    `json:"boot"`
	Started    time.Time `json:"started"`
	Supervised bool      `json:"supervised"` // nodes can be stopped and started
}

// Nodes is the answer of /api/v1/nodes.
type Nodes struct {
	Nodes []collect.Status `json:"nodes"`
}

// Readiness is the answer of /readyz. Reason and Waiting are empty when every
// node is ready.
type Readiness struct {
	OK      bool             `json:"ok"`
	Reason  string           `json:"reason,omitempty"`
	Waiting []collect.Status `json:"waiting,omitempty"`
}

// Journeys is the answer of /api/v1/journeys.
type Journeys struct {
	Journeys []journey.Summary `json:"journeys"`
}

// Unmet is the answer to a wait that did not end as asked: 504 when the time
// was up, 409 when the journey came to another end. Journey is nil when no node
// has seen the message.
type Unmet struct {
	control.Problem
	Journey *journey.Journey `json:"journey,omitempty"`
}

// Config is what the interface works with.
type Config struct {
	About      Lab
	Nodes      *collect.Collector
	History    *history.History
	Dialer     *forward.Dialer
	Transport  http.RoundTripper // to control ports, by address
	Supervisor Supervisor        // nil where nodes cannot be stopped from here
}

type server struct {
	Config
	streams, waits chan struct{} // one token each for what is open
}

// Register puts the interface's handlers on mux.
func Register(mux *http.ServeMux, cfg Config) {
	s := &server{Config: cfg, streams: make(chan struct{}, maxStreams), waits: make(chan struct{}, maxWaits)}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, control.Status{OK: true})
	})
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /api/v1/lab", func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, s.About)
	})
	mux.HandleFunc("GET /api/v1/nodes", func(w http.ResponseWriter, r *http.Request) {
		nodes := s.Nodes.Nodes()
		for i, n := range nodes {
			nodes[i].Reason = n.Because(language(r))
		}
		control.WriteJSON(w, http.StatusOK, Nodes{nodes})
	})
	mux.HandleFunc("GET /api/v1/events", control.Limited(s.streams, func(w http.ResponseWriter, r *http.Request) {
		control.StreamEvents(w, r, s.History.Log())
	}))
	mux.HandleFunc("GET /api/v1/journeys", s.journeys)
	mux.HandleFunc("GET /api/v1/journeys/{id}", s.journey)
	mux.Handle("/api/v1/nodes/{name}/control/{path...}", s.proxy())
	mux.HandleFunc("GET /api/v1/dial", s.dial)
	mux.HandleFunc("POST /api/v1/nodes/{name}/stop", s.supervise(true))
	mux.HandleFunc("POST /api/v1/nodes/{name}/start", s.supervise(false))
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		control.WriteProblem(w, http.StatusNotFound, problem.New(problem.NoSuchAddress, r.Method+" "+r.URL.EscapedPath()))
	})
}

// language is the one that a request asks for.
func language(r *http.Request) text.Lang { return text.Parse(r.URL.Query().Get("lang")) }

func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	waiting := s.Nodes.Waiting()
	if len(waiting) == 0 {
		control.WriteJSON(w, http.StatusOK, Readiness{OK: true})
		return
	}
	why := make([]string, len(waiting))
	for i, n := range waiting {
		why[i] = n.Why()
	}
	control.WriteJSON(w, http.StatusServiceUnavailable, Readiness{Reason: strings.Join(why, "; "), Waiting: waiting})
}

func (s *server) journeys(w http.ResponseWriter, r *http.Request) {
	limit := defaultList
	if v := r.URL.Query().Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxList {
			control.WriteProblem(w, http.StatusBadRequest, problem.New(problem.NotANumber, "limit", strconv.Itoa(maxList)))
			return
		}
		limit = n
	}
	list := s.History.List(limit)
	if list == nil {
		list = []journey.Summary{} // [], not null
	}
	control.WriteJSON(w, http.StatusOK, Journeys{list})
}
