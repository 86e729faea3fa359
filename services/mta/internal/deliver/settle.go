package deliver

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/durable"
	"correio/services/internal/event"
	"correio/services/internal/smtpc"
	"correio/services/mta/internal/bounce"
	"correio/services/mta/internal/spool"
)

// settle writes down what became of the recipients, and says when the next
// attempt is due.
func (a *attempt) settle(ctx context.Context) (time.Time, bool) {
	ctx, cancel := settleContext(ctx)
	defer cancel()
	sum := a.sum()
	reports, err := a.reports(ctx, sum.given, sum.late)
	defer discard(reports)
	for _, r := range reports {
		sum.outcome.Reports = append(sum.outcome.Reports, spool.Report{Entry: r.entry, Body: r.body.Reader()})
	}
	var removed bool
	if err == nil {
		removed, err = a.d.cfg.Spool.Settle(ctx, sum.outcome)
	}
	switch {
	case errors.Is(err, spool.ErrUnreadable):
		a.d.quarantine(ctx, a.entry.ID, err)
		return time.Time{}, false
	case err != nil:
		// Only if the node ends before it is written, what was delivered is
		// delivered again: at least once.
		a.d.log.Error("outcome not written", "msg_id", a.entry.ID, "err", err)
		a.d.keepUnwritten(a)
		return time.Now().Add(a.d.cfg.Trouble), true
	}
	a.tell(reports, removed)
	return sum.next, sum.again
}

// summary is what follows from the results.
type summary struct {
	outcome     spool.Outcome
	given, late []bounce.Recipient // whom the sender is told about
	next        time.Time
	again       bool
}

// sum changes nothing that a second sum would miss: the first may not get
// written.
func (a *attempt) sum() summary {
	s := summary{outcome: spool.Outcome{ID: a.entry.ID}, next: a.next}
	chance := rand.Float64()
	for i := range a.results {
		r, rcpt := &a.results[i], &a.entry.Rcpts[i]
		a.expire(r)
		switch r.fate {
		case untouched: // the node is stopping; what was written before holds
			s.again = true
		case delivered:
			s.outcome.Done = append(s.outcome.Done, rcpt.N)
		case failed:
			s.outcome.Done = append(s.outcome.Done, rcpt.N)
			if wants(rcpt.Notify, "FAILURE") {
				s.given = append(s.given, a.reported(i))
			}
		case waiting:
			s.again, s.next = true, a.nextTime(chance)
			rcpt.Next, rcpt.Reply = s.next, r.said()
			now := *rcpt
			if a.d.cfg.Policy.Late(a.age()) && !rcpt.Noticed {
				now.Noticed = true
				if wants(rcpt.Notify, "DELAY") {
					s.late = append(s.late, a.reported(i))
				}
			}
			s.outcome.Waiting = append(s.outcome.Waiting, now)
		}
	}
	return s
}

// expire turns a wait into a failure when the message's life is over.
func (a *attempt) expire(r *result) {
	if r.fate != waiting {
		return
	}
	if _, ok := a.d.cfg.Policy.Wait(a.number, a.age(), 0); !ok {
		r.fate = failed
	}
}

// reported is what a report says about a recipient.
func (a *attempt) reported(i int) bounce.Recipient {
	r, rcpt := a.results[i], a.entry.Rcpts[i]
	b := bounce.Recipient{
		To: rcpt.To, ORcpt: rcpt.ORcpt, Reply: r.reply, Host: r.host, At: a.began,
		Until: a.entry.Arrived.Add(a.d.env.Speed.Real(a.d.cfg.Policy.Life)),
	}
	if r.fate == failed && !r.reply.Permanent() {
		b.Status = "4.4.7" // RFC 3463 §3.5: delivery time expired
	}
	return b
}

// wants reports whether the sender asked to hear of an event. RFC 3461 §4.1:
// without NOTIFY, of failures, and of delays where the MTA does so.
func wants(notify, kind string) bool {
	if notify == "" {
		return true
	}
	for k := range strings.SplitSeq(notify, ",") {
		if strings.EqualFold(k, kind) {
			return true
		}
	}
	return false
}

// written is a report that is ready to be stored.
type written struct {
	entry  *spool.Entry
	body   *durable.Buffer
	action bounce.Action
}

// discard frees the buffers of reports.
func discard(list []written) {
	for _, w := range list {
		w.body.Close() // nothing that matters is left in it
	}
}

