package smtpd_test

import (
	"bufio"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"correio/services/internal/smtpd"
)

// HELP listed STARTTLS and AUTH on servers that answer them by 502.
func TestHELP_NamesExtensionsOnlyWhereTheyWork(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		cfg       smtpd.Config
		want, not string
	}{
		"nothing": {smtpd.Config{}, "HELO EHLO MAIL RCPT DATA RSET VRFY EXPN HELP NOOP QUIT", "LHLO STARTTLS AUTH BDAT"},
		"LMTP":    {smtpd.Config{Proto: smtpd.LMTP}, "LHLO MAIL", "HELO EHLO STARTTLS AUTH BDAT"},
		"TLS":     {smtpd.Config{TLS: testTLS()}, "STARTTLS", "AUTH BDAT"},
		"AUTH":    {smtpd.Config{AuthMechanisms: []string{"PLAIN"}}, "AUTH", "STARTTLS BDAT"},
		"BDAT":    {smtpd.Config{Chunking: true}, "BDAT", "STARTTLS AUTH"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, in := pipe(t.Context(), t, test.cfg)
			c.SetDeadline(time.Now().Add(10 * time.Second))
			expect(t, in, "220")
			ask := func(line string) string {
				write(t, c, line+"\r\n")
				for all := ""; ; {
					line, err := in.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					if all += line; line[3] == ' ' {
						return all
					}
				}
			}
			_, list, _ := strings.Cut(ask("HELP"), "Commands: ")
			list, _, _ = strings.Cut(list, "\r\n")
			listed := map[string]bool{}
			for verb := range strings.FieldsSeq(list) {
				listed[verb] = true
			}
			for verb := range strings.FieldsSeq(test.want) {
				if got := ask("HELP " + verb); !listed[verb] || !strings.HasPrefix(got, "214 ") {
					t.Errorf("%s: %q, listed %v", verb, got, listed)
				}
			}
			for verb := range strings.FieldsSeq(test.not) {
				if got := ask("HELP " + verb); listed[verb] || !strings.HasPrefix(got, "504 ") {
					t.Errorf("%s: %q, listed %v", verb, got, listed)
				}
			}
		})
	}
}

// HELP went on to name STARTTLS inside of TLS.
func TestHELP_NamesNoSTARTTLSInsideOfTLS(t *testing.T) {
	t.Parallel()
	c, _ := dial(t, serve(t, smtpd.Config{Proto: smtpd.Submissions, TLS: testTLS(), Backend: &memory{}}))
	secure := tls.Client(c, clientTLS())
	write(t, secure, "HELP STARTTLS\r\n")
	expect(t, bufio.NewReader(secure), "220", "504")
}

// In LMTP it was said that EHLO comes first, which is unknown there.
func TestLMTP_AsksForLHLO(t *testing.T) {
	t.Parallel()
	c, in := pipe(t.Context(), t, smtpd.Config{Proto: smtpd.LMTP})
	c.SetDeadline(time.Now().Add(10 * time.Second))
	expect(t, in, "220")
	for line, code := range map[string]string{"MAIL FROM:<>": "503", "RCPT TO:<ana@b>": "503", "DATA": "503", "STARTTLS": "503", "AUTH PLAIN": "503", "LHLO": "501"} {
		write(t, c, line+"\r\n")
		if got := expect(t, in, code); !strings.Contains(got, "LHLO") || strings.Contains(got, "EHLO") {
			t.Errorf("%s: got %q", line, got)
		}
	}
}
