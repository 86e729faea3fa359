package mta

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/dsn"
	"correio/services/internal/event"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/mta/internal/bounce"
	"correio/services/mta/internal/deliver"
	"correio/services/mta/internal/forward"
	"correio/services/mta/internal/policy"
	"correio/services/mta/internal/spool"
)

// accept takes a message over: when it returns nil, the message is on disk. Mail
// for our own mailboxes may be there already and was never in the spool; all
// other mail is spooled, with all entries that it makes, and its delivery started.
func (n *Node) accept(ctx context.Context, a policy.Accepted) error {
	flight, done, err := n.direct(ctx, a)
	if done {
		return err
	}
	var parts []spool.Part
	for _, p := range append([]policy.Part{a.Part}, a.More...) {
		if flight == nil {
			n.parkDead(p.Entry)
		}
		parts = append(parts, spool.Part{Entry: p.Entry, Body: p.Body()})
	}
	reports, err := n.expansionReports(a)
	defer func() {
		for _, r := range reports {
			r.Body.Close() // nothing that matters is left in it
		}
	}()
	if err != nil {
		return err
	}
	for _, r := range reports {
		parts = append(parts, spool.Part{Entry: r.Entry, Body: r.Body.Reader()})
	}
	if err := n.spool.AddAll(ctx, parts); err != nil {
		if flight != nil && flight.Delivered() {
			// A refusal would bring it a second time. What is lost is the report.
			n.env.Log.Error("the sender is not told about the delivery", "msg_id", a.Entry.ID, "err", err)
			n.landed(a, flight)
			return nil
		}
		return err
	}
	n.metrics.Accepted.WithLabelValues(string(a.Peer.Proto)).Inc()
	n.tellAccepted(a, reports)
	if flight != nil {
		n.deliverer.Adopt(flight, a.Entry)
	}
	for _, p := range parts {
		n.start(p.Entry, flight != nil)
	}
	return nil
}

// direct brings mail that is for our own mailboxes alone to the MDA while the
// client waits. done reports that this was all there was to do; without it, the
// flight, if there is one, is the first attempt at the message.
func (n *Node) direct(ctx context.Context, a policy.Accepted) (open *deliver.Flight, done bool, err error) {
	if len(a.More)+len(a.Expanded) > 0 {
		return nil, false, nil
	}
	f := n.deliverer.Direct(a.Entry, a.Body())
	if f == nil {
		return nil, false, nil
	}
	switch f.Wait(ctx) {
	case deliver.Landed:
		n.landed(a, f)
		return nil, true, nil
	case deliver.Rejected:
		n.metrics.Rejected.WithLabelValues(policy.Mailbox).Inc()
		return nil, true, f.Refusal().Err(nil)
	case deliver.Open:
		return f, false, nil
	case deliver.Grounded: // as if it had not begun
	}
	return nil, false, nil
}

// landed tells of a message that is in its mailboxes and was never in the spool.
func (n *Node) landed(a policy.Accepted, f *deliver.Flight) {
	n.metrics.Accepted.WithLabelValues(string(a.Peer.Proto)).Inc()
	n.tellAccepted(a, nil)
	f.Tell()
}

// forget ends what asking the MDA has begun for a transaction.
func (n *Node) forget(id string) { n.deliverer.Forget(id) }

// tellAccepted records what has been stored.
func (n *Node) tellAccepted(a policy.Accepted, reports []expansionReport) {
	tell := func(e *spool.Entry, client, originals string) {
		n.env.Events.Append(event.Record{
			Kind: event.KindQueue, Conn: a.Peer.Conn, Queue: e.ID, Message: e.MessageID, Text: event.Accepted,
			Meta: event.M(event.From, e.From.Path(), event.To, addresses(e), event.Size, strconv.FormatInt(e.Size, 10),
				event.Client, client, event.Original, originals),
		})
		n.env.Log.Info("accepted", "conn", a.Peer.Conn, "msg_id", e.ID, "from", e.From.Path(), "size", e.Size)
	}
	tell(a.Entry, a.Client, originals(a.Entry, a.Original))
	for _, x := range a.Expanded {
		report := ""
		for _, r := range reports {
			if r.about == x.At.To {
				report = r.Entry.ID
			}
		}
		n.env.Events.Append(event.Record{
			Kind: event.KindQueue, Queue: a.Entry.ID, Message: a.Entry.MessageID, Text: event.Expanded,
			Meta: event.M(event.To, x.At.To.String(), event.Rules, reason.Encode(whyExpanded(a, x)...),
				event.Entries, strings.Join(x.Entries, ", "), event.BounceID, report),
		})
	}
	for _, p := range a.More {
		tell(p.Entry, a.Client, originals(p.Entry, p.Original))
	}
	for _, r := range reports {
		n.deliverer.TellReport(r.Report, a.Peer.Conn, a.Entry.ID, r.action.Reason())
	}
}

// whyExpanded says who is behind a recipient, and whose name it goes on in.
func whyExpanded(a policy.Accepted, x policy.Expanded) []reason.Reason {
	var members []string
	for _, to := range x.To {
		members = append(members, to.String())
	}
	why := []reason.Reason{reason.New(reason.StandsFor, x.At.To.String(), strings.Join(members, ", "))}
	for _, from := range x.Senders {
		rule := reason.ListSender
		switch {
		case from == a.Sender:
			rule = reason.KeptSender
		case forward.IsSRS(from.Local):
			rule = reason.NewSender
		}
		why = append(why, reason.New(rule, from.Path()))
	}
	return why
}

// expansionReport tells a sender who wanted to hear of the delivery that a
// recipient was not the last.
type expansionReport struct {
	about  mailaddr.Address
	action bounce.Action
	deliver.Report
}

// expansionReports writes them. RFC 3461 §5.2.7.1: what comes to a list is
// delivered there, however few its members are. §5.2.7.3: what comes to an alias
// of several is expanded; to one of a single address it goes on, and whoever
// delivers it reports it.
func (n *Node) expansionReports(a policy.Accepted) (list []expansionReport, err error) {
	for _, x := range a.Expanded {
		if a.Sender.Null() || !dsn.Wants(x.At.Notify, dsn.Success) || !x.List && len(x.To) < 2 {
			continue
		}
		r, err := n.expansionReport(a, x)
		if err != nil {
			return list, err
		}
		list = append(list, r)
	}
	return list, nil
}

func (n *Node) expansionReport(a policy.Accepted, x policy.Expanded) (expansionReport, error) {
	e := a.Entry
	report := bounce.Report{
		Action: bounce.Expanded, Queue: e.ID, Sender: a.Sender, Arrived: e.Arrived, EnvID: a.EnvID, OriginalID: e.MessageID,
		HeadersOnly: true, Message: x.Message,
		Recipients: []bounce.Recipient{{
			To: x.At.To, ORcpt: x.At.ORcpt, At: time.Now(), Reply: reply.Newf(250, "2.1.5", "Expanded to %d recipients", len(x.To)),
		}},
	}
	if x.List {
		report.Action, report.List = bounce.Delivered, true
	}
	r, err := n.deliverer.WriteReport(report)
	if err != nil {
		return expansionReport{}, err
	}
	n.parkDead(r.Entry)
	return expansionReport{x.At.To, report.Action, r}, nil
}

// firstWait is how long after the first attempt the second one comes.
func (n *Node) firstWait() time.Duration {
	wait, _ := n.policy.Wait(1, 0, rand.Float64())
	return n.env.Speed.Real(wait)
}
