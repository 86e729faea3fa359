package sasl

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

// Client is the client's side of one exchange.
type Client interface {
	// Start returns the initial response, nil where the server speaks first.
	Start() ([]byte, error)
	// Next answers a challenge. After an error the exchange is to be cancelled.
	Next(challenge []byte) ([]byte, error)
	// Done is called when the server has said that all is well. It fails when
	// the server had to prove that it knows the password, and did not.
	Done() error
}

// Choose returns the strongest of the mechanisms that a server offers, or
// false when it offers none that we know. Mechanisms that send the password as
// it is are passed over unless bare is set. Names know no case.
func Choose(offered []string, bare bool) (string, bool) {
	for _, m := range Mechanisms {
		if (bare || !Bare(m)) && slices.ContainsFunc(offered, func(o string) bool { return strings.EqualFold(o, m) }) {
			return m, true
		}
	}
	return "", false
}

// NewClient begins an exchange for a user.
func NewClient(mechanism, user, password string) (Client, error) {
	switch mechanism {
	case Plain:
		if strings.ContainsRune(user+password, 0) {
			return nil, fmt.Errorf("%s: NUL in name or password", mechanism)
		}
		return &plainClient{message: "\x00" + user + "\x00" + password}, nil
	case Login:
		return &loginClient{secrets: []string{user, password}}, nil
	case CRAMMD5:
		return &cramClient{user: user, password: password}, nil
	case SCRAMSHA256:
		c, err := scram.SHA256.NewClient(user, password, "")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", mechanism, err)
		}
		return &scramClient{conv: c.NewConversation()}, nil
	}
	return nil, fmt.Errorf("unknown mechanism %q", mechanism)
}

// ErrChallenge says that the server asks for what the mechanism does not have.
var ErrChallenge = errors.New("the server asks for more than the mechanism has")

func errChallenge(mechanism string) error { return fmt.Errorf("%s: %w", mechanism, ErrChallenge) }

type plainClient struct {
	message string
	again   bool
}

func (c *plainClient) Start() ([]byte, error) { return []byte(c.message), nil }

// Next answers the empty challenge of a server that wants the response by
// itself, though it has had it.
func (c *plainClient) Next(challenge []byte) ([]byte, error) {
	if len(challenge) > 0 || c.again {
		return nil, errChallenge(Plain)
	}
	c.again = true
	return []byte(c.message), nil
}

func (c *plainClient) Done() error { return nil }

// loginClient answers two questions, whatever their words.
type loginClient struct{ secrets []string }

func (c *loginClient) Start() ([]byte, error) { return nil, nil }

func (c *loginClient) Next([]byte) ([]byte, error) {
	if len(c.secrets) == 0 {
		return nil, errChallenge(Login)
	}
	answer := c.secrets[0]
	c.secrets = c.secrets[1:]
	return []byte(answer), nil
}

func (c *loginClient) Done() error { return nil }

type cramClient struct {
	user, password string
	over           bool
}

func (c *cramClient) Start() ([]byte, error) { return nil, nil }

func (c *cramClient) Next(challenge []byte) ([]byte, error) {
	if c.over || len(challenge) == 0 {
		return nil, errChallenge(CRAMMD5)
	}
	c.over = true
	password := c.password
	if prepared, err := Prepare(password); err == nil {
		password = prepared
	}
	return []byte(c.user + " " + hex.EncodeToString(cramDigest(password, string(challenge)))), nil
}

func (c *cramClient) Done() error { return nil }

type scramClient struct {
	conv  *scram.ClientConversation
	first string
	again bool
	at    int
}

func (c *scramClient) Start() ([]byte, error) {
	var err error
	c.first, err = c.conv.Step("")
	return []byte(c.first), err
}

// Next answers server-first by the proof, and server-final, whose signature it
// checks, by nothing; and an empty challenge as plainClient does.
func (c *scramClient) Next(challenge []byte) ([]byte, error) {
	if len(challenge) == 0 && c.at == 0 && !c.again {
		c.again = true
		return []byte(c.first), nil
	}
	c.at++
	switch {
	case c.at > 2:
		return nil, errChallenge(SCRAMSHA256)
	case c.at == 1 && tooMany(string(challenge)):
		return nil, errIterations
	}
	response, err := c.conv.Step(string(challenge))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", SCRAMSHA256, err)
	}
	return []byte(response), nil
}

// tooMany reports whether server-first asks for more work than a client does
// for anybody.
func tooMany(serverFirst string) bool {
	for field := range strings.SplitSeq(serverFirst, ",") {
		if count, ok := strings.CutPrefix(field, "i="); ok {
			if n, err := strconv.Atoi(count); err != nil || n > maxIterations {
				return true
			}
		}
	}
	return false
}

// Done implements Client.
func (c *scramClient) Done() error {
	if !c.conv.Valid() {
		return errUnproved
	}
	return nil
}
