package tunnel_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"correio/services/internal/control"
	"correio/services/internal/tunnel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers /dial by a tunnel to upstream, and /no by an error.
func server(t *testing.T, upstream string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /dial", func(w http.ResponseWriter, r *http.Request) {
		if !tunnel.Requested(r) {
			control.WriteError(w, http.StatusUpgradeRequired, tunnel.ErrNotUpgrade.Error())
			return
		}
		up, err := net.Dial("tcp", upstream)
		if err != nil {
			control.WriteError(w, http.StatusBadGateway, err.Error())
			return
		}
		c, err := tunnel.Accept(w)
		if err != nil {
			up.Close()
			t.Errorf("Accept: %v", err)
			return
		}
		tunnel.Splice(context.Background(), c, up, time.Minute)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

// speaker greets, waits for the client to finish, and says how much it heard.
func speaker(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "220 hello\r\n")
			heard, _ := io.ReadAll(c)
			io.WriteString(c, "heard "+string(heard))
			c.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

func open(t *testing.T, srv *httptest.Server, path string) (net.Conn, error) {
	t.Helper()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tunnel.Open(t.Context(), c, req)
}

func TestTunnelPassesOctetsAndHalfClose(t *testing.T) {
	c, err := open(t, server(t, speaker(t)), "/dial")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "QUIT\r\n")
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if want := "220 hello\r\nheard QUIT\r\n"; string(got) != want {
		t.Errorf("read %q, want %q", got, want)
	}
}

func TestRefusedTunnelSaysWhy(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	_, err = open(t, server(t, closed.Addr().String()), "/dial")
	var status *control.StatusError
	if !errors.As(err, &status) || status.Code != http.StatusBadGateway {
		t.Errorf("Open = %v, want a StatusError with 502", err)
	}
}

func TestPlainRequestGetsNoTunnel(t *testing.T) {
	srv := server(t, "127.0.0.1:1")
	resp, err := srv.Client().Get(srv.URL + "/dial")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("status = %d, want 426", resp.StatusCode)
	}
	srv.Client().CloseIdleConnections()
}
