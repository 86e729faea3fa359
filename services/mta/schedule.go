package mta

import (
	"context"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/mta/internal/queue"
	"correio/services/mta/internal/spool"
)

// newQueue makes the queue that starts the deliverer's attempts.
func (n *Node) newQueue() *queue.Queue {
	real := n.env.Speed.Real
	return queue.New(queue.Config{
		Attempt: n.deliverer.Attempt,
		Notice:  real(n.policy.Notice),
		Life:    real(n.policy.Life),
		Pause:   func(failures int) time.Duration { return real(n.policy.Probe(failures)) },
		Parked: func(j queue.Job, d queue.Destination) {
			if e, ok := j.Carry.(*spool.Entry); ok {
				n.parked(e, d)
			}
		},
		Changed: n.destinationChanged,
	})
}

// parkDead notes of the recipients for dead destinations that no attempt is
// made for them now, and why.
func (n *Node) parkDead(e *spool.Entry) {
	for i := range e.Rcpts {
		if d, dead := n.queue.Parks(e.Rcpts[i].To.Domain); dead {
			e.Rcpts[i].Reply = d.Why.String()
		}
	}
}

// enqueue starts a report.
func (n *Node) enqueue(e *spool.Entry) { n.start(e, false) }

// start starts a new entry: one job for each domain. begun says that the first
// attempt is under way.
func (n *Node) start(e *spool.Entry, begun bool) {
	seen := map[string]bool{}
	var jobs []queue.Job
	for _, r := range e.Rcpts {
		if seen[r.To.Domain] {
			continue
		}
		seen[r.To.Domain] = true
		j := queue.Job{ID: e.ID, Domain: r.To.Domain, Arrived: e.Arrived, Due: time.Now()}
		if r.Reply == "" {
			j.Fresh, j.Carry, j.Begun = true, e, begun
		} else if d, dead := n.queue.Parks(j.Domain); dead {
			n.parked(e, d)
		}
		jobs = append(jobs, j)
	}
	n.queue.Add(jobs...)
}

// parked tells of a new message that is not attempted because its destination
// is dead: what it waits for, and not a time of its own.
func (n *Node) parked(e *spool.Entry, d queue.Destination) {
	var to []string
	for _, r := range e.Rcpts {
		if r.To.Domain == d.Domain {
			to = append(to, r.To.String())
		}
	}
	why := []reason.Reason{reason.New(reason.DeadHost, d.Domain, d.Since.UTC().Format(time.TimeOnly))}
	probe := retryIn(d.Probe)
	if d.Probing {
		why, probe = append(why, reason.New(reason.ProbeRuns)), ""
	}
	n.env.Events.Append(event.Record{
		Kind: event.KindQueue, Queue: e.ID, Message: e.MessageID, Text: event.Deferred,
		Meta: event.M(event.To, strings.Join(to, ", "), event.Reply, d.Why.String(), event.ProbeIn, probe, event.Rules, reason.Encode(why...)),
	})
	n.env.Log.Info("parked", "msg_id", e.ID, "from", e.From.Path(), "to", strings.Join(to, ", "), "reply", d.Why.String())
}

// retryIn writes how long from now something happens, as package deliver does.
func retryIn(at time.Time) string { return max(time.Until(at), 0).Round(time.Millisecond).String() }

// destinationChanged tells of a destination that died, or lives again.
func (n *Node) destinationChanged(d queue.Destination) {
	word := event.Alive
	meta := event.M(event.Domain, d.Domain)
	if d.Dead {
		word = event.Dead
		meta = event.M(event.Domain, d.Domain, event.Reply, d.Why.String(), event.ProbeIn, retryIn(d.Probe))
	}
	n.env.Events.Append(event.Record{Kind: event.KindQueue, Text: word, Meta: meta})
	n.env.Log.Info("destination changed", "state", word, "to", d.Domain, "reply", d.Why.String())
}

// lastChance is what is left of its life, at least, to a message that the queue
// takes up again after a restart or a release, in real time. A lab starts all of
// its nodes together, and many days after it was stopped: mail must not go back
// because the hosts that it is for were not ready within the first second.
const lastChance = 30 * time.Second

// resume goes on with what a previous run left. A first attempt that it died
// in is made again at once.
func (n *Node) resume(ctx context.Context) error {
	const chunk = 1000
	jobs := make([]queue.Job, 0, chunk)
	count, now, longest := 0, time.Now(), n.env.Speed.Real(n.policy.Longest())
	err := n.spool.Waiting(ctx, func(d spool.Due) {
		j := n.jobOf(d, now)
		if j.Due.Sub(now) > longest { // no wait of the schedule is: the clock was set
			j.Due = now
		}
		jobs = append(jobs, j)
		if count++; len(jobs) == chunk {
			n.queue.Add(jobs...)
			jobs = jobs[:0]
		}
	})
	if err != nil {
		return err
	}
	n.queue.Add(jobs...)
	if count > 0 {
		n.env.Log.Info("going on with the queue", "jobs", count)
	}
	return nil
}

// tellSalvage tells of a damaged spool, what became of it.
func (n *Node) tellSalvage() {
	s := n.spool.Salvage()
	if s == nil {
		return
	}
	why := []reason.Reason{reason.New(reason.Salvaged, s.File, strconv.Itoa(s.Messages))}
	if part := len(s.Partial) + len(s.Quarantined); part > 0 {
		why = append(why, reason.New(reason.SalvagedInPart, strconv.Itoa(part)))
	}
	if len(s.Lost) > 0 {
		why = append(why, reason.New(reason.NotSalvaged, strconv.Itoa(len(s.Lost))))
	}
	n.env.Events.Append(event.Record{Kind: event.KindNode, Text: event.Salvaged, Meta: event.M(event.Reason, reason.Encode(why...))})
	for _, m := range s.Quarantined {
		n.deliverer.TellQuarantined(m.ID, m.MessageID, reason.Parse(m.Why)...)
	}
}

// jobOf is the job of what waits in the spool. The clock may have been ahead
// when that was written: nothing has come in the future.
func (n *Node) jobOf(d spool.Due, now time.Time) queue.Job {
	j := queue.Job{ID: d.ID, Domain: d.Domain, Arrived: d.Arrived, Due: d.Next, Noticed: d.Noticed, Unreached: d.Unreached, Resumed: true}
	if d.Interrupted {
		j.Due = now
	}
	life := n.env.Speed.Real(n.policy.Life)
	if oldest := now.Add(min(n.lastChance, life) - life); j.Arrived.Before(oldest) {
		j.Arrived = oldest
	}
	if j.Arrived.After(now) {
		j.Arrived = now
	}
	// The wall clock may have been set since the node started. By now's reading of
	// the monotonic one a time is as far away as the wall clock says now.
	j.Arrived, j.Due = now.Add(j.Arrived.Sub(now)), now.Add(j.Due.Sub(now))
	return j
}
