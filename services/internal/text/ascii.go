package text

import "unicode/utf8"

// IsASCII reports whether every octet is one of US-ASCII, control characters and
// none at all included.
func IsASCII[S ~string | ~[]byte](s S) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
