package labtest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"correio/services/internal/labtest"
)

var (
	mx     = netip.MustParseAddrPort("198.18.2.25:25")
	ns     = netip.MustParseAddrPort("198.18.2.53:53")
	sender = netip.MustParseAddr("198.18.1.25")
)

func TestBothEndsOfAConnectionSeeLabAddresses(t *testing.T) {
	t.Parallel()
	s := labtest.NewStack(t)
	ln, err := s.Listen(t.Context(), mx)
	if err != nil {
		t.Fatal(err)
	}
	client, err := s.Dial(t.Context(), "tcp", sender, mx)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got := server.LocalAddr().String(); got != mx.String() {
		t.Errorf("server's local address = %s, want %s", got, mx)
	}
	if got := client.RemoteAddr().String(); got != mx.String() {
		t.Errorf("client's remote address = %s, want %s", got, mx)
	}
	if server.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("server sees %s, client is %s: want the same", server.RemoteAddr(), client.LocalAddr())
	}
	if host, _, _ := net.SplitHostPort(client.LocalAddr().String()); host != sender.String() {
		t.Errorf("client speaks from %s, want %s", host, sender)
	}
	if _, err := client.Write([]byte("QUIT\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := client.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatalf("half-close: %v", err)
	}
	if got, err := io.ReadAll(server); err != nil || string(got) != "QUIT\r\n" {
		t.Errorf("server read %q, %v, want QUIT and the end", got, err)
	}
}

func TestManyDialersAreToldApart(t *testing.T) {
	t.Parallel()
	s := labtest.NewStack(t)
	ln, err := s.Listen(t.Context(), mx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		from := netip.AddrFrom4([4]byte{198, 18, 3, byte(i)})
		client, err := s.Dial(t.Context(), "tcp", from, mx)
		if err != nil {
			t.Fatal(err)
		}
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := server.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); got != from {
			t.Fatalf("dialer %d: server sees %s, want %s", i, got, from)
		}
		client.Close()
		server.Close()
	}
}

func TestAnAddressWithoutAListenerRefuses(t *testing.T) {
	t.Parallel()
	s := labtest.NewStack(t)
	dial := func(when string) {
		t.Helper()
		_, err := s.Dial(t.Context(), "tcp", sender, mx)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial %s: %v, want ECONNREFUSED", when, err)
		}
	}
	dial("before anybody listens")
	ln, err := s.Listen(t.Context(), mx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen(t.Context(), mx); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second listen: %v, want EADDRINUSE", err)
	}
	ln.Close()
	dial("after the listener closed")
}

func TestABlackholeHangsUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	s := labtest.NewStack(t)
	if _, err := s.Listen(t.Context(), mx); err != nil {
		t.Fatal(err)
	}
	s.Blackhole(mx.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := s.Dial(ctx, "tcp", sender, mx)
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("dial: %v, want a timeout", err)
	}
	s.Unblackhole(mx.Addr())
	if _, err := s.Dial(t.Context(), "tcp", sender, mx); err != nil {
		t.Errorf("dial after the hole was filled: %v", err)
	}
}

func TestDatagramsCarryLabAddressesBothWays(t *testing.T) {
	t.Parallel()
	s := labtest.NewStack(t)
	server, err := s.ListenPacket(t.Context(), ns)
	if err != nil {
		t.Fatal(err)
	}
	client, err := s.Dial(t.Context(), "udp", sender, ns)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("boreal.test. MX?")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, from, err := server.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	if from.String() != client.LocalAddr().String() || from.(*net.UDPAddr).AddrPort().Addr() != sender {
		t.Errorf("server heard %s, client is %s at %s", from, client.LocalAddr(), sender)
	}
	if _, err := server.WriteTo(buf[:n], from); err != nil {
		t.Fatal(err)
	}
	client.SetReadDeadline(time.Now().Add(labtest.Eventually))
	n, err = client.Read(buf)
	if err != nil || string(buf[:n]) != "boreal.test. MX?" {
		t.Errorf("client read %q, %v", buf[:n], err)
	}
}

func TestADialledDatagramSocketHearsItsPeerAlone(t *testing.T) {
	t.Parallel()
	s := labtest.NewStack(t)
	server, err := s.ListenPacket(t.Context(), ns)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := s.ListenPacket(t.Context(), netip.MustParseAddrPort("198.18.3.3:53"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := s.Dial(t.Context(), "udp", sender, ns)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.PacketConn{stranger, server} {
		if _, err := c.WriteTo([]byte(c.LocalAddr().String()), client.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 64)
	client.SetReadDeadline(time.Now().Add(labtest.Eventually))
	n, err := client.Read(buf)
	if err != nil || string(buf[:n]) != ns.String() {
		t.Errorf("client read %q, %v, want what %s said", buf[:n], err, ns)
	}
}

func TestDatagramsToNobody(t *testing.T) {
	t.Parallel()
	s := labtest.NewStack(t)
	client, err := s.Dial(t.Context(), "udp", sender, ns)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("?")); err != nil {
		t.Fatal(err)
	}
	client.SetReadDeadline(time.Now().Add(labtest.Eventually))
	if _, err := client.Read(make([]byte, 8)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("read: %v, want ECONNREFUSED", err)
	}

	s.Blackhole(ns.Addr())
	if _, err := client.Write([]byte("?")); err != nil {
		t.Fatal(err)
	}
	client.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := client.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read from a blackhole: %v, want a timeout", err)
	}
}

func TestAForeignClientIsSeenByItsLoopbackAddress(t *testing.T) {
	t.Parallel()
	s := labtest.NewStack(t)
	ln, err := s.Listen(t.Context(), mx)
	if err != nil {
		t.Fatal(err)
	}
	real, ok := s.Real(mx)
	if !ok {
		t.Fatal("no real address for a listener")
	}
	client, err := net.Dial("tcp", real.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if server.RemoteAddr().String() != client.LocalAddr().String() {
		t.Errorf("server sees %s, want %s", server.RemoteAddr(), client.LocalAddr())
	}
}
