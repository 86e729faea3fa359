package command

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// maxDigits is RFC 1870 §6's; RFC 3030 has no bound.
const maxDigits = 20

// parseBdat reads chunk-size [ SP end-marker ] (RFC 3030 §2). The octets behind
// the line are coming whatever is wrong with the rest of it, so their number is
// kept where it can be read.
func (c *Command) parseBdat() error {
	number, mark, marked := strings.Cut(c.Arg, " ")
	c.Last = marked && strings.EqualFold(strings.TrimLeft(mark, " "), "LAST")
	size, ok := ParseOctets(number)
	switch {
	case c.Arg == "": // no number, so nobody has sent anything behind it
		return errBdat.Err(nil)
	case !ok:
		c.Size = -1
		return errBdat.Err(nil)
	}
	c.Size = size
	if marked && !c.Last {
		return errBdat.Err(nil)
	}
	return nil
}

// ParseOctets reads a number of octets as BDAT and SIZE (RFC 1870 §6) give it.
// What is more than 63 bits is more than anybody takes.
func ParseOctets(s string) (int64, bool) {
	if s == "" || len(s) > maxDigits || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return math.MaxInt64, true
	}
	return n, err == nil
}
