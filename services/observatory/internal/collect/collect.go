// Package collect knows the nodes of the lab: whether each is ready, and what
// each has seen.
//
// Two goroutines look after a node. One follows its event stream and copies
// every record into one bounded log; when the stream breaks it goes on behind
// the last record that it has, so that no record is kept twice and a gap is
// counted. The other asks whether the node is ready: often while it is not,
// seldom while it is, and at once when the stream says that something changed.
//
// A node is never told anything. One that is gone costs one refused connection
// now and then.
package collect

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/problem"
	"correio/services/internal/text"
)

// State is what the observatory thinks of a node.
type State string

// The states of a node.
const (
	Ready       State = "ready"
	NotReady    State = "not-ready"   // it answers, and says why it cannot work yet
	Unreachable State = "unreachable" // it does not answer
	Stopped     State = "stopped"     // as Unreachable, after somebody asked for it
)

// States lists every state.
var States = []State{Ready, NotReady, Unreachable, Stopped}

// Status is one node as the observatory sees it.
type Status struct {
	Name     string     `json:"name"`
	Site     string     `json:"site"` // title of the site it belongs to
	Role     lab.Role   `json:"role"`
	Internet netip.Addr `json:"internet,omitzero"`
	LAN      netip.Addr `json:"lan,omitzero"`
	Control  netip.Addr `json:"control"`
	State    State      `json:"state"`
	Reason   string     `json:"reason,omitempty"` // why it is not ready
	// Problem is the reason as data, where it has a code.
	Problem *problem.Problem `json:"problem,omitempty"`
	Since   time.Time        `json:"since"` // when the state became what it is
	// What the node last said of itself; empty before it did.
	Boot    string    `json:"boot,omitempty"`
	Version string    `json:"version,omitempty"`
	Speed   string    `json:"speed,omitempty"`
	Started time.Time `json:"started,omitzero"`
	// Records counts what was copied from its event stream, Missed what the
	// node had dropped before it could be, Restarts the boots after the first.
	Records  uint64 `json:"records"`
	Missed   uint64 `json:"missed"`
	Restarts uint64 `json:"restarts"`
}

// Config is what a Collector works with.
type Config struct {
	Lab    *lab.Lab
	Token  string
	HTTP   *http.Client // as control.NewHTTP makes it
	Events *event.Log   // takes the records of all nodes
	Log    *slog.Logger
}

// Collector watches every node of a lab.
type Collector struct {
	nodes []*watched // in the order of the lab
}

// New returns a Collector that does nothing before Run.
func New(cfg Config) *Collector {
	c := &Collector{}
	for _, org := range cfg.Lab.Orgs {
		for _, h := range org.Hosts {
			c.nodes = append(c.nodes, newWatched(cfg, org, h))
		}
	}
	return c
}

// Run watches until the context ends.
func (c *Collector) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, n := range c.nodes {
		all.Go(func() { n.follow(ctx) })
		all.Go(func() { n.poll(ctx) })
	}
	all.Wait()
}

// Nodes returns every node's status, in the order of the lab.
func (c *Collector) Nodes() []Status {
	list := make([]Status, len(c.nodes))
	for i, n := range c.nodes {
		list[i] = n.snapshot()
	}
	return list
}

// Waiting returns the nodes that are not ready.
func (c *Collector) Waiting() []Status {
	return slices.DeleteFunc(c.Nodes(), func(s Status) bool { return s.State == Ready })
}

// Client returns the client of a node's control port, and its entry in the lab.
func (c *Collector) Client(name string) (*control.Client, bool) {
	n := c.find(name)
	if n == nil {
		return nil, false
	}
	return n.client, true
}

// Expect tells that somebody stopped a node, or started it again, so that its
// silence is explained, and looks at it at once.
func (c *Collector) Expect(name string, stopped bool) {
	if n := c.find(name); n != nil {
		n.expect(stopped)
	}
}

func (c *Collector) find(name string) *watched {
	i := slices.IndexFunc(c.nodes, func(n *watched) bool { return strings.EqualFold(n.status.Name, name) })
	if i < 0 {
		return nil
	}
	return c.nodes[i]
}

var (
	readyDesc   = prometheus.NewDesc("correio_observatory_node_ready", "1 when the node says that it is ready.", []string{"node"}, nil)
	recordsDesc = prometheus.NewDesc("correio_observatory_records_total", "Records copied from the node's event stream.", []string{"node"}, nil)
	missedDesc  = prometheus.NewDesc("correio_observatory_missed_total", "Records that the node dropped before they could be copied.", []string{"node"}, nil)
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readyDesc, recordsDesc, missedDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.Nodes() {
		ready := 0.0
		if s.State == Ready {
			ready = 1
		}
		ch <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, ready, s.Name)
		ch <- prometheus.MustNewConstMetric(recordsDesc, prometheus.CounterValue, float64(s.Records), s.Name)
		ch <- prometheus.MustNewConstMetric(missedDesc, prometheus.CounterValue, float64(s.Missed), s.Name)
	}
}

// Because says why the node is not ready, in a language as far as it is known in
// it.
func (s Status) Because(lang text.Lang) string {
	if s.Problem != nil && s.Problem.Known() {
		return s.Problem.In(lang)
	}
	return s.Reason
}

// Why says in one line why a node is not ready.
func (s Status) Why() string { return s.Name + ": " + cmp.Or(s.Reason, string(s.State)) }
