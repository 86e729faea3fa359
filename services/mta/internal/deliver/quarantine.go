package deliver

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/mta/internal/queue"
	"correio/services/mta/internal/spool"
)

// survive keeps one bad message from ending the node.
func (d *Deliverer) survive(id string, then func(err error)) {
	if p := recover(); p != nil {
		d.log.Error("attempt panicked", "msg_id", id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		then(fmt.Errorf("panic: %v", p))
	}
}

// quarantine puts the message of a job aside, and returns the job's result.
func (d *Deliverer) quarantine(ctx context.Context, j queue.Job, why error) queue.Result {
	ctx, cancel := settleContext(ctx)
	defer cancel()
	unreadable := reason.New(reason.Unreadable, why.Error())
	err := d.cfg.Spool.Quarantine(ctx, j.ID, reason.Encode(unreadable))
	switch {
	case errors.Is(err, spool.ErrGone): // somebody has dropped it meanwhile
		return queue.Result{Gone: true}
	case err != nil:
		d.log.Error("quarantine failed", "msg_id", j.ID, "err", errors.Join(err, why))
		return d.troubled(j)
	}
	d.TellQuarantined(j.ID, "", unreadable)
	return queue.Result{}
}

// TellQuarantined records that a message was put aside.
func (d *Deliverer) TellQuarantined(id, messageID string, why ...reason.Reason) {
	d.log.Error("message put into quarantine", "msg_id", id, "err", reason.Describe(why))
	d.env.Events.Append(event.Record{
		Kind: event.KindQueue, Queue: id, Message: messageID, Text: event.Quarantined, Meta: event.M(event.Rules, reason.Encode(why...)),
	})
}
