package observatory_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"correio/services/observatory"
)

func TestEveryAddressIsGuarded(t *testing.T) {
	w := newWorld(t)
	w.cfg.AllowHosts = []string{"classroom.example"}
	n, err := observatory.New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/m/last", "/healthz", "/readyz", "/api/v1/nodes", "/api/v1/events?follow=false", "/api/v1/dial", "/live/nodes", "/live/records?follow=false", "/assets/style.css", "/nothing"} {
		for host, allowed := range map[string]bool{
			"127.0.0.1:8080": true, "observatory.nic.test:8080": true, "198.19.240.80:8080": true, "classroom.example": true, "evil.example": false,
		} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			rec := httptest.NewRecorder()
			n.Handler().ServeHTTP(rec, r)
			if got := rec.Code != http.StatusMisdirectedRequest; got != allowed {
				t.Errorf("%s for %s = %d, allowed should be %v", path, host, rec.Code, allowed)
			}
			if !strings.HasPrefix(rec.Header().Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%s has no Content-Security-Policy", path)
			}
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/api/v1/nodes/"+mx1+"/stop", nil)
	r.Host = "localhost"
	rec := httptest.NewRecorder()
	n.Handler().ServeHTTP(rec, r)
	if rec.Code != http.StatusForbidden {
		t.Errorf("a change without the header = %d, want 403", rec.Code)
	}
}

func TestNewNamesAllThatIsMissing(t *testing.T) {
	_, err := observatory.New(observatory.Config{Lab: smallLab(), Listeners: observatory.Listeners{User: map[int]net.Listener{99: nil}}})
	for _, want := range []string{"token", "network", "events", "log", "99"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want that it names %s", err, want)
		}
	}
}

func TestRunTellsWhichPortIsTaken(t *testing.T) {
	w := newWorld(t)
	w.serve("127.0.0.1:1110", "taken")
	n, err := observatory.New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "1110") {
		t.Errorf("Run = %v, want that it names port 1110", err)
	}
	if _, err := w.connect(t.Context(), "127.0.0.1:8080"); err == nil {
		t.Error("the page was left open")
	}
}
