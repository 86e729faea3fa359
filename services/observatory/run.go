package observatory

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sync/errgroup"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/observatory/internal/forward"
)

// sockets are what Run serves.
type sockets struct {
	pages []net.Listener
	ports []userPort
}

type userPort struct {
	net.Listener
	lab.UserPort
}

// Run implements node.Service: it watches the nodes and serves page, API and
// user ports until the context ends. Then it accepts nothing more, ends event
// streams at once, gives answers a second and tunnels forward.Grace, and
// returns.
func (n *Node) Run(ctx context.Context) error {
	n.tell(event.Starting)
	open, err := n.listen(ctx)
	if err != nil {
		return fmt.Errorf("observatory: %w", err)
	}
	defer n.client.CloseIdleConnections()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { n.nodes.Run(ctx); return nil })
	all.Go(func() error { return n.servePages(ctx, open.pages) })
	for _, p := range open.ports {
		port := forward.Port{UserPort: p.UserPort, Dialer: n.dialer, Log: n.cfg.Log}
		all.Go(func() error { return port.Serve(ctx, p.Listener) })
	}
	n.bound.Store(true)
	n.tell(event.Ready)
	all.Go(func() error {
		<-ctx.Done()
		n.bound.Store(false)
		n.tell(event.Stopping)
		return nil
	})
	if err := all.Wait(); err != nil {
		return fmt.Errorf("observatory: %w", err)
	}
	return nil
}

func (n *Node) tell(what string) {
	n.cfg.Events.Append(event.Record{Kind: event.KindNode, Text: what})
}

// listen opens what is not open yet. On an error everything is closed.
func (n *Node) listen(ctx context.Context) (s sockets, err error) {
	given := n.cfg.Listeners
	s.pages = given.Page
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if len(s.pages) == 0 && n.cfg.Bind.IsValid() {
		ln, err := n.open(ctx, PagePort)
		if err != nil {
			return s, fmt.Errorf("open page: %w", err)
		}
		s.pages = append(s.pages, ln)
	}
	var failed error
	for _, p := range n.cfg.Lab.Observatory.UserPorts {
		ln := given.User[p.Port]
		if ln == nil && n.cfg.Bind.IsValid() && failed == nil {
			if ln, err = n.open(ctx, p.Port); err != nil {
				failed = fmt.Errorf("open user port: %w", err)
				continue // those that were given must be closed as well
			}
		}
		if ln != nil {
			s.ports = append(s.ports, userPort{ln, p})
		}
	}
	return s, failed
}

func (n *Node) open(ctx context.Context, port int) (net.Listener, error) {
	return n.cfg.Net.Listen(ctx, netip.AddrPortFrom(n.cfg.Bind, uint16(port)))
}

func (s *sockets) close() {
	for _, ln := range s.pages {
		ln.Close()
	}
	for _, p := range s.ports {
		p.Close()
	}
}
