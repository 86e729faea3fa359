package client

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"correio/services/internal/control"
)

// Node is one node of the lab as the observatory sees it.
type Node struct {
	Name     string     `json:"name"`
	Role     string     `json:"role"`
	Site     string     `json:"site"`
	Internet netip.Addr `json:"internet,omitzero"`
	LAN      netip.Addr `json:"lan,omitzero"`
	Control  netip.Addr `json:"control"`
	State    string     `json:"state"`
	Reason   string     `json:"reason,omitempty"` // why it is not ready
	Since    time.Time  `json:"since"`
	Version  string     `json:"version,omitempty"`
	Speed    string     `json:"speed,omitempty"`
	Records  uint64     `json:"records"`
	Missed   uint64     `json:"missed"`
	Restarts uint64     `json:"restarts"`
}

// Ready reports whether the node does its work.
func (n Node) Ready() bool { return n.State == "ready" }

// Nodes lists the nodes, with their state of now.
func (l *Lab) Nodes(ctx context.Context) ([]Node, error) {
	var answer struct {
		Nodes []Node `json:"nodes"`
	}
	err := l.call(ctx, http.MethodGet, l.url(nil, "api", "v1", "nodes"), nil, &answer)
	return answer.Nodes, err
}

// Ready returns nil when every node is ready, and else why not.
func (l *Lab) Ready(ctx context.Context) error {
	return l.call(ctx, http.MethodGet, l.url(nil, "readyz"), nil, nil)
}

// WaitReady asks so often until every node is ready, or the context ends: the last
// answer is then part of the error. changed is called with each answer that
// differs from the one before.
func (l *Lab) WaitReady(ctx context.Context, every time.Duration, changed func(error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last error
	for {
		err := l.Ready(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil { // a request that was cut off says nothing
			if last == nil || err.Error() != last.Error() {
				changed(err)
			}
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		}
	}
}

// Why is what the lab said, without the status of HTTP, when err is an answer
// of it.
func Why(err error) string {
	var status *control.StatusError
	if errors.As(err, &status) {
		return status.What
	}
	return err.Error()
}

// NoSupervisor reports whether the lab cannot stop and start single nodes by
// itself.
func NoSupervisor(err error) bool {
	var status *control.StatusError
	return errors.As(err, &status) && status.Code == http.StatusNotImplemented
}
