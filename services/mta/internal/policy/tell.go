package policy

import (
	"context"
	"strings"

	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd"
	"correio/services/mta/internal/forward"
)

var (
	replySeveral = reply.New(252, "2.0.0", "Others stand behind that name; EXPN tells who")
	replyUntold  = reply.New(252, "2.0.0", "Nobody is told about that name; send the mail and it will be tried")
	replyNoASCII = reply.New(252, "2.0.0", "There are addresses behind that name which are not ASCII: say SMTPUTF8 behind it (RFC 6531)")
)

var _ smtpd.Teller = (*session)(nil)

// Verify implements smtpd.Teller: RFC 5321 §3.5.1, the mailbox of a name.
func (s *session) Verify(_ context.Context, name string, utf8 bool) (reply.Reply, error) {
	if !s.cfg.Org.SMTP.Expn {
		return reply.Reply{}, nil
	}
	at, behind := s.whoIs(name)
	if at.Null() { // somebody else's: RFC 5321 §3.5.3
		return reply.Reply{}, nil
	}
	switch queued, verdict := s.judge(at); {
	case verdict == OnPurpose:
		return s.verifyReserved(at, queued, utf8)
	case verdict == Report: // which RCPT takes for reports
		return reply.Reply{}, nil
	case len(behind) > 1 || s.cfg.Org.Expands(at.Local):
		return replySeveral, nil
	}
	return s.told(at, behind, utf8)
}

// verifyReserved answers as RCPT would, where that tells an address (RFC 5321
// §3.4). The others are told by RCPT alone.
func (s *session) verifyReserved(at, queued mailaddr.Address, utf8 bool) (reply.Reply, error) {
	name, _ := s.cfg.Org.Reserved(at.Local)
	switch {
	case name != lab.Moved && name != lab.Forwarded:
		return reply.Reply{}, nil
	case !queued.ASCII() && !utf8:
		return replyNoASCII, nil // RFC 6531 §3.7.4.2
	case name == lab.Forwarded:
		return willForward(queued), nil
	}
	return reply.Reply{}, s.refuse(Reserved, hasMoved(queued), nil)
}

// Expand implements smtpd.Teller: those who stand behind a name.
func (s *session) Expand(_ context.Context, name string, utf8 bool) (reply.Reply, error) {
	if !s.cfg.Org.SMTP.Expn {
		return reply.Reply{}, nil
	}
	at, behind := s.whoIs(name)
	if at.Null() {
		return reply.Reply{}, s.refuse(Mailbox, reply.Newf(550, "5.1.2", "%q: this is not the host of that domain", name), nil)
	}
	if _, verdict := s.judge(at); verdict == OnPurpose || verdict == Report {
		return replyUntold, nil
	}
	return s.told(at, behind, utf8)
}

// whoIs reads a name as people type it: a local part, or an address of the site.
// at is null when it is somebody else's.
func (s *session) whoIs(name string) (at mailaddr.Address, behind []mailaddr.Address) {
	org := s.cfg.Org
	name = strings.TrimSuffix(strings.TrimPrefix(name, "<"), ">")
	if !strings.Contains(name, "@") {
		name += "@" + org.Domain
	}
	at, err := mailaddr.Parse(name)
	if at = at.ALabels(); err != nil || !org.Local(at.Domain) {
		return mailaddr.Address{}, nil
	}
	if p, ok := org.Person(at.Local); ok {
		return at, []mailaddr.Address{{Local: p.Name, Domain: at.Domain}}
	}
	for _, c := range forward.Expand(org, at.Local, at.Domain) {
		behind = append(behind, c.To)
	}
	return at, behind
}

// told is the reply with the addresses, one on each line.
func (s *session) told(at mailaddr.Address, behind []mailaddr.Address, utf8 bool) (reply.Reply, error) {
	var lines []string
	for _, a := range behind {
		if !a.ASCII() && !utf8 {
			return replyNoASCII, nil // RFC 6531 §3.7.4.2
		}
		lines = append(lines, a.Path())
	}
	if len(lines) == 0 {
		return reply.Reply{}, s.refuse(Mailbox, reply.Newf(550, "5.1.1", "%s: no such mailbox here", at.Path()), nil)
	}
	return reply.New(250, "2.1.5", lines...), nil
}
