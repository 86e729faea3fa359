package mta

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/smtpc"
	"correio/services/internal/smtpd"
)

// secureHost is an MX host that offers TLS, with a certificate for some name. An
// old one knows TLS 1.0 only.
func (w *world) secureHost(t *testing.T, at, certified string, old bool) {
	t.Helper()
	cfg := &tls.Config{Certificates: []tls.Certificate{*w.stack.Certificate(certified)}}
	if old {
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
	}
	server, err := smtpd.New(smtpd.Config{
		Hostname: "x.test", Proto: smtpd.SMTP, Log: labtest.Logger(t, "x"), TLS: cfg,
		Backend: &mailboxes{next: make(chan struct{})},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.listen(at, func(ctx context.Context, ln net.Listener) { server.Serve(ctx, ln) })
}

// RFC 7435: any TLS is better than none, none is better than no mail, and what
// a certificate is worth is written down; unless a policy wants more.
func TestHowMuchTLSIsWanted(t *testing.T) {
	const (
		host    = "a.two.casos.test"
		ehlo    = "S: 220 x\nC: EHLO*\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\n"
		refuses = ehlo + "S: 454 4.7.0 Not now\n"
		injects = ehlo + "S: 220 Go\nS: no TLS here"
		plainly = "C: MAIL*\nS: 250 Ok\nC: RCPT*\nS: 250 Ok\nC: DATA\nS: 354 Go\nC: ...\nS: 250 Ok: queued as GOOD1234\nHANG"
		taken   = "delivered a.two.casos.test: 250 Ok: queued as GOOD1234"
		anyone  = "delivered a.two.casos.test: 250"
		forged  = "deferred : 451 4.7.5 TLS with a.two.casos.test failed: tls: failed to verify certificate"
		broken  = "deferred : 451 4.7.5 TLS with a.two.casos.test failed: octets in clear behind the reply to STARTTLS"
		tooOld  = "deferred : 451 4.7.5 TLS with a.two.casos.test failed: remote error: tls: protocol version not supported"
		without = "deferred : 451 4.7.4 a.two.casos.test does not offer STARTTLS, which is required"
	)
	for _, test := range []struct {
		name   string
		policy lab.WantTLS
		cert   string // the name in its certificate; or
		old    bool
		says   []string // scripts
		want   string   // how the outcome begins
		tls    string   // how the event of the handshake begins: "text verified"
		conns  int32    // of scripts
	}{
		{name: "good", cert: host, want: anyone, tls: "established yes"},
		{name: "good, and wanted so", policy: lab.VerifiedTLS, cert: host, want: anyone, tls: "established yes"},
		{name: "another's certificate", cert: "evil.test", want: anyone, tls: "established no; cause(x509: certificate is valid for evil.test"},
		{name: "another's, any is wanted", policy: lab.EncryptedTLS, cert: "evil.test", want: anyone, tls: "established no; "},
		{name: "another's, a good one is wanted", policy: lab.VerifiedTLS, cert: "evil.test", want: forged, tls: "failed "},
		{name: "too old for us", cert: host, old: true, want: anyone, tls: "failed "},
		{name: "too old, but wanted", policy: lab.EncryptedTLS, cert: host, old: true, want: tooOld, tls: "failed "},
		{name: "none", says: []string{good}, want: taken, conns: 1},
		{name: "none, but wanted", policy: lab.EncryptedTLS, says: []string{"S: 220 x\nC: EHLO*\nS: 250 x\nC: QUIT\nS: 221 Bye"}, want: without, conns: 1},
		{name: "refused", says: []string{refuses + plainly}, want: taken, conns: 1},
		{name: "refused, but wanted", policy: lab.EncryptedTLS, says: []string{refuses + "C: QUIT\nS: 221 Bye"}, want: "deferred a.two.casos.test: 454 4.7.0 Not now", conns: 1},
		{name: "octets in clear behind the reply", says: []string{injects, ehlo[:strings.Index(ehlo, "C: STARTTLS")] + plainly}, want: taken, tls: "failed ", conns: 2},
		{name: "octets in clear behind the reply, but wanted", policy: lab.EncryptedTLS, says: []string{injects, good}, want: broken, tls: "failed ", conns: 1},
		{name: "closed in the handshake", says: []string{ehlo + "S: 220 Go", ehlo[:strings.Index(ehlo, "C: STARTTLS")] + plainly}, want: taken, tls: "failed ", conns: 2},
		{name: "silent in the handshake", says: []string{ehlo + "S: 220 Go\nHANG", ehlo[:strings.Index(ehlo, "C: STARTTLS")] + plainly}, want: taken, tls: "failed ", conns: 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tune := quick
			tune.tls = test.policy
			aurora := w.tuned("aurora", "mx1.aurora.test", 1, tune)
			if test.cert != "" {
				w.secureHost(t, "198.18.9.1:25", test.cert, test.old)
			} else {
				count := w.scripted("198.18.9.1:25", test.says...)
				defer func() {
					if n := count.Load(); n != test.conns {
						t.Errorf("%d connections, want %d", n, test.conns)
					}
				}()
			}
			id := w.submit(t, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address("x@one.casos.test")}}}, message)
			if got := aurora.outcome(t, id); !strings.HasPrefix(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if got := aurora.handshakes(host); !strings.HasPrefix(got, test.tls) || test.tls == "" && got != "" {
				t.Errorf("handshake: got %q, want %q", got, test.tls)
			}
		})
	}
}

// handshakes tells about those with a host.
func (h *host) handshakes(name string) string {
	var all []string
	for _, r := range h.env.Events.After(0, 1000).Records {
		if r.Kind == event.KindTLS && r.Meta.Get(event.ServerName) == name {
			all = append(all, r.Text+" "+r.Meta.Get(event.Verified))
		}
	}
	return strings.Join(all, ", ")
}

// A connection without the TLS that is wanted is not kept for the next message.
func TestClearConnectionIsNotKeptWhereTLSIsWanted(t *testing.T) {
	w := newWorld(t)
	tune := quick
	tune.tls = lab.EncryptedTLS
	aurora := w.tuned("aurora", "mx1.aurora.test", 1, tune)
	count := w.scripted("198.18.9.1:25", "S: 220 x\nC: EHLO*\nS: 250 x\nC: QUIT\nS: 221 Bye")
	for i := range 2 {
		id := w.submit(t, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address("x@one.casos.test")}}}, message)
		if got := aurora.outcome(t, id); !strings.HasPrefix(got, "deferred : 451 4.7.4 ") || count.Load() != int32(i+1) {
			t.Errorf("message %d: %s on connection %d", i, got, count.Load())
		}
	}
}
