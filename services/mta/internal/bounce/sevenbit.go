package bounce

import (
	"bytes"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"correio/services/internal/dsn"
	"correio/services/internal/text"
)

// MaxSevenBit bounds the reports that SevenBit is given, in octets.
const MaxSevenBit = 8 << 20

// The marks of what Write writes.
const (
	multipart  = "\r\nContent-Type: multipart/report; report-type="
	inEightBit = "\r\nContent-Transfer-Encoding: 8bit"
)

// SevenBit returns a report that Write has written in 8 bits as one in 7 bits, for
// a host that does not offer 8BITMIME: RFC 6522 §3 has that 7 bits are always
// enough for a report, so that whoever sent 8-bit mail hears of it in any case.
// Its size may be another. ok is false for what is no such report, or has a header
// of its own that is not ASCII.
//
// What is lost is what 7 bits cannot hold. A message/rfc822 must not be encoded
// (RFC 2046 §5.2.1), so that of an 8-bit message the header alone comes back, as
// with RET=HDRS. The types of RFC 6532 and RFC 6533 may be.
func SevenBit(report []byte) (seven []byte, ok bool) {
	head, _, _ := bytes.Cut(report, []byte("\r\n\r\n"))
	_, kind, found := bytes.Cut(head, []byte(multipart))
	_, rest, quoted := bytes.Cut(kind, []byte("\r\n\tboundary=\""))
	boundary, _, ended := bytes.Cut(rest, []byte(`"`))
	if !found || !quoted || !ended || len(boundary) == 0 {
		return nil, false
	}
	delimiter := append([]byte("\r\n--"), boundary...)
	pieces := bytes.Split(report, delimiter)
	if len(pieces) != 5 || string(pieces[4]) != "--\r\n" {
		return nil, false
	}
	top := strings.Replace(string(pieces[0]), inEightBit, "", 1)
	pieces[0] = []byte(strings.Replace(top, multipart+statusType(true), multipart+statusType(false), 1))
	for i := range pieces[1:4] {
		pieces[1+i] = sevenBitPart(pieces[1+i])
	}
	if seven = bytes.Join(pieces, delimiter); !text.IsASCII(seven) {
		return nil, false
	}
	return seven, true
}

// sevenBitPart returns a body part in 7 bits, with its header and the line end of
// the delimiter before it.
func sevenBitPart(part []byte) []byte {
	head, content, _ := bytes.Cut(part, []byte("\r\n\r\n"))
	kind, is8bit := strings.CutSuffix(string(head), inEightBit)
	if !is8bit {
		return part
	}
	var b bytes.Buffer
	switch kind = strings.TrimPrefix(kind, "\r\nContent-Type: "); kind {
	case "message/" + statusType(true):
		b.WriteString("\r\nContent-Type: message/" + statusType(false) + "\r\n\r\n")
		for line := range strings.Lines(string(content)) {
			b.WriteString(sevenBitField(line))
		}
		return b.Bytes()
	case "message/rfc822":
		kind, content = "text/rfc822-headers", header(content, false)
	}
	b.WriteString("\r\nContent-Type: " + kind + "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	qp := quotedprintable.NewWriter(&b)
	_, _ = qp.Write(content) // into memory
	qp.Close()
	return b.Bytes()
}

// sevenBitField returns a line of a message/global-delivery-status as
// message/delivery-status has it: addresses as a utf-8-addr-xtext (RFC 6533 §3),
// and of what was said only what is ASCII. "" means that it has no place there.
func sevenBitField(line string) string {
	if text.IsASCII(line) {
		return line
	}
	name, value, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), ": ")
	if name != "Original-Recipient" && name != "Final-Recipient" {
		return strings.Map(func(r rune) rune {
			if r >= utf8.RuneSelf {
				return '?'
			}
			return r
		}, line)
	}
	kind, address, _ := strings.Cut(value, "; ")
	field, ok := dsn.Field(kind+";"+address, false)
	if line = name + ": " + field + "\r\n"; !ok || len(line) > maxLine {
		return ""
	}
	return line
}
