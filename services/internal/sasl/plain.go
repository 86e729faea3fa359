package sasl

import (
	"context"
	"strings"
)

// plainServer is RFC 4616: [authzid] NUL authcid NUL passwd.
type plainServer struct{ c Credentials }

func (m *plainServer) next(ctx context.Context, who *Identity, response []byte) ([]byte, bool, error) {
	if response == nil {
		return []byte{}, false, nil // the client speaks first: an empty challenge
	}
	parts := strings.Split(string(response), "\x00")
	if len(parts) != 3 {
		return nil, false, ErrMalformed
	}
	who.User = parts[1]
	proved, err := Verify(ctx, m.c, parts[1], parts[2])
	switch {
	case err != nil:
		return nil, false, err
	case !actsFor(proved.User, parts[0]):
		return nil, false, ErrRefused
	}
	*who = proved
	return nil, true, nil
}

// loginServer is the mechanism that no RFC describes and every client has
// (draft-murchison-sasl-login). Some clients send the name at once.
type loginServer struct {
	c     Credentials
	named bool
}

func (m *loginServer) next(ctx context.Context, who *Identity, response []byte) ([]byte, bool, error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case !m.named:
		who.User, m.named = string(response), true
		return []byte("Password:"), false, nil
	}
	proved, err := Verify(ctx, m.c, who.User, string(response))
	if err != nil {
		return nil, false, err
	}
	*who = proved
	return nil, true, nil
}
