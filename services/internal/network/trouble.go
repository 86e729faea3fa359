package network

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Trouble is what kept a connection from working, in one word that programs and
// texts for people go by.
type Trouble string

// The troubles; "" is any other.
const (
	Timeout     Trouble = "timeout"     // nobody answered in time
	Refused     Trouble = "refused"     // nothing listens on the port
	Unreachable Trouble = "unreachable" // there is no way to the address
	Broken      Trouble = "broken"      // the other end ended the connection
)

// TroubleOf reads an error of a connection.
func TroubleOf(err error) Trouble {
	var late net.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Unreachable
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &late) && late.Timeout():
		return Timeout
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Broken
	}
	return ""
}
