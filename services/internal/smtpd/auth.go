package smtpd

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"correio/services/internal/event"
	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
)

var (
	replyAuthOff       = reply.New(502, "5.5.1", "Authentication is not offered here")
	replyAuthTwice     = reply.New(503, "5.5.1", "You are authenticated already")
	replyAuthPlain     = reply.New(538, "5.7.11", "Encryption required for authentication: STARTTLS comes first")
	replyMechanism     = reply.New(504, "5.5.4", "Unknown authentication mechanism")
	replyAuthOk        = reply.New(235, "2.7.0", "Authentication successful")
	replyAuthBad       = reply.New(535, "5.7.8", "User name or password is wrong")
	replyAuthTemporary = reply.New(454, "4.7.0", "Authentication cannot be checked now; try again later")
	replyAuthCancelled = reply.New(501, "5.7.0", "Authentication cancelled")
	replyBase64        = reply.New(501, "5.5.2", "That is not base64")
	replyAuthSyntax    = reply.New(501, "5.5.2", "Authentication response is malformed")
	replyAuthLong      = reply.New(500, "5.5.6", "Authentication line too long")
	replyAuthMany      = reply.New(421, "4.7.0", "Too many failed authentications; closing the connection").WithClose()
)

// mechanism is one exchange of SASL (RFC 4422) on the server's side.
type mechanism interface {
	// next takes the client's response, nil before there is one, and returns a
	// challenge; or done, after which claim says what the client claims.
	next(response []byte) (challenge []byte, done bool, err error)
	claim() (user, password string)
}

var mechanismNames = []string{"PLAIN", "LOGIN"}

func newMechanism(name string) mechanism {
	switch name {
	case "PLAIN":
		return &plain{}
	case "LOGIN":
		return &login{}
	}
	return nil
}

var (
	errMalformed = errors.New("malformed response")
	errOther     = errors.New("may not act for another user")
)

// plain is RFC 4616.
type plain struct{ user, password string }

func (m *plain) next(response []byte) ([]byte, bool, error) {
	if response == nil {
		return nil, false, nil // the client speaks first: an empty challenge
	}
	parts := strings.Split(string(response), "\x00")
	if len(parts) != 3 {
		return nil, true, errMalformed
	}
	m.user, m.password = parts[1], parts[2]
	if parts[0] != "" && parts[0] != parts[1] {
		return nil, true, errOther
	}
	return nil, true, nil
}

func (m *plain) claim() (string, string) { return m.user, m.password }

// login is the mechanism that no RFC describes and every client has.
type login struct {
	user, password string
	named          bool
}

func (m *login) next(response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case !m.named:
		m.user, m.named = string(response), true
		return []byte("Password:"), false, nil
	}
	m.password = string(response)
	return nil, true, nil
}

func (m *login) claim() (string, string) { return m.user, m.password }

// authPossible reports whether AUTH works on this connection as it is now.
func (s *session) authPossible() bool {
	cfg := &s.srv.cfg
	return len(cfg.AuthMechanisms) > 0 && (s.tls != nil || !cfg.RequireTLSForAuth)
}

// auth is AUTH (RFC 4954 §4).
func (s *session) auth(ctx context.Context, c command.Command) reply.Reply {
	r := s.exchange(ctx, c)
	s.strayAuth = s.strayAuth || r.Code >= 400
	return r
}

func (s *session) exchange(ctx context.Context, c command.Command) reply.Reply {
	cfg := &s.srv.cfg
	switch {
	case len(cfg.AuthMechanisms) == 0:
		return replyAuthOff
	case s.user != "":
		return replyAuthTwice
	case !s.authPossible():
		return replyAuthPlain
	case !slices.Contains(cfg.AuthMechanisms, c.Arg):
		return replyMechanism
	}
	m := newMechanism(c.Arg)
	response, err := initialResponse(c.Initial)
	for err == nil {
		challenge, done, fault := m.next(response)
		if done {
			return s.judge(ctx, c.Arg, m, fault)
		}
		response, err = s.challenge(challenge)
	}
	if errors.Is(err, errSaid) {
		return reply.Reply{}
	}
	return reply.Of(err)
}

// errSaid means that the client has been told already.
var errSaid = errors.New("already said")

// initialResponse decodes the response that came with AUTH, nil when none did.
// "=" is an empty one.
func initialResponse(s string) ([]byte, error) {
	switch s {
	case "":
		return nil, nil
	case "=":
		return []byte{}, nil
	}
	return decodeBase64(s)
}

// decodeBase64 never returns nil without an error.
func decodeBase64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, replyBase64.Err(err)
	}
	return append([]byte{}, b...), nil
}

// challenge asks the client and returns its response.
func (s *session) challenge(text []byte) ([]byte, error) {
	s.say(reply.New(334, "", base64.StdEncoding.EncodeToString(text)))
	line, ok := s.readLine(func([]byte) int { return s.limits().AuthLine }, replyAuthLong)
	if !ok {
		return nil, errSaid
	}
	s.recordIn(masked, "")
	if string(line) == "*" {
		return nil, replyAuthCancelled.Err(nil) // RFC 4954 §4
	}
	return decodeBase64(string(line))
}

// judge asks the backend whether the claim is true.
func (s *session) judge(ctx context.Context, name string, m mechanism, err error) reply.Reply {
	user, password := m.claim()
	switch {
	case errors.Is(err, errMalformed):
		return replyAuthSyntax
	case err != nil || !isName(user):
		err = replyAuthBad.Err(err)
	default:
		err = s.backend.Auth(ctx, user, password)
	}
	if err == nil {
		s.user = user
		s.recordAuth(event.Accepted, name, user)
		return replyAuthOk
	}
	s.recordAuth(event.Refused, name, printable(user))
	var e *reply.Error
	if !errors.As(err, &e) {
		s.log.Error("backend failed", "conn", s.peer.Conn, "op", "auth", "err", err)
		return replyAuthTemporary
	}
	r := s.refusal("auth", err)
	if r.Permanent() {
		if s.authFailures++; s.authFailures >= s.limits().AuthFailures {
			return replyAuthMany
		}
	}
	return r
}

// isName reports whether a user name can be one: text, and some of it.
func isName(s string) bool {
	return s != "" && len(s) <= 255 && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// printable makes a refused user name fit for a record.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 255)]
}
