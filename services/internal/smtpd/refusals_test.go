package smtpd_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"correio/services/internal/smtpd"
)

const (
	nobody = "RCPT TO:<ninguem@boreal.test>\r\n"
	full   = "RCPT TO:<cheio@boreal.test>\r\n"
)

// Every refused RCPT was an error of the client's, and the 50th error ends a
// session, whoever had heard 250: 50 full mailboxes, or 50 recipients too many,
// kept all the others from their mail.
func TestRefusedRecipientsDoNotEndATransactionThatHasOthers(t *testing.T) {
	t.Parallel()
	type said struct {
		times   int
		command string
		want    string
	}
	data := []said{{1, "DATA\r\n", "354"}, {1, "text\r\n.\r\n", "250"}}
	for _, test := range []struct {
		name string
		says []said
	}{
		{"recipients too many", append([]said{{100, to, "250"}, {60, to, "452 4.5.3"}}, data...)},
		{"mailboxes that are full", append([]said{{1, to, "250"}, {99, full, "452 4.2.2"}, {1, to, "250"}}, data...)},
		{"full ones before the others", append([]said{{99, full, "452 4.2.2"}, {1, to, "250"}}, data...)},
		{"mailboxes that are not there", append([]said{{1, to, "250"}, {300, nobody, "550"}}, data...)},
		{"a message begins the count anew", append(append([]said{{1, to, "250"}, {100, nobody, "550"}}, data...),
			said{1, from, "250"}, said{100, nobody, "550"}, said{1, nobody, "421 4.7.0"})},
		// What is bounded all the same.
		{"a search for mailboxes", []said{{100, nobody, "550"}, {1, nobody, "421 4.7.0 Too many refused recipients"}}},
		{"a search in many transactions", []said{{60, nobody, "550"}, {1, "RSET\r\n", "250"}, {1, from, "250"}, {40, nobody, "550"}, {1, nobody, "421"}}},
		{"a search beside a mailbox", []said{{1, to, "250"}, {101, nobody, "550"}, {1, "RSET\r\n", "250"}, {1, from, "421 4.7.0"}}},
		{"a transaction without end", []said{{1, to, "250"}, {1100, nobody, "550"}, {1, nobody, "421 4.7.0"}}},
		{"the same, for now", []said{{1, to, "250"}, {1100, full, "452"}, {1, full, "421 4.7.0"}}},
		{"errors beside", []said{{1, to, "250"}, {60, full, "452"}, {49, "XYZZY\r\n", "500"}, {1, "XYZZY\r\n", "421 4.7.0 Too many errors"}}},
		{"parameters that are wrong", []said{{1, to, "250"}, {49, "RCPT TO:<bruno@boreal.test> X=1\r\n", "555"}, {1, "RCPT TO:<bruno@boreal.test> X=1\r\n", "421 4.7.0 Too many errors"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, in := pipe(t.Context(), t, smtpd.Config{})
			expect(t, in, "220")
			for _, s := range append([]said{{1, ehlo, "250"}, {1, from, "250"}}, test.says...) {
				for n := range s.times {
					write(t, c, s.command)
					if got := expect(t, in, s.want[:3]); !strings.HasPrefix(got, s.want) {
						t.Fatalf("number %d of %q: %q, want %s", n+1, s.command, got, s.want)
					}
				}
			}
			if strings.HasPrefix(test.says[len(test.says)-1].want, "421") {
				expectEOF(t, in)
			}
		})
	}
}

// A message to one mailbox gave back all the commands of its client, also those
// that had asked for mailboxes that are not there: as many as it liked.
func TestAcceptedMessageDoesNotGiveBackASearchForMailboxes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // no time passes
		c, in := visitor(t, server(t, smtpd.Config{Limits: smtpd.Limits{Commands: 100}}), "198.18.1.25:1025")
		go func() {
			for io.WriteString(c, ehlo); ; { // until the server closes
				if _, err := io.WriteString(c, from+to+strings.Repeat(nobody, 20)+"DATA\r\n.\r\n"); err != nil {
					return
				}
			}
		}()
		var asked int
		var last string
		for line, err := in.ReadString('\n'); err == nil && asked < 1000; line, err = in.ReadString('\n') {
			if last = line; strings.HasPrefix(line, "550 ") {
				asked++
			}
		}
		if asked < 60 || asked > 100 || !strings.HasPrefix(last, "421 4.7.0 Too many commands") {
			t.Errorf("%d mailboxes were asked for, with 100 commands in a minute, and last came %q", asked, last)
		}
		c.Close()
	})
}
