package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"correio/services/correio/internal/client"
	"correio/services/internal/control"
	"correio/services/internal/tunnel"
)

func serve(t *testing.T, handler http.HandlerFunc) *client.Lab {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	lab, err := client.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return lab
}

func TestNewReadsAddressesOfLabs(t *testing.T) {
	for in, want := range map[string]string{
		"http://127.0.0.1:8080": "http://127.0.0.1:8080", "127.0.0.1:8081": "http://127.0.0.1:8081",
		"http://lab": "http://lab:80", "https://lab": "", "": "", "http://": "", "http://a b": "",
	} {
		got, err := client.New(in)
		switch {
		case want == "" && err == nil:
			t.Errorf("New(%q) = %s, want an error", in, got)
		case want != "" && (err != nil || got.String() != want):
			t.Errorf("New(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
}

func TestNobodyThereMeansNotRunning(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	lab, err := client.New(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Nodes(t.Context()); !errors.Is(err, client.ErrNotRunning) {
		t.Errorf("Nodes: %v, want ErrNotRunning", err)
	}
	if _, err := lab.Dial(t.Context(), "pc", "mx:25"); !errors.Is(err, client.ErrNotRunning) {
		t.Errorf("Dial: %v, want ErrNotRunning", err)
	}
}

func TestRequestsThatChangeAnythingCarryTheHeader(t *testing.T) {
	var header, path string
	lab := serve(t, func(w http.ResponseWriter, r *http.Request) {
		header, path = r.Header.Get("X-Correio"), r.URL.EscapedPath()
		control.WriteJSON(w, http.StatusOK, client.Sent{OK: true, QueueID: "ABC"})
	})
	sent, err := lab.Send(t.Context(), "pc.aurora.test", client.Message{From: "ana@aurora.test"})
	if err != nil || !sent.OK || sent.QueueID != "ABC" {
		t.Errorf("Send = %+v, %v", sent, err)
	}
	if header == "" || path != "/api/v1/nodes/pc.aurora.test/control/send" {
		t.Errorf("request to %s with X-Correio %q", path, header)
	}
}

func TestJourneySaysHowWaitingEnded(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   error
		found  bool
	}{
		{"as asked", 200, `{"message":"m@x","state":"delivered"}`, nil, true},
		{"another end", 409, `{"error":"bounced","journey":{"message":"m@x","state":"bounced"}}`, client.ErrUnmet, true},
		{"time is up", 504, `{"error":"still","journey":{"message":"m@x","state":"queued"}}`, client.ErrTimeout, true},
		{"never seen", 504, `{"error":"no node"}`, client.ErrTimeout, false},
		{"unknown", 404, `{"error":"no node"}`, client.ErrUnseen, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lab := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/api/v1/journeys/m/1@x" || r.URL.Query().Get("timeout") != "2s" {
					t.Errorf("asked for %s", r.URL)
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			j, err := lab.Journey(t.Context(), "<m/1@x>", "delivered", 2*time.Second)
			if !errors.Is(err, tt.want) || (j != nil) != tt.found || j != nil && j.Message != "m@x" {
				t.Errorf("Journey = %+v, %v, want %v, found %v", j, err, tt.want, tt.found)
			}
		})
	}
}

func TestWaitReadyTellsWhatChanges(t *testing.T) {
	answers := []string{"mx1 is not ready", "mx1 is not ready", "mx2 is not ready", ""}
	lab := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if reason := answers[0]; reason != "" {
			answers = answers[1:]
			control.WriteJSON(w, http.StatusServiceUnavailable, control.Status{Reason: reason})
			return
		}
		control.WriteJSON(w, http.StatusOK, control.Status{OK: true})
	})
	var told []string
	if err := lab.WaitReady(t.Context(), time.Millisecond, func(err error) { told = append(told, err.Error()) }); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(told, "; "), "503 mx1 is not ready; 503 mx2 is not ready"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestWaitReadyEndsWithItsTimeAndTheReason(t *testing.T) {
	lab := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusServiceUnavailable, control.Status{Reason: "mx1 is not ready"})
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := lab.WaitReady(ctx, time.Millisecond, func(error) {})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "mx1 is not ready") {
		t.Errorf("WaitReady: %v, want the deadline and the reason", err)
	}
}

func TestDialGoesThroughAWorkstation(t *testing.T) {
	lab := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("via") != "pc.boreal.test" || q.Get("to") != "mx1.boreal.test:25" {
			control.WriteError(w, http.StatusBadRequest, "asked for "+r.URL.RawQuery)
			return
		}
		c, err := tunnel.Accept(w)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "220 hello\r\n")
	})
	c, err := lab.Dial(t.Context(), "pc.boreal.test", "mx1.boreal.test:25")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err != nil || string(got) != "220 hello\r\n" {
		t.Errorf("heard %q, %v", got, err)
	}
	var said *control.StatusError
	if _, err := lab.Dial(t.Context(), "pc.cedro.test", "x:1"); !errors.As(err, &said) || said.Code != http.StatusBadRequest {
		t.Errorf("a dial that is refused: %v, want the observatory's words", err)
	}
}
