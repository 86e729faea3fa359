package smtpd

import (
	"context"
	"crypto/tls"
	"strconv"
	"strings"
	"time"
	"unicode"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
)

var (
	replyTLSReady = reply.New(220, "2.0.0", "Ready to start TLS")
	replyTLSOff   = reply.New(502, "5.5.1", "STARTTLS is not offered here")
	replyTLSTwice = reply.New(503, "5.5.1", "TLS is active already")
	replyTLSLate  = reply.New(503, "5.5.1", "STARTTLS comes before AUTH")
)

// startTLS turns the connection into a TLS one (RFC 3207 §4). What the client
// sent in the same breath, still in plain text, is thrown away: anybody on the
// way could have put it there (CVE-2011-0411, CVE-2021-33515).
func (s *session) startTLS(ctx context.Context, _ command.Command) reply.Reply {
	switch {
	case s.srv.cfg.TLS == nil:
		return replyTLSOff
	case s.tls != nil:
		return replyTLSTwice
	case s.user != "":
		return replyTLSLate // the backend would remember who it was before
	}
	s.say(replyTLSReady)
	if err := s.wire.Flush(s.limits().Write); err != nil {
		s.hangUp(reason.New(reason.ClientGone))
		return reply.Reply{}
	}
	if n := s.wire.Drop(); n > 0 {
		s.recordInstead(reason.New(reason.OctetsDropped, strconv.Itoa(n)), reason.New(reason.BehindStartTLS))
	}
	if s.handshake(ctx) {
		// RFC 3207 §4.2: everything known before is forgotten.
		s.hello, s.esmtp, s.lf, s.crlf = "", false, false, false
		s.reset()
	}
	return reply.Reply{}
}

// handshake makes the connection a TLS one, or hangs up.
func (s *session) handshake(ctx context.Context) bool {
	s.raw.SetDeadline(time.Now().Add(s.limits().Handshake))
	conn := tls.Server(s.raw, s.srv.cfg.TLS)
	err := conn.HandshakeContext(ctx)
	st := conn.ConnectionState()
	if err != nil {
		s.recordTLS(event.Failed, event.M(event.ServerName, printable(st.ServerName), event.Reason, reason.Encode(reason.OfTLS(err)...)))
		s.hangUp(reason.New(reason.HandshakeFailed))
		return false
	}
	s.wire.Upgrade(conn)
	s.tls = &st
	s.recordTLS(event.Established, event.M(
		event.Version, tls.VersionName(st.Version), event.Cipher, tls.CipherSuiteName(st.CipherSuite),
		event.ServerName, printable(st.ServerName)))
	return true
}

func (s *session) recordTLS(text string, meta event.Meta) {
	if !s.silent() {
		s.record(event.Record{Kind: event.KindTLS, Text: text, Meta: meta})
	}
}

// printable makes a name that the client claims fit for a record.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 255)]
}
