package deliver

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
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
	reports, err := a.reports(ctx, sum.news)
	if errors.Is(err, spool.ErrUnreadable) {
		a.unreadable = err
		sum, err = a.sum(), nil
	}
	defer discard(reports)
	for _, r := range reports {
		sum.outcome.Reports = append(sum.outcome.Reports, spool.Report{Entry: r.Entry, Body: r.Body.Reader()})
	}
	var left spool.Left
	if err == nil {
		left, err = a.d.cfg.Spool.Settle(ctx, sum.outcome)
	}
	switch {
	case errors.Is(err, spool.ErrGone): // what cannot be read was dropped meanwhile
		return time.Time{}, false
	case err != nil:
		// Only if the node ends before it is written, what was delivered is
		// delivered again: at least once.
		a.d.log.Error("outcome not written", "msg_id", a.entry.ID, "err", err)
		a.d.keepUnwritten(a)
		return time.Now().Add(a.d.cfg.Trouble), true
	}
	a.tell(reports, left)
	return sum.next, sum.again
}

// summary is what follows from the results.
type summary struct {
	outcome spool.Outcome
	news    news
	next    time.Time
	again   bool
}

// sum changes nothing that a second sum would miss: the first may not get
// written.
func (a *attempt) sum() summary {
	s := summary{outcome: spool.Outcome{ID: a.entry.ID}, news: news{}, next: a.next}
	if a.unreadable != nil {
		return a.sumUnreadable(s)
	}
	chance := rand.Float64()
	for i := range a.results {
		r, rcpt := &a.results[i], &a.entry.Rcpts[i]
		a.expire(r)
		switch r.fate {
		case untouched, unfit: // the node is stopping; what was written before holds
			s.again = true
		case delivered:
			s.outcome.Done = append(s.outcome.Done, rcpt.N)
			a.note(s.news, i, r.success())
		case failed:
			a.giveUp(&s, i)
		case waiting:
			s.again, s.next = true, a.nextTime(chance)
			rcpt.Next, rcpt.Reply = s.next, r.said()
			now := *rcpt
			if a.d.cfg.Policy.Late(a.age()) && !rcpt.Noticed {
				now.Noticed = true
				a.note(s.news, i, bounce.Delayed)
			}
			s.outcome.Waiting = append(s.outcome.Waiting, now)
		}
	}
	return s
}

// sumUnreadable keeps whoever has not got the message: it can be neither sent nor
// returned.
func (a *attempt) sumUnreadable(s summary) summary {
	s.outcome.Unreadable = reason.Encode(reason.New(reason.Unreadable, a.unreadable.Error()))
	for i := range a.results {
		if a.results[i].fate == delivered {
			s.outcome.Done = append(s.outcome.Done, a.entry.Rcpts[i].N)
		} else {
			a.results[i] = result{}
		}
	}
	return s
}

// giveUp takes a recipient out, which the sender is told, or the postmaster
// where there is no sender. Where that was the postmaster, the message is kept for
// him, in quarantine once nobody else waits for it: nobody else could be told.
func (a *attempt) giveUp(s *summary, i int) {
	rcpt := a.entry.Rcpts[i]
	if a.entry.From.Null() && a.d.isPostmaster(rcpt.To) {
		rcpt.Reply = a.results[i].said()
		s.outcome.Kept = append(s.outcome.Kept, rcpt)
		s.outcome.Why = reason.Encode(reason.New(reason.PostmasterAway, rcpt.To.String(), rcpt.Reply))
		return
	}
	s.outcome.Done = append(s.outcome.Done, rcpt.N)
	a.noteFailure(s.news, i)
}

// expire turns a wait into a failure when the message's life is over.
func (a *attempt) expire(r *result) {
	if r.fate != waiting {
		return
	}
	if _, ok := a.d.cfg.Policy.Wait(a.number, a.age(), 0); !ok {
		r.fate, r.expired = failed, true
	}
}

// tell records what has been written down, and lets reports go.
func (a *attempt) tell(reports []written, left spool.Left) {
	report := map[int]string{} // queue id by recipient
	for _, w := range reports {
		if w.reader != bounce.Postmaster {
			for _, i := range w.about {
				report[i] = w.Entry.ID
			}
		}
	}
	for i, r := range a.results {
		a.tellOne(i, r, report[i])
	}
	for _, w := range reports {
		a.accepted(w)
		a.d.cfg.Enqueue(w.Entry)
	}
	if left.Removed {
		a.event(event.Removed, nil)
	}
	if left.Quarantined != "" {
		a.d.TellQuarantined(a.entry.ID, a.entry.MessageID, reason.Parse(left.Quarantined)...)
	}
}

// tellOne records what became of one recipient; report is the queue id of what
// the sender is told about it, or the postmaster where there is no sender.
func (a *attempt) tellOne(i int, r result, report string) {
	to := a.entry.Rcpts[i].To.String()
	attrs := []any{
		"msg_id", a.entry.ID, "from", a.entry.From.Path(), "to", to, "attempt", a.number, "reply", r.said(), "report", report, "mx", r.host,
	}
	switch r.fate {
	case untouched, unfit:
	case delivered:
		a.d.cfg.Metrics.Delivered.WithLabelValues(string(r.proto)).Inc()
		a.event(event.Delivered, resultMeta(to, r, event.NextQueue, smtpc.QueuedAs(r.reply), event.BounceID, report))
		a.d.log.Info("delivered", attrs...)
	case waiting:
		a.d.cfg.Metrics.Deferred.Inc()
		a.event(event.Deferred, a.delay(i, r, report))
		a.d.log.Info("deferred", attrs...)
	case failed:
		a.d.cfg.Metrics.Bounced.Inc()
		a.event(event.Bounced, resultMeta(to, r, event.BounceID, report, event.Rules, reason.Encode(a.unreported(i, report)...)))
		a.d.log.Info("bounced", attrs...)
	}
}

// delay tells what a recipient waits for. Only a host that has answered leaves the
// message a time of its own: without one, the destination may be dead, or be found
// to be, and then waits for its probes, or come back before.
func (a *attempt) delay(i int, r result, report string) event.Meta {
	wait := retryIn(a.entry.Rcpts[i].Next)
	why := slices.Clone(r.why)
	if a.dead != nil && !a.reached {
		rule := reason.StillDead
		if a.untried {
			rule = reason.DeadHost
		}
		why = append(why, reason.New(rule, a.domain, a.dead.Since.UTC().Format(time.TimeOnly)))
	}
	if !a.reached {
		why = append(why, reason.New(reason.NotBefore, wait))
	}
	return resultMeta(a.entry.Rcpts[i].To.String(), r, event.RetryIn, wait, event.BounceID, report, event.Rules, reason.Encode(why...))
}

// unreported says why the sender is not told about a failure.
func (a *attempt) unreported(i int, report string) []reason.Reason {
	rule := reason.NotToBeTold
	switch {
	case a.entry.From.Null() && a.d.isPostmaster(a.entry.Rcpts[i].To):
		rule = reason.NobodyLeft
	case a.entry.From.Null():
		rule = reason.DoubleBounce
	case report != "":
		return nil
	}
	return []reason.Reason{reason.New(rule)}
}
