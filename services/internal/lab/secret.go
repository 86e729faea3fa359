package lab

import "crypto/subtle"

// equalSecret compares in a time that does not tell where the two differ.
func equalSecret(want, got string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1
}
