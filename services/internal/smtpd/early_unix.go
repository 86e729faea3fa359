//go:build unix

package smtpd

import (
	"net"
	"syscall"

	"correio/services/internal/reason"
)

// earlyTalk notes a client that spoke before the greeting (RFC 5321 §3.1 has
// it wait). It never blocks.
func (s *session) earlyTalk() []reason.Reason {
	c, ok := s.raw.(*net.TCPConn)
	if !ok || s.peer.Proto == Submissions {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	n := 0
	var peek [1]byte
	err = raw.Read(func(fd uintptr) bool {
		n, _, _ = syscall.Recvfrom(int(fd), peek[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT) // nothing there is what we hope for
		return true
	})
	if err != nil || n <= 0 {
		return nil
	}
	return []reason.Reason{reason.New(reason.EarlyTalk)}
}
