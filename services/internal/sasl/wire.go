package sasl

import (
	"encoding/base64"
	"errors"
)

// ErrBase64 says that a response is not base64 (RFC 4648 §4).
var ErrBase64 = errors.New("not base64")

// Encode writes a challenge or a response as lines carry it.
func Encode(octets []byte) string { return base64.StdEncoding.EncodeToString(octets) }

// Decode reads a response, or a challenge. It never returns nil but with an
// error: an empty line is an empty response.
func Decode(s string) ([]byte, error) {
	octets, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(s) != base64.StdEncoding.EncodedLen(len(octets)) { // line ends within are passed over by the decoder
		return nil, ErrBase64
	}
	return append([]byte{}, octets...), nil
}

// EncodeInitial writes an initial response: an empty one as "=" (RFC 4954 §4,
// RFC 5034 §4).
func EncodeInitial(response []byte) string {
	if len(response) == 0 {
		return "="
	}
	return Encode(response)
}

// DecodeInitial reads the argument of AUTH behind the mechanism: nil when there
// is none.
func DecodeInitial(s string) ([]byte, error) {
	switch s {
	case "":
		return nil, nil
	case "=":
		return []byte{}, nil
	}
	return Decode(s)
}
