package pop3

// Parse is the command parser, for its fuzz target.
func Parse(line []byte) (verb string, args []string, rest string, err error) {
	c, err := parse(line)
	return c.verb, c.args, c.rest, err
}

// Number is the parser of numeric arguments.
var Number = number
