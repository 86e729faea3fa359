package bounce

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"unicode/utf8"

	"correio/services/internal/headsample"
	"correio/services/internal/text"
)

// returned is the third part.
type returned struct {
	kind     string // its content type
	content  []byte
	eightBit bool
	from     string // the host that brought the message, by its first Received line
}

// read reads what is to be returned. The message comes back whole where RET
// allows it (RFC 3461 §4.3), where it is not too long, and where a MIME part can
// hold it: a line without CRLF, of more than 998 octets or with a NUL, as
// BINARYMIME has them, means that the header alone comes back.
func (r *Report) read() (returned, error) {
	message, err := io.ReadAll(io.LimitReader(r.Message, MaxReturned+1))
	if err != nil {
		return returned{}, err
	}
	cut := len(message) > MaxReturned
	head := header(message[:min(len(message), MaxReturned)], cut)
	t := returned{kind: "message/rfc822", content: message, from: receivedFrom(head)}
	headers := r.Action != Failed || r.HeadersOnly || cut || !fitsMIME(message)
	if headers {
		t.kind, t.content = "text/rfc822-headers", head // RFC 6522 §4
	}
	if !text.IsASCII(head) && utf8.Valid(head) { // RFC 6533 §4
		t.kind = "message/global"
		if headers {
			t.kind = "message/global-headers"
		}
	}
	t.eightBit = !text.IsASCII(t.content)
	return t, nil
}

func (t returned) write(w io.Writer, boundary string) {
	encoding := "7bit"
	if t.eightBit {
		encoding = "8bit"
	}
	fmt.Fprintf(w, "\r\n--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", boundary, t.kind, encoding)
	_, _ = w.Write(t.content) // a bufio.Writer keeps its first error; Write returns it
}

// maxLine bounds a line, in octets without its line end (RFC 5322 §2.1.1).
const maxLine = 998

// header returns the lines up to the empty one, or to one that is none of a
// header: there the body begins, in messages that lack the empty one. Each is
// made fit for a MIME part: with CRLF, not too long, without control characters.
// When the message was cut, the last line is left out unless it is known to be
// whole.
func header(message []byte, cut bool) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(message) {
		if cut && line[len(line)-1] != '\n' {
			break
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 || !isHeader(line, b.Len() > 0) {
			break
		}
		for _, c := range shorten(line) {
			if c < ' ' && c != '\t' || c == 0x7f {
				c = '?'
			}
			b.WriteByte(c)
		}
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

// isHeader reports whether a line is a field, or goes on with the one before.
func isHeader(line []byte, before bool) bool {
	if line[0] == ' ' || line[0] == '\t' {
		return before
	}
	_, _, ok := headsample.Field(line)
	return ok
}

// shorten cuts a line to maxLine, not inside a character.
func shorten(line []byte) []byte {
	if len(line) <= maxLine {
		return line
	}
	end := maxLine
	for end > maxLine-utf8.UTFMax && !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end]
}

// fitsMIME reports whether octets are what 7bit and 8bit allow (RFC 2045 §2.7,
// §2.8): lines of up to 998 octets with CRLF, and no NUL.
func fitsMIME(message []byte) bool {
	if bytes.IndexByte(message, 0) >= 0 {
		return false
	}
	for line := range bytes.Lines(message) {
		line, whole := bytes.CutSuffix(line, []byte("\n"))
		if whole {
			if line, whole = bytes.CutSuffix(line, []byte("\r")); !whole {
				return false
			}
		}
		if len(line) > maxLine || bytes.IndexByte(line, '\r') >= 0 {
			return false
		}
	}
	return true
}

// receivedFrom reads in our own Received line, which is the first of a message
// that is queued, who brought it (RFC 3464 §2.2.4): the name by which the client
// said hello, and its address.
func receivedFrom(head []byte) string {
	line, _, _ := strings.Cut(string(head[:min(len(head), maxLine)]), "\r\n")
	rest, ok := strings.CutPrefix(line, "Received: from ")
	if !ok {
		return ""
	}
	name, rest, _ := strings.Cut(rest, " ")
	address, _, _ := strings.Cut(strings.TrimPrefix(rest, "(["), "])")
	ip, err := netip.ParseAddr(strings.TrimPrefix(address, "IPv6:"))
	if name = clean(name); err != nil || name == "" || strings.ContainsAny(name, "()\\\";") {
		return ""
	}
	return name + " (" + ip.String() + ")"
}
