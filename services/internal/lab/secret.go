package lab

import (
	"context"
	"slices"
	"strings"

	"correio/services/internal/mailaddr"
	"correio/services/internal/sasl"
)

// Secret implements sasl.Credentials: a person logs in by the bare name or the
// full address, in any case. Aliases have no password of their own.
func (o *Org) Secret(_ context.Context, user string) (sasl.Secret, error) {
	local, domain, full := strings.Cut(user, "@")
	if full && !o.Local(domain) {
		return sasl.Secret{}, sasl.ErrNobody
	}
	name := mailaddr.Fold(local)
	i := slices.IndexFunc(o.People, func(p Person) bool { return p.Name == name })
	if i < 0 {
		return sasl.Secret{}, sasl.ErrNobody
	}
	return sasl.Secret{Account: o.People[i].Name, Password: o.People[i].Password}, nil
}

// canLogIn reports whether a person's name and password can be proved, by every
// mechanism: RFC 4013 changes or refuses some characters.
func canLogIn(p Person) bool {
	name, err := sasl.Prepare(p.Name)
	if err != nil || name != p.Name {
		return false
	}
	_, err = sasl.Prepare(p.Password)
	return err == nil
}
