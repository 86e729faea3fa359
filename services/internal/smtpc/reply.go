package smtpc

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"correio/services/internal/reason"
	"correio/services/internal/reply"
)

// Bounds of one reply. RFC 5321 §4.5.3.1.5 allows lines of 512 octets; some
// servers need more.
const (
	maxReplyLine  = 2048
	maxReplyLines = 128
)

// Errors of a server that does not speak the protocol.
var (
	ErrReplyTooLong = reason.NewFault(reason.ReplyTooLong)
	ErrReplySyntax  = reason.NewFault(reason.NotSMTP)
)

// readLine reads one line without its line end (LF, or CRLF).
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), err == nil && len(line) > maxReplyLine:
		return "", ErrReplyTooLong
	case err != nil:
		return "", err
	}
	return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), nil
}

// readReply reads one reply, telling seen about each of its lines.
func readReply(r *bufio.Reader, seen func(line string)) (reply.Reply, error) {
	var rep reply.Reply
	for range maxReplyLines {
		line, err := readLine(r)
		if err != nil {
			return reply.Reply{}, err
		}
		seen(line)
		code, more, text, err := parseReplyLine(line)
		if err != nil {
			return reply.Reply{}, err
		}
		if rep.Code != 0 && code != rep.Code {
			// RFC 5321 §4.2.1: every line of a reply has the same code.
			return reply.Reply{}, fmt.Errorf("%w: %d within a reply %d", ErrReplySyntax, code, rep.Code)
		}
		rep.Code = code
		rep.Lines = append(rep.Lines, printable(text))
		if !more {
			return splitEnhanced(rep), nil
		}
	}
	return reply.Reply{}, ErrReplyTooLong
}

// printable turns control characters, which RFC 5321 §4.2 does not allow, into
// spaces: a reply ends up in reports, logs and on terminals.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// parseReplyLine reads Reply-code [ SP textstring ] or Reply-code "-" … (RFC
// 5321 §4.2). A server may leave the text out, even the space.
func parseReplyLine(line string) (code int, more bool, text string, err error) {
	if len(line) < 3 {
		return 0, false, "", fmt.Errorf("%w: %q", ErrReplySyntax, line)
	}
	code, err = strconv.Atoi(line[:3])
	if err != nil || code < 200 || code > 599 {
		return 0, false, "", fmt.Errorf("%w: %q", ErrReplySyntax, line)
	}
	if len(line) == 3 {
		return code, false, "", nil
	}
	switch line[3] {
	case ' ':
		return code, false, line[4:], nil
	case '-':
		return code, true, line[4:], nil
	}
	return 0, false, "", fmt.Errorf("%w: %q", ErrReplySyntax, line)
}

// splitEnhanced takes the enhanced code off the lines that begin with it. The
// first line decides (RFC 2034 §4); a code of another class is plain text.
func splitEnhanced(rep reply.Reply) reply.Reply {
	word, _, _ := strings.Cut(rep.Lines[0], " ")
	e, ok := parseEnhanced(word)
	if !ok || e[0] != rep.Code/100 {
		return rep
	}
	rep.Enhanced = e
	for i, line := range rep.Lines {
		if rest, ok := strings.CutPrefix(line, word); ok && (rest == "" || rest[0] == ' ') {
			rep.Lines[i] = strings.TrimPrefix(rest, " ")
		}
	}
	return rep
}

// parseEnhanced reads class "." subject "." detail (RFC 3463 §2).
func parseEnhanced(s string) (reply.Enhanced, bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return reply.Enhanced{}, false
	}
	var e reply.Enhanced
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 10)
		if err != nil || n > 999 || len(p) > 3 {
			return reply.Enhanced{}, false
		}
		e[i] = int(n)
	}
	return e, e[0] == 2 || e[0] == 4 || e[0] == 5
}

// QueuedAs finds in a reply the name that the next server gave the message:
// the word behind "queued as" or "stored as", as most MTAs say it. It is 4 to
// 64 letters, digits or inner "-_."; anything else yields "".
func QueuedAs(r reply.Reply) string {
	for _, line := range r.Lines {
		lower := asciiLower(line)
		for _, mark := range []string{"queued as ", "stored as "} {
			if i := strings.Index(lower, mark); i >= 0 {
				if id := queueWord(line[i+len(mark):]); id != "" {
					return id
				}
			}
		}
	}
	return ""
}

// asciiLower keeps every octet's position, which strings.ToLower does not.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func queueWord(s string) string {
	end := 0
	for end < len(s) && (isAlnum(s[end]) || strings.IndexByte("-_.", s[end]) >= 0) {
		end++
	}
	word := strings.Trim(s[:end], "-_.")
	if len(word) < 4 || len(word) > 64 || !strings.HasPrefix(s, word) {
		return ""
	}
	return word
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
