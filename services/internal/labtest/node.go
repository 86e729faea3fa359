package labtest

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/node"
)

// EnvOf is Env for a site that is already loaded, or made by the test: a state
// directory of the test, an event log and a metrics registry of its own, and
// for servers that speak TLS a certificate of the stack's authority. Fields may
// be changed before the node is made.
func EnvOf(t testing.TB, stack *Stack, org *lab.Org, host string) *node.Env {
	t.Helper()
	h, ok := org.Host(host)
	if !ok {
		t.Fatalf("site %s has no host %s", org.Title, host)
	}
	env := &node.Env{
		Org:     org,
		Host:    h,
		State:   t.TempDir(),
		Speed:   1,
		Net:     stack,
		Events:  event.NewLog(h.Name, 0),
		Log:     Logger(t, h.Name),
		Metrics: prometheus.NewRegistry(),
		Roots:   stack.Roots(),
	}
	if h.Role == lab.RoleMTA || h.Role == lab.RoleMDA {
		env.Cert = stack.Certificate(certificateNames(org, h)...)
	}
	return env
}

func certificateNames(org *lab.Org, h lab.Host) []string {
	names := []string{h.Name, "localhost", "127.0.0.1"}
	if org.Domain != "" {
		names = append(names, map[lab.Role]string{lab.RoleMTA: "smtp.", lab.RoleMDA: "pop."}[h.Role]+org.Domain)
	}
	if h.Internet.IsValid() {
		names = append(names, h.Internet.String())
	}
	if h.LAN.IsValid() {
		names = append(names, h.LAN.String())
	}
	return names
}

// Start runs a service and waits until it is ready; the test fails when it
// does not become ready, or when Run returns an error. The function that it
// returns stops the service and waits for it; it may be called more than once,
// and is at the latest when the test ends.
func Start(t testing.TB, svc node.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var runErr error
	go func() {
		defer close(done)
		runErr = svc.Run(ctx)
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case <-done:
				if runErr != nil {
					t.Errorf("%T.Run: %v", svc, runErr)
				}
			case <-time.After(Eventually):
				t.Errorf("%T.Run did not return within %s of the end of its context", svc, Eventually)
			}
		})
	}
	t.Cleanup(stop)
	if err := waitReady(svc, done); err != nil {
		stop()
		t.Fatalf("%T is not ready: %v", svc, err)
	}
	return stop
}

func waitReady(svc node.Service, done <-chan struct{}) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(Eventually)
	for {
		err := svc.Ready()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-done:
			return err
		case <-deadline:
			return err
		}
	}
}

// Logger returns a logger whose lines belong to the test's output. Lines that
// come after the test has ended are dropped.
func Logger(t testing.TB, host string) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(w.close)
	return slog.New(slog.NewTextHandler(w, nil)).With("node", host)
}

type testWriter struct {
	mu sync.Mutex // guards t, which is nil when the test has ended
	t  testing.TB
}

// Write implements io.Writer.
func (w *testWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(strings.TrimSuffix(string(line), "\n"))
	}
	return len(line), nil
}

func (w *testWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}
