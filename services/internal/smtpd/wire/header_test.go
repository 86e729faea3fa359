package wire_test

import (
	"errors"
	"strings"
	"testing"

	"correio/services/internal/reply"
	"correio/services/internal/smtpd/wire"
)

// A header is measured to the line where readers see the body begin.
func TestHeader_Limit(t *testing.T) {
	t.Parallel()
	field := "Subject: " + strings.Repeat("x", 89) + "\r\n" // 100 octets
	for name, c := range map[string]struct {
		text string
		big  bool
	}{
		"as large as it may be":       {strings.Repeat(field, 2) + "\r\n" + strings.Repeat("y", 700), false},
		"one field more":              {strings.Repeat(field, 3), true},
		"continuations count":         {field + strings.Repeat("\t"+strings.Repeat("z", 97)+"\r\n", 2), true},
		"one line without end":        {"X: " + strings.Repeat("x", 300), true},
		"a name without end":          {strings.Repeat("x", 300), false},
		"no header at all":            {strings.Repeat("not a field\r\n", 60), false},
		"a body without empty line":   {field + "text: is a field\r\nthis is not\r\n" + strings.Repeat(field, 5), false},
		"an empty line first":         {"\r\n" + strings.Repeat(field, 5), false},
		"a continuation of nothing":   {" " + strings.Repeat(field, 5), false},
		"a line that is only a colon": {":\r\n" + strings.Repeat(field, 5), false},
	} {
		for _, chunk := range []int{1, 3, 100000} {
			c1, _ := open(c.text+"\r\n.\r\n", chunk)
			in := wire.NewContent(c1, wire.Rules{Pace: pace, Header: 202}, nil)
			_, err := readAll(in, 64)
			var e *reply.Error
			if big := errors.As(err, &e) && e.Reply.String() == wire.ReplyHeader.String(); big != c.big || !big && err != nil {
				t.Errorf("%s, chunks of %d: %v", name, chunk, err)
			}
		}
	}
}
