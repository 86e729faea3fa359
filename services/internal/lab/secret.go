package lab

import (
	"context"
	"crypto/subtle"
	"slices"
	"strings"

	"correio/services/internal/sasl"
)

// Secret implements sasl.Credentials: a person logs in by the bare name or the
// full address, in any case. Aliases have no password of their own.
func (o *Org) Secret(_ context.Context, user string) (sasl.Secret, error) {
	local, domain, full := strings.Cut(user, "@")
	if full && !o.Local(domain) {
		return sasl.Secret{}, sasl.ErrNobody
	}
	i := slices.IndexFunc(o.People, func(p Person) bool { return strings.EqualFold(p.Name, local) })
	if i < 0 {
		return sasl.Secret{}, sasl.ErrNobody
	}
	return sasl.Secret{Account: o.People[i].Name, Password: o.People[i].Password}, nil
}

// equalSecret compares in a time that does not tell where the two differ.
func equalSecret(want, got string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1
}
