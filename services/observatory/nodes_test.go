package observatory_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/node"
	"correio/services/internal/problem"
	"correio/services/observatory"
)

func TestReadyzNamesWhoIsNotReadyAndWhy(t *testing.T) {
	w := newWorld(t)
	mail := w.play(mx1, nil)
	mail.set(errWarming)
	w.play(mda, nil)
	w.observe()
	w.settle(mda, observatory.NodeReady)
	w.settle(mx1, observatory.NodeNotReady)

	var r observatory.Readiness
	if status := w.get("/readyz", &r); status != http.StatusServiceUnavailable || r.OK || len(r.Waiting) != 2 {
		t.Fatalf("/readyz = %d %+v, want 503 and two nodes waiting", status, r)
	}
	if !strings.Contains(r.Reason, mx1+": "+errWarming.Error()) || !strings.Contains(r.Reason, pc+": ") {
		t.Errorf("reason %q does not tell of %s and %s", r.Reason, mx1, pc)
	}

	mail.set(nil)
	w.play(pc, nil)
	w.settle(pc, observatory.NodeReady)
	w.settle(mx1, observatory.NodeReady)
	r = observatory.Readiness{}
	if status := w.get("/readyz", &r); status != http.StatusOK || !r.OK {
		t.Errorf("/readyz = %d %+v, want 200", status, r)
	}
	w.eventually(mx1, "introduced", func(n observatory.NodeStatus) bool { return n.Boot == mail.log.Boot() && n.Version == "v1" })
}

func TestStreamThatBreaksGoesOnWithoutDuplicates(t *testing.T) {
	w := newWorld(t)
	first := w.play(mx1, nil)
	w.observe()
	first.log.Append(line("one"))
	w.imported(mx1, 1)
	first.stop()
	w.settle(mx1, observatory.NodeUnreachable)
	first.log.Append(line("two"))
	w.play(mx1, first.log)
	w.imported(mx1, 2)
	first.log.Append(line("three"))
	w.imported(mx1, 3)
	if diff := cmp.Diff([]string{"one", "two", "three"}, w.seen(mx1)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if n := w.node(mx1); n.Restarts != 0 {
		t.Errorf("restarts = %d, want 0: it was the same boot", n.Restarts)
	}
}

func TestRestartedNodeIsNoticedAndNoRecordComesTwice(t *testing.T) {
	w := newWorld(t)
	first := w.play(mx1, nil)
	w.observe()
	first.log.Append(line("one"))
	first.log.Append(line("two"))
	w.imported(mx1, 2)
	first.stop()

	second := w.play(mx1, nil)
	second.log.Append(line("three"))
	w.imported(mx1, 3)
	w.settle(mx1, observatory.NodeReady)
	w.eventually(mx1, "known by its new boot", func(n observatory.NodeStatus) bool { return n.Boot == second.log.Boot() })
	if diff := cmp.Diff([]string{"one", "two", "three"}, w.seen(mx1)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if n := w.node(mx1); n.Restarts != 1 {
		t.Errorf("restarts = %d, want 1", n.Restarts)
	}
}

func TestRecordsThatANodeDroppedAreCounted(t *testing.T) {
	w := newWorld(t)
	log := event.NewLog(mx1, 1000)
	for range 50 {
		log.Append(line("something"))
	}
	if log.Dropped() == 0 {
		t.Fatal("the ring dropped nothing: the test needs a smaller one")
	}
	w.play(mx1, log)
	w.observe()
	w.eventually(mx1, "counted", func(n observatory.NodeStatus) bool { return n.Missed == log.Dropped() && n.Records+n.Missed == 50 })
}

func TestEventsGoOnBehindAnID(t *testing.T) {
	w := newWorld(t)
	p := w.play(mx1, nil)
	w.observe()
	p.log.Append(line("one"))
	p.log.Append(line("two"))
	w.imported(mx1, 2)
	ids := map[string]string{}
	read := func(path string) (texts []string) {
		resp, err := w.http.Get(w.base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		control.ReadEvents(resp.Body, func(id string, r event.Record) {
			if r.Node == mx1 {
				ids[r.Text] = id
				texts = append(texts, r.Text)
			}
		}, func(uint64) {})
		return texts
	}
	read("/api/v1/events?follow=false")
	if got := read("/api/v1/events?follow=false&after=" + ids["one"]); len(got) != 1 || got[0] != "two" {
		t.Errorf("events after %q: %q, want only two", ids["one"], got)
	}
	resp, err := w.http.Get(w.base + "/live/records?follow=false&after=" + ids["one"])
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if rows, err := io.ReadAll(resp.Body); err != nil || strings.Contains(string(rows), "one") || !strings.Contains(string(rows), ` two"`) {
		t.Errorf("rows after %q: %s, %v; want two without one", ids["one"], rows, err)
	}
}

func TestControlPortsAreReachedWithTheTokenAndWithoutTheClientsHeaders(t *testing.T) {
	w := newWorld(t)
	var got http.Header
	w.play(mx1, nil, node.Route{Pattern: "POST /queue/{id}", Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		body, _ := io.ReadAll(r.Body)
		control.WriteJSON(rw, http.StatusTeapot, map[string]string{"id": r.PathValue("id"), "q": r.URL.Query().Get("q"), "body": string(body)})
	})})
	w.observe()
	req, _ := http.NewRequest(http.MethodPost, w.base+"/api/v1/nodes/"+mx1+"/control/queue/a%2Fb?q=1", strings.NewReader("hello"))
	req.Header = http.Header{observatory.GuardHeader: {"1"}, "Cookie": {"a=b"}, "Content-Type": {"text/plain"}}
	resp, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if want := `{"body":"hello","id":"a/b","q":"1"}` + "\n"; resp.StatusCode != http.StatusTeapot || string(body) != want {
		t.Errorf("answer = %d %s, want 418 %s", resp.StatusCode, body, want)
	}
	if got.Get("Authorization") != "Bearer "+token || got.Get("Content-Type") != "text/plain" || got.Get("Cookie") != "" {
		t.Errorf("the node saw %v", got)
	}
	if resp.Header.Get("Content-Security-Policy") == "" {
		t.Error("the answer of a node has no Content-Security-Policy")
	}
}

func TestEventStreamPassesThroughTheProxyAsItComes(t *testing.T) {
	w := newWorld(t)
	p := w.play(mx1, nil)
	w.observe()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, w.base+"/api/v1/nodes/"+mx1+"/control/events", nil)
	resp, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p.log.Append(line("live"))
	var got string
	control.ReadEvents(resp.Body, func(_ string, r event.Record) { got = r.Text; cancel() }, func(uint64) {})
	if got != "live" {
		t.Errorf("through the proxy came %q, want the record that was just appended", got)
	}
}

