package sasl

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
)

// cramServer is CRAM-MD5 (RFC 2195): the client answers a challenge by its name
// and the challenge's HMAC, whose key is the password.
type cramServer struct {
	c         Credentials
	challenge func() string
	said      string // "" before
}

func (m *cramServer) next(ctx context.Context, who *Identity, response []byte) ([]byte, bool, error) {
	switch {
	case m.said == "" && response != nil:
		return nil, false, ErrInitial
	case m.said == "":
		m.said = m.challenge()
		return []byte(m.said), false, nil
	}
	// RFC 2195 §2: user, a space, the digest in hexadecimal. A name may have spaces.
	space := bytes.LastIndexByte(response, ' ')
	if space < 0 {
		return nil, false, ErrMalformed
	}
	digest, err := hex.DecodeString(string(response[space+1:]))
	if err != nil || len(digest) != md5.Size {
		return nil, false, ErrMalformed
	}
	who.User = string(response[:space])
	prepared, secret, err := lookup(ctx, m.c, who.User)
	if err != nil {
		return nil, false, err
	}
	if right := hmac.Equal(digest, cramDigest(secret.Password, m.said)); !right || secret.Account == "" {
		return nil, false, ErrRefused
	}
	*who = Identity{User: prepared, Account: secret.Account}
	return nil, true, nil
}

func cramDigest(password, challenge string) []byte {
	mac := hmac.New(md5.New, []byte(password))
	mac.Write([]byte(challenge))
	return mac.Sum(nil)
}
