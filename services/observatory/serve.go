package observatory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	maxPageConns = 512
	pageGrace    = time.Second // for answers at work when the lab stops
)

// servePages serves the handler on every listener until the context ends.
func (n *Node) servePages(ctx context.Context, lns []net.Listener) error {
	streams, stopStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer stopStreams()
	var handlers crew
	srv := &http.Server{
		Handler:           handlers.of(n.handler),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      time.Minute, // handlers that need longer say so
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return streams },
		ErrorLog:          slog.NewLogLogger(n.cfg.Log.Handler(), slog.LevelDebug),
	}
	slots := make(chan struct{}, maxPageConns)
	all, ctx := errgroup.WithContext(ctx)
	for _, ln := range lns {
		all.Go(func() error {
			err := srv.Serve(&boundedListener{Listener: ln, slots: slots, closed: make(chan struct{})})
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return fmt.Errorf("serve page on %s: %w", ln.Addr(), err)
		})
	}
	all.Go(func() error {
		<-ctx.Done()
		stopStreams()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), pageGrace)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
		return nil
	})
	err := all.Wait()
	handlers.wait()
	return err
}

// crew is the handlers at work, tunnels included: an http.Server forgets a
// connection that was taken over from it.
type crew struct {
	mu   sync.Mutex // guards home, and that no work begins once it is set
	home bool
	work sync.WaitGroup
}

func (c *crew) of(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.begin() {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
			return
		}
		defer c.work.Done()
		next.ServeHTTP(w, r)
	})
}

func (c *crew) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.home {
		c.work.Add(1)
	}
	return !c.home
}

func (c *crew) wait() {
	c.mu.Lock()
	c.home = true
	c.mu.Unlock()
	c.work.Wait()
}

// boundedListener accepts no more connections than slots has room for; others
// wait in the kernel's queue.
type boundedListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &boundedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

// Close implements net.Listener.
func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// boundedConn gives its slot back when it is closed. It half-closes, which
// tunnels need.
type boundedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// CloseWrite tells the client that nothing more will come.
func (c *boundedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.New("no half-close")
}
