package smtputf8_test

import (
	"strings"
	"testing"

	"correio/services/internal/smtputf8"
)

func needed(message string, step int) bool {
	var u smtputf8.Scan
	for b := []byte(message); len(b) > 0; {
		n := min(step, len(b))
		u.Write(b[:n])
		b = b[n:]
	}
	u.End()
	return u.Needed
}

func TestWhichMessagesNeedSMTPUTF8(t *testing.T) {
	for _, test := range []struct {
		name, message string
		want          bool
	}{
		{"ASCII", "Subject: x\n\ntext\n", false},
		{"UTF-8 in the body alone", "Subject: x\n\nação\n", false},
		{"UTF-8 in the Subject", "Subject: ação\n\n", true},
		{"in a folded line", "Subject: x\n ação\n\n", true},
		{"beyond what is kept of a line", "Subject: " + strings.Repeat("x", 2000) + "é\n\n", true},
		{"in a header without an end", "Subject: ação", true},
		{"what only looks like a part", "Subject: x\n\n-- \nJoão\n", false},
		{"in a part's header", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Description: ação\n\nx\n--b--\n", true},
		{"in a part's body alone", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nação\n--b--\n", false},
		{"in a part of a part", "Content-Type:\n Multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\nX: é\n\n--c--\n--b--\n", true},
		{"in a forwarded message", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/global\n\nFrom: joão@x.test\n\nx\n--b--\n", true},
		{"in the body of a forwarded message", "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nFrom: a@x.test\n\njoão\n--b--\n", false},
		{"in a message that is a message", "CONTENT-TYPE: message/rfc822\n\nSubject: ação\n\n", true},
		{"behind the last boundary", "Content-Type: multipart/mixed; boundary=b\n\nprologue: é\n--b\n\nx\n--b--\n", false},
		{"empty", "", false},
		{"no header", "\nação\n", false},
		{"a delivery status", "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/global-delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: utf-8; joão@x\n\n--b--\n", false},
		{"an encoded message", "Content-Type: message/global\nContent-Transfer-Encoding: base64\n\nRnJvbTogam/Do28=\n", false},
	} {
		for _, end := range []string{"\r\n", "\n"} {
			for _, step := range []int{1, 7, 4096} {
				if got := needed(strings.ReplaceAll(test.message, "\n", end), step); got != test.want {
					t.Errorf("%s, in steps of %d with %q: %t, want %t", test.name, step, end, got, test.want)
				}
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add("Content-Type: multipart/mixed\n\n--b\nX: é\n\n")
	f.Add("Content-Type: message/rfc822\r\n\r\nX: y\r\n \xff\r\n")
	f.Fuzz(func(t *testing.T, message string) {
		if a, b := needed(message, 1), needed(message, 4096); a != b {
			t.Fatalf("%q: %t octet by octet, %t at once", message, a, b)
		}
		if head, _, _ := strings.Cut(message, "\n"); strings.ContainsFunc(head, func(r rune) bool { return r >= 0x80 }) && !needed(message, 4096) {
			t.Fatalf("%q: the first line is UTF-8", message)
		}
	})
}
