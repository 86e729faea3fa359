// Package mda is an organisation's mail delivery agent: the mailboxes, LMTP
// for the MTAs that fill them (port 24) and POP3 for the people who empty them
// (port 110 with STLS, port 995 with TLS). It is on the organisation's LAN and
// nowhere else.
//
// A 250 by LMTP and a +OK to QUIT are said after the disk has it; see package
// store for what a kill leaves behind.
package mda

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/listener"
	"correio/services/internal/node"
	"correio/services/internal/reason"
	"correio/services/internal/smtpd"
	"correio/services/mda/internal/lmtp"
	"correio/services/mda/internal/pop3"
	"correio/services/mda/internal/store"
)

// The ports, on the LAN address.
const (
	PortLMTP  = 24
	PortPOP3  = 110
	PortPOP3S = 995
)

var _ node.Service = (*Node)(nil)

// Node is a mail delivery agent.
type Node struct {
	env   *node.Env
	store *store.Store
	lmtp  *smtpd.Server
	pop3  *pop3.Server
	ready atomic.Bool
}

// New opens the mailboxes and makes the servers. It binds nothing. Whoever
// does not call Run calls Close.
func New(env *node.Env) (*Node, error) {
	switch {
	case !env.Host.LAN.IsValid():
		return nil, fmt.Errorf("mda %s: no LAN address", env.Host.Name)
	case env.Cert == nil:
		return nil, fmt.Errorf("mda %s: no certificate", env.Host.Name)
	}
	mailboxes, err := store.Open(context.Background(), env.State)
	if err != nil {
		return nil, fmt.Errorf("mda %s: %w", env.Host.Name, err)
	}
	n := &Node{env: env, store: mailboxes}
	n.pop3 = n.newPOP3()
	if n.lmtp, err = n.newLMTP(); err != nil {
		return nil, errors.Join(fmt.Errorf("mda %s: %w", env.Host.Name, err), mailboxes.Close())
	}
	return n, nil
}

// lmtpErrors is how many errors, and refusals of recipients, in a row an MTA may
// hear: it asks for mailboxes that do not exist on behalf of all its clients. For
// the same reason it may give any number of commands.
const lmtpErrors = 10_000

func (n *Node) newLMTP() (*smtpd.Server, error) {
	limits := n.env.Org.Limits.Defaults()
	return smtpd.New(smtpd.Config{
		Hostname: n.env.Host.Name,
		Proto:    smtpd.LMTP,
		Backend: &lmtp.Backend{
			Org: n.env.Org, Host: n.env.Host.Name, Store: n.store,
			Events: n.env.Events, Log: n.env.Log, Metrics: lmtp.NewMetrics(n.env.Metrics),
		},
		SMTPUTF8: !n.env.Org.SMTP.ASCIIOnly,
		Chunking: n.env.Org.SMTP.Chunking, BinaryMIME: n.env.Org.SMTP.BinaryMIME,
		LineEnds: smtpd.LineEnds(n.env.Org.SMTP.Bare()), // the same on every hop: row 2 of behaviour §6
		Limits: smtpd.Limits{
			MessageSize: lmtp.MaxMessage(n.env.Org), Header: lmtp.MaxHeader(n.env.Org),
			Recipients: limits.Recipients, Errors: lmtpErrors, Refusals: lmtpErrors, Commands: -1,
			// An MTA comes once for each of its clients who waits.
			Connections: limits.Connections, PerClient: limits.Connections,
		},
		Events: n.env.Events,
		Log:    n.env.Log,
	})
}

func (n *Node) newPOP3() *pop3.Server {
	return pop3.New(pop3.Config{
		Host:     n.env.Host.Name,
		Accounts: n.env.Org,
		Open: func(ctx context.Context, mailbox string) (pop3.Maildrop, error) {
			return n.store.Open(ctx, mailbox)
		},
		NameOf:  n.nameOf,
		TLS:     &tls.Config{Certificates: []tls.Certificate{*n.env.Cert}, MinVersion: tls.VersionTLS12},
		Events:  n.env.Events,
		Log:     n.env.Log,
		Metrics: pop3.NewMetrics(n.env.Metrics),
	})
}

// nameOf returns the name of a host of our own site.
func (n *Node) nameOf(addr netip.Addr) string {
	for _, h := range n.env.Org.Hosts {
		if addr.IsValid() && (h.LAN == addr || h.Internet == addr) {
			return h.Name
		}
	}
	return ""
}

