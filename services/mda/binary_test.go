package mda_test

import (
	"fmt"
	"strings"
	"testing"

	"correio/services/internal/labtest"
	"correio/services/internal/mailaddr"
	"correio/services/internal/smtpc"
)

// A BINARYMIME message is stored octet by octet and comes out of POP3 as well
// as lines can carry it: with dots stuffed behind every LF, and an end.
func TestBinaryMessageGoesInByLMTPAndOutByPOP3(t *testing.T) {
	l := &lab{t: t, stack: labtest.NewStack(t)}
	l.env = labtest.Env(t, l.stack, "../../deploy/aurora", "mda.aurora.test")
	l.env.Org.SMTP.Chunking, l.env.Org.SMTP.BinaryMIME = true, true
	l.start()
	for i, end := range []string{"", "\n", "\r", "\r\n", "\n.", "\n.\n"} {
		content := "Subject: x\r\n\r\n\x00\n.\nMAIL FROM:<>\r.\r\xff" + end
		c := l.lmtp()
		from, err := mailaddr.Parse("bruno@boreal.test")
		if err != nil {
			t.Fatal(err)
		}
		env := smtpc.Envelope{From: from, Body: smtpc.Binary, To: []smtpc.Recipient{{To: mailaddr.Address{Local: "ana", Domain: "aurora.test"}}}}
		res := c.Send(t.Context(), env, strings.NewReader(content), smtpc.SendOptions{ChunkSize: 10})
		if !res[0].Delivered() {
			t.Fatalf("%q: %+v", end, res[0])
		}
		c.Quit(t.Context())
		rw := l.pop3(110)
		l.ask(rw, fmt.Sprintf("RETR %d", i+1), 1)
		var got strings.Builder
		for !strings.HasSuffix(got.String(), "\r\n.\r\n") {
			b, err := rw.ReadByte()
			if err != nil {
				t.Fatalf("%q: %q then %v", end, got.String(), err)
			}
			got.WriteByte(b)
		}
		_, body, _ := strings.Cut(got.String(), "\r\n\r\n")
		want := strings.ReplaceAll(strings.TrimPrefix(content, "Subject: x\r\n\r\n"), "\n.", "\n..")
		if !strings.HasSuffix(want, "\r\n") {
			want += "\r\n"
		}
		if body != want+".\r\n" {
			t.Errorf("%q: got %q, want %q", end, body, want+".\r\n")
		}
		l.ask(rw, "QUIT", 1)
	}
}