func TestRequestsToNodes(t *testing.T) {
	w := newWorld(t)
	w.play(mx1, nil)
	w.observe()
	tests := []struct {
		name, method, path string
		status             int
		says               string
	}{
		{"control port of a stranger", http.MethodGet, "/api/v1/nodes/mx9.aurora.test/control/readyz", http.StatusNotFound, "no node mx9.aurora.test"},
		{"control port of a node that is away", http.MethodGet, "/api/v1/nodes/" + mda + "/control/readyz", http.StatusBadGateway, mda},
		{"stop a stranger", http.MethodPost, "/api/v1/nodes/mx9.aurora.test/stop", http.StatusNotFound, "no node mx9.aurora.test"},
		{"stop where there is no supervisor", http.MethodPost, "/api/v1/nodes/" + mx1 + "/stop", http.StatusNotImplemented, "docker compose stop"},
		{"dial without upgrade", http.MethodGet, "/api/v1/dial?via=" + pc + "&to=198.18.1.25:25", http.StatusUpgradeRequired, "Upgrade"},
		{"nothing there", http.MethodGet, "/api/v2/nodes", http.StatusNotFound, "/api/v2/nodes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var said control.Problem
			if status := w.call(tt.method, tt.path, &said); status != tt.status || !strings.Contains(said.Error, tt.says) || !problem.New(said.Code).Known() {
				t.Errorf("%s %s = %d %+v, want %d, %q and a code", tt.method, tt.path, status, said, tt.status, tt.says)
			}
		})
	}
}

// supervisor plays the one of `correio run`.
type supervisor struct {
	stop  func() error
	start func() error
}

func (s supervisor) Stop(context.Context, string) error  { return s.stop() }
func (s supervisor) Start(context.Context, string) error { return s.start() }

func TestSupervisorStopsAndStartsNodes(t *testing.T) {
	w := newWorld(t)
	p := w.play(mx1, nil)
	w.cfg.Supervisor = supervisor{
		stop:  func() error { p.stop(); return nil },
		start: func() error { return errors.New("no memory") },
	}
	w.observe()
	w.settle(mx1, observatory.NodeReady)
	var ok control.Status
	if status := w.call(http.MethodPost, "/api/v1/nodes/"+mx1+"/stop", &ok); status != http.StatusOK || !ok.OK {
		t.Fatalf("stop = %d %+v, want 200", status, ok)
	}
	w.settle(mx1, observatory.NodeStopped)
	var said control.Problem
	if status := w.call(http.MethodPost, "/api/v1/nodes/"+mx1+"/start", &said); status != http.StatusInternalServerError || said.Error != "no memory" {
		t.Errorf("start = %d %q, want 500 and the supervisor's words", status, said.Error)
	}
}

func TestRequestBodiesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.play(mx1, nil, node.Route{Pattern: "POST /send", Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		control.WriteJSON(rw, http.StatusOK, control.Status{OK: true})
	})})
	w.observe()
	req, _ := http.NewRequest(http.MethodPost, w.base+"/api/v1/nodes/"+mx1+"/control/send", io.LimitReader(zeros{}, 64<<20+1))
	req.Header.Set(observatory.GuardHeader, "1")
	resp, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a request of 64 MiB and one octet: status %d, want 413", resp.StatusCode)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
