package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/problem"
	"correio/services/internal/tunnel"
	"correio/services/observatory/internal/forward"
)

// proxy passes a request on to the control port of a node, with the lab's
// token, and the answer back, event streams as they come.
func (s *server) proxy() http.Handler {
	reverse := &httputil.ReverseProxy{
		Transport: s.Transport,
		Rewrite:   s.rewrite,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			var tooBig *http.MaxBytesError
			if errors.As(err, &tooBig) {
				control.WriteProblem(w, http.StatusRequestEntityTooLarge, problem.New(problem.TooLarge, strconv.Itoa(maxProxied)))
				return
			}
			control.WriteProblem(w, http.StatusBadGateway, unreachable(r.PathValue("name"), err))
		},
		FlushInterval: -1,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.Nodes.Client(r.PathValue("name")); !ok {
			control.WriteProblem(w, http.StatusNotFound, problem.New(problem.NoSuchNode, r.PathValue("name")))
			return
		}
		if r.Header.Get("Upgrade") != "" {
			control.WriteProblem(w, http.StatusBadRequest, problem.New(problem.TunnelByUpgrade, "/api/v1/dial", tunnel.Upgrade))
			return
		}
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Time{}) // the answer may be a stream; see journey.go for the error
		r.Body = &patientBody{ReadCloser: http.MaxBytesReader(w, r.Body, maxProxied), rc: rc}
		reverse.ServeHTTP(w, r)
	})
}

// rewrite turns a request to the observatory into one to a node. Of its
// headers only those go along that describe the request itself.
func (s *server) rewrite(p *httputil.ProxyRequest) {
	name := p.In.PathValue("name")
	client, _ := s.Nodes.Client(name) // proxy has looked
	_, path, _ := strings.Cut(p.In.URL.EscapedPath(), "/control/")
	unescaped, err := url.PathUnescape(path)
	if err != nil {
		unescaped = path
	}
	p.Out.URL = &url.URL{Scheme: "http", Host: client.Addr.String(), Path: "/" + unescaped, RawPath: "/" + path, RawQuery: p.In.URL.RawQuery}
	p.Out.Host = ""
	header := http.Header{"Authorization": {"Bearer " + client.Token}}
	for _, key := range []string{"Accept", "Content-Type", "Last-Event-ID"} {
		if v := p.In.Header.Values(key); len(v) > 0 {
			header[http.CanonicalHeaderKey(key)] = v
		}
	}
	p.Out.Header = header
}

// patientBody gives the client time for each piece of its request, and none
// for ever.
type patientBody struct {
	io.ReadCloser
	rc *http.ResponseController
}

// Read implements io.Reader.
func (b *patientBody) Read(p []byte) (int, error) {
	_ = b.rc.SetReadDeadline(time.Now().Add(proxyReadWait)) // see journey.go for the error
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		// A deadline left behind would end the answer as well.
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// dial opens a tunnel from a workstation.
func (s *server) dial(w http.ResponseWriter, r *http.Request) {
	if !tunnel.Requested(r) {
		w.Header().Set("Upgrade", tunnel.Upgrade)
		control.WriteProblem(w, http.StatusUpgradeRequired, problem.New(problem.TunnelByUpgrade, r.URL.Path, tunnel.Upgrade))
		return
	}
	q := r.URL.Query()
	up, err := s.Dialer.Dial(r.Context(), q.Get("via"), q.Get("to"))
	if err != nil {
		refuse(w, q.Get("via"), q.Get("to"), err)
		return
	}
	down, err := tunnel.Accept(w)
	if err != nil {
		up.Close()
		return // the client is gone
	}
	ctx, cancel := forward.Linger(r.Context())
	defer cancel()
	tunnel.Splice(ctx, down, up, forward.Idle)
}

// refuse says why there is no tunnel; the workstation's own words pass.
func refuse(w http.ResponseWriter, via, to string, err error) {
	var said *control.StatusError
	switch {
	case errors.As(err, &said) && said.Problem != nil:
		control.WriteProblem(w, said.Code, said.Problem)
	case errors.As(err, &said):
		control.WriteError(w, said.Code, said.What)
	case errors.Is(err, forward.ErrVia):
		control.WriteProblem(w, http.StatusBadRequest, problem.New(problem.NotAWorkstation, strconv.Quote(via)))
	case errors.Is(err, forward.ErrTarget):
		control.WriteProblem(w, http.StatusBadRequest, problem.New(problem.BadTarget, strconv.Quote(to)))
	case errors.Is(err, forward.ErrBusy):
		control.WriteProblem(w, http.StatusServiceUnavailable, problem.New(problem.Busy, strconv.Itoa(forward.MaxTunnels)))
	default:
		control.WriteProblem(w, http.StatusBadGateway, unreachable(via, err))
	}
}

// unreachable is a node whose control port does not answer, with the raw cause.
func unreachable(name string, err error) error {
	return fmt.Errorf("%w: %w", problem.New(problem.NodeUnreachable, name), err)
}

// supervise stops or starts a node.
func (s *server) supervise(stop bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		if _, ok := s.Nodes.Client(name); !ok {
			control.WriteProblem(w, http.StatusNotFound, problem.New(problem.NoSuchNode, name))
			return
		}
		if s.Supervisor == nil {
			control.WriteProblem(w, http.StatusNotImplemented, problem.New(problem.NotSupervised))
			return
		}
		// Half of a stop is worse than a stop that nobody waits for.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), supervising)
		defer cancel()
		act := s.Supervisor.Start
		if stop {
			act = s.Supervisor.Stop
		}
		if err := act(ctx, name); err != nil {
			control.WriteError(w, http.StatusInternalServerError, err.Error())
			return
		}
		s.Nodes.Expect(name, stop)
		control.WriteJSON(w, http.StatusOK, control.Status{OK: true})
	}
}
