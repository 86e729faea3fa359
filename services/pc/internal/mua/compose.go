package mua

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"correio/services/internal/mailaddr"
)

// Letter is what a person wrote.
type Letter struct {
	From    mailaddr.Address
	To      []mailaddr.Address
	Subject string
	Body    string // lines end in LF or CRLF
}

const (
	// RFC 5322 §2.1.1: lines should have 78 octets at most and must have 998.
	softLine = 78
	hardLine = 998
	// longWord is where a word of a Subject is encoded to be folded.
	longWord = 60
)

// needsUTF8 reports whether an address cannot be written in ASCII, so that the
// letter can only go by SMTPUTF8 (RFC 6531).
func (l Letter) needsUTF8() bool {
	return !l.From.ALabels().ASCII() || slices.ContainsFunc(l.To, func(a mailaddr.Address) bool { return !a.ALabels().ASCII() })
}

// plain is the letter with the domains of its addresses in A-labels.
func (l Letter) plain() Letter {
	l.From = l.From.ALabels()
	to := make([]mailaddr.Address, len(l.To))
	for i, a := range l.To {
		to[i] = a.ALabels()
	}
	l.To = to
	return l
}

// Compose writes a letter as a message (RFC 5322, RFC 2045). Text that is not
// ASCII goes as it is where eightBit allows that, else as quoted-printable.
//
// A letter to ASCII addresses has an ASCII header, so that every server takes
// it: the Subject in encoded words, domains in A-labels. One that needs SMTPUTF8
// all the same has its header in UTF-8, as it was written (RFC 6532).
func Compose(l Letter, messageID string, now time.Time, eightBit bool) []byte {
	body := crlfLines(l.Body)
	encoding := encodingOf(body, eightBit)
	encode := encodeText
	if l.needsUTF8() {
		encode = utf8Text
	} else {
		l = l.plain()
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s\r\n", l.From)
	fmt.Fprintf(&b, "To: %s\r\n", foldAddresses(len("To: "), l.To))
	fmt.Fprintf(&b, "Subject: %s\r\n", fold(len("Subject: "), encode(l.Subject)))
	fmt.Fprintf(&b, "Date: %s\r\n", now.Format(time.RFC1123Z))
	fmt.Fprintf(&b, "Message-ID: <%s>\r\n", messageID)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n")
	fmt.Fprintf(&b, "Content-Transfer-Encoding: %s\r\n\r\n", encoding)
	if encoding == "quoted-printable" {
		w := quotedprintable.NewWriter(&b)
		_, _ = w.Write([]byte(body)) // a bytes.Buffer takes everything
		_ = w.Close()
	} else {
		b.WriteString(body)
	}
	return b.Bytes()
}

// NewMessageID makes a Message-ID without angle brackets (RFC 5322 §3.6.4).
func NewMessageID(host string) string {
	var random [12]byte
	rand.Read(random[:]) // never fails, see crypto/rand
	return hex.EncodeToString(random[:]) + "@" + host
}

// MessageID returns the Message-ID that a message has, without angle brackets,
// or "".
func MessageID(eml []byte) string {
	m, err := mail.ReadMessage(bytes.NewReader(eml))
	if err != nil {
		return ""
	}
	_, id, open := strings.Cut(m.Header.Get("Message-ID"), "<")
	id, _, closed := strings.Cut(id, ">")
	if !open || !closed || len(id) > hardLine || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return id
}

// crlfLines gives every line its CRLF, the last one too.
func crlfLines(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	if s != "" && !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return strings.ReplaceAll(s, "\n", "\r\n")
}

// encodingOf chooses the Content-Transfer-Encoding of a body (RFC 2045 §6).
func encodingOf(body string, eightBit bool) string {
	ascii := true
	for line := range strings.Lines(body) {
		if len(line) > hardLine+len("\r\n") {
			return "quoted-printable"
		}
		for i := range len(line) {
			switch c := line[i]; {
			case c >= utf8.RuneSelf:
				ascii = false
			case c < ' ' && c != '\t' && c != '\r' && c != '\n', c == 0x7f:
				return "quoted-printable"
			}
		}
	}
	switch {
	case ascii:
		return "7bit"
	case eightBit:
		return "8bit"
	}
	return "quoted-printable"
}

// encodeText makes header text of what a person wrote: as it is when it is
// printable ASCII, else as encoded words (RFC 2047 §2). Control characters
// become spaces.
func encodeText(s string) string {
	s = spaced(s, func(r rune) bool { return r < ' ' || r == 0x7f })
	if isPlain(s, '~') {
		return s
	}
	return encodeWords(s)
}

// utf8Text is header text in a message that may have UTF-8 there: as it is but
// for what encodeText encodes of ASCII.
func utf8Text(s string) string {
	s = spaced(strings.ToValidUTF8(s, "\ufffd"), func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' // all that ends a line somewhere
	})
	if isPlain(s, unicode.MaxRune) {
		return s
	}
	return encodeWords(s)
}

// spaced puts spaces in the place of characters.
func spaced(s string, of func(rune) bool) string {
	return strings.Map(func(r rune) rune {
		if of(r) {
			return ' '
		}
		return r
	}, s)
}

func encodeWords(s string) string {
	var words []string
	var word strings.Builder
	for _, r := range s {
		piece := encodeRune(r)
		if word.Len()+len(piece) > longWord {
			words = append(words, encodedWord(word.String()))
			word.Reset()
		}
		word.WriteString(piece)
	}
	return strings.Join(append(words, encodedWord(word.String())), " ")
}

// isPlain reports whether header text of characters up to last needs no
// encoding. Text that looks like an encoded word does, and text that is folded
// and has spaces in a row: readers make one of those at a fold.
func isPlain(s string, last rune) bool {
	if strings.Contains(s, "=?") || strings.TrimSpace(s) != s || len(s) > longWord && strings.Contains(s, "  ") {
		return false
	}
	for word := range strings.FieldsSeq(s) {
		if len(word) > longWord || strings.ContainsFunc(word, func(r rune) bool { return r > last }) {
			return false
		}
	}
	return true
}

func encodedWord(q string) string { return "=?utf-8?q?" + q + "?=" }

// encodeRune writes one character in the Q encoding (RFC 2047 §4.2).
func encodeRune(r rune) string {
	switch {
	case r == ' ':
		return "_"
	case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z':
		return string(r)
	}
	var b strings.Builder
	for _, c := range []byte(string(r)) {
		fmt.Fprintf(&b, "=%02X", c)
	}
	return b.String()
}

// fold breaks header text into lines at its spaces (RFC 5322 §2.2.3); used is
// how much of the first line is taken.
func fold(used int, s string) string {
	var b strings.Builder
	for i, word := range strings.Split(s, " ") {
		switch {
		case i > 0 && word != "" && used+1+len(word) > softLine:
			b.WriteString("\r\n ")
			used = 1
		case i > 0:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += len(word)
	}
	return b.String()
}

// foldAddresses writes a list of addresses, one to a line where one line does
// not hold them.
func foldAddresses(used int, list []mailaddr.Address) string {
	var b strings.Builder
	for i, a := range list {
		text := a.String()
		switch {
		case i > 0 && used+len(", ")+len(text) > softLine:
			b.WriteString(",\r\n ")
			used = 1
		case i > 0:
			b.WriteString(", ")
			used += len(", ")
		}
		b.WriteString(text)
		used += len(text)
	}
	return b.String()
}
