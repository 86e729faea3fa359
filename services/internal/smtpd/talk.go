package smtpd

import (
	"context"
	"fmt"
	"strings"

	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
	"correio/services/internal/text"
)

var (
	replyReset = reply.New(250, "2.0.0", "Ok")
	replyVrfy  = reply.New(252, "2.0.0", "Cannot verify a user here; send the mail and it will be tried")
	// RFC 5321 §4.3.2 has 504 and 553 for VRFY.
	replyVrfyParam = reply.New(504, "5.5.4", "SMTPUTF8 is not offered here")
	replyUTF8Vrfy  = reply.New(553, "5.6.7", "A name that is not ASCII needs SMTPUTF8 behind it")

	replyExpn  = reply.New(502, "5.5.1", "Lists are not expanded here")
	replyTopic = reply.New(504, "5.5.4", "No help on that; HELP alone lists the commands")
)

func (s *session) rset(context.Context, command.Command) reply.Reply {
	s.reset()
	return replyReset
}

// noop ignores its argument, as RFC 5321 §4.1.1.9 wants.
func (s *session) noop(context.Context, command.Command) reply.Reply { return replyReset }

// vrfy tells nobody who is who, unless the backend does; RFC 5321 §7.3 allows
// that with 252.
func (s *session) vrfy(ctx context.Context, c command.Command) reply.Reply {
	if r := s.name(c); r.Code != 0 {
		return r
	}
	teller, ok := s.backend.(Teller)
	if !ok {
		return replyVrfy
	}
	r, err := teller.Verify(ctx, c.Arg, len(c.Params) > 0)
	return s.verdict("vrfy", r, err, replyVrfy)
}

// expn is vrfy for lists.
func (s *session) expn(ctx context.Context, c command.Command) reply.Reply {
	teller, ok := s.backend.(Teller)
	if !ok {
		return replyExpn
	}
	if r := s.name(c); r.Code != 0 {
		return r
	}
	r, err := teller.Expand(ctx, c.Arg, len(c.Params) > 0)
	return s.verdict("expn", r, err, replyExpn)
}

// name refuses a name that cannot be asked about.
func (s *session) name(c command.Command) reply.Reply {
	switch said := len(c.Params) > 0; {
	case said && !s.srv.cfg.SMTPUTF8:
		return replyVrfyParam
	case !text.IsASCII(c.Arg) && !s.srv.cfg.SMTPUTF8:
		return replyNoUTF8
	case !text.IsASCII(c.Arg) && !said:
		return replyUTF8Vrfy // RFC 6531 §3.7.4.2
	}
	return reply.Reply{}
}

func (s *session) quit(context.Context, command.Command) reply.Reply {
	s.hangUp(reason.New(reason.Quit))
	return reply.New(221, "2.0.0", s.srv.cfg.Hostname+" closing connection; good-bye").WithClose()
}

// syntax is what HELP says of a command.
var syntax = [command.NumVerbs]string{
	command.Helo:     "HELO your.host.name  begins a session (RFC 5321)",
	command.Ehlo:     "EHLO your.host.name  begins a session, and lists the extensions (RFC 5321)",
	command.Lhlo:     "LHLO your.host.name  begins a session (RFC 2033)",
	command.Mail:     "MAIL FROM:<sender@domain> [SIZE=octets] [BODY=8BITMIME] ...  begins a message",
	command.Rcpt:     "RCPT TO:<recipient@domain>  adds a recipient",
	command.Data:     "DATA  then the message, then a line with a dot alone",
	command.Bdat:     "BDAT octets [LAST]  then so many octets of the message; LAST ends it (RFC 3030)",
	command.Rset:     "RSET  forgets sender and recipients",
	command.Vrfy:     "VRFY user [SMTPUTF8]  asks for a mailbox; the answer is 252 where nobody is told",
	command.Expn:     "EXPN list  asks for a list's members; the answer is 502 where nobody is told",
	command.Help:     "HELP [command or STATUS]",
	command.Noop:     "NOOP  does nothing",
	command.Quit:     "QUIT  ends the session",
	command.StartTLS: "STARTTLS  turns encryption on (RFC 3207)",
	command.Auth:     "AUTH mechanism [initial-response]  proves who you are (RFC 4954)",
}

// help answers HELP: 214, or 211 for the state of things (RFC 5321 §4.1.1.8).
func (s *session) help(_ context.Context, c command.Command) reply.Reply {
	switch topic := command.VerbOf(c.Arg); {
	case c.Arg == "":
		return reply.New(214, "2.0.0", "Commands: "+strings.Join(s.implemented(), " "),
			"HELP command tells more of one, HELP STATUS how this session stands")
	case strings.EqualFold(c.Arg, "STATUS"):
		return s.status()
	case !s.knows(topic):
		return replyTopic
	default:
		return reply.New(214, "2.0.0", syntax[topic])
	}
}

// knows reports whether HELP speaks of a command: those of our dialect, and of
// what extensions add only what EHLO would announce.
func (s *session) knows(v command.Verb) bool {
	cfg := &s.srv.cfg
	switch v {
	case command.Bdat:
		return cfg.Chunking
	case command.StartTLS:
		return cfg.TLS != nil && s.tls == nil
	case command.Auth:
		return len(cfg.AuthMechanisms) > 0
	}
	return syntax[v] != "" && s.peer.Proto.check(v, start) != unknown
}

func (s *session) implemented() []string {
	var list []string
	for v := range command.Verb(command.NumVerbs) {
		if s.knows(v) {
			list = append(list, v.String())
		}
	}
	return list
}

func (s *session) status() reply.Reply {
	hello, secure, transaction := "nobody yet", "no", "none"
	if s.hello != "" {
		hello = s.hello
	}
	if s.tls != nil {
		secure = "yes"
	}
	if s.t != nil {
		transaction = fmt.Sprintf("from %s, %d recipients", s.t.From.Path(), len(s.t.Rcpts))
	}
	return reply.New(211, "2.0.0", s.srv.cfg.Hostname+" is up",
		"you said you are: "+hello, "encrypted: "+secure, "transaction: "+transaction)
}
