package command_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"correio/services/internal/reply"
	"correio/services/internal/smtpd/command"
)

func TestBdat(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"BDAT 0":                                "0 false 0",
		"bdat 12 last":                          "12 true 0",
		"BDAT 86000 LAST":                       "86000 true 0",
		"BDAT  5   LAST  ":                      "5 true 0", // people type
		"BDAT 0000000000000000007":              "7 false 0",
		"BDAT 9223372036854775808":              fmt.Sprint(math.MaxInt64, " false 0"),
		"BDAT 99999999999999999999 LAST":        fmt.Sprint(math.MaxInt64, " true 0"),
		"BDAT":                                  "0 false 501",
		"BDAT ":                                 "0 false 501",
		"BDAT 5 FIRST":                          "5 false 501",
		"BDAT 5 LAST x":                         "5 false 501",
		"BDAT 5 LAST LAST":                      "5 false 501",
		"BDAT LAST":                             "-1 false 501",
		"BDAT -1":                               "-1 false 501",
		"BDAT +1":                               "-1 false 501",
		"BDAT 1x":                               "-1 false 501",
		"BDAT 0x10":                             "-1 false 501",
		"BDAT 1.5":                              "-1 false 501",
		"BDAT 1\x00":                            "-1 false 501",
		"BDAT 1\tLAST":                          "-1 false 501",
		"BDAT ١":                                "-1 false 501", // a digit, but not one of DIGIT
		"BDAT " + strings.Repeat("0", 20) + "1": "-1 false 501",
	} {
		c, err := command.Parse([]byte(line))
		code := 0
		if err != nil {
			code = reply.Of(err).Code
		}
		if got := fmt.Sprint(c.Size, c.Last, code); got != strings.ReplaceAll(want, "  ", " ") || c.Verb != command.Bdat {
			t.Errorf("%q: got %s, want %s", line, got, want)
		}
	}
}

// FuzzBdat: what is accepted has one meaning, which its plainest form has, too;
// and what is refused tells how many octets follow, if anybody can know.
func FuzzBdat(f *testing.F) {
	for _, arg := range []string{"0", "5 LAST", "5 FIRST", "", "LAST", "99999999999999999999", "-1", "1\x00", " 1  last "} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		c, err := command.Parse([]byte("BDAT " + arg))
		switch {
		case c.Verb != command.Bdat:
			t.Fatalf("%q: verb %s", arg, c.Verb)
		case err != nil && (reply.Of(err).Code != 501 || c.Size < -1):
			t.Fatalf("%q: %+v, %v", arg, c, err)
		case err != nil:
			return
		case c.Size < 0 || strings.Trim(strings.ToUpper(arg), "0123456789LAST ") != "":
			t.Fatalf("%q: accepted as %d", arg, c.Size)
		}
		plain := fmt.Sprintf("BDAT %d", c.Size)
		if c.Last {
			plain += " LAST"
		}
		again, err := command.Parse([]byte(plain))
		if err != nil || again.Size != c.Size || again.Last != c.Last {
			t.Fatalf("%q is %+v, but %q is %+v, %v", arg, c, plain, again, err)
		}
	})
}
