package network_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"correio/services/internal/network"
)

func TestTroubleOfReadsTheErrorsOfConnections(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, refused := func() (net.Conn, error) { ln.Close(); return net.Dial("tcp", ln.Addr().String()) }()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if err := a.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	_, late := a.Read(make([]byte, 1))
	for _, tt := range []struct {
		err  error
		want network.Trouble
	}{
		{nil, ""}, {errors.New("anything"), ""}, {refused, network.Refused}, {fmt.Errorf("ask: %w", late), network.Timeout},
		{context.DeadlineExceeded, network.Timeout}, {context.Canceled, ""},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, network.Unreachable},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, network.Unreachable},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), network.Broken}, {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, network.Broken},
	} {
		if got := network.TroubleOf(tt.err); got != tt.want {
			t.Errorf("TroubleOf(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
}
