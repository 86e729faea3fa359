package deliver

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
)

// target is a host to speak with.
type target struct {
	name  string
	addr  netip.AddrPort
	proto smtpc.Protocol
	fresh bool // no connection that was kept
	plain bool // no STARTTLS
}

// connect returns a connection on which a transaction may begin, a kept one if
// there is any.
func (d *Deliverer) connect(ctx context.Context, t target, queue string) (c *smtpc.Client, reused bool, err error) {
	if !t.fresh {
		if c := d.pool.get(t); c != nil {
			return c, true, nil
		}
	}
	c, err = d.open(ctx, t, queue)
	return c, false, err
}

// open connects anew. TLS is opportunistic (RFC 7435): it protects against who
// only listens, certificates are not checked, and mail goes in clear rather
// than not at all.
func (d *Deliverer) open(ctx context.Context, t target, queue string) (*smtpc.Client, error) {
	dialing, cancel := context.WithTimeout(ctx, d.cfg.Connect)
	conn, err := d.env.Dial(dialing, "tcp", t.addr)
	cancel()
	if err != nil {
		return nil, &smtpc.Error{Step: smtpc.StepConnect, Err: err}
	}
	c, err := smtpc.Open(ctx, conn, smtpc.Options{
		Protocol: t.proto, Hello: d.env.Host.Name, Host: t.name, Queue: queue,
		Events: d.env.Events, Timeouts: d.cfg.Timeouts,
	})
	if err != nil {
		return nil, err
	}
	if _, offered := c.Extension("STARTTLS"); !offered || t.plain || t.proto != smtpc.SMTP {
		return c, nil
	}
	err = c.StartTLS(ctx, &tls.Config{ServerName: t.name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err == nil || c.Usable() { // refused: go on in clear
		return c, nil
	}
	c.Close()
	d.log.Warn("TLS failed, sending in clear", "mx", t.name, "err", err)
	t.plain = true
	return d.open(ctx, t, queue)
}

// Ask asks the site's MDA whether it would take mail for an address, and
// returns its answer. An error means that it could not be asked. queue is for
// the events.
func (d *Deliverer) Ask(ctx context.Context, from mailaddr.Address, size int64, to mailaddr.Address, queue string) (reply.Reply, error) {
	t, ok := d.mda()
	if !ok {
		return reply.Reply{}, errNoMDA
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	select {
	case d.asks <- struct{}{}:
		defer func() { <-d.asks }()
	case <-ctx.Done():
		return reply.Reply{}, ctx.Err()
	}
	c, reused, err := d.connect(ctx, t, queue)
	if err != nil {
		return reply.Reply{}, err
	}
	rep, err := c.Ask(ctx, from, size, to, queue)
	if err != nil && reused && ctx.Err() == nil {
		t.fresh = true
		if c, _, err = d.connect(ctx, t, queue); err != nil {
			return reply.Reply{}, err
		}
		rep, err = c.Ask(ctx, from, size, to, queue)
	}
	d.pool.put(t, c)
	return rep, err
}

var errNoMDA = errors.New("the site has no MDA")

// askTimeout bounds a question to the MDA, in real time: a client waits.
const askTimeout = 5 * time.Second

// connectFailure says why a host could not be spoken with.
func connectFailure(t target, err error) reply.Reply {
	var e *smtpc.Error
	if errors.As(err, &e) && e.Err == nil {
		return e.Reply
	}
	return reply.Newf(451, "4.4.1", "Cannot connect to %s (%s): %s", t.name, t.addr, why(err))
}

// speaker is the host if the failure is something it said.
func speaker(t target, err error) string {
	var e *smtpc.Error
	if errors.As(err, &e) && e.Err == nil {
		return t.name
	}
	return ""
}

// why tells the cause of a network error without the addresses.
func why(err error) string {
	var call *os.SyscallError
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.As(err, &call):
		return call.Err.Error()
	}
	return err.Error()
}

// retryIn writes how long from now something happens, for events.
func retryIn(at time.Time) string {
	return max(time.Until(at), 0).Round(time.Millisecond).String()
}

// resultMeta are the details of an event about a recipient.
func resultMeta(to string, r result, more ...string) event.Meta {
	return event.M(append([]string{event.To, to, event.Next, r.host, event.Reply, r.said()}, more...)...)
}
