package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// role is a service that is ready once it has been told so.
type role struct {
	mu    sync.Mutex
	ready error
}

func (r *role) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (r *role) Ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready
}

func (r *role) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = err
}

func (r *role) Routes() []node.Route {
	return []node.Route{{Pattern: "GET /queue", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		control.WriteJSON(w, http.StatusOK, map[string]int{"length": 3})
	})}}
}

// start serves a control port on loopback and returns its client, its log and
// what stops it and waits.
func start(t *testing.T, svc node.Service) (*control.Client, *event.Log, func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := event.NewLog("mx1.aurora.test", 0)
	srv := &control.Server{
		Info:  control.Info{Name: "mx1.aurora.test", Role: lab.RoleMTA, Boot: log.Boot()},
		Token: "secret", Service: svc, Events: log, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	httpClient := control.NewHTTP(func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr.String())
	})
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		httpClient.CloseIdleConnections()
	})
	t.Cleanup(stop)
	return &control.Client{Addr: netip.MustParseAddrPort(ln.Addr().String()), Token: "secret", HTTP: httpClient}, log, stop
}

func TestEveryPathWantsTheToken(t *testing.T) {
	c, _, _ := start(t, &role{})
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/events", "/faults", "/queue", "/nothing"} {
		for _, token := range []string{"", "wrong"} {
			stranger := *c
			stranger.Token = token
			err := stranger.Call(t.Context(), http.MethodGet, path, nil, nil)
			var status *control.StatusError
			if !errors.As(err, &status) || status.Code != http.StatusUnauthorized {
				t.Errorf("GET %s with token %q = %v, want 401", path, token, err)
			}
		}
	}
}

func TestReadyzSaysWhyNot(t *testing.T) {
	svc := &role{ready: node.ErrStarting}
	c, _, _ := start(t, svc)
	var status *control.StatusError
	if err := c.Ready(t.Context()); !errors.As(err, &status) || status.Code != http.StatusServiceUnavailable || status.What != "starting" {
		t.Errorf("Ready = %v, want 503 starting", err)
	}
	svc.set(nil)
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("Ready = %v, want nil", err)
	}
}

func TestInfoFaultsAndRoleRoutesAnswer(t *testing.T) {
	c, log, _ := start(t, &role{})
	info, err := c.Info(t.Context())
	if err != nil || info.Name != "mx1.aurora.test" || info.Boot != log.Boot() {
		t.Errorf("Info = %+v, %v", info, err)
	}
	var faults map[string][]any
	if err := c.Call(t.Context(), http.MethodGet, "/faults", nil, &faults); err != nil || faults["faults"] == nil || len(faults["faults"]) != 0 {
		t.Errorf("/faults = %v, %v; want an empty list", faults, err)
	}
	var queue map[string]int
	if err := c.Call(t.Context(), http.MethodGet, "/queue", nil, &queue); err != nil || queue["length"] != 3 {
		t.Errorf("/queue = %v, %v", queue, err)
	}
}

// collect follows the stream until n records have come.
func collect(t *testing.T, c *control.Client, lastID string, n int) (texts []string, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := c.Follow(ctx, lastID, func(at string, r event.Record) {
		texts, id = append(texts, r.Text), at
		if len(texts) == n {
			cancel()
		}
	}, func(missed uint64) { texts = append(texts, fmt.Sprintf("missed %d", missed)) })
	if len(texts) < n {
		t.Fatalf("Follow ended after %q: %v", texts, err)
	}
	return texts, id
}

func TestEventsResumeBehindTheLastID(t *testing.T) {
	c, log, _ := start(t, &role{})
	log.Append(event.Record{Kind: event.KindNode, Text: "one"})
	log.Append(event.Record{Kind: event.KindNode, Text: "two"})
	texts, id := collect(t, c, "", 2)
	if diff := cmp.Diff([]string{"one", "two"}, texts); diff != "" {
		t.Fatalf("first stream (-want +got):\n%s", diff)
	}
	log.Append(event.Record{Kind: event.KindNode, Text: "three"})
	texts, _ = collect(t, c, id, 1)
	if diff := cmp.Diff([]string{"three"}, texts); diff != "" {
		t.Errorf("resumed stream (-want +got):\n%s", diff)
	}
}

func TestEventsOfAnotherBootStartAnew(t *testing.T) {
	c, log, _ := start(t, &role{})
	log.Append(event.Record{Kind: event.KindNode, Text: "one"})
	texts, _ := collect(t, c, "00000000:99", 1)
	if diff := cmp.Diff([]string{"one"}, texts); diff != "" {
		t.Errorf("stream (-want +got):\n%s", diff)
	}
}

func TestStopEndsEventStreams(t *testing.T) {
	c, log, stop := start(t, &role{})
	log.Append(event.Record{Kind: event.KindNode, Text: "one"})
	ended := make(chan error, 1)
	seen := make(chan struct{})
	go func() {
		ended <- c.Follow(context.Background(), "", func(string, event.Record) { close(seen) }, func(uint64) {})
	}()
	<-seen
	stop()
	<-ended
}

func TestReadEventsTellsGapsAndRefusesRubbish(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		ok       bool
	}{
		{"record", "id: b:1\ndata: {\"kind\":\"node\",\"text\":\"x\"}\n\n", []string{"b:1 x"}, true},
		{"gap", "event: missed\ndata: {\"missed\":7}\n\n", []string{"missed 7"}, true},
		{"comment", ": still here\n\n", nil, true},
		{"half an event", "data: {\"kind\":\"node\"", nil, true},
		{"not JSON", "data: hello\n\n", nil, false},
		{"no kind", "data: {}\n\n", nil, false},
		{"endless line", "data: " + strings.Repeat("x", 2<<20) + "\n\n", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			err := control.ReadEvents(strings.NewReader(tt.in),
				func(id string, r event.Record) { got = append(got, id+" "+r.Text) },
				func(n uint64) { got = append(got, fmt.Sprintf("missed %d", n)) })
			if (err == nil) != tt.ok {
				t.Errorf("ReadEvents = %v, want ok=%v", err, tt.ok)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzReadEvents(f *testing.F) {
	f.Add("id: b:1\ndata: {\"kind\":\"node\"}\n\nevent: missed\ndata: {\"missed\":1}\n\n")
	f.Fuzz(func(t *testing.T, in string) {
		control.ReadEvents(strings.NewReader(in), func(_ string, r event.Record) {
			if r.Kind == "" {
				t.Error("a record without a kind was handed over")
			}
		}, func(uint64) {})
	})
}
