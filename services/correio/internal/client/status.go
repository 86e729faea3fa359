package client

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/problem"
	"correio/services/internal/text"
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
	// Problem is the reason as data, where it has a code.
	Problem  *problem.Problem `json:"problem,omitempty"`
	Since    time.Time        `json:"since"`
	Version  string           `json:"version,omitempty"`
	Speed    string           `json:"speed,omitempty"`
	Records  uint64           `json:"records"`
	Missed   uint64           `json:"missed"`
	Restarts uint64           `json:"restarts"`
}

// Ready reports whether the node does its work.
func (n Node) Ready() bool { return n.State == "ready" }

// Because says why the node is not ready, "" when nobody knows.
func (n Node) Because(lang text.Lang) string {
	if n.Problem != nil && n.Problem.Known() {
		return n.Problem.In(lang)
	}
	return n.Reason
}

// NotReady is the answer that some nodes are not ready.
type NotReady struct {
	*control.StatusError
	Waiting []Node
}

// In says which, and why.
func (e *NotReady) In(lang text.Lang) string {
	why := make([]string, len(e.Waiting))
	for i, n := range e.Waiting {
		why[i] = n.Name + ": " + cmp.Or(n.Because(lang), n.State)
	}
	return strings.Join(why, "; ")
}

// Unwrap returns the answer.
func (e *NotReady) Unwrap() error { return e.StatusError }

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
	resp, err := l.send(ctx, http.MethodGet, l.url(nil, "readyz"), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		return control.DecodeAnswer(resp, nil)
	}
	var answer struct {
		Reason  string
		Waiting []Node
	}
	if err := decode(resp.Body, &answer); err != nil {
		return err
	}
	said := &control.StatusError{Code: resp.StatusCode, What: answer.Reason}
	if len(answer.Waiting) == 0 {
		return said
	}
	return &NotReady{said, answer.Waiting}
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

// Why is what the lab said, in a language as far as it speaks it and without the
// status of HTTP, when err is an answer of it.
func Why(err error, lang text.Lang) string {
	var status *control.StatusError
	said := text.Say(err, lang)
	if errors.As(err, &status) && said == err.Error() {
		return status.What
	}
	return said
}

// NoSupervisor reports whether the lab cannot stop and start single nodes by
// itself.
func NoSupervisor(err error) bool {
	var status *control.StatusError
	return errors.As(err, &status) && status.Code == http.StatusNotImplemented
}
