package mta

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/node"
	"correio/services/internal/problem"
	"correio/services/internal/reason"
	"correio/services/mta/internal/queue"
	"correio/services/mta/internal/spool"
)

// QueueOrder is the body of POST /queue/retry, hold, release and drop: exactly
// one of its fields is set.
//
//	retry    attempts now what waits; a dead destination is probed now. Named by
//	         its id, a message in quarantine is released first.
//	hold     does not attempt until release, over restarts as well. Messages age
//	         meanwhile.
//	release  lets what is held or in quarantine go on, and attempts it now.
//	drop     removes; the sender gets no report. An attempt that is under way is
//	         not cut off.
//
// Of a message for several domains, an order about one of them is about the
// recipients there.
type QueueOrder struct {
	ID     string `json:"id,omitempty"`
	Domain string `json:"domain,omitempty"`
	All    bool   `json:"all,omitempty"`
}

// QueueChanged is the answer: how many messages the order has changed, and how many
// more it named that were as wanted before, which is no error. A retry counts what it
// left alone because somebody put it aside.
type QueueChanged struct {
	Messages int `json:"messages"`
	Already  int `json:"already"` // held, or neither held nor in quarantine; only hold and release count them
	Aside    int `json:"aside"`   // held in whole or in part, or in quarantine; only retry counts them
	// Parked are those of Messages that a retry does not attempt themselves: they wait
	// for the probe of their dead destination, which it makes now with one of them.
	Parked int `json:"parked"`
}

const (
	maxOrder  = 4 << 10 // octets
	orderTime = 2 * time.Minute
)

func (n *Node) changeQueue(w http.ResponseWriter, r *http.Request) {
	verb, orders := r.PathValue("verb"), []string{"retry", "hold", "release", "drop"}
	if !slices.Contains(orders, verb) {
		control.WriteProblem(w, http.StatusNotFound, problem.New(problem.OneOf, "order", named(verb), strings.Join(orders, ", ")))
		return
	}
	sel, err := readOrder(w, r)
	if err != nil {
		n.refuse(w, "to read an order", err)
		return
	}
	if n.Ready() != nil {
		control.WriteProblem(w, http.StatusServiceUnavailable, node.ErrStarting)
		return
	}
	// Half of a change is worse than one that nobody waits for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), orderTime)
	defer cancel()
	n.orders.Lock()
	defer n.orders.Unlock()
	changed, err := n.order(ctx, verb, sel)
	if errors.Is(err, spool.ErrGone) {
		err = problem.New(problem.NotQueued, named(sel.ID))
	}
	if err != nil {
		n.refuse(w, "to change the queue", err)
		return
	}
	control.WriteJSON(w, http.StatusOK, changed)
}

// readOrder reads what is to be changed.
func readOrder(w http.ResponseWriter, r *http.Request) (sel spool.Selection, err error) {
	var o QueueOrder
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return sel, problem.New(problem.OrderNames, err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return sel, problem.New(problem.OrderNames, "there is something behind it")
	}
	given := 0
	for _, is := range []bool{o.ID != "", o.Domain != "", o.All} {
		if is {
			given++
		}
	}
	if given != 1 {
		return sel, problem.New(problem.OrderNames, strconv.Itoa(given))
	}
	if o.Domain != "" {
		if o.Domain, err = domainOf(o.Domain); err != nil {
			return sel, err
		}
	}
	return spool.Selection{ID: o.ID, Domain: o.Domain}, nil
}

// order carries one out. One at a time does.
func (n *Node) order(ctx context.Context, verb string, sel spool.Selection) (changed QueueChanged, err error) {
	if verb == "retry" {
		if verb, err = n.retryMeans(ctx, sel); err != nil {
			return changed, err
		}
	}
	if verb == "retry" {
		found, err := n.queue.Retry(ctx, queue.Selection{ID: sel.ID, Domain: sel.Domain})
		if err != nil {
			return changed, err
		}
		changed.Messages, changed.Parked = found.Messages, found.Parked
		if sel.ID == "" {
			changed.Aside, err = n.spool.Aside(ctx, sel.Domain)
		}
		return changed, err
	}
	change := map[string]func(context.Context, spool.Selection, func([]spool.Changed) error) (int, error){
		"hold": n.spool.Hold, "release": n.spool.Release, "drop": n.spool.Drop,
	}[verb]
	err = n.queue.Change(func() (err error) {
		changed.Already, err = change(ctx, sel, func(batch []spool.Changed) error {
			changed.Messages += len(batch)
			n.tellChanged(verb, batch)
			if verb == "release" {
				return n.queue.Restore(ctx, n.released(batch))
			}
			return n.queue.Remove(ctx, removed(batch))
		})
		return err
	})
	return changed, err
}

// retryMeans is what a retry comes to: of a message in quarantine, its release.
func (n *Node) retryMeans(ctx context.Context, sel spool.Selection) (verb string, err error) {
	if sel.ID == "" {
		return "retry", nil
	}
	state, err := n.spool.State(ctx, sel.ID)
	switch {
	case err != nil:
		return "", err
	case state == spool.Quarantined:
		return "release", nil
	case state == spool.Held:
		return "", problem.New(problem.MessageHeld, named(sel.ID))
	}
	return "retry", nil
}

// changedWords are the events of the changes.
var changedWords = map[string]string{"hold": event.Held, "release": event.Released, "drop": event.Dropped}

func (n *Node) tellChanged(verb string, batch []spool.Changed) {
	for _, c := range batch {
		to := strings.Join(c.To, ", ")
		n.env.Events.Append(event.Record{
			Kind: event.KindQueue, Queue: c.ID, Message: c.MessageID, Text: changedWords[verb], Meta: event.M(event.To, to),
		})
		if verb == "drop" {
			for _, d := range c.Due {
				n.deliverer.Disown(d.ID, d.Domain)
			}
		}
		if c.Removed {
			n.env.Events.Append(event.Record{Kind: event.KindQueue, Queue: c.ID, Message: c.MessageID, Text: event.Removed})
		}
		if c.Quarantined != "" {
			n.deliverer.TellQuarantined(c.ID, c.MessageID, reason.Parse(c.Quarantined)...)
		}
		n.env.Log.Info("changed by hand", "state", changedWords[verb], "msg_id", c.ID, "to", to)
	}
}

// released are the jobs of what goes on, due now.
func (n *Node) released(batch []spool.Changed) []queue.Job {
	var jobs []queue.Job
	now := time.Now()
	for _, c := range batch {
		for _, d := range c.Due {
			j := n.jobOf(d, now)
			j.Due = now
			jobs = append(jobs, j)
		}
	}
	return jobs
}

func removed(batch []spool.Changed) []queue.Selection {
	var jobs []queue.Selection
	for _, c := range batch {
		for _, d := range c.Due {
			jobs = append(jobs, queue.Selection{ID: c.ID, Domain: d.Domain})
		}
	}
	return jobs
}
