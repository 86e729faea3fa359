package text_test

import (
	"testing"

	"correio/services/internal/text"
)

func TestIsASCIILooksAtOctets(t *testing.T) {
	for in, want := range map[string]bool{
		"": true, "a b~": true, "\x00\r\n\x7f": true, "\x80": false, "olá": false, "ends in \xff": false, "\u00a0": false, "\ufffd": false,
	} {
		if got := text.IsASCII(in); got != want {
			t.Errorf("IsASCII(%q) = %t", in, got)
		}
		if got := text.IsASCII([]byte(in)); got != want {
			t.Errorf("IsASCII([]byte(%q)) = %t", in, got)
		}
	}
}

func TestIsASCIICopiesNothing(t *testing.T) {
	message := make([]byte, 64<<10)
	if n := testing.AllocsPerRun(10, func() { text.IsASCII(message) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
