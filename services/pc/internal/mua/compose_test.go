package mua

import (
	"bytes"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"correio/services/internal/mailaddr"
)

var (
	ana   = mailaddr.Address{Local: "ana", Domain: "aurora.test"}
	bruno = mailaddr.Address{Local: "bruno", Domain: "boreal.test"}
)

func TestComposePlain(t *testing.T) {
	t.Parallel()
	l := Letter{From: ana, To: []mailaddr.Address{bruno}, Subject: "hello", Body: "first\n.second\r\nno end"}
	at := time.Date(2026, 11, 23, 10, 30, 0, 0, time.FixedZone("", -3*3600))
	got := string(Compose(l, "1@pc.aurora.test", at, true))
	want := strings.ReplaceAll(`From: ana@aurora.test
To: bruno@boreal.test
Subject: hello
Date: Mon, 23 Nov 2026 10:30:00 -0300
Message-ID: <1@pc.aurora.test>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

first
.second
no end
`, "\n", "\r\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestComposeChoosesTheEncoding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		eightBit   bool
		want       string
	}{
		{"ascii", "plain\n", true, "7bit"},
		{"empty", "", true, "7bit"},
		{"accents", "olá\n", true, "8bit"},
		{"accents, server without 8BITMIME", "olá\n", false, "quoted-printable"},
		{"line of 998", strings.Repeat("x", 998) + "\n", true, "7bit"},
		{"line of 999", strings.Repeat("x", 999) + "\n", true, "quoted-printable"},
		{"control character", "bell \a\n", true, "quoted-printable"},
		{"tab", "a\tb\n", true, "7bit"},
	} {
		h, body := parse(t, Compose(Letter{From: ana, To: []mailaddr.Address{bruno}, Body: c.body}, "1@x", time.Now(), c.eightBit))
		if got := h.Get("Content-Transfer-Encoding"); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if want := crlfLines(c.body); body != want {
			t.Errorf("%s: body %.60q, want %.60q", c.name, body, want)
		}
	}
}

// parse reads a message back as another program does.
func parse(t *testing.T, eml []byte) (mail.Header, string) {
	t.Helper()
	for line := range bytes.Lines(eml) {
		if !bytes.HasSuffix(line, []byte("\r\n")) || len(line) > hardLine+2 || bytes.ContainsAny(line[:len(line)-2], "\r\n") {
			t.Fatalf("line of %d octets: %.80q", len(line), line)
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(eml))
	if err != nil {
		t.Fatalf("%q: %v", eml, err)
	}
	r := m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		r = quotedprintable.NewReader(r)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, string(body)
}

func TestSubjectReadsBack(t *testing.T) {
	t.Parallel()
	for _, subject := range []string{
		"", "plain", "Olá, João! Ação às três?", strings.Repeat("ç", 400), strings.Repeat("many words ", 40) + "end",
		strings.Repeat("x", 3000), "=?utf-8?q?not_encoded?=", " leading and trailing ", "😀 emoji 😀", "a_b=c?d",
		"two  spaces", strings.Repeat("0", 60) + "  spaces where it is folded", "tab\tand\r\nInjected: header",
	} {
		checkSubject(t, subject)
	}
}

func checkSubject(t *testing.T, subject string) {
	t.Helper()
	eml := Compose(Letter{From: ana, To: []mailaddr.Address{bruno}, Subject: subject}, "1@x", time.Now(), true)
	h, _ := parse(t, eml)
	got, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	want := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, subject)
	if err != nil || got != want {
		t.Errorf("subject %q reads back as %q, %v", subject, got, err)
	}
	if len(h) != 8 {
		t.Errorf("subject %q: %d header fields", subject, len(h))
	}
}

func FuzzSubject(f *testing.F) {
	for _, s := range []string{"plain", "olá", "=?utf-8?q?x?=", "\r\n", strings.Repeat("é ", 50), "a  b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		if utf8.ValidString(subject) && !strings.ContainsRune(subject, utf8.RuneError) { // JSON gives nothing else
			checkSubject(t, subject)
		}
	})
}

func TestManyRecipientsAreFolded(t *testing.T) {
	t.Parallel()
	var to []mailaddr.Address
	for range 100 {
		to = append(to, bruno, mailaddr.Address{Local: `odd "name", too`, Domain: "cedro.test"})
	}
	h, _ := parse(t, Compose(Letter{From: ana, To: to}, "1@x", time.Now(), true))
	list, err := h.AddressList("To")
	if err != nil || len(list) != len(to) {
		t.Fatalf("%d addresses, want %d: %v", len(list), len(to), err)
	}
	if got := list[1].Address; got != `odd "name", too@cedro.test` {
		t.Errorf("second address %q", got)
	}
}

func TestMessageID(t *testing.T) {
	t.Parallel()
	for eml, want := range map[string]string{
		"Message-ID: <a@b>\r\n\r\nx":        "a@b",
		"message-id:\n <a@b>\n\nx":          "a@b",
		"Subject: x\r\n\r\nMessage-ID: <a>": "",
		"Message-ID: none\r\n\r\n":          "",
		"Message-ID: <a b>\r\n\r\n":         "",
		"":                                  "",
		"no header at all":                  "",
	} {
		if got := MessageID([]byte(eml)); got != want {
			t.Errorf("%q: %q, want %q", eml, got, want)
		}
	}
	if a, b := NewMessageID("pc.aurora.test"), NewMessageID("pc.aurora.test"); a == b || !strings.HasSuffix(a, "@pc.aurora.test") {
		t.Errorf("new ids %q, %q", a, b)
	}
}