// reports writes what the sender must be told. RFC 5321 §6.1: nobody is told
// about a message with a null reverse-path.
func (a *attempt) reports(ctx context.Context, given, late []bounce.Recipient) ([]written, error) {
	if a.entry.From.Null() {
		return nil, nil
	}
	var list []written
	for _, r := range []struct {
		action bounce.Action
		rcpts  []bounce.Recipient
	}{{bounce.Failed, given}, {bounce.Delayed, late}} {
		if len(r.rcpts) == 0 {
			continue
		}
		w, err := a.write(ctx, r.action, r.rcpts)
		if err != nil {
			discard(list)
			return nil, err
		}
		list = append(list, w)
	}
	return list, nil
}

// write writes one report into a buffer, with an entry for the queue.
func (a *attempt) write(ctx context.Context, action bounce.Action, rcpts []bounce.Recipient) (written, error) {
	d, e := a.d, a.entry
	message, err := d.cfg.Spool.Body(ctx, e)
	if err != nil {
		return written{}, err
	}
	defer message.Close()
	now, id := time.Now(), spool.NewID()
	wait, _ := d.cfg.Policy.Wait(1, 0, rand.Float64())
	entry := &spool.Entry{
		Message: spool.Message{ID: id, Arrived: now, MessageID: id + "@" + d.env.Host.Name, EightBit: e.EightBit},
		Rcpts:   []spool.Recipient{{To: e.From, Next: now.Add(d.env.Speed.Real(wait))}},
	}
	entry.UTF8 = !e.From.ASCII()
	body := d.cfg.Spool.Buffer(0)
	err = bounce.Write(body, bounce.Report{
		Action: action, MTA: d.env.Host.Name, From: d.postmaster(), To: e.From,
		MessageID: entry.MessageID, Date: now, Boundary: spool.NewID() + spool.NewID(),
		Queue: e.ID, Arrived: e.Arrived, EnvID: e.EnvID, OriginalID: e.MessageID, Recipients: rcpts,
		Size: e.Size, HeadersOnly: e.Ret == "HDRS" || action == bounce.Delayed || e.Binary, EightBit: e.EightBit, Message: message,
	})
	if err != nil {
		body.Close()
		return written{}, unreadable(err)
	}
	return written{entry, body, action}, nil
}

// tell records what has been written down, and lets reports go.
func (a *attempt) tell(reports []written, removed bool) {
	var bounceID string
	for _, w := range reports {
		if w.action == bounce.Failed {
			bounceID = w.entry.ID
		}
	}
	for i, r := range a.results {
		to := a.entry.Rcpts[i].To.String()
		log := a.d.log.With("msg_id", a.entry.ID, "from", a.entry.From.Path(), "to", to, "attempt", a.number, "reply", r.said())
		switch r.fate {
		case delivered:
			a.d.cfg.Metrics.Delivered.WithLabelValues(string(r.proto)).Inc()
			a.event(event.Delivered, resultMeta(to, r, event.NextQueue, smtpc.QueuedAs(r.reply)))
			log.Info("delivered", "mx", r.host)
		case waiting:
			a.d.cfg.Metrics.Deferred.Inc()
			a.event(event.Deferred, resultMeta(to, r, event.RetryIn, retryIn(a.entry.Rcpts[i].Next)))
			log.Info("deferred", "mx", r.host)
		case failed:
			a.d.cfg.Metrics.Bounced.Inc()
			a.event(event.Bounced, resultMeta(to, r, event.BounceID, bounceID, event.Reason, a.unreported(bounceID)))
			log.Info("bounced", "mx", r.host, "bounce", bounceID)
		}
	}
	for _, w := range reports {
		a.accepted(w)
		a.d.cfg.Enqueue(w.entry)
	}
	if removed {
		a.event(event.Removed, nil)
	}
}

// unreported says why a failure is told to nobody.
func (a *attempt) unreported(bounceID string) string {
	switch {
	case bounceID != "":
		return ""
	case a.entry.From.Null():
		return "double bounce: the message is a report itself, so nobody is told"
	}
	return "the sender asked not to be told (NOTIFY)"
}

// accepted records that a report is in the queue.
func (a *attempt) accepted(w written) {
	a.d.cfg.Metrics.Accepted.WithLabelValues("report").Inc()
	a.d.env.Events.Append(event.Record{
		Kind: event.KindQueue, Queue: w.entry.ID, Message: w.entry.MessageID, Text: event.Accepted,
		Meta: event.M(event.From, "<>", event.To, w.entry.Rcpts[0].To.String(), event.Size, strconv.FormatInt(w.entry.Size, 10),
			event.Client, "report about "+a.entry.ID, event.Reason, string(w.action)),
	})
}
