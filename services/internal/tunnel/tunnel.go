// Package tunnel carries one TCP connection through HTTP, so that somebody
// outside the lab can speak from a workstation inside it: the command line and
// the user ports ask the observatory, which asks the workstation's control
// port, which dials.
//
// The request is GET …/dial?to=HOST:PORT with "Upgrade: correio-dial". The
// answer is 101 and from then on the octets of the connection, both ways; or
// an HTTP error that says why not. Browsers cannot send that header, so no
// page can open a tunnel.
package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"correio/services/internal/control"
)

// Upgrade is the protocol's name in the Upgrade header.
const Upgrade = "correio-dial"

// handshakeWait bounds the exchange before the tunnel stands.
const handshakeWait = 30 * time.Second

// ErrNotUpgrade tells that a request does not ask for a tunnel.
var ErrNotUpgrade = errors.New("this address opens tunnels: send Upgrade: " + Upgrade)

// Requested reports whether the request asks for a tunnel.
func Requested(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), Upgrade)
}

// Accept answers 101 and takes the connection over from the HTTP server. The
// caller closes it.
func Accept(w http.ResponseWriter) (net.Conn, error) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over connection: %w", err)
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		c.Close()
		return nil, fmt.Errorf("take over connection: %w", err)
	}
	if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+Upgrade+"\r\n\r\n"); err != nil {
		c.Close()
		return nil, fmt.Errorf("answer 101: %w", err)
	}
	return withBuffered(c, rw.Reader), nil
}

// Open sends a request for a tunnel over a fresh connection and returns the
// tunnel. The request needs its method, URL and headers; Open adds those of the
// upgrade. An answer other than 101 is a *control.StatusError. On an error the
// connection is closed.
func Open(ctx context.Context, c net.Conn, req *http.Request) (_ net.Conn, err error) {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			c.Close()
		}
	}()
	if err := c.SetDeadline(time.Now().Add(handshakeWait)); err != nil {
		return nil, fmt.Errorf("open tunnel: %w", err)
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", Upgrade)
	if err := req.Write(c); err != nil {
		return nil, fmt.Errorf("open tunnel: %w", err)
	}
	br := bufio.NewReader(c)
	resp, err := http.ReadResponse(br, req)
	if err != nil {
		return nil, fmt.Errorf("open tunnel: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		if err := control.DecodeAnswer(resp, nil); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("open tunnel: unexpected status %s", resp.Status)
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("open tunnel: %w", err)
	}
	return withBuffered(c, br), nil
}

// withBuffered puts what was read too much in front of the connection.
func withBuffered(c net.Conn, br *bufio.Reader) net.Conn {
	if br.Buffered() == 0 {
		return c
	}
	early := make([]byte, br.Buffered())
	_, _ = io.ReadFull(br, early) // cannot fail: it is all there
	return &earlyConn{Conn: c, early: early}
}

type earlyConn struct {
	net.Conn
	early []byte
}

func (c *earlyConn) Read(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

func (c *earlyConn) CloseWrite() error { return closeWrite(c.Conn) }

// Splice copies both ways until both sides are done, or one fails, or nothing
// has moved for idle; it closes both connections. The end of one direction is
// passed on as a half-close, so that a client which has said everything still
// hears the answer.
func Splice(ctx context.Context, a, b net.Conn, idle time.Duration) {
	stop := context.AfterFunc(ctx, func() { a.Close(); b.Close() })
	defer stop()
	defer a.Close()
	defer b.Close()
	var both sync.WaitGroup
	both.Go(func() { pump(a, b, idle) })
	both.Go(func() { pump(b, a, idle) })
	both.Wait()
}

// pump copies from src to dst. Octets in either direction keep both alive,
// since each read and write moves the deadline of its connection.
func pump(dst, src net.Conn, idle time.Duration) {
	buf := make([]byte, 16<<10)
	for {
		deadline := time.Now().Add(idle)
		if src.SetReadDeadline(deadline) != nil {
			break
		}
		n, err := src.Read(buf)
		if n > 0 {
			_ = dst.SetReadDeadline(time.Now().Add(idle)) // a closed dst shows in the write
			_ = dst.SetWriteDeadline(time.Now().Add(idle))
			if _, err := dst.Write(buf[:n]); err != nil {
				break
			}
		}
		if errors.Is(err, io.EOF) && closeWrite(dst) == nil {
			return
		}
		if err != nil {
			break
		}
	}
	dst.Close()
	src.Close()
}

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.New("no half-close")
}
