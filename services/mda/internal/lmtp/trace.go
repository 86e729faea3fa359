package lmtp

import (
	"bytes"
	"fmt"
	"time"

	"correio/services/internal/mailaddr"
	"correio/services/internal/smtpd"
)

// trace returns the fields that final delivery puts in front of a copy.
//
// RFC 5321 §4.4: Return-Path first, with the reverse-path; Received as at
// every hop, "with" naming the protocol as RFC 3848 and RFC 6531 §4.3 have it.
// Addresses are as LMTP gave them: in UTF-8 only when SMTPUTF8 was said.
func (s *session) trace(t *smtpd.Transaction, to mailaddr.Address, id string, at time.Time) []byte {
	with := "LMTP"
	if t.Params.SMTPUTF8 {
		with = "UTF8LMTP"
	}
	if t.TLS != nil {
		with += "S"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "Return-Path: %s\r\n", t.From.Path())
	fmt.Fprintf(&b, "Delivered-To: %s\r\n", to)
	fmt.Fprintf(&b, "Received: from %s (%s [%s])\r\n", helloName(t.Hello, s.mta.Name), s.mta.Name, s.peer.Remote.Addr())
	fmt.Fprintf(&b, "\tby %s with %s id %s\r\n", s.Host, with, id)
	fmt.Fprintf(&b, "\tfor %s; %s\r\n", to.Path(), at.Format(time.RFC1123Z))
	return b.Bytes()
}

// helloName is the client's name if it may stand in a header field, else what
// we know it by.
func helloName(hello, known string) string {
	if mailaddr.IsDomain(hello) {
		return hello
	}
	return known
}
