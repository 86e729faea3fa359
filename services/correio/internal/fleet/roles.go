package fleet

import (
	"correio/services/authdns"
	"correio/services/internal/lab"
	"correio/services/internal/node"
	"correio/services/mda"
	"correio/services/mta"
	"correio/services/pc"
	"correio/services/resolver"
)

// constructors has every role but the observatory, which is made from the
// whole lab.
var constructors = map[lab.Role]constructor{
	lab.RoleDNS:      as(authdns.New),
	lab.RoleResolver: as(resolver.New),
	lab.RoleMTA:      as(mta.New),
	lab.RoleMDA:      as(mda.New),
	lab.RolePC:       as(pc.New),
}

func as[S node.Service](construct func(*node.Env) (S, error)) constructor {
	return func(env *node.Env) (node.Service, error) {
		svc, err := construct(env)
		if err != nil {
			return nil, err
		}
		return svc, nil
	}
}
