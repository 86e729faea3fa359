package main

import (
	"context"
	"errors"
	"net"
	"strings"

	"correio/services/correio/internal/client"
	"correio/services/internal/network"
	"correio/services/internal/problem"
)

// stopped is the error of a node that somebody has stopped.
type stopped struct{ error }

// Unwrap returns what is said of it.
func (s stopped) Unwrap() error { return s.error }

// away says of a node that does not answer how it is and what to do about it,
// where err is about one. Every other error comes back as it is.
func (a *app) away(ctx context.Context, lab *client.Lab, err error) error {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return err
	}
	place := silentPlace(p)
	if place == "" {
		return err
	}
	nodes, failed := lab.Nodes(ctx)
	if failed != nil {
		return p
	}
	for _, n := range nodes {
		if !goesBy(n, place) {
			continue
		}
		switch {
		case n.State == "stopped":
			return stopped{textError(nodeIsStopped, n.Name, n.Name)}
		case n.State == "unreachable":
			return textError(nodeIsAway, n.Name, n.Name)
		case !n.Ready():
			return textError(nodeIsNotReady, n.Name, n.Because(a.lang))
		}
	}
	return p
}

// silentPlace is the node, or the host or address, that a problem is about
// when it does not answer; "" for other problems.
func silentPlace(p *problem.Problem) string {
	switch p.Code {
	case problem.NodeUnreachable:
		return p.About(0)
	case problem.ResolverSilent:
		return p.About(1)
	case problem.ConnectRefused, problem.ConnectTimeout, problem.ConnectNoWay, problem.ConnectBroken:
		if host, _, err := net.SplitHostPort(p.About(0)); err == nil {
			return host
		}
	}
	return ""
}

// goesBy reports whether a node has this name or address.
func goesBy(n client.Node, place string) bool {
	return strings.EqualFold(n.Name, strings.TrimSuffix(place, ".")) ||
		n.Internet.IsValid() && n.Internet.String() == place || n.LAN.IsValid() && n.LAN.String() == place
}

// unspoken says why a workstation could not speak with a server, instead of
// what its operating system said; reply is the server's otherwise.
func (a *app) unspoken(ctx context.Context, lab *client.Lab, trouble network.Trouble, server, reply string) string {
	p := problem.ByTrouble(trouble, server)
	if p == nil {
		return reply
	}
	return client.Why(a.away(ctx, lab, p), a.lang)
}
