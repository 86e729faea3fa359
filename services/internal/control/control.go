// Package control is the door through which a node is watched: a small HTTP
// server on its control address, and the client that the observatory, the
// command line and the health check use.
//
// Every request carries the lab's token. The port answers /, /healthz,
// /readyz, /metrics, /events and /faults, and what the role adds. It never
// touches mail: a watcher that is slow or gone costs the node nothing but
// dropped events.
package control

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/node"
	"correio/services/internal/problem"
)

// Info is what a node says of itself at /.
type Info struct {
	Name    string    `json:"name"`
	Role    lab.Role  `json:"role"`
	Boot    string    `json:"boot"` // see event.Log.Boot
	Version string    `json:"version"`
	Speed   string    `json:"speed"`
	Started time.Time `json:"started"`
}

// Server is one node's control port.
type Server struct {
	Info    Info
	Token   string // must not be empty
	Service node.Service
	Events  *event.Log
	Metrics prometheus.Gatherer
	Log     *slog.Logger
}

// Serve answers on the listener until the context ends; it then gives requests
// at work one second, cuts what is left (event streams, tunnels) and returns.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if s.Token == "" {
		return errors.New("control port: no token")
	}
	streams, stopStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer stopStreams()
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return streams },
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		stopStreams()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(ln)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("control port: %w", err)
}

// Handler returns the port's handler, token check included.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, http.StatusOK, s.Info) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		WriteJSON(w, http.StatusOK, Status{OK: true})
	})
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) { StreamEvents(w, r, s.Events) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		WriteJSON(w, http.StatusOK, Faults{Faults: []Fault{}})
	})
	for _, route := range s.Service.Routes() {
		mux.Handle(route.Pattern, route.Handler)
	}
	return s.authorised(mux)
}

// Status is the answer of /healthz and /readyz.
type Status struct {
	OK     bool         `json:"ok"`
	Reason string       `json:"reason,omitempty"`
	Code   problem.Code `json:"code,omitempty"` // of the reason, see Problem
	Args   []string     `json:"args,omitempty"`
}

// Faults is the answer of /faults: the faults that are switched on.
type Faults struct {
	Faults []Fault `json:"faults"`
}

// Fault is one fault that is switched on at a node.
type Fault struct {
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if err := s.Service.Ready(); err != nil {
		p := problemOf(err)
		WriteJSON(w, http.StatusServiceUnavailable, Status{Reason: err.Error(), Code: p.Code, Args: p.Args})
		return
	}
	WriteJSON(w, http.StatusOK, Status{OK: true})
}

func (s *Server) authorised(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(s.Token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			WriteProblem(w, http.StatusUnauthorized, problem.New(problem.WrongToken))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Problem is the body of every answer that reports an error: in English, and as
// data where it has a code.
type Problem struct {
	Error string       `json:"error"`
	Code  problem.Code `json:"code,omitempty"`
	Args  []string     `json:"args,omitempty"`
}

// WriteProblem answers with a status and an error, as data if it is a
// *problem.Problem.
func WriteProblem(w http.ResponseWriter, status int, err error) {
	p := problemOf(err)
	WriteJSON(w, status, Problem{Error: err.Error(), Code: p.Code, Args: p.Args})
}

// problemOf returns the problem that an error is, an empty one for any other.
func problemOf(err error) problem.Problem {
	var p *problem.Problem
	if errors.As(err, &p) {
		return *p
	}
	return problem.Problem{}
}

// Limited refuses requests while as many as slots has room for are open.
func Limited(slots chan struct{}, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
		default:
			WriteProblem(w, http.StatusServiceUnavailable, problem.New(problem.Busy, strconv.Itoa(cap(slots))))
			return
		}
		defer func() { <-slots }()
		next(w, r)
	}
}

// WriteError answers with a status and one line that says what is wrong.
func WriteError(w http.ResponseWriter, status int, what string) {
	WriteJSON(w, status, Problem{Error: what})
}

// WriteJSON answers with a value. An error of the connection is the client's
// to notice.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever went away needs no answer
}

// Addr is where a host's control port is.
func Addr(h lab.Host) netip.AddrPort { return netip.AddrPortFrom(h.Control, lab.ControlPort) }
