package run

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
)

// goMechanism is what go-smtp authenticates with. go-sasl has PLAIN and LOGIN of
// its own; the others are written out here, because go-smtp takes any, and in
// them the server has more to say.
func goMechanism(name, password string) (sasl.Client, error) {
	switch name {
	case "PLAIN":
		return sasl.NewPlainClient("", user, password), nil
	case "LOGIN":
		return sasl.NewLoginClient(user, password), nil
	case "CRAM-MD5":
		return cramMD5{password}, nil
	case "SCRAM-SHA-256":
		return &scram{password: password, bare: "n=" + user + ",r=" + rand.Text()}, nil
	}
	return nil, fmt.Errorf("no client for %s", name)
}

func mac(new func() hash.Hash, key []byte, text string) []byte {
	h := hmac.New(new, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// cramMD5 is the client of RFC 2195.
type cramMD5 struct{ password string }

func (cramMD5) Start() (string, []byte, error) { return "CRAM-MD5", nil, nil }

func (c cramMD5) Next(challenge []byte) ([]byte, error) {
	return []byte(user + " " + hex.EncodeToString(mac(md5.New, []byte(c.password), string(challenge)))), nil
}

// scram is the client of SCRAM-SHA-256 (RFC 5802 §5, RFC 7677).
type scram struct {
	password  string
	bare      string // client-first-message-bare
	signature string // what proves that the server knows the password too
	proved    bool
}

func (s *scram) Start() (string, []byte, error) { return "SCRAM-SHA-256", []byte("n,," + s.bare), nil }

func (s *scram) Next(challenge []byte) ([]byte, error) {
	if s.signature == "" {
		return s.final(string(challenge))
	}
	if s.proved || string(challenge) != "v="+s.signature {
		return nil, fmt.Errorf("the server's last word is %q, want its signature %s once", challenge, s.signature)
	}
	s.proved = true
	return []byte{}, nil
}

func (s *scram) final(serverFirst string) ([]byte, error) {
	said := map[string]string{}
	for attribute := range strings.SplitSeq(serverFirst, ",") {
		name, value, _ := strings.Cut(attribute, "=")
		said[name] = value
	}
	_, mine, _ := strings.Cut(s.bare, ",r=")
	salt, saltErr := base64.StdEncoding.DecodeString(said["s"])
	rounds, roundsErr := strconv.Atoi(said["i"])
	if err := errors.Join(saltErr, roundsErr); err != nil || rounds < 4096 || !strings.HasPrefix(said["r"], mine) || said["r"] == mine {
		return nil, fmt.Errorf("challenge %q: %w", serverFirst, errors.Join(err, errors.New("not a server-first-message")))
	}
	salted, err := pbkdf2.Key(sha256.New, s.password, salt, rounds, sha256.Size)
	if err != nil {
		return nil, err
	}
	withoutProof := "c=" + base64.StdEncoding.EncodeToString([]byte("n,,")) + ",r=" + said["r"]
	text := s.bare + "," + serverFirst + "," + withoutProof
	clientKey := mac(sha256.New, salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	proof := make([]byte, sha256.Size)
	subtle.XORBytes(proof, clientKey, mac(sha256.New, storedKey[:], text))
	s.signature = base64.StdEncoding.EncodeToString(mac(sha256.New, mac(sha256.New, salted, "Server Key"), text))
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}
