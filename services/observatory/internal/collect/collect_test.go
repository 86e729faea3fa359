package collect_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/node"
	"correio/services/observatory/internal/collect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	name  = "mx1.aurora.test"
	token = "token"
)

// service is a node that is always ready.
type service struct{}

func (service) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (service) Ready() error                  { return nil }
func (service) Routes() []node.Route          { return nil }

// boot is one run of a node: its control port's handler and its log.
type boot struct {
	http.Handler
	log *event.Log
}

func newBoot(t *testing.T, first string) *boot {
	log := event.NewLog(name, 0)
	log.Append(event.Record{Kind: event.KindNode, Text: first})
	srv := &control.Server{
		Info:  control.Info{Name: name, Boot: log.Boot()},
		Token: token, Service: service{}, Events: log, Metrics: prometheus.NewRegistry(), Log: labtest.Logger(t, name),
	}
	return &boot{srv.Handler(), log}
}

// watch runs a Collector of one node, whose control port is at srv.
func watch(t *testing.T, srv *httptest.Server) (*collect.Collector, *event.Log) {
	to := netip.MustParseAddrPort(srv.Listener.Addr().String())
	httpClient := control.NewHTTP(func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", to.String())
	})
	merged := event.NewLog("observatory", 0)
	c := collect.New(collect.Config{
		Lab: &lab.Lab{Orgs: []*lab.Org{{Title: "Aurora", Hosts: []lab.Host{{
			Name: name, Role: lab.RoleMTA, Control: netip.MustParseAddr("198.19.241.9"),
		}}}}},
		Token: token, HTTP: httpClient, Events: merged, Log: labtest.Logger(t, "observatory"),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		httpClient.CloseIdleConnections()
		srv.CloseClientConnections()
		srv.Close()
	})
	return c, merged
}

// until waits for what another goroutine does.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(labtest.Eventually)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// A container that is replaced leaves its peers' connections open: nothing
// tells the follower of the old stream that it waits for somebody who is gone.
func TestStreamOfABootThatVanishedWithoutAWordIsCut(t *testing.T) {
	first, second := newBoot(t, "first"), newBoot(t, "second")
	var now atomic.Pointer[http.Handler]
	swap := func(h http.Handler) { now.Store(&h) }
	swap(first)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*now.Load()).ServeHTTP(w, r) }))
	c, merged := watch(t, srv)
	status := func() collect.Status { return c.Nodes()[0] }
	until(t, "the first boot is known", func() bool { return status().Boot == first.log.Boot() && status().Records == 1 })

	swap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	c.Expect(name, false)
	until(t, "it is unreachable", func() bool { return status().State == collect.Unreachable })
	if status().Records != 1 {
		t.Fatal("the old stream was not the one that stays open")
	}
	swap(second)
	until(t, "the second boot's record is there", func() bool { return status().Records == 2 })
	until(t, "the second boot is known", func() bool { return status().Boot == second.log.Boot() && status().State == collect.Ready })
	var texts []string
	for _, r := range merged.After(0, 10).Records {
		texts = append(texts, r.Text)
	}
	if want := []string{"first", "second"}; !slices.Equal(texts, want) {
		t.Errorf("records = %q, want %q", texts, want)
	}
}

func TestANodeThatStutters(t *testing.T) {
	record := func(id string, text string) string {
		return fmt.Sprintf("id: %s\ndata: {\"seq\":1,\"kind\":\"line\",\"text\":%q}\n\n", id, text)
	}
	var streams atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/events" {
			control.WriteJSON(w, http.StatusOK, control.Info{Boot: "b"})
			return
		}
		if streams.Add(1) > 1 {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, record("b:1", "one"), record("b:1", "one"), record("nonsense", "?"), record("b:2", "two"), record("b:1", "one"))
	}))
	c, merged := watch(t, srv)
	until(t, "the stream is opened again", func() bool { return streams.Load() > 1 })
	if got := len(merged.After(0, 10).Records); got != 2 || c.Nodes()[0].Records != 2 {
		t.Errorf("%d records were kept, want each of the two once", got)
	}
}

func TestWrongTokenIsAReason(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		control.WriteError(w, http.StatusUnauthorized, "the lab's token is missing or wrong")
	}))
	c, _ := watch(t, srv)
	until(t, "the reason is known", func() bool {
		s := c.Nodes()[0]
		return s.State == collect.NotReady && s.Reason == "the lab's token is missing or wrong"
	})
	if list := c.Waiting(); len(list) != 1 || list[0].Why() != name+": the lab's token is missing or wrong" {
		t.Errorf("waiting = %+v", list)
	}
}
