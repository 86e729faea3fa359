package lmtp

import (
	"strings"
	"testing"
)

func TestMessageID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Message-ID: <a@b>\r\n\r\n":                              "a@b",
		"MESSAGE-id:<a@b>\r\n\r\n":                               "a@b",
		"Subject: x\r\nMessage-ID:\r\n <a@b>\r\n\r\n":            "a@b",
		"Message-ID: (comment)\r\n\t<a@b> more\r\n\r\n":          "a@b",
		"Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n\r\n":         "a@b",
		"Message-ID: a@b\r\n\r\n":                                "",
		"Message-ID: <a b>\r\n\r\n":                              "",
		"Message-ID: <a\x01b>\r\n\r\n":                           "",
		"Message-ID: <caf\u00e9@b>\r\n\r\n":                      "",
		"Message-ID: <" + strings.Repeat("x", 300) + ">\r\n\r\n": "",
		"Subject: x\r\n\r\nMessage-ID: <body@b>\r\n":             "",
		"\r\nMessage-ID: <body@b>\r\n":                           "",
		"X-Message-ID: <x@b>\r\n\r\n":                            "",
		"Subject: <x@y>\r\n Message-ID: <folded@b>\r\n\r\n":      "",
		"":                  "",
		"Message-ID: <a@b>": "a@b",
		"Subject: " + strings.Repeat("x", maxHead) + "\r\nMessage-ID: <late@b>\r\n\r\n": "",
	} {
		for _, cut := range []int{1, 3, 1 << 20} {
			if got := scan(text, cut); got != want {
				t.Errorf("%.60q in pieces of %d: %q, want %q", text, cut, got, want)
			}
		}
	}
}

func scan(text string, cut int) string {
	var h headScanner
	for len(text) > 0 {
		n := min(cut, len(text))
		if m, err := h.Write([]byte(text[:n])); m != n || err != nil {
			return "short write"
		}
		text = text[n:]
	}
	return h.messageID()
}

func FuzzMessageID(f *testing.F) {
	for _, seed := range []string{"Message-ID: <a@b>\r\n\r\n", "Message-ID:\r\n\t<a>\r\n", "\r\n\r\n", "message-id:"} {
		f.Add(seed, 2)
	}
	f.Fuzz(func(t *testing.T, text string, cut int) {
		id := scan(text, max(1, cut))
		if whole := scan(text, len(text)+1); id != whole {
			t.Errorf("%q: %q in pieces of %d, %q as a whole", text, id, cut, whole)
		}
		if len(id) > maxMessageID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q: id %q", text, id)
		}
	})
}
