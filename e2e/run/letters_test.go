package run

import (
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"strings"
)

// letter is a kind of message: what is sent, and to whom.
type letter struct {
	name string
	text string // with CRLF line ends; %ID% stands for a word of each copy's own
	// to is the recipient, one whose mail Bruno gets; "" means himself.
	to       string
	eightBit bool // octets above 127 in the text
	utf8     bool // addresses or header fields that need SMTPUTF8 (RFC 6531)
	// lacks are the fields that submission adds in front of the text (RFC 6409 §8).
	lacks []string
	// bare says that the text does not begin with a header field: every hop's
	// lines are kept apart from it by an empty line.
	bare bool
	// unlike says that the text is not a header, an empty line and a body.
	unlike bool
}

const head = "From: Ana <ana@aurora.test>\r\nTo: Bruno <bruno@boreal.test>\r\nSubject: %ID%\r\n" +
	"Message-ID: <%ID%@e2e.invalid>\r\nDate: Mon, 23 Nov 2026 18:00:00 +0000\r\n"

// mime is the header of a message whose body has octets above 127.
func mime(charset string) string {
	return head + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=" + charset + "\r\n" +
		"Content-Transfer-Encoding: 8bit\r\n\r\n"
}

var completed = []string{"Message-ID", "Date"}

// plainLetter is ASCII, with what programs have been seen to change: From at
// the start of a line, spaces at the end of one, tabs, empty lines.
var plainLetter = letter{name: "plain", text: head + "X-Folded: one\r\n\ttwo\r\n  three\r\n\r\n" +
	"Oi, Bruno!\r\n\r\nFrom the start of a line\r\n>From a quoted one\r\nspaces behind   \r\n\ttab\t\r\n\r\n\r\n"}

// dotLetter is for whoever stuffs dots, takes them out, or looks for the end of
// the message (RFC 5321 §4.5.2).
var dotLetter = letter{name: "dots", text: head + "\r\n.\r\n..\r\n...\r\n\r\n.\r\n.hidden\r\n..twice\r\n .\r\n. \r\na.\r\n" +
	".QUIT\r\n.\r\n" + strings.Repeat(".\r\n", 100) + strings.Repeat("..\r\n", 100) + "\r\n.\r\n"}

var latinLetter = letter{name: "ISO-8859-1", eightBit: true,
	text: mime("iso-8859-1") + "ol\xe1, cora\xe7\xe3o; every octet:\r\n" + octets(0xa0, 0xff) + "\r\n" + octets(0x80, 0x9f) + "\r\n"}

var utf8Letter = letter{name: "SMTPUTF8", eightBit: true, utf8: true, to: "joão@boreal.test",
	text: strings.NewReplacer("Bruno <bruno@", "João <joão@", "Subject: ", "Subject: Olá, João: ").Replace(mime("utf-8")) + "olá\r\n"}

// letters are sent by every client through submission.
var letters = []letter{
	plainLetter, dotLetter, latinLetter,
	utf8Letter,
	{name: "UTF-8", eightBit: true, text: mime("utf-8") + "olá, coração — 日本語 🕊\r\n.ação\r\n"},
	{name: "20 MB", text: head + "\r\n" + base64Lines(20_000_000)},
	{name: "long lines", text: head + "\r\n" + strings.Repeat("x", 998) + "\r\n" + strings.Repeat(".", 998) + "\r\n" +
		strings.Repeat("y", 997) + "\r\n" + strings.Repeat("z ", 499) + "\r\n"},
	{name: "a line of 100 kB", text: head + "\r\n" + strings.Repeat(".", 100_000) + "\r\nafter it\r\n"},
	{name: "no line end at the end", text: head + "\r\nends without"},
	{name: "a dot without line end at the end", text: head + "\r\nends with\r\n."},
	{name: "empty body", text: head + "\r\n"},
	{name: "empty lines alone", text: head + "\r\n\r\n\r\n\r\n"},
	{name: "no Message-ID and no Date", lacks: completed,
		text: "From: ana@aurora.test\r\nSubject: %ID%\r\nTo: bruno@boreal.test\r\n\r\nbody\r\n"},
	{name: "no header field", lacks: completed, unlike: true, text: "\r\nbody below an empty line\r\n"},
	{name: "header alone", unlike: true, text: head},
	{name: "header alone without line end", unlike: true, text: head + "X-Last: yes"},
	{name: "body alone", lacks: append(completed, "From"), bare: true, unlike: true, text: "Oi, Bruno!\r\n\r\n%ID%\r\n"},
	{name: "dots alone", lacks: append(completed, "From"), bare: true, unlike: true, text: ".\r\n..\r\n.\r\n\r\n.\r\n"},
	{name: "nothing", lacks: completed, unlike: true},
}

// arrives is what of a text must come out of the mailbox. SMTP cannot carry a
// last line without its end (RFC 5321 §4.1.1.4); the client adds it. Clients do
// not agree on whether nothing is a line: nothing is what this one sends.
func arrives(text, nothing string) string {
	switch {
	case text == "":
		return nothing
	case strings.HasSuffix(text, "\r\n"):
		return text
	}
	return text + "\r\n"
}

// octets are those from first to last, each once.
func octets(first, last byte) string {
	var b []byte
	for c := int(first); c <= int(last); c++ {
		b = append(b, byte(c))
	}
	return string(b)
}

// base64Lines is an attachment of so many octets: lines of 76 and the last one.
func base64Lines(size int) string {
	raw := make([]byte, size) // more than enough
	rand.NewChaCha8([32]byte{}).Read(raw)
	text := base64.StdEncoding.EncodeToString(raw)
	var b strings.Builder
	for line := range slices.Chunk([]byte(text), 76) {
		if b.Len()+len(line)+2 > size {
			break
		}
		b.Write(line)
		b.WriteString("\r\n")
	}
	if left := size - b.Len(); left > 2 {
		b.WriteString(text[:left-2] + "\r\n")
	}
	return b.String()
}
