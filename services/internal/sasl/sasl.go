// Package sasl is how people prove who they are: both sides of the mechanisms
// PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195) and SCRAM-SHA-256 (RFC 5802, RFC
// 7677), for SMTP, POP3 and whatever else carries SASL (RFC 4422).
//
// # Flow
//
// A protocol's server makes one Server when it starts. For each AUTH it calls
// Begin and hands the client's responses to the Exchange, one after the other,
// until that is done: Decode and DecodeInitial read them from the wire, Encode
// writes challenges. Credentials know the passwords. A client asks Choose for
// the mechanism and NewClient for its side of the exchange.
//
// # Guarantees
//
// A name that does not exist takes the same steps, with the same kind of
// challenge and the same amount of work, as one whose password is wrong: nobody
// can list the users. Comparisons take a time that does not tell where two
// secrets differ. A response has a largest size. Names and passwords are
// prepared by SASLprep (RFC 4013), which lets no control character through, and
// a proof is the claimed user's own: nobody acts for somebody else.
package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// The mechanisms, by their registered names.
const (
	Plain       = "PLAIN"
	Login       = "LOGIN"
	CRAMMD5     = "CRAM-MD5"
	SCRAMSHA256 = "SCRAM-SHA-256"
)

// Mechanisms are all that this package knows, the strongest first.
var Mechanisms = []string{SCRAMSHA256, CRAMMD5, Plain, Login}

// Known reports whether this package knows a mechanism.
func Known(mechanism string) bool { return slices.Contains(Mechanisms, mechanism) }

// Bare reports whether a mechanism sends the password as it is, so that only an
// encrypted connection keeps it secret.
func Bare(mechanism string) bool { return mechanism == Plain || mechanism == Login }

// What ends an exchange badly.
var (
	// ErrRefused says that the proof is wrong: the name, the password, or the
	// user that it was to be used for.
	ErrRefused = errors.New("wrong user name or password")
	// ErrMalformed says that a response is not what the mechanism wants.
	ErrMalformed = errors.New("malformed response")
	// ErrInitial says that the client spoke first where the server does.
	ErrInitial = errors.New("the mechanism has no initial response")
	// ErrNobody is what Credentials answer for a name that does not exist.
	ErrNobody = errors.New("no such user")

	errOver = errors.New("the exchange is over")
)

// maxResponse bounds a response, in octets. The largest that is of use, of
// PLAIN, has three strings of 255 (RFC 4616 §2).
const maxResponse = 4096

// Credentials know the users.
type Credentials interface {
	// Secret returns what a prepared name stands for, or ErrNobody. Another
	// error means that it cannot be known now.
	Secret(ctx context.Context, user string) (Secret, error)
}

// Secret is whose a name is, and the password that proves it. All mechanisms
// but PLAIN and LOGIN need the password itself or what is as good as it.
type Secret struct {
	Account  string
	Password string
}

// Identity is who takes part in an exchange.
type Identity struct {
	User    string // the name: as it was claimed, or prepared when it was proved
	Account string // whose it is; "" before it was proved
}

// String returns the name, fit for a record whatever was claimed.
func (who Identity) String() string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, who.User[:min(len(who.User), maxString)])
}

// Server makes exchanges. It may be used by many goroutines.
type Server struct {
	key       []byte        // known to this process only; see salt
	nonce     func() string // the server's half of SCRAM's nonce
	challenge func() string // of CRAM-MD5
	salt      func(user string) []byte
}

// NewServer returns a server for a host's name.
func NewServer(host string) *Server {
	s := &Server{key: make([]byte, sha256.Size), nonce: rand.Text}
	rand.Read(s.key) // never fails, see crypto/rand
	// RFC 2195 §2: random digits, a time stamp and our name, like a Message-ID.
	s.challenge = func() string { return fmt.Sprintf("<%s.%d@%s>", rand.Text(), time.Now().Unix(), host) }
	s.salt = s.saltOf
	return s
}

// saltOf makes a user's salt for SCRAM from the name as it was given. Whether
// there is such a user does not enter into it, so it does not tell, and asking
// again gives the same.
func (s *Server) saltOf(user string) []byte {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(user))
	return mac.Sum(nil)[:16]
}

// Exchange is the server's side of one authentication, used by one goroutine.
type Exchange struct {
	m    mechanism
	who  Identity
	over bool
}

// mechanism is what is different between exchanges.
type mechanism interface {
	// next takes a response, nil before there is one, and returns a challenge;
	// or done, by which who has proved who they are. It sets who.User as soon
	// as it knows it.
	next(ctx context.Context, who *Identity, response []byte) (challenge []byte, done bool, err error)
}

// Begin starts an exchange, or returns nil for a mechanism that is not known.
func (s *Server) Begin(mechanism string, c Credentials) *Exchange {
	x := &Exchange{}
	switch mechanism {
	case Plain:
		x.m = &plainServer{c: c}
	case Login:
		x.m = &loginServer{c: c}
	case CRAMMD5:
		x.m = &cramServer{c: c, challenge: s.challenge}
	case SCRAMSHA256:
		x.m = &scramServer{c: c, srv: s}
	default:
		return nil
	}
	return x
}

// Next takes the client's response, nil when it has not spoken yet, and returns
// the challenge to answer it by; or done, which is success. Any error ends the
// exchange: ErrRefused, ErrMalformed, ErrInitial, or what kept Credentials from
// answering.
func (x *Exchange) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	switch {
	case x.over:
		return nil, false, errOver
	case len(response) > maxResponse:
		err = ErrMalformed
	default:
		challenge, done, err = x.m.next(ctx, &x.who, response)
	}
	if err != nil {
		x.over, x.who.Account = true, ""
		return nil, false, err
	}
	x.over = done
	return challenge, done, nil
}

// Who returns who takes part: before the exchange has succeeded, a mere claim
// in whatever characters the client chose.
func (x *Exchange) Who() Identity {
	who := x.who
	if !x.over {
		who.Account = ""
	}
	return who
}
