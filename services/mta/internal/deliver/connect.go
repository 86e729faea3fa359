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
	"correio/services/internal/lab"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
)

// target is a host to speak with.
type target struct {
	name  string
	addr  netip.AddrPort
	proto smtpc.Protocol
	// domain is whose mail it is, "" for an MDA; it makes another place of a host that
	// takes mail for few domains in a session (see key).
	domain string
	fresh  bool // no connection that was kept
	// noTLS is what has kept TLS from coming about, where mail goes in clear for it:
	// for the rest of the attempt, as what was said in clear cannot be taken back.
	noTLS error
}

// connect returns a connection on which a transaction may begin, a kept one if
// there is any. It notes in t when mail goes in clear because TLS has failed.
func (d *Deliverer) connect(ctx context.Context, t *target, queue string) (c *smtpc.Client, reused bool, err error) {
	if !t.fresh {
		if c := d.pool.get(*t); c != nil {
			return c, true, nil
		}
	}
	c, err = d.open(ctx, t, queue)
	return c, false, err
}

// open connects anew.
func (d *Deliverer) open(ctx context.Context, t *target, queue string) (*smtpc.Client, error) {
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
	if err != nil || t.noTLS != nil || t.proto != smtpc.SMTP { // the MDA is on our own LAN
		return c, err
	}
	if err = d.secure(ctx, c, *t); err == nil {
		return c, nil
	}
	if d.cfg.TLS != lab.OpportunisticTLS {
		d.pool.drop(c)
		return nil, err
	}
	// RFC 7435 §3: fall back to clear; on a new connection where the handshake
	// has left this one nowhere.
	d.log.Warn("TLS failed, sending in clear", "mx", t.name, "err", err)
	if t.noTLS = err; c.Usable() {
		return c, nil
	}
	c.Close()
	return d.open(ctx, t, queue)
}

// errNoTLS says that a host must offer TLS and does not.
var errNoTLS = errors.New("STARTTLS is not offered")

// secure turns to TLS where the host offers it, or must. It returns no error when
// TLS has come about, or nobody has spoken of it.
func (d *Deliverer) secure(ctx context.Context, c *smtpc.Client, t target) error {
	if _, offered := c.Extension("STARTTLS"); !offered {
		if d.cfg.TLS == lab.OpportunisticTLS {
			return nil
		}
		return &smtpc.Error{Step: smtpc.StepTLS, Err: errNoTLS}
	}
	return c.StartTLS(ctx, &tls.Config{
		ServerName: t.name, RootCAs: d.env.Roots, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: d.cfg.TLS != lab.VerifiedTLS, // RFC 7435 §3: whoever it is
	})
}

// connectFailure says why a host could not be spoken with.
func connectFailure(t target, err error) reply.Reply {
	var e *smtpc.Error
	if errors.As(err, &e) {
		switch {
		case e.Err == nil:
			return e.Reply
		case errors.Is(err, errNoTLS):
			return reply.Newf(451, "4.7.4", "%s does not offer STARTTLS, which is required", t.name)
		case e.Step == smtpc.StepTLS:
			return reply.Newf(451, "4.7.5", "TLS with %s failed: %s", t.name, why(e.Err))
		}
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
	switch {
	case isTimeout(err):
		return "timed out"
	case errors.As(err, &call):
		return call.Err.Error()
	}
	return err.Error()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// retryIn writes how long from now something happens, for events.
func retryIn(at time.Time) string {
	return max(time.Until(at), 0).Round(time.Millisecond).String()
}

// resultMeta are the details of an event about a recipient.
func resultMeta(to string, r result, more ...string) event.Meta {
	return event.M(append([]string{event.To, to, event.Next, r.host, event.Reply, r.said()}, more...)...)
}
