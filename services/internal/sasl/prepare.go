package sasl

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"

	"github.com/xdg-go/stringprep"
)

// maxString bounds names and passwords, in octets.
const maxString = 255

// Prepare brings a name or a password into the form in which it is compared
// (SASLprep, RFC 4013). It fails for what cannot be one: control characters,
// what is not UTF-8, nothing at all.
func Prepare(s string) (string, error) {
	if len(s) > maxString {
		return "", errors.New("too long")
	}
	prepared, err := stringprep.SASLprep.Prepare(s)
	switch {
	case err != nil:
		return "", errors.New("prohibited character") // which one is the secret's own
	case prepared == "":
		return "", errors.New("empty")
	case len(prepared) > maxString: // one character may become eighteen
		return "", errors.New("too long")
	}
	return prepared, nil
}

// lookup finds out whose a claimed name is. For nobody's, it returns a password
// that nobody can know and no account: what follows takes the same steps, and
// fails at the end.
func lookup(ctx context.Context, c Credentials, user string) (prepared string, secret Secret, err error) {
	nobody := Secret{Password: rand.Text()}
	prepared, err = Prepare(user)
	if err != nil {
		return user, nobody, nil //nolint:nilerr // RFC 4616 §2: it fails as a wrong password does
	}
	secret, err = c.Secret(ctx, prepared)
	switch {
	case errors.Is(err, ErrNobody):
		return prepared, nobody, nil
	case err != nil:
		return prepared, Secret{}, err
	}
	if secret.Password, err = Prepare(secret.Password); err != nil {
		return prepared, nobody, nil //nolint:nilerr // no client may send that password
	}
	return prepared, secret, nil
}

// Verify checks a name and a password that came in clear.
func Verify(ctx context.Context, c Credentials, user, password string) (Identity, error) {
	who := Identity{User: user}
	prepared, secret, err := lookup(ctx, c, user)
	if err != nil {
		return who, err
	}
	given, err := Prepare(password)
	if right := same(given, secret.Password); err != nil || !right || secret.Account == "" {
		return who, ErrRefused
	}
	return Identity{User: prepared, Account: secret.Account}, nil
}

// same compares in a time that tells neither where two strings differ nor how
// long they are.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// actsFor reports whether a user may act as another (the authorization identity
// of RFC 4422 §3.4.1): as themselves, by the same name.
func actsFor(user, other string) bool {
	if other == "" {
		return true
	}
	prepared, err := Prepare(other)
	return err == nil && prepared == user
}
