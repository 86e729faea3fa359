package deliver

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/dsn"
	"correio/services/internal/durable"
	"correio/services/internal/event"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reason"
	"correio/services/internal/smtpc"
	"correio/services/mta/internal/bounce"
	"correio/services/mta/internal/forward"
	"correio/services/mta/internal/spool"
)

// Report is a report that is ready to be stored.
type Report struct {
	To    mailaddr.Address // whom it is for
	Entry *spool.Entry     // for them, or for those behind that address
	Body  *durable.Buffer
}

// written is a report about recipients of an attempt.
type written struct {
	notice
	about []int
	Report
}

// discard frees the buffers of reports.
func discard(list []written) {
	for _, w := range list {
		w.Body.Close() // nothing that matters is left in it
	}
}

// reports writes what must be told.
func (a *attempt) reports(ctx context.Context, n news) ([]written, error) {
	var list []written
	for _, kind := range notices {
		if len(n[kind]) == 0 {
			continue
		}
		w, err := a.write(ctx, kind, n[kind])
		if err != nil {
			discard(list)
			return nil, err
		}
		list = append(list, w)
	}
	return list, nil
}

// write writes one report into a buffer, with an entry for the queue.
func (a *attempt) write(ctx context.Context, n notice, about []int) (written, error) {
	d, e := a.d, a.entry
	message, err := d.cfg.Spool.Body(ctx, e)
	if err != nil {
		return written{}, err
	}
	defer message.Close()
	report := bounce.Report{
		Action: n.action, Reader: n.reader,
		Queue: e.ID, Sender: e.From, Arrived: e.Arrived, EnvID: e.EnvID, OriginalID: e.MessageID,
		HeadersOnly: e.Ret == "HDRS" && n.reader == bounce.Sender || n.reader == bounce.Postmaster || e.Binary,
		Message:     message,
	}
	for _, i := range about {
		report.Recipients = append(report.Recipients, a.reported(i))
	}
	w, err := d.WriteReport(report)
	if err != nil {
		return written{}, unreadable(err)
	}
	return written{n, about, w}, nil
}

// WriteReport writes a report into a buffer, with an entry for the queue: from <>, to
// be reported about never (RFC 3461 §6.1), for its reader or those behind the
// sender's address. Who reports and when, and where to, is filled in.
func (d *Deliverer) WriteReport(r bounce.Report) (Report, error) {
	now, id := time.Now(), spool.NewID()
	r.MTA, r.From, r.To = d.env.Host.Name, d.postmaster(), d.postmaster()
	rcpts := []mailaddr.Address{r.To}
	if r.Reader == bounce.Sender {
		r.To, rcpts = forward.NewSRS(d.env.Org, d.env.Speed).ReportTo(r.Sender, now)
	}
	r.MessageID, r.Date, r.Boundary = d.messageID(id), now, spool.NewID()+spool.NewID()
	entry := &spool.Entry{Message: spool.Message{ID: id, Arrived: now, MessageID: r.MessageID, UTF8: !r.To.ASCII()}}
	wait, _ := d.cfg.Policy.Wait(1, 0, rand.Float64())
	elsewhere := false
	for _, to := range rcpts {
		entry.Rcpts = append(entry.Rcpts, spool.Recipient{To: to, Notify: dsn.Never, Next: now.Add(d.env.Speed.Real(wait))})
		elsewhere = elsewhere || to != r.To && !d.env.Org.Local(to.Domain)
	}
	body := d.cfg.Spool.Buffer(0)
	var err error
	if elsewhere { // if it comes back by other organisations, it has been here
		_, err = io.WriteString(body, "Delivered-To: "+forward.DeliveredTo(r.To)+"\r\n")
	}
	if err == nil {
		entry.EightBit, err = bounce.Write(body, r)
	}
	if err != nil {
		body.Close()
		return Report{}, err
	}
	return Report{r.To, entry, body}, nil
}

// reported is what a report says about a recipient.
func (a *attempt) reported(i int) bounce.Recipient {
	r, rcpt := a.results[i], a.entry.Rcpts[i]
	b := bounce.Recipient{
		To: rcpt.To, ORcpt: rcpt.ORcpt, Reply: r.reply, Host: r.host, At: a.began, Until: a.until(time.Now()),
	}
	if r.expired {
		b.Status = bounce.Expired
	}
	return b
}

// until is when the queue gives up, which is RFC 3464 §2.3.9's Will-Retry-Until: by
// the arrival that the queue counts from. The spool's may be longer ago than a
// message lives, after a stop. By the wall clock of now, as jobOf in package mta
// has it.
func (a *attempt) until(now time.Time) time.Time {
	return now.Add(a.arrived.Add(a.d.env.Speed.Real(a.d.cfg.Policy.Life)).Sub(now))
}

// sevenBit returns a report of ours in 7 bits for a host that does not offer
// 8BITMIME, and nil where the message goes as it is: to other hosts, and what was
// not written here, whose content is not ours to change.
func (a *attempt) sevenBit(c *smtpc.Client, body io.Reader) ([]byte, error) {
	e := a.entry
	_, offered := c.Extension("8BITMIME")
	if offered || !e.EightBit || !e.From.Null() || e.MessageID != a.d.messageID(e.ID) || e.Size > bounce.MaxSevenBit {
		return nil, nil
	}
	report, err := io.ReadAll(io.LimitReader(body, bounce.MaxSevenBit))
	if err != nil {
		return nil, err
	}
	seven, _ := bounce.SevenBit(report)
	return seven, nil
}

// messageID is that of a report.
func (d *Deliverer) messageID(id string) string { return id + "@" + d.env.Host.Name }

// accepted records that a report is in the queue.
func (a *attempt) accepted(w written) {
	why := []reason.Reason{w.action.Reason()}
	switch w.reader {
	case bounce.Sender:
	case bounce.Postmaster:
		why = append(why, reason.New(reason.CopyToMaster))
	case bounce.LastResort:
		why = append(why, reason.New(reason.DoubleBounce))
	}
	a.d.TellReport(w.Report, "", a.entry.ID, why...)
}

// TellReport records that a report about a message is in the queue, and why; conn is
// the connection that it was written for, if it was for one.
func (d *Deliverer) TellReport(r Report, conn, about string, why ...reason.Reason) {
	var to, original []string
	for _, rcpt := range r.Entry.Rcpts {
		to, original = append(to, rcpt.To.String()), append(original, r.To.String())
	}
	if slices.Equal(to, original) {
		original = nil
	} else {
		why = append(why, reason.New(reason.StandsFor, r.To.String(), strings.Join(to, ", ")))
	}
	d.cfg.Metrics.Accepted.WithLabelValues("report").Inc()
	d.env.Events.Append(event.Record{
		Kind: event.KindQueue, Conn: conn, Queue: r.Entry.ID, Message: r.Entry.MessageID, Text: event.Accepted,
		Meta: event.M(event.From, "<>", event.To, strings.Join(to, ", "), event.Size, strconv.FormatInt(r.Entry.Size, 10),
			event.Client, "report about "+about, event.Original, strings.Join(original, ", "), event.Reason, reason.Encode(why...)),
	})
	d.log.Info("accepted", "conn", conn, "msg_id", r.Entry.ID, "from", "<>", "size", r.Entry.Size)
}
