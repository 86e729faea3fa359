package mta

import (
	"context"
	"time"

	"correio/services/internal/reason"
	"correio/services/mta/internal/queue"
	"correio/services/mta/internal/spool"
)

// Prospect is what a message, or a recipient, waits for; where nothing is set, for
// next_attempt.
type Prospect struct {
	Running bool `json:"running,omitempty"` // an attempt is under way
	// Parked says that it waits for a probe of its dead destination, which is made
	// with one message at a time, then at next_attempt; when that gets through, it is
	// attempted at once. Probing says that one is under way.
	Parked  bool `json:"parked,omitempty"`
	Probing bool `json:"probing,omitempty"`
}

// outlook is what the queue says of messages that are listed.
type outlook struct {
	dead map[string]queue.Destination
	jobs map[queue.Selection]queue.Standing
	life time.Duration // of a message, in real time
}

func (n *Node) outlook(ctx context.Context, list []spool.Listed) outlook {
	o := outlook{dead: n.queue.Dead(), life: n.env.Speed.Real(n.policy.Life)}
	if n.Ready() != nil {
		return o
	}
	var jobs []queue.Selection
	for _, l := range list {
		for _, r := range l.Rcpts {
			jobs = append(jobs, queue.Selection{ID: l.ID, Domain: r.Domain})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var err error
	if o.jobs, err = n.queue.Standings(ctx, jobs); err != nil { // it is stopping
		n.env.Log.Warn("ask the queue where jobs stand", "err", err)
	}
	return o
}

// recipient is one as the queue is shown. Of a dead destination nobody is tried
// before its probe.
func (o outlook) recipient(l spool.Listed, r spool.ListedRecipient) QueuedRecipient {
	d, dead := o.dead[r.Domain]
	q := QueuedRecipient{
		Address: r.Address, Notify: r.Notify, ORcpt: r.ORcpt, Attempts: r.Attempts, LastReply: r.Reply,
		Held: r.Held, Dead: dead, Noticed: r.Noticed,
	}
	if r.Held || l.Quarantined != "" { // it waits for a person
		return q
	}
	at, known := o.jobs[queue.Selection{ID: l.ID, Domain: r.Domain}]
	if known {
		until := at.Arrived.Add(o.life).UTC()
		q.KeptUntil = &until
	}
	next := r.Next
	switch {
	case at.Parked && dead:
		next = d.Next.UTC()
		if q.LastReply == "" {
			q.LastReply = d.Why.String()
		}
	case dead && next.Before(d.Probe):
		next = d.Probe.UTC()
	}
	if at.Unmade {
		q.Attempts = max(q.Attempts-1, 0)
	}
	q.NextAttempt = &next
	q.Prospect = Prospect{Running: at.Running, Parked: at.Parked && dead, Probing: at.Parked && d.Probing}
	return q
}

// message is one as the list shows it: what comes first of what its recipients wait
// for, the reply that has been known longest.
func (o outlook) message(l spool.Listed) QueuedMessage {
	m := QueuedMessage{
		ID: l.ID, From: l.From.Path(), To: []string{}, Size: l.Size, Arrived: l.Arrived, MessageID: l.MessageID, State: l.State,
	}
	for _, rcpt := range l.Rcpts {
		r := o.recipient(l, rcpt)
		m.To = append(m.To, r.Address)
		m.Attempts = max(m.Attempts, r.Attempts)
		if r.NextAttempt != nil && !m.Running && (m.NextAttempt == nil || r.Running || r.NextAttempt.Before(*m.NextAttempt)) {
			m.NextAttempt, m.Prospect = r.NextAttempt, r.Prospect
		}
		if m.LastReply == "" {
			m.LastReply = r.LastReply
		}
	}
	if m.Parked && m.State == spool.Active { // the spool counts on an attempt
		m.State = spool.Deferred
	}
	if l.Quarantined != "" {
		m.LastReply = l.Quarantined
		if m.Why = reason.ParseKnown(l.Quarantined); m.Why != nil {
			m.LastReply = reason.Describe(m.Why)
		}
	}
	return m
}
