// Package reply holds SMTP replies as values: one reply, made where the
// decision is taken, written by one writer. And it explains them: Catalogue is
// the table of every code that the lab's servers say, in both languages, with
// recipes that provoke it (done.go, temporary.go, permanent.go).
package reply

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLine bounds one line of a reply on the wire, in octets with code and CRLF
// (RFC 5321 §4.5.3.1.5). Longer texts are written on several lines.
const MaxLine = 512

// Enhanced is an enhanced status code (RFC 3463): class, subject, detail. The
// zero value means none.
type Enhanced [3]int

// String writes the code as "5.1.1", or "" for none.
func (e Enhanced) String() string {
	if e == (Enhanced{}) {
		return ""
	}
	return string(e.append(nil))
}

func (e Enhanced) append(b []byte) []byte {
	for i, n := range e {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	return b
}

// Reply is one answer of an SMTP or LMTP server.
type Reply struct {
	Code     int      // 200 to 599
	Enhanced Enhanced // repeated on every line of the reply (RFC 2034 §4)
	Lines    []string // text without code; one line at least
	// Close makes the server end the connection after the reply.
	Close bool
}

// New makes a reply of one line for each text, and of an empty one without.
// enhanced is "2.1.0" or "" for none; it must be well formed and of the code's
// class, and the code a reply's, or New panics: replies are made from
// constants.
func New(code int, enhanced string, lines ...string) Reply {
	e, err := parseEnhanced(enhanced)
	if err != nil || code < 200 || code > 599 || e != (Enhanced{}) && (e[0] != code/100 || e[0] == 3) {
		panic(fmt.Sprintf("reply: enhanced code %q does not go with %d", enhanced, code))
	}
	return Reply{Code: code, Enhanced: e, Lines: lines}
}

// Newf is New with a format. Whatever a peer sent must go in by %q or through
// the encoder of its type (mailaddr.Address, for one); line ends and other
// control characters are turned into spaces all the same.
func Newf(code int, enhanced, format string, args ...any) Reply {
	return New(code, enhanced, clean(fmt.Sprintf(format, args...)))
}

// WithClose returns the reply with Close set.
func (r Reply) WithClose() Reply {
	r.Close = true
	return r
}

// Positive reports whether the reply is a 2xx or 3xx.
func (r Reply) Positive() bool { return r.Code >= 200 && r.Code < 400 }

// Temporary reports whether the reply is a 4xx.
func (r Reply) Temporary() bool { return r.Code/100 == 4 }

// Permanent reports whether the reply is a 5xx.
func (r Reply) Permanent() bool { return r.Code/100 == 5 }

// String writes the reply on one line, as logs and bounces quote it.
func (r Reply) String() string {
	head := strconv.Itoa(r.Code)
	if r.Enhanced != (Enhanced{}) {
		head += " " + r.Enhanced.String()
	}
	return strings.TrimRight(head+" "+clean(strings.Join(r.Lines, " / ")), " ")
}

// AppendWire appends the reply as it goes over the socket, each line ended by
// CRLF (RFC 5321 §4.2.1). A text that is too long for one line is folded into
// several, at a space where there is one.
func (r Reply) AppendWire(b []byte) []byte {
	if len(r.Lines) == 0 {
		return r.appendLine(b, "", true)
	}
	for i, line := range r.Lines {
		last := i == len(r.Lines)-1
		line = clean(line)
		for len(line) > maxText {
			var head string
			head, line = fold(line)
			b = r.appendLine(b, head, false)
		}
		b = r.appendLine(b, line, last)
	}
	return b
}

// maxText leaves room for the code, the longest enhanced code and the CRLF.
const maxText = MaxLine - len("250-5.999.999 \r\n")

func (r Reply) appendLine(b []byte, text string, last bool) []byte {
	b = strconv.AppendInt(b, int64(r.Code), 10)
	if last {
		b = append(b, ' ')
	} else {
		b = append(b, '-')
	}
	if r.Enhanced != (Enhanced{}) {
		b = append(r.Enhanced.append(b), ' ')
	}
	return append(append(b, text...), '\r', '\n')
}

// fold cuts off what one line can hold, never inside a character.
func fold(text string) (head, rest string) {
	cut := maxText
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	if space := strings.LastIndexByte(text[:cut], ' '); space > maxText/2 {
		return text[:space], text[space+1:]
	}
	return text[:cut], text[cut:]
}

// Error lets a reply travel as an error: what a policy decided, together with
// the cause that only the log is told.
type Error struct {
	Reply Reply
	Cause error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Reply.String()
	}
	return e.Reply.String() + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Err makes an error of a refusal.
func (r Reply) Err(cause error) error { return &Error{Reply: r, Cause: cause} }

// Of returns the reply that an error carries. An error that carries none is
// ours and temporary: 451 4.3.0, without a word of the cause.
func Of(err error) Reply {
	var e *Error
	if errors.As(err, &e) {
		return e.Reply
	}
	return New(451, "4.3.0", "Local error in processing; try again later")
}

// parseEnhanced reads "class.subject.detail" (RFC 3463 §2): class 2, 4 or 5,
// the others up to 999.
func parseEnhanced(s string) (Enhanced, error) {
	var e Enhanced
	if s == "" {
		return e, nil
	}
	rest := s
	for i := range e {
		var part string
		part, rest, _ = strings.Cut(rest, ".")
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || n > 999 || len(part) > 3 || strconv.Itoa(int(n)) != part {
			return Enhanced{}, fmt.Errorf("enhanced code %q", s)
		}
		e[i] = int(n)
	}
	if rest != "" || strings.Count(s, ".") != 2 || e[0] != 2 && e[0] != 4 && e[0] != 5 {
		return Enhanced{}, fmt.Errorf("enhanced code %q", s)
	}
	return e, nil
}

// clean replaces control characters, those of ISO 8859-1's upper half and what
// is not UTF-8 included, so that no text breaks out of its line. Other text is
// kept as it is.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
