package headsample_test

import (
	"strings"
	"testing"

	"correio/services/internal/headsample"
)

func TestValues(t *testing.T) {
	const message = "Delivered-To: todos@boreal.test\r\nReceived: by x\r\n\ty\r\nDELIVERED-TO :\r\n <ana@aurora.test>\r\n\t(Ana) \r\n" +
		"Delivered-Tom: x\r\n y\r\n\r\nDelivered-To: body@x.test\r\n"
	for _, chunk := range []int{1, 7, len(message)} {
		v := headsample.Values{Name: "Delivered-To"}
		s := headsample.Scanner{Line: v.Line}
		for rest := message; rest != ""; rest = rest[min(chunk, len(rest)):] {
			s.Write([]byte(rest[:min(chunk, len(rest))]))
		}
		s.End()
		if got := strings.Join(v.List, "|"); got != "todos@boreal.test|<ana@aurora.test> (Ana)" {
			t.Errorf("by %d octets: %q", chunk, got)
		}
	}
}

func TestValuesAreBounded(t *testing.T) {
	v := headsample.Values{Name: "x"}
	s := headsample.Scanner{Line: v.Line}
	s.Write([]byte(strings.Repeat("X: "+strings.Repeat("x", 5000)+"\r\n"+strings.Repeat("\t"+strings.Repeat("y", 500)+"\r\n", 10), 1000)))
	s.End()
	if n := len(strings.Join(v.List, "")); len(v.List) != headsample.MaxValues || n > headsample.MaxValues*(headsample.MaxLine+1) {
		t.Errorf("%d values of %d octets are kept", len(v.List), n)
	}
}
