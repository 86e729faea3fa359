package command

import (
	"errors"
	"strings"

	"correio/services/internal/mailaddr"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
)

// maxParams bounds the parameters of one command; all that are registered
// together are fewer.
const maxParams = 16

// parsePath reads what stands behind MAIL or RCPT: a keyword, a path, and
// parameters.
func (c *Command) parsePath(keyword string, syntax, address reply.Reply) error {
	if len(c.Arg) < len(keyword) || !strings.EqualFold(c.Arg[:len(keyword)], keyword) {
		return syntax.Err(nil)
	}
	s := strings.TrimLeft(c.Arg[len(keyword):], " ")
	var rest string
	var err error
	if strings.HasPrefix(s, "<") {
		c.Path, rest, err = mailaddr.ParsePath(s)
	} else {
		c.Path, rest, err = bareAddress(s)
		c.Notes = append(c.Notes, reason.New(reason.NoBrackets))
	}
	switch {
	case err != nil:
		return c.badPath(err, address).Err(err)
	case rest != "" && rest[0] != ' ':
		// Garbage behind the bracket, such as <>>> or <a@b>SIZE=1.
		return syntax.Err(nil)
	case c.Verb == Rcpt && c.Path.Null(),
		c.Verb == Mail && c.Path.Domain == "" && !c.Path.Null():
		// RFC 5321 §4.1.2: only a reverse-path may be null; only a forward-path
		// may be the bare postmaster.
		return address.Err(nil)
	}
	return c.parseParams(strings.TrimLeft(rest, " "))
}

// badPath is what is said about a path that is none.
func (c *Command) badPath(err error, otherwise reply.Reply) reply.Reply {
	switch sender := c.Verb == Mail; {
	case errors.Is(err, mailaddr.ErrIDN) && sender:
		return errFromIDN
	case errors.Is(err, mailaddr.ErrIDN):
		return errToIDN
	case errors.Is(err, mailaddr.ErrTooLong) && sender:
		return errFromLong // RFC 5321 §4.5.3.1.9
	case errors.Is(err, mailaddr.ErrTooLong):
		return errToLong
	}
	return otherwise
}

// bareAddress reads an address that was typed without brackets, as teaching
// material prints it. Only a whole user@domain will do.
func bareAddress(s string) (mailaddr.Address, string, error) {
	mailbox, rest := s, ""
	if i := strings.IndexByte(s, ' '); i >= 0 {
		mailbox, rest = s[:i], s[i:]
	}
	a, err := mailaddr.Parse(mailbox)
	if err == nil && a.Domain == "" {
		err = mailaddr.ErrSyntax
	}
	if len(mailbox)+len("<>") > mailaddr.MaxPath {
		err = mailaddr.ErrTooLong
	}
	return a, rest, err
}

// parseParams reads esmtp-param *(SP esmtp-param) (RFC 5321 §4.1.2).
func (c *Command) parseParams(s string) error {
	if s == "" {
		return nil
	}
	for word := range strings.SplitSeq(s, " ") {
		key, value, has := strings.Cut(word, "=")
		p := Param{Key: strings.ToUpper(key), Value: value, HasValue: has}
		if !isKeyword(key) || !isValue(value) || has && value == "" || len(c.Params) == maxParams {
			return errParam.Err(nil)
		}
		for _, other := range c.Params {
			if other.Key == p.Key {
				return errTwice.Err(nil)
			}
		}
		c.Params = append(c.Params, p)
	}
	return nil
}

// isKeyword checks esmtp-keyword: (ALPHA / DIGIT) *(ALPHA / DIGIT / "-").
func isKeyword(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (c != '-' || i == 0) {
			return false
		}
	}
	return s != ""
}

// isValue checks esmtp-value: printable characters without "=" (RFC 5321
// §4.1.2), and UTF-8 (RFC 6531 §3.3). Control characters are refused before.
func isValue(s string) bool { return !strings.ContainsAny(s, "= ") }
