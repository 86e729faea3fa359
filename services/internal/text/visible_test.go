package text_test

import (
	"testing"

	"correio/services/internal/text"
)

func TestVisibleShowsWhatWouldBeObeyed(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"maçã, 中文 and 😀":                 "maçã, 中文 and 😀",
		"x\x1b]0;owned\a\u009b2J\u202ex": `x\x1b]0;owned\a\u009b2J\u202ex`,
		"\tby mx1.aurora.test":           "    by mx1.aurora.test",
		"a\r\nMessage-ID: b\x00\x7f":     `a\r\nMessage-ID: b\x00\x7f`,
		"a\u2028b\u2066c\u200f":          `a\u2028b\u2066c\u200f`,
		"\xff'a'":                        "\ufffd'a'",
	} {
		if got := text.Visible(in); got != want {
			t.Errorf("Visible(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\x1b[31m\tb\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		if once := text.Visible(s); text.Visible(once) != once {
			t.Errorf("Visible(%q) = %q, which still hides something", s, once)
		}
	})
}