// Close closes the mailboxes of a node that is not run.
func (n *Node) Close() error { return n.store.Close() }

// Run implements node.Service.
func (n *Node) Run(ctx context.Context) error {
	n.record(event.Starting, nil)
	n.tellSalvage()
	err := n.serve(ctx)
	n.ready.Store(false)
	n.record(event.Stopping, err)
	return errors.Join(err, n.store.Close())
}

func (n *Node) record(state string, why error) {
	n.env.Events.Append(event.Record{Kind: event.KindNode, Text: state, Meta: event.M(event.Reason, reason.Encode(reason.Of(why)...))})
}

// tellSalvage tells of a damaged store, what became of it.
func (n *Node) tellSalvage() {
	s := n.store.Salvage()
	if s == nil {
		return
	}
	n.env.Log.Error("the mailboxes are damaged and were set aside; what could be read goes on in a new file", "file", s.File, "err", s.Damage,
		"messages", s.Messages, "lost", s.Lost)
	why := []reason.Reason{reason.New(reason.Salvaged, s.File, strconv.Itoa(s.Messages))}
	if s.Lost > 0 {
		why = append(why, reason.New(reason.NotSalvaged, strconv.Itoa(s.Lost)))
	}
	n.env.Events.Append(event.Record{Kind: event.KindNode, Text: event.Salvaged, Meta: event.M(event.Reason, reason.Encode(why...))})
}

// serve binds every port, then serves all of them until the context ends or
// one fails.
func (n *Node) serve(ctx context.Context) error {
	ports := []struct {
		port  uint16
		serve func(ctx context.Context, ln net.Listener) error
	}{
		{PortLMTP, n.lmtp.Serve},
		{PortPOP3, n.servePOP3(false)},
		{PortPOP3S, n.servePOP3(true)},
	}
	listeners := make([]net.Listener, len(ports))
	for i, p := range ports {
		ln, err := n.env.Net.Listen(ctx, netip.AddrPortFrom(n.env.Host.LAN, p.port))
		if err != nil {
			for _, bound := range listeners[:i] {
				bound.Close()
			}
			return fmt.Errorf("mda %s: listen on port %d: %w", n.env.Host.Name, p.port, err)
		}
		listeners[i] = ln
	}
	n.ready.Store(true)
	n.record(event.Ready, nil)
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range ports {
		group.Go(func() error { return p.serve(ctx, listeners[i]) })
	}
	return group.Wait()
}

func (n *Node) servePOP3(implicit bool) func(ctx context.Context, ln net.Listener) error {
	limits := n.env.Org.Limits.Defaults()
	cfg := listener.Config{Total: limits.Connections, PerClient: limits.PerClient, Busy: pop3.Busy}
	if implicit {
		cfg.Busy = nil // nothing can be said before TLS
	}
	return func(ctx context.Context, ln net.Listener) error {
		return listener.Serve(ctx, ln, cfg, func(ctx context.Context, c net.Conn) { n.pop3.Serve(ctx, c, implicit) })
	}
}

// Ready implements node.Service: every port is bound.
func (n *Node) Ready() error {
	if !n.ready.Load() {
		return node.ErrStarting
	}
	return nil
}

// Routes implements node.Service.
func (n *Node) Routes() []node.Route {
	return []node.Route{{Pattern: "GET /mailboxes", Handler: http.HandlerFunc(n.mailboxes)}}
}

// Mailboxes is the answer of GET /mailboxes.
type Mailboxes struct {
	Mailboxes []Mailbox `json:"mailboxes"`
}

// Mailbox is what one mailbox holds.
type Mailbox struct {
	Name     string `json:"name"`
	Messages int    `json:"messages"`
	Octets   int64  `json:"octets"`
	Locked   bool   `json:"locked"` // a POP3 session has it open
}

func (n *Node) mailboxes(w http.ResponseWriter, _ *http.Request) {
	usages := n.store.Usages()
	answer := Mailboxes{Mailboxes: []Mailbox{}}
	for _, p := range n.env.Org.People {
		used := usages[p.Name]
		answer.Mailboxes = append(answer.Mailboxes, Mailbox{
			Name: p.Name, Messages: used.Messages, Octets: used.Octets, Locked: n.store.Locked(p.Name),
		})
	}
	control.WriteJSON(w, http.StatusOK, answer)
}
