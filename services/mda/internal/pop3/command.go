package pop3

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// command is one parsed line.
type command struct {
	verb string   // upper case
	args []string // separated by white space
	rest string   // all that follows the verb and one space, as it came
}

// errSyntax says that a line is no command.
var errSyntax = errors.New("not a command")

// parse reads a line without its line end. People type: case does not matter,
// nor do further spaces. Control characters and what is not UTF-8 are refused.
func parse(line []byte) (command, error) {
	if !utf8.Valid(line) {
		return command{}, errSyntax
	}
	s := strings.TrimLeft(string(line), " \t")
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return command{}, errSyntax
	}
	verb, rest := s, ""
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		verb, rest = s[:i], s[i+1:]
	}
	if verb == "" || notLetter(rune(verb[0])) || strings.ContainsFunc(verb, notAlnum) {
		return command{}, errSyntax
	}
	return command{verb: strings.ToUpper(verb), args: strings.Fields(rest), rest: rest}, nil
}

func notLetter(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }

func notAlnum(r rune) bool { return notLetter(r) && (r < '0' || r > '9') }

// number reads an argument as a decimal number from 0 to 999,999,999.
func number(s string) (int, bool) {
	if len(s) > 9 || strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// state is a state of RFC 1939 §3. UPDATE is entered and left within QUIT, no
// command is given in it.
type state int

const (
	authorization state = 1 << iota
	transaction
)

// rule says when a command may be given, with how many arguments, and who
// carries it out. The handler replies; its error ends the session.
type rule struct {
	states   state
	min, max int
	run      func(s *session, ctx context.Context, c command) error
}

// anyArgs is for arguments that are not words: a password may hold spaces.
const anyArgs = 1 << 20

// rules is the state table.
var rules = map[string]rule{
	"USER": {authorization, 1, 1, (*session).user},
	"PASS": {authorization, 0, anyArgs, (*session).pass},
	"AUTH": {authorization, 1, 2, (*session).auth},
	"STLS": {authorization, 0, 0, (*session).stls},
	"UTF8": {authorization, 0, 0, (*session).utf8Mode}, // RFC 6856 §2.1: only there
	"CAPA": {authorization | transaction, 0, 0, (*session).capa},
	"QUIT": {authorization | transaction, 0, 0, (*session).quit},
	"STAT": {transaction, 0, 0, (*session).stat},
	"LIST": {transaction, 0, 1, (*session).list},
	"UIDL": {transaction, 0, 1, (*session).uidl},
	"RETR": {transaction, 1, 1, (*session).retr},
	"TOP":  {transaction, 2, 2, (*session).top},
	"DELE": {transaction, 1, 1, (*session).dele},
	"NOOP": {transaction, 0, 0, (*session).noop},
	"RSET": {transaction, 0, 0, (*session).rset},
}
