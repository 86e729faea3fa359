package encodedword

import (
	"mime"
	"net/mail"
	"strings"
	"testing"
)

// lines checks that no line is longer than RFC 2047 §2 lets it be.
func lines(t *testing.T, field string) {
	t.Helper()
	for line := range strings.SplitSeq(field, "\r\n") {
		if len(line) > MaxLine {
			t.Errorf("a line of %d: %s", len(line), line)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"Mail is late":          "Subject: Mail is late",
		"Atenção!":              "Subject: =?utf-8?q?Aten=C3=A7=C3=A3o!?=",
		strings.Repeat("ã", 12): "Subject: =?utf-8?q?" + strings.Repeat("=C3=A3", 9) + "?=\r\n =?utf-8?q?" + strings.Repeat("=C3=A3", 3) + "?=",
	} {
		got := Text("Subject", s)
		if lines(t, got); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
		read, err := new(mime.WordDecoder).DecodeHeader(strings.ReplaceAll(strings.TrimPrefix(got, "Subject: "), "\r\n", ""))
		if read != s || err != nil {
			t.Errorf("%q is read as %q, %v", s, read, err)
		}
	}
}

func TestPhrase(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"A equipe":               `"A equipe"`,
		`A "boa" \ gente`:        `"A \"boa\" \\ gente"`,
		"Coordenação":            "=?utf-8?q?Coordena=C3=A7=C3=A3o?=",
		"Turma (manhã)":          "=?utf-8?q?Turma_=28manh=C3=A3=29?=",
		`"Cães" <x@y>, e gatos.`: "=?utf-8?q?=22C=C3=A3es=22_=3Cx=40y=3E=2C_e_gatos=2E?=",
	} {
		if got := Phrase("List-Id", s); got != "List-Id: "+want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
	for _, s := range []string{
		"Ação", strings.Repeat("ação e reação ", 20), strings.Repeat("é", 18), strings.Repeat("é", 200), strings.Repeat("(é) ", 50),
		"é\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~!", "a\r\nBcc: x", strings.Repeat("平成", 60),
	} {
		field := Phrase("List-Id", s)
		lines(t, field)
		got := strings.TrimPrefix(strings.ReplaceAll(field, "\r\n", ""), "List-Id: ")
		a, err := mail.ParseAddress(got + " <x@y.test>")
		if err != nil || a.Name != s {
			t.Errorf("%q is read as %+v, %v", s, a, err)
		}
		for word := range strings.FieldsSeq(got) {
			_, text, _ := strings.Cut(strings.TrimPrefix(word, "=?utf-8?"), "?")
			if strings.ContainsAny(strings.TrimSuffix(text, "?="), "\"#$%&'(),.:;<>@[\\]^`{|}~?") {
				t.Errorf("%s is no word of a phrase (RFC 2047 §5(3))", word)
			}
		}
	}
}

// A list's title of 1,200 letters made a List-Id of 1,210 octets, more than a line
// may have.
func TestLongPlainText(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(field, s string) string{"Text": Text, "Phrase": Phrase} {
		for octets, folded := range map[int]bool{900: false, 1200: true} {
			s := strings.Repeat("turma de redes ", octets/15)
			got := write("List-Id", s)
			if strings.Contains(got, "\r\n") != folded {
				t.Errorf("%s: %d octets in %d lines", name, octets, 1+strings.Count(got, "\r\n"))
			}
			if folded {
				lines(t, got)
			}
			read, err := new(mime.WordDecoder).DecodeHeader(strings.ReplaceAll(strings.TrimPrefix(got, "List-Id: "), "\r\n", ""))
			if err != nil || strings.Trim(read, `"`) != s {
				t.Errorf("%s: %d octets are read as %q, %v", name, octets, read, err)
			}
		}
	}
}
