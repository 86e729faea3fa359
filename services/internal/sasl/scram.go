package sasl

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/scram"
)

// iterations is how often a password is hashed: the least that RFC 7677 §4
// allows. Ours are in clear in org.yaml; what counts here is that an answer
// costs us a millisecond, not a tenth of a second.
const iterations = 4096

// scramServer is SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding.
type scramServer struct {
	c      Credentials
	srv    *Server
	conv   *scram.ServerConversation
	secret Secret
	user   string // prepared
	fault  error  // of Credentials
}

func (m *scramServer) next(ctx context.Context, who *Identity, response []byte) ([]byte, bool, error) {
	switch {
	case m.conv == nil && response == nil:
		return []byte{}, false, nil // the client speaks first
	case !utf8.Valid(response) || strings.ContainsRune(string(response), 0):
		return nil, false, ErrMalformed // RFC 5802 §7: value-char
	case m.conv == nil:
		return m.first(ctx, who, string(response))
	case m.conv.Done():
		return m.last(who, response)
	}
	final, err := m.conv.Step(string(response))
	if err != nil {
		return nil, false, scramFault(final)
	}
	// RFC 4954 §4 has no success with data: our signature is one more challenge.
	return []byte(final), false, nil
}

// first answers client-first by salt, iteration count and the whole nonce.
func (m *scramServer) first(ctx context.Context, who *Identity, message string) ([]byte, bool, error) {
	server, err := scram.SHA256.NewServer(func(user string) (scram.StoredCredentials, error) {
		who.User = user
		return m.stored(ctx, user)
	})
	if err != nil {
		return nil, false, err
	}
	m.conv = server.WithNonceGenerator(m.srv.nonce).NewConversation()
	challenge, err := m.conv.Step(message)
	switch {
	case m.fault != nil:
		return nil, false, m.fault
	case err != nil:
		return nil, false, scramFault(challenge)
	}
	return []byte(challenge), false, nil
}

// stored derives what SCRAM compares with, for nobody's name as for any other:
// the work and the answer are alike.
func (m *scramServer) stored(ctx context.Context, user string) (scram.StoredCredentials, error) {
	if m.user, m.secret, m.fault = lookup(ctx, m.c, user); m.fault != nil {
		return scram.StoredCredentials{}, m.fault
	}
	client, err := scram.SHA256.NewClientUnprepped(m.user, m.secret.Password, "")
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(m.srv.salt(m.user)), Iters: iterations})
}

// last takes the empty response to our signature.
func (m *scramServer) last(who *Identity, response []byte) ([]byte, bool, error) {
	switch {
	case len(response) > 0:
		return nil, false, ErrMalformed
	case !m.conv.Valid() || m.secret.Account == "" || !actsFor(m.user, m.conv.AuthzID()):
		return nil, false, ErrRefused
	}
	*who = Identity{User: m.user, Account: m.secret.Account}
	return nil, true, nil
}

// scramFault tells a message that is none from a proof that is wrong, by the
// error value of RFC 5802 §7. The client does not hear it (§5.1 leaves that to
// us): which of name and password was wrong is nobody's business.
func scramFault(value string) error {
	switch value {
	case "", scram.ErrInvalidEncoding, scram.ErrInvalidUsernameEncoding, scram.ErrExtensionsNotSupported:
		return ErrMalformed
	}
	return ErrRefused
}

// maxIterations bounds the work that a server can ask of a client.
const maxIterations = 1_000_000

var (
	errIterations = errors.New("the server asks for too many iterations")
	errUnproved   = errors.New("the server did not prove that it knows the password")
)
