package mua

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"correio/services/internal/mailaddr"
)

var (
	joao = mailaddr.Address{Local: "joão", Domain: "boreal.test"}
	cafe = mailaddr.Address{Local: "ana", Domain: "café.casos.test"}
)

// A letter needs SMTPUTF8 for a local part, not for a domain or a Subject.
func TestOnlyALocalPartMakesALetterInternational(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		from     mailaddr.Address
		to       []mailaddr.Address
		from1    string
		to1      string
		subject1 string
		needed   bool
	}{
		{"ASCII", ana, []mailaddr.Address{bruno}, "ana@aurora.test", "bruno@boreal.test", "=?utf-8?q?a=C3=A7=C3=A3o?=", false},
		{"a domain", ana, []mailaddr.Address{cafe}, "ana@aurora.test", "ana@xn--caf-dma.casos.test", "=?utf-8?q?a=C3=A7=C3=A3o?=", false},
		{"a recipient", ana, []mailaddr.Address{joao, cafe}, "ana@aurora.test", "joão@boreal.test, ana@café.casos.test", "ação", true},
		{"the sender", joao, []mailaddr.Address{cafe}, "joão@boreal.test", "ana@café.casos.test", "ação", true},
	} {
		l := Letter{From: c.from, To: c.to, Subject: "ação", Body: "maçã"}
		eml := Compose(l, "1@x", time.Now(), true)
		h, body := parse(t, eml)
		if h.Get("From") != c.from1 || h.Get("To") != c.to1 || h.Get("Subject") != c.subject1 || body != "maçã\r\n" {
			t.Errorf("%s:\n%s", c.name, eml)
		}
		if l.needsUTF8() != c.needed || international(eml) != c.needed {
			t.Errorf("%s: needs SMTPUTF8: %t for its addresses, %t for its header", c.name, l.needsUTF8(), international(eml))
		}
	}
}

func TestSubjectInUTF8StaysOneField(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]string{
		"ação":                   "ação",
		"plain":                  "plain",
		"tab\tand\r\nX: y":       "tab and  X: y",
		"a\u0085b\u2028c":        "a b c",
		"=?utf-8?q?no?=":         "=?utf-8?q?=3D=3Futf=2D8=3Fq=3Fno=3F=3D?=",
		" é":                     "=?utf-8?q?_=C3=A9?=",
		strings.Repeat("é ", 60): "",
	} {
		h, _ := parse(t, Compose(Letter{From: ana, To: []mailaddr.Address{joao}, Subject: subject}, "1@x", time.Now(), true))
		if got := h.Get("Subject"); want != "" && got != want || len(h) != 8 || !utf8.ValidString(got) {
			t.Errorf("%q: %d fields, Subject %q, want %q", subject, len(h), got, want)
		}
	}
}

func TestWhichMessagesAreInternational(t *testing.T) {
	t.Parallel()
	for eml, want := range map[string]bool{
		"Subject: x\r\n\r\nação\r\n":   false,
		"Subject: ação\r\n\r\n":        true,
		"Subject: ação\n\n":            true,
		"Subject: a\xe7\xe3o\r\n\r\nx": false, // Latin-1: no SMTPUTF8 will help
		"":                             false,
	} {
		if got := international([]byte(eml)); got != want {
			t.Errorf("%q: %t", eml, got)
		}
	}
}
