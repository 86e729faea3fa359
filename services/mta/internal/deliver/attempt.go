package deliver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"correio/services/internal/durable"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/node"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
	"correio/services/mta/internal/route"
	"correio/services/mta/internal/spool"
)

// maxAddrs bounds the addresses of one host that are tried.
const maxAddrs = 3

// runBounded makes the attempt within Config.Patience. Who was not settled by
// then waits for the next one.
func (a *attempt) runBounded(ctx context.Context) error {
	work, cancel := context.WithTimeout(ctx, a.d.cfg.Patience)
	defer cancel()
	err := a.run(work)
	for i, r := range a.results {
		switch {
		case r.fate != unfit && (r.fate != untouched || work.Err() == nil):
		case ctx.Err() != nil: // the node is stopping
			a.results[i] = result{}
		case work.Err() != nil:
			a.results[i] = reachedNobody(reply.Newf(451, "4.4.2", "The attempt took longer than %s", a.d.cfg.Patience))
		default:
			a.results[i].fate = failed // no host was fit
		}
	}
	return err
}

// run makes the attempt. The error is spool.ErrUnreadable.
func (a *attempt) run(ctx context.Context) error {
	if a.d.env.Org.Local(a.domain) && !a.d.env.Host.Backup {
		return a.toMDA(ctx, reason.New(reason.Local, a.domain))
	}
	dns := lookups{a.d.dns.ForQueue(a.entry.ID, a.entry.MessageID), a.d.self.HasIPv6()}
	r := route.Find(ctx, a.domain, a.d.self, dns, rand.Shuffle)
	if r.Mailboxes {
		return a.toMDA(ctx, r.Reasons...)
	}
	if len(r.Hosts) == 0 {
		if ctx.Err() == nil {
			a.announce("", r.Reasons)
			a.say(reachedNobody(r.Verdict))
		}
		return nil
	}
	incomplete := false
	for len(r.Hosts) > 0 {
		if err := a.tryAll(ctx, r); err != nil || a.over(ctx) {
			return err
		}
		incomplete = incomplete || r.Incomplete()
		r = r.More(ctx)
	}
	if incomplete || r.Incomplete() {
		a.waitForDNS()
	}
	return nil
}

// waitForDNS keeps those for whom no host was fit, as there may be more hosts
// than could be found out.
func (a *attempt) waitForDNS() {
	for i, r := range a.results {
		if r.fate == unfit {
			a.results[i] = result{fate: waiting, reply: reply.Newf(451, "4.4.3",
				"DNS could not tell the addresses of all mail hosts of %s; trying again later", a.domain)}
		}
	}
}

