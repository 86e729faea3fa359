package smtpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"

	"correio/services/internal/reason"
)

// TLS returns the state of the TLS session, nil in clear.
func (c *Client) TLS() *tls.ConnectionState {
	t, ok := c.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := t.ConnectionState()
	return &state
}

// ErrInjected says that the server's reply to STARTTLS was followed by octets
// in clear.
var ErrInjected = reason.NewFault(reason.Injected, "STARTTLS")

// StartTLS turns to TLS and says hello anew (RFC 3207 §4.2). After an error
// the connection is closed, but for a refusal (an *Error with a reply): the
// dialogue may then go on in clear.
func (c *Client) StartTLS(ctx context.Context, cfg *tls.Config) error {
	defer c.cutOn(ctx)()
	rep, err := c.command(StepTLS, "STARTTLS")
	if err != nil {
		return err
	}
	if rep.Positive() && rep.Code != 220 {
		return c.misplaced(StepTLS, rep)
	}
	if rep.Code != 220 {
		return &Error{Step: StepTLS, Reply: rep}
	}
	if c.r.Buffered() > 0 {
		c.rec.tlsFailed(ErrInjected)
		return c.fail(&Error{Step: StepTLS, Err: ErrInjected})
	}
	if cfg.ServerName == "" {
		cfg = cfg.Clone()
		cfg.ServerName = c.opt.Host
	}
	t := tls.Client(c.raw, cfg)
	c.raw.SetDeadline(time.Now().Add(c.opt.Timeouts.Command))
	if err := t.HandshakeContext(ctx); err != nil {
		c.rec.tlsFailed(err)
		return c.fail(&Error{Step: StepTLS, Err: err})
	}
	c.raw.SetDeadline(time.Time{})
	c.use(t)
	state := t.ConnectionState()
	c.doubt = doubt(&state, cfg)
	c.rec.tls(&state, c.doubt)
	return c.sayHello()
}

// doubt finds why a certificate does not vouch for the server. Without
// InsecureSkipVerify the handshake has seen to it; with it, TLS is taken as it
// comes (RFC 7435), and what the certificate is worth is found out to be told.
func doubt(state *tls.ConnectionState, cfg *tls.Config) error {
	if !cfg.InsecureSkipVerify {
		return nil
	}
	chain := x509.NewCertPool()
	for _, cert := range state.PeerCertificates[1:] {
		chain.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{DNSName: cfg.ServerName, Roots: cfg.RootCAs, Intermediates: chain})
	return err
}

var errUnverified = reason.NewFault(reason.NotLooked)

// Doubt returns why the server's certificate does not vouch for its name; nil
// when it does, and in clear.
func (c *Client) Doubt() error { return c.doubt }
