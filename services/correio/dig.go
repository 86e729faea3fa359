package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/digger"
	"correio/services/correio/internal/usage"
	"correio/services/internal/dnsclient"
	"correio/services/internal/problem"
)

func (a *app) digCommand() *cobra.Command {
	var q digger.Question
	var via string
	cmd := &cobra.Command{
		Use:     "dig [@SERVER] {NAME | -x ADDRESS} [TYPE]",
		Short:   digShort.In(a.lang),
		Long:    digLong.In(a.lang),
		Example: digExample,
		Args:    usage.Args(0, 6),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := q.Parse(args); err != nil {
				return usage.Errorf(cmd, digBadQuestion, err)
			}
			if err := viaName(cmd, via); err != nil {
				return err
			}
			return a.dig(cmd, q, via)
		},
	}
	cmd.Flags().BoolVar(&q.Trace, "trace", false, digTraceFlag.In(a.lang))
	cmd.Flags().StringVarP(&q.Reverse, "reverse", "x", "", digReverseFlag.In(a.lang))
	cmd.Flags().BoolVar(&q.Short, "short", false, digShortFlag.In(a.lang))
	cmd.Flags().StringVar(&via, "via", "", digViaFlag.In(a.lang))
	return cmd
}

func (a *app) dig(cmd *cobra.Command, q digger.Question, via string) error {
	ctx := cmd.Context()
	asker, err := a.askerVia(cmd, q.Server, via)
	if err != nil {
		return err
	}
	if q.Trace {
		return a.digTrace(ctx, asker, q)
	}
	start := time.Now()
	m := dnsclient.Query(q.Name, q.Type)
	answer, err := asker.client.Exchange(ctx, m)
	if err != nil {
		return textError(digSilent, asker.server, asker.away(ctx, err))
	}
	return a.showAnswer(q, digger.Answer{Server: asker.server, Msg: answer, Took: time.Since(start)})
}

func (a *app) showAnswer(q digger.Question, answer digger.Answer) error {
	switch {
	case a.json:
		return a.data(answer.JSON())
	case q.Short:
		return answer.WriteShort(a.stdout)
	}
	return answer.Write(a.stdout)
}

func (a *app) digTrace(ctx context.Context, asker *asker, q digger.Question) error {
	var failed error
	err := asker.client.Walk(ctx, q.Name, q.Type, func(s dnsclient.Step) {
		if failed != nil {
			return
		}
		if a.json {
			failed = a.data(digger.StepJSON(s))
		} else {
			failed = digger.WriteStep(a.stdout, s, a.lang)
		}
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return textError(digFailed, q.Name, asker.away(ctx, err))
	}
	return nil
}

// asker asks name servers of the lab from one of its workstations.
type asker struct {
	client *dnsclient.Client
	server string
	away   func(ctx context.Context, err error) error // says it of the node
}

// askerVia is an asker from a workstation (the fitting one when via is ""), or
// from here: then the server must be named by its address.
func (a *app) askerVia(cmd *cobra.Command, server, via string) (*asker, error) {
	if via == here {
		addr, err := netip.ParseAddr(server)
		if err != nil {
			return nil, usage.Errorf(cmd, digHereWantsServer)
		}
		dial := func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, to.String())
		}
		to := netip.AddrPortFrom(addr, 53)
		return &asker{dnsclient.New(dnsclient.Config{Dial: dial, Server: to}), server, func(_ context.Context, err error) error {
			return problem.Connecting(to.String(), err)
		}}, nil
	}
	lab, err := a.running(cmd)
	if err != nil {
		return nil, err
	}
	nodes, err := lab.Nodes(cmd.Context())
	if err != nil {
		return nil, err
	}
	return a.asker(cmd.Context(), lab, nodes, server, via)
}

// asker finds the server that was named: an address, a node, any name, or by
// default the lab's first resolver.
func (a *app) asker(ctx context.Context, lab *client.Lab, nodes []client.Node, server, via string) (*asker, error) {
	if via == "" {
		var err error
		if via, err = a.nearest(ctx, lab, server); err != nil {
			return nil, err
		}
	}
	dial := func(ctx context.Context, _ string, to netip.AddrPort) (net.Conn, error) {
		return lab.Dial(ctx, via, to.String())
	}
	first, err := addressOf(nodes, func(n client.Node) bool { return n.Role == "resolver" })
	if err != nil {
		return nil, textError(noResolver)
	}
	resolver := dnsclient.New(dnsclient.Config{Dial: dial, Server: netip.AddrPortFrom(first, 53), TCPOnly: true})
	away := func(ctx context.Context, err error) error { return a.away(ctx, lab, err) }
	if server == "" {
		return &asker{resolver, first.String(), away}, nil
	}
	addr, err := netip.ParseAddr(server)
	if err != nil {
		addr, err = addressOf(nodes, func(n client.Node) bool { return strings.EqualFold(n.Name, strings.TrimSuffix(server, ".")) })
	}
	if err != nil {
		found := resolver.LookupAddrs(ctx, server)
		if len(found.List) == 0 {
			if found.Err != nil {
				return nil, textError(digSilent, first, away(ctx, found.Err))
			}
			return nil, textError(digNoServer, server)
		}
		addr = found.List[0]
	}
	return &asker{resolver.ForServer(netip.AddrPortFrom(addr, 53)), fmt.Sprintf("%s (%s)", server, addr), away}, nil
}

func addressOf(nodes []client.Node, is func(client.Node) bool) (netip.Addr, error) {
	for _, n := range nodes {
		if !is(n) {
			continue
		}
		for _, a := range []netip.Addr{n.Internet, n.LAN} {
			if a.IsValid() {
				return a, nil
			}
		}
	}
	return netip.Addr{}, fmt.Errorf("no such node")
}