// tryAll brings the message to the hosts of one preference.
func (a *attempt) tryAll(ctx context.Context, r route.Route) error {
	why := r.Reasons
	for _, h := range r.Hosts {
		for _, addr := range h.Addrs[:min(len(h.Addrs), maxAddrs)] {
			if a.over(ctx) {
				return nil
			}
			a.announce(h.Name, append(why, a.passedBy()...))
			why, a.last = nil, h.Name
			t := target{name: h.Name, addr: netip.AddrPortFrom(addr, 25), proto: smtpc.SMTP, domain: a.domain}
			if err := a.try(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// passedBy is why the host before the next one is left behind.
func (a *attempt) passedBy() []reason.Reason {
	if a.last == "" {
		return nil
	}
	said := a.results[a.open()[0]].said()
	return []reason.Reason{reason.New(reason.PassedBy, a.last, said)}
}

// over reports that there is nobody left to bring the message to, or no time.
func (a *attempt) over(ctx context.Context) bool { return len(a.open()) == 0 || ctx.Err() != nil }

// toMDA brings mail to the site's own mailboxes, for the reasons given.
func (a *attempt) toMDA(ctx context.Context, why ...reason.Reason) error {
	t, ok := a.d.mda()
	if !ok {
		a.say(reachedNobody(reply.New(451, "4.3.5", "This site has no host for mailboxes")))
		return nil
	}
	a.announce(t.name, why)
	return a.try(ctx, t)
}

// mda is where the site's mailboxes are, if it has any.
func (d *Deliverer) mda() (target, bool) { return d.box, d.box.name != "" }

func findMDA(env *node.Env) target {
	hosts := env.Org.ByRole(lab.RoleMDA)
	if len(hosts) == 0 {
		return target{}
	}
	return target{name: hosts[0].Name, addr: netip.AddrPortFrom(env.AddrOf(hosts[0]), 24), proto: smtpc.LMTP}
}

// reachedNobody is the result of an attempt that ends before any host.
func reachedNobody(verdict reply.Reply) result {
	if verdict.Permanent() {
		return result{fate: failed, reply: verdict}
	}
	return result{fate: waiting, reply: verdict}
}

// announce tells that the message is about to be brought to a host, and why
// to that one.
func (a *attempt) announce(host string, why []reason.Reason) {
	a.event(event.Attempt, event.M(
		event.To, a.addresses(a.open()), event.Next, host,
		event.AttemptNo, strconv.Itoa(a.number), event.Rules, reason.Encode(why...)))
}

func (a *attempt) event(text string, meta event.Meta) {
	a.d.env.Events.Append(event.Record{
		Kind: event.KindQueue, Queue: a.entry.ID, Message: a.entry.MessageID, Text: text, Meta: meta,
	})
}

func (a *attempt) addresses(indexes []int) string {
	var list []string
	for _, i := range indexes {
		list = append(list, a.entry.Rcpts[i].To.String())
	}
	return strings.Join(list, ", ")
}

// open lists the recipients that may still be brought to another host.
func (a *attempt) open() []int {
	var list []int
	for i, r := range a.results {
		if r.fate == untouched || r.fate == unfit || r.fate == waiting && !r.lost {
			list = append(list, i)
		}
	}
	return list
}

// say gives every open recipient the same result.
func (a *attempt) say(r result) { a.sayTo(a.open(), r) }

func (a *attempt) sayTo(to []int, r result) {
	for _, i := range to {
		a.results[i] = a.results[i].then(r)
	}
}

// then is where a recipient stands after one more host. That this one is not
// fit changes nothing for who waits for another.
func (r result) then(next result) result {
	if r.fate == waiting && next.fate == unfit {
		return r
	}
	return next
}

// try brings the message to one host.
func (a *attempt) try(ctx context.Context, t target) error { return a.bring(ctx, t, a.open()) }

// bring brings it to a host for some of the recipients, on one connection after the
// other where the host does not let it be one (see cutOff and spent).
func (a *attempt) bring(ctx context.Context, t target, todo []int) error {
	all := todo
	c, reused, failure := a.d.connect(ctx, &t, a.entry.ID)
	if failure != nil { // a reason to go on with the next host, not an error
		if ctx.Err() == nil {
			a.sayTo(all, result{fate: waiting, reply: connectFailure(t, failure), host: speaker(t, failure), proto: t.proto})
		}
		return nil
	}
	_, dsn := c.Extension("DSN")
	_, utf8 := c.Extension("SMTPUTF8")
	var left []int
	for most := perTransaction(c); len(todo) > 0 && c.Usable() && !spent(c); {
		var to []int
		to, todo = a.share(todo, most, utf8)
		results := a.send(ctx, c, t, to)
		unheard := cutOff(to, results)
		if reused && len(unheard) == len(to) && ctx.Err() == nil {
			// The host had enough of a connection that we kept, or had closed it.
			c.Close()
			t.fresh = true
			return a.bring(ctx, t, all)
		}
		a.reached, reused = true, false
		byOther := a.otherName(to, results)
		surplus := tooMany(results)
		for k, i := range to {
			if err := results[k].Err; errors.Is(err, spool.ErrUnreadable) {
				a.d.pool.put(t, c)
				return err
			}
			a.results[i] = a.results[i].then(judge(t, results[k], ctx.Err() != nil))
			a.results[i].dsn = dsn && !byOther[k]
			if surplus[k] {
				a.results[i].fate = waiting // also where 552 was said of it
				todo = append(todo, i)
			}
		}
		if len(surplus) > 0 {
			most = len(to) - len(surplus)
		}
		left = append(left, unheard...)
	}
	a.d.pool.put(t, c)
	left = append(left, todo...)
	switch inTime := ctx.Err() == nil; {
	case !inTime || len(left) == 0:
	case len(left) < len(all):
		t.fresh = true
		return a.bring(ctx, t, left)
	default:
		a.sayTo(todo, a.results[all[0]]) // who was not even named waits like the others
	}
	return nil
}

// maxRcpts is what every server takes in one transaction (RFC 5321 §4.5.3.1.8).
const maxRcpts = 100

// send runs one transaction.
func (a *attempt) send(ctx context.Context, c *smtpc.Client, t target, to []int) []smtpc.Result {
	body := &lazyBody{open: func() (*durable.Blob, error) { return a.d.cfg.Spool.Body(ctx, a.entry) }}
	defer body.close()
	once := a.once(c, t, to)
	env, message := a.envelope(c, t, once), io.Reader(body)
	seven, err := a.sevenBit(c, body)
	switch {
	case err != nil:
		return slices.Repeat([]smtpc.Result{{Step: smtpc.StepMail, Err: fmt.Errorf("%w: %w", smtpc.ErrSource, err)}}, len(to))
	case seven != nil:
		env.EightBit, env.Size, message = false, int64(len(seven)), bytes.NewReader(seven)
	}
	results := c.Send(ctx, env, message, a.sendOptions(c))
	if len(once) == len(to) {
		return results
	}
	all := make([]smtpc.Result, len(to))
	for k, i := range to {
		all[k] = results[a.among(once, i)]
	}
	return all
}

// envelope is what is said of the message to a host.
func (a *attempt) envelope(c *smtpc.Client, t target, to []int) smtpc.Envelope {
	e := a.entry
	env := smtpc.Envelope{From: e.From, Size: e.Size, EightBit: e.EightBit, UTF8: e.UTF8}
	if e.Binary {
		env.Body = smtpc.Binary
	}
	for _, i := range to {
		env.To = append(env.To, smtpc.Recipient{To: e.Rcpts[i].To})
	}
	a.passOn(&env, c, t, to)
	return env
}

// sendOptions: the first message on a connection is spoken step by step, as
// people read it; when there is more to do, commands are pipelined.
func (a *attempt) sendOptions(c *smtpc.Client) smtpc.SendOptions {
	return smtpc.SendOptions{
		Queue: a.entry.ID, Pipelined: c.Messages() > 0, Chunking: a.d.env.Org.SMTP.Chunking,
	}
}

// lazyBody opens the message when it is first read: mostly it is refused
// before.
type lazyBody struct {
	open func() (*durable.Blob, error)
	blob *durable.Blob
}

// Read implements io.Reader.
func (b *lazyBody) Read(p []byte) (int, error) {
	if b.blob == nil {
		var err error
		if b.blob, err = b.open(); err != nil {
			return 0, err
		}
	}
	n, err := b.blob.Read(p)
	return n, unreadable(err)
}

// unreadable marks an error that reading the body again will not cure.
func unreadable(err error) error {
	if errors.Is(err, durable.ErrNotFound) || errors.Is(err, durable.ErrCorrupt) {
		return fmt.Errorf("%w: %w", spool.ErrUnreadable, err)
	}
	return err
}

func (b *lazyBody) close() {
	if b.blob != nil {
		b.blob.Close() // reads only
	}
}

var _ io.Reader = (*lazyBody)(nil)

// judge turns what a host said into a recipient's result.
func judge(t target, r smtpc.Result, cut bool) result {
	switch {
	case r.Delivered():
		return result{fate: delivered, reply: r.Reply, host: t.name, proto: t.proto}
	case t.noTLS != nil && mayWantTLS(r):
		return withoutTLS(t, r)
	case r.Own: // nobody said it, so no host is named
		return result{fate: unfit, reply: r.Reply, proto: t.proto}
	case r.Permanent():
		return result{fate: failed, reply: r.Reply, host: t.name, proto: t.proto}
	case r.Err == nil:
		return result{fate: waiting, reply: r.Reply, host: t.name, proto: t.proto}
	case cut && r.Step != smtpc.StepDone:
		return result{}
	case r.Step == smtpc.StepDone:
		return result{fate: waiting, lost: true, proto: t.proto,
			reply: reply.Newf(451, "4.4.2", "Lost the connection to %s behind the message: %s", t.name, why(r.Err))}
	}
	return result{fate: waiting, proto: t.proto,
		reply: reply.Newf(451, "4.4.2", "Lost the connection to %s at %s: %s", t.name, r.Step, why(r.Err))}
}
