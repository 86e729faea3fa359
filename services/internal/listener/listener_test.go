package listener_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"correio/services/internal/listener"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a service on loopback and returns its address, what stops it,
// and where Serve's result arrives.
func serve(t *testing.T, cfg listener.Config, handle listener.Handler) (addr string, stop context.CancelFunc, result <-chan error) {
	t.Helper()
	ln := listen(t)
	stop, result = serveOn(t, ln, cfg, handle)
	return ln.Addr().String(), stop, result
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func serveOn(t *testing.T, ln net.Listener, cfg listener.Config, handle listener.Handler) (stop context.CancelFunc, result <-chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- listener.Serve(ctx, ln, cfg, handle) }()
	t.Cleanup(cancel)
	return cancel, done
}

func dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c, bufio.NewReader(c)
}

// polite greets, and says good-bye when the service stops.
func polite(ctx context.Context, c net.Conn) {
	io.WriteString(c, "220 hello\n")
	<-ctx.Done()
	io.WriteString(c, "421 bye\n")
}

func TestStopLetsHandlersSayGoodBye(t *testing.T) {
	ln := listen(t)
	stop, result := serveOn(t, ln, listener.Config{}, polite)
	_, r := dial(t, ln.Addr().String())
	if line, err := r.ReadString('\n'); line != "220 hello\n" {
		t.Fatalf("greeting = %q, %v", line, err)
	}
	stop()
	if line, err := r.ReadString('\n'); line != "421 bye\n" {
		t.Errorf("after stop = %q, %v; want 421", line, err)
	}
	if err := <-result; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	// Not by dialling: somebody else may have the port by now.
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener of a stopped service: %v, want %v", err, net.ErrClosed)
	}
}

func TestStopCutsHandlersThatIgnoreIt(t *testing.T) {
	addr, stop, result := serve(t, listener.Config{Grace: 10 * time.Millisecond}, func(_ context.Context, c net.Conn) {
		io.WriteString(c, "220 hello\n")
		io.Copy(io.Discard, c) // returns when the connection is cut
	})
	_, r := dial(t, addr)
	r.ReadString('\n')
	stop()
	if err := <-result; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the connection is still open")
	}
}

func TestLimitsRefuseWithAWord(t *testing.T) {
	busy := func(c net.Conn) { io.WriteString(c, "421 too many\n") }
	for name, cfg := range map[string]listener.Config{
		"in all":      {Total: 2, Busy: busy},
		"per address": {PerClient: 2, Busy: busy},
	} {
		t.Run(name, func(t *testing.T) {
			addr, stop, result := serve(t, cfg, polite)
			first, r1 := dial(t, addr)
			_, r2 := dial(t, addr)
			r1.ReadString('\n')
			r2.ReadString('\n')
			_, r3 := dial(t, addr)
			if line, _ := r3.ReadString('\n'); line != "421 too many\n" {
				t.Errorf("third connection heard %q, want 421", line)
			}
			_ = first
			stop()
			if err := <-result; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestReleasedConnectionMakesRoom(t *testing.T) {
	addr, stop, result := serve(t, listener.Config{PerClient: 1}, func(_ context.Context, c net.Conn) {
		io.WriteString(c, "220 hello\n")
		io.Copy(io.Discard, c)
	})
	for i := range 5 {
		deadline := time.Now().Add(10 * time.Second)
		for {
			c, r := dial(t, addr)
			line, _ := r.ReadString('\n')
			c.Close()
			if line == "220 hello\n" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("round %d: never admitted", i)
			}
		}
	}
	stop()
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestServeReportsAListenerThatBreaks(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	err = listener.Serve(t.Context(), ln, listener.Config{}, polite)
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve = %v, want %v", err, net.ErrClosed)
	}
}

func TestAddrPortUnmapsIPv4(t *testing.T) {
	mapped := &net.TCPAddr{IP: net.ParseIP("::ffff:198.18.1.25"), Port: 25}
	if got, want := fmt.Sprint(listener.AddrPort(mapped)), "198.18.1.25:25"; got != want {
		t.Errorf("AddrPort(%v) = %s, want %s", mapped, got, want)
	}
}
