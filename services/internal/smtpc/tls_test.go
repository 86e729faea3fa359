package smtpc

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/labtest"
)

// secured runs a client against a server that follows one script up to the
// handshake and another one behind it.
func secured(t *testing.T, cfg *tls.Config, before, behind string) (net.Conn, func()) {
	t.Helper()
	client, server := sockets(t)
	done := make(chan error, 1)
	go func() {
		defer server.Close()
		server.SetDeadline(time.Now().Add(10 * time.Second))
		if err := play(server, bufio.NewReader(server), before); err != nil {
			done <- err
			return
		}
		conn := tls.Server(server, cfg)
		err := conn.Handshake()
		if err == nil {
			err = play(conn, bufio.NewReader(conn), behind)
		}
		done <- err
	}()
	return client, func() {
		t.Helper()
		client.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// sockets is a pipe with buffers: in a failing handshake both sides write.
func sockets(t *testing.T) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

const offersTLS = "S: 220 x\nC: EHLO mx1.aurora.test\nS: 250-x\nS: 250-SIZE 1000\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 Go\n"

// RFC 3207 §4.2: what the server said before TLS is forgotten, EHLO is said
// anew.
func TestEHLOIsSaidAgainBehindTLS(t *testing.T) {
	stack := labtest.NewStack(t)
	cfg := &tls.Config{Certificates: []tls.Certificate{*stack.Certificate("mx1.boreal.test")}}
	conn, finish := secured(t, cfg, offersTLS, "C: EHLO mx1.aurora.test\nS: 250-x\nS: 250 dsn\n")
	c, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test", Host: "mx1.boreal.test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(t.Context(), &tls.Config{RootCAs: stack.Roots()}); err != nil {
		t.Fatal(err)
	}
	if c.MaxSize() != 0 || c.offers("STARTTLS") || !c.offers("DSN") || c.TLS() == nil {
		t.Errorf("extensions %v, TLS %v", c.ext, c.TLS())
	}
	finish()
}

func TestEHLORefusedBehindTLSEndsIt(t *testing.T) {
	stack := labtest.NewStack(t)
	cfg := &tls.Config{Certificates: []tls.Certificate{*stack.Certificate("mx1.boreal.test")}}
	conn, finish := secured(t, cfg, offersTLS, "C: EHLO mx1.aurora.test\nS: 451 4.3.0 Later\n")
	c, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test", Host: "mx1.boreal.test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(t.Context(), noVerify()); classOf(err) != temporary || c.Usable() {
		t.Errorf("got %v, usable %t", err, c.Usable())
	}
	finish()
}

// What a certificate is worth is found out and told, also where it does not
// matter; row 17 is a host with an A-label for a name.
func TestRow17CertificatesAreLookedAt(t *testing.T) {
	stack, other := labtest.NewStack(t), labtest.NewStack(t)
	const host = "mx1.xn--caf-dma.test"
	for name, test := range map[string]struct {
		cert   *tls.Certificate
		strict bool
		want   string // of the event: "text verified"
	}{
		"good":             {stack.Certificate(host), false, "established yes"},
		"good, required":   {stack.Certificate(host), true, "established yes"},
		"another name":     {stack.Certificate("x.test"), false, "established no; cause(x509: certificate is valid for x.test, not " + host},
		"unknown":          {other.Certificate(host), false, "established no; cause(x509: certificate signed by unknown authority"},
		"bad and required": {stack.Certificate("x.test"), true, "failed "},
	} {
		t.Run(name, func(t *testing.T) {
			behind := "C: EHLO mx1.aurora.test\nS: 250 x\n"
			conn, _ := secured(t, &tls.Config{Certificates: []tls.Certificate{*test.cert}}, offersTLS, behind)
			log := event.NewLog("mx1.aurora.test", 0)
			c, err := Open(t.Context(), conn, Options{Hello: "mx1.aurora.test", Host: host, Events: log})
			if err != nil {
				t.Fatal(err)
			}
			err = c.StartTLS(t.Context(), &tls.Config{RootCAs: stack.Roots(), InsecureSkipVerify: !test.strict})
			if failed := strings.HasPrefix(test.want, "failed"); failed != (err != nil) || !failed && (c.Doubt() == nil) != strings.HasSuffix(test.want, "yes") {
				t.Errorf("error %v, doubt %v", err, c.Doubt())
			}
			c.Close()
			got := ""
			for _, r := range log.After(0, 100).Records {
				if r.Kind == event.KindTLS {
					got += r.Text + " " + r.Meta.Get(event.Verified)
				}
			}
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("event %q, want %q", got, test.want)
			}
		})
	}
}

// golang/go#70232: deliveries failed where a server sent session tickets.
// Ours neither keep one nor mind them.
func TestRow21SessionsAreNotResumed(t *testing.T) {
	p, conn := startPeer(t, false)
	cfg := noVerify()
	for i := range 2 {
		if i > 0 {
			var err error
			if conn, err = net.Dial("tcp", p.addr); err != nil {
				t.Fatal(err)
			}
		}
		c, err := Open(t.Context(), conn, Options{Hello: "mx1.test", Host: "peer.test"})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.StartTLS(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		res := c.Send(t.Context(), envelope(t, "", "a@peer.test"), strings.NewReader("x\r\n"), SendOptions{})
		if !res[0].Delivered() || c.TLS().DidResume {
			t.Errorf("connection %d: %v, resumed %t", i, told(res), c.TLS().DidResume)
		}
		c.Quit(t.Context())
	}
}

// A connection that the caller has secured is told as what it is.
func TestImplicitTLS(t *testing.T) {
	stack := labtest.NewStack(t)
	for _, verified := range []bool{false, true} {
		cfg := &tls.Config{Certificates: []tls.Certificate{*stack.Certificate("mx1.aurora.test")}}
		conn, finish := secured(t, cfg, "", "S: 220 x\nC: EHLO pc.aurora.test\nS: 250 x\n")
		secure := tls.Client(conn, &tls.Config{RootCAs: stack.Roots(), ServerName: "mx1.aurora.test", InsecureSkipVerify: !verified})
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		c, err := Open(t.Context(), secure, Options{Protocol: Submissions, Hello: "pc.aurora.test"})
		if err != nil {
			t.Fatal(err)
		}
		if c.TLS() == nil || errors.Is(c.Doubt(), errUnverified) == verified {
			t.Errorf("TLS %v, doubt %v", c.TLS(), c.Doubt())
		}
		finish()
	}
}
