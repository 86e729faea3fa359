package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"correio/services/internal/control"
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
				control.WriteError(w, http.StatusRequestEntityTooLarge, err.Error())
				return
			}
			control.WriteError(w, http.StatusBadGateway, r.PathValue("name")+": "+err.Error())
		},
		FlushInterval: -1,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := s.Nodes.Client(r.PathValue("name")); !ok {
			control.WriteError(w, http.StatusNotFound, "no such node: "+r.PathValue("name"))
			return
		}
		if r.Header.Get("Upgrade") != "" {
			control.WriteError(w, http.StatusBadRequest, "tunnels are opened at /api/v1/dial")
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
		control.WriteError(w, http.StatusUpgradeRequired, tunnel.ErrNotUpgrade.Error())
		return
	}
	q := r.URL.Query()
	up, err := s.Dialer.Dial(r.Context(), q.Get("via"), q.Get("to"))
	if err != nil {
		refuse(w, err)
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
func refuse(w http.ResponseWriter, err error) {
	var said *control.StatusError
	switch {
	case errors.As(err, &said):
		control.WriteError(w, said.Code, said.What)
	case errors.Is(err, forward.ErrVia), errors.Is(err, forward.ErrTarget):
		control.WriteError(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, forward.ErrBusy):
		control.WriteError(w, http.StatusServiceUnavailable, err.Error())
	default:
		control.WriteError(w, http.StatusBadGateway, err.Error())
	}
}

// supervise stops or starts a node.
func (s *server) supervise(stop bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		if _, ok := s.Nodes.Client(name); !ok {
			control.WriteError(w, http.StatusNotFound, "no such node: "+name)
			return
		}
		if s.Supervisor == nil {
			control.WriteError(w, http.StatusNotImplemented, "the observatory cannot stop or start nodes of this lab: ask the container engine (docker compose stop, start)")
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
