package labtest_test

import (
	"context"
	"crypto/tls"
	"net/netip"
	"sync/atomic"
	"testing"

	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/node"
)

// echo is a role that says its name to whoever connects.
type echo struct {
	env     *node.Env
	ready   atomic.Bool
	stopped atomic.Bool
}

func (e *echo) Run(ctx context.Context) error {
	ln, err := e.env.Net.Listen(ctx, netip.AddrPortFrom(e.env.Host.Internet, 25))
	if err != nil {
		return err
	}
	defer e.stopped.Store(true)
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	e.ready.Store(true)
	for {
		c, err := ln.Accept()
		if err != nil {
			return nil
		}
		server := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*e.env.Cert}})
		server.Write([]byte(e.env.Host.Name))
		server.Close()
	}
}

func (e *echo) Ready() error {
	if !e.ready.Load() {
		return node.ErrStarting
	}
	return nil
}

func (e *echo) Routes() []node.Route { return nil }

var site = &lab.Org{
	Title: "Delta", Domain: "delta.test",
	Hosts: []lab.Host{{Name: "mx1.delta.test", Role: lab.RoleMTA, Internet: netip.MustParseAddr("198.18.4.25")}},
}

func TestAServiceRunsWithACertificateThatItsClientsTrust(t *testing.T) {
	t.Parallel()
	stack := labtest.NewStack(t)
	env := labtest.EnvOf(t, stack, site, "mx1.delta.test")
	svc := &echo{env: env}
	stop := labtest.Start(t, svc)

	c, err := stack.Dial(t.Context(), "tcp", sender, netip.MustParseAddrPort("198.18.4.25:25"))
	if err != nil {
		t.Fatal(err)
	}
	client := tls.Client(c, &tls.Config{RootCAs: env.Roots, ServerName: "smtp.delta.test"})
	buf := make([]byte, 64)
	n, err := client.Read(buf)
	if err != nil || string(buf[:n]) != "mx1.delta.test" {
		t.Errorf("read %q, %v", buf[:n], err)
	}

	stop()
	if !svc.stopped.Load() {
		t.Error("the service still runs after stop")
	}
}
