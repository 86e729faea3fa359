// Package command reads SMTP and LMTP command lines: pure functions from a line
// to a typed Command, or to the reply that refuses it.
//
// The grammar is RFC 5321 §4.1's, kept to the letter where a lax reading has
// hurt (nothing may follow the closing bracket of a path but a space and
// parameters, no control characters anywhere) and relaxed where people type:
// any case, spaces behind the colon of MAIL FROM:, trailing spaces, and a full
// address without its angle brackets. What was relaxed is told in Notes.
package command

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"correio/services/internal/mailaddr"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/internal/text"
)

// Command is one parsed command line.
type Command struct {
	Verb Verb
	// Arg is the argument as it was typed, without the spaces around it: the
	// name of HELO, the word that HELP is asked about, the mechanism of AUTH in
	// capitals.
	Arg string
	// Initial is the initial response of AUTH, "" when there is none. It is a
	// secret.
	Initial string
	// Path and Params are those of MAIL and RCPT; VRFY and EXPN may have SMTPUTF8
	// for a Param.
	Path   mailaddr.Address
	Params []Param
	// Size and Last are those of BDAT. With an error, Size is how many octets
	// follow all the same, or -1 when nobody can know.
	Size int64
	Last bool
	// Notes are what was accepted out of kindness.
	Notes []reason.Reason
}

// Param is one ESMTP parameter of MAIL or RCPT (RFC 5321 §4.1.1.11).
type Param struct {
	Key      string // in capitals
	Value    string
	HasValue bool // tells "KEY=" from "KEY"
}

// Replies of the parser.
var (
	errEmpty     = reply.New(500, "5.5.2", "Empty line; type HELP for a list of commands")
	errIndent    = reply.New(500, "5.5.2", "A command stands at the very beginning of its line")
	errVerb      = reply.New(500, "5.5.2", "Command holds characters that no command has")
	errUnknown   = reply.New(500, "5.5.1", "Unknown command; type HELP for a list of commands")
	errControl   = reply.New(501, "5.5.4", "Control characters are not allowed in arguments")
	errUTF8      = reply.New(501, "5.5.4", "Argument is not ASCII or UTF-8")
	errASCII     = reply.New(501, "5.5.4", "Argument must be ASCII")
	errNoArg     = reply.New(501, "5.5.4", "This command takes no argument")
	errMailFrom  = reply.New(501, "5.5.4", "Syntax: MAIL FROM:<reverse-path> [parameters]")
	errRcptTo    = reply.New(501, "5.5.4", "Syntax: RCPT TO:<forward-path> [parameters]")
	errSender    = reply.New(501, "5.1.7", "Bad sender address; it goes like <user@domain>, or <> for none")
	errRecipient = reply.New(501, "5.1.3", "Bad recipient address; it goes like <user@domain>")
	errFromLong  = reply.New(501, "5.1.7", "Path too long: it has 256 octets at most, 64 of them before the @")
	errToLong    = reply.New(501, "5.1.3", "Path too long: it has 256 octets at most, 64 of them before the @")
	errFromIDN   = reply.New(501, "5.1.7", "Bad sender address; its domain is no valid internationalised name (RFC 5891)")
	errToIDN     = reply.New(501, "5.1.3", "Bad recipient address; its domain is no valid internationalised name (RFC 5891)")
	errParam     = reply.New(501, "5.5.4", "Bad parameter; they go like KEY or KEY=VALUE, separated by one space")
	errTwice     = reply.New(501, "5.5.4", "Parameter given twice")
	errVrfy      = reply.New(501, "5.5.4", "Name a user or mailbox")
	errAuth      = reply.New(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
	errBdat      = reply.New(501, "5.5.4", "Syntax: BDAT octets [LAST]")
)

// Parse reads one line, without its line end. The error carries the reply; the
// command comes with it as far as it was understood, its Verb above all.
func Parse(line []byte) (Command, error) {
	verb, rest, _ := bytes.Cut(bytes.TrimRight(line, " "), []byte{' '})
	switch {
	case len(verb) == 0 && len(rest) == 0:
		return Command{}, errEmpty.Err(nil)
	case len(verb) == 0:
		return Command{}, errIndent.Err(nil)
	}
	for _, c := range verb {
		if c <= ' ' || c >= 0x7f {
			return Command{}, errVerb.Err(nil)
		}
	}
	c := Command{Verb: VerbOf(string(verb)), Arg: string(bytes.Trim(rest, " "))}
	switch c.Verb {
	case Unknown:
		return c, errUnknown.Err(nil)
	case HTTP, Turn, Send, Soml, Saml, Etrn, Atrn:
		return c, nil // refused whatever their arguments
	case Bdat:
		return c, c.parseBdat()
	}
	if err := checkText(c.Arg); err != nil {
		return c, err
	}
	return c, c.parseArg()
}

// checkText lets UTF-8 without control characters pass.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return errUTF8.Err(nil)
	}
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return errControl.Err(nil)
		}
	}
	return nil
}

func (c *Command) parseArg() error {
	switch c.Verb {
	case Mail:
		return c.parsePath("FROM:", errMailFrom, errSender)
	case Rcpt:
		return c.parsePath("TO:", errRcptTo, errRecipient)
	case Vrfy, Expn:
		return c.parseName() // RFC 6531 §3.7.4.2 lets UTF-8 in
	}
	if !text.IsASCII(c.Arg) {
		return errASCII.Err(nil)
	}
	switch c.Verb {
	case Helo, Ehlo, Lhlo:
		return c.parseHello()
	case Data, Rset, Quit, StartTLS:
		// RFC 5321 §4.1.1.4, .5, .10, RFC 3207 §4: no arguments.
		if c.Arg != "" {
			return errNoArg.Err(nil)
		}
	case Auth:
		return c.parseAuth()
	}
	return nil
}

// parseHello checks the client's name: a Domain or an address literal (RFC
// 5321 §4.1.1.1). Whether it is true is nobody's business (§4.1.4).
func (c *Command) parseHello() error {
	if mailaddr.IsDomain(strings.TrimSuffix(c.Arg, ".")) {
		return nil
	}
	if strings.HasPrefix(c.Arg, "[") {
		if _, err := mailaddr.Parse("a@" + c.Arg); err == nil {
			return nil
		}
	}
	return reply.New(501, "5.5.4", "Syntax: "+c.Verb.String()+" your.host.name or [your address]").Err(nil)
}

// parseName reads whom VRFY and EXPN ask about, and SMTPUTF8 behind it (RFC 6531
// §3.7.4.2).
func (c *Command) parseName() error {
	if c.Arg == "" {
		return errVrfy.Err(nil)
	}
	if i := strings.LastIndexByte(c.Arg, ' '); i >= 0 && strings.EqualFold(c.Arg[i+1:], "SMTPUTF8") {
		c.Arg, c.Params = strings.TrimRight(c.Arg[:i], " "), []Param{{Key: "SMTPUTF8"}}
	}
	return nil
}

// parseAuth splits mechanism and initial response (RFC 4954 §4).
func (c *Command) parseAuth() error {
	mechanism, initial, _ := strings.Cut(c.Arg, " ")
	c.Arg, c.Initial = strings.ToUpper(mechanism), initial
	if c.Arg == "" || strings.Contains(initial, " ") {
		return errAuth.Err(nil)
	}
	return nil
}
