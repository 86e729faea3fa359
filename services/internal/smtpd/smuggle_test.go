package smtpd_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"correio/services/internal/smtpd"
)

// smuggled is a second message inside of the first one.
const smuggled = "MAIL FROM:<mallory@cedro.test>\r\nRCPT TO:<bruno@boreal.test>\r\nDATA\r\nsmuggled\r\n.\r\n"

func TestRow1_SmugglingDeliversNothing(t *testing.T) {
	t.Parallel()
	for _, proto := range []smtpd.Protocol{smtpd.SMTP, smtpd.Submission, smtpd.LMTP} { // row 2: LMTP obeys the same rules
		for _, end := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r"} {
			for _, head := range []string{"text", ""} {
				t.Run(fmt.Sprintf("%s %q", proto, head+end), func(t *testing.T) {
					t.Parallel()
					m := &memory{}
					c, in := pipe(t.Context(), t, smtpd.Config{Proto: proto, Backend: m})
					c.SetDeadline(time.Now().Add(10 * time.Second))
					expect(t, in, "220")
					hello := ehlo
					if proto == smtpd.LMTP {
						hello = "LHLO pc.aurora.test\r\n"
					}
					for _, line := range []string{hello, from, to} {
						write(t, c, line)
						expect(t, in, "250")
					}
					write(t, c, "DATA\r\n")
					expect(t, in, "354")
					body := head + end + strings.ReplaceAll(smuggled, "\r\n.\r\n", "\r\n..\r\n")
					write(t, c, body+"\r\n.\r\n")
					if got := expect(t, in, "500"); !strings.HasPrefix(got, "500 5.5.2 ") {
						t.Errorf("got %q", got)
					}
					write(t, c, to)
					expect(t, in, "503")
					if n := len(m.stored()); n != 0 {
						t.Errorf("%d messages were stored", n)
					}
				})
			}
		}
	}
}

// Half a session in LF, half in CRLF, is no person at nc.
func TestRow1_MixedLineEndsAreNoExcuse(t *testing.T) {
	t.Parallel()
	m := &memory{}
	c, in := pipe(t.Context(), t, smtpd.Config{Backend: m})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, in, "220")
	for _, line := range []string{"EHLO a\r\n", "MAIL FROM:<>\n", "RCPT TO:<bruno@boreal.test>\n"} {
		write(t, c, line)
		expect(t, in, "250")
	}
	write(t, c, "DATA\n")
	expect(t, in, "354")
	write(t, c, "x\n.\nNOOP\n.\r\n\r\n.\r\n")
	expect(t, in, "500")
	write(t, c, "NOOP\r\n")
	expect(t, in, "250")
	if n := len(m.stored()); n != 0 {
		t.Errorf("%d messages were stored", n)
	}
}
