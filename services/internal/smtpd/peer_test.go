package smtpd_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"correio/services/internal/smtpd"
)

// The tests here speak through go-smtp's client, which knows nothing of us.

func TestPeer_SubmissionWithSTARTTLSAndAUTH(t *testing.T) {
	t.Parallel()
	m := &memory{}
	addr := serve(t, smtpd.Config{Proto: smtpd.Submission, TLS: testTLS(), Backend: m, SMTPUTF8: true, DSN: true,
		AuthMechanisms: []string{"PLAIN", "LOGIN"}, RequireTLSForAuth: true, RequireAuth: true})
	for name, client := range map[string]sasl.Client{"PLAIN": sasl.NewPlainClient("", "ana", "ana"), "LOGIN": sasl.NewLoginClient("ana", "ana")} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		c, err := smtp.NewClientStartTLS(conn, clientTLS())
		if err != nil {
			t.Fatal(name, err)
		}
		if err := c.Auth(client); err != nil {
			t.Fatal(name, err)
		}
		for text, kept := range messages() {
			send(t, c, m, text, kept)
		}
		if err := c.Quit(); err != nil {
			t.Error(name, err)
		}
	}
}

// messages are texts, and what must have been stored of them.
func messages() map[string]string {
	big := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 20<<20/72)
	dots := strings.Repeat(".\r\n..\r\n.a\r\n", 5000)
	return map[string]string{
		"Subject: plain\r\n\r\nhello\r\n": "Subject: plain\r\n\r\nhello\r\n",
		"no line end":                     "no line end\r\n",
		"olá, 8 bits \xff\xfe\r\n":        "olá, 8 bits \xff\xfe\r\n",
		"":                                "\r\n", // its writer ends the last line, even that of nothing
		dots:                              dots,
		big:                               big,
		strings.Repeat("y", 100_000):      strings.Repeat("y", 100_000) + "\r\n",
	}
}

func send(t *testing.T, c *smtp.Client, m *memory, text, kept string) {
	t.Helper()
	size := int64(len(text))
	if err := c.Mail("ana@aurora.test", &smtp.MailOptions{Size: size, UTF8: true, Return: smtp.DSNReturnHeaders, EnvelopeID: "a+b=c"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("josé@boreal.test", &smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyNever}}); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	all := m.stored()
	last := all[len(all)-1]
	if last.text != kept {
		t.Errorf("%d octets were sent, %d stored, and they differ", len(text), len(last.text))
	}
	p := last.t.Params
	if p.Size != size || p.Body != "8BITMIME" || !p.SMTPUTF8 || p.Ret != "HDRS" || p.EnvID != "a+2Bb+3Dc" || last.t.Rcpts[0].Notify != "NEVER" {
		t.Errorf("parameters came as %+v, %+v", p, last.t.Rcpts)
	}
	if last.t.User != "ana" || last.t.TLS == nil || !last.t.ESMTP || last.t.Hello != "localhost" {
		t.Errorf("the session came as %+v", last.t)
	}
}

func TestPeer_Submissions(t *testing.T) {
	t.Parallel()
	m := &memory{}
	addr := serve(t, smtpd.Config{Proto: smtpd.Submissions, TLS: testTLS(), Backend: m, AuthMechanisms: []string{"PLAIN"}, RequireAuth: true, RequireTLSForAuth: true})
	c, err := smtp.DialTLS(addr, clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(sasl.NewPlainClient("", "ana", "bob")); code(err) != 535 {
		t.Errorf("wrong password: %v", err)
	}
	if err := c.Auth(sasl.NewPlainClient("", "ana", "ana")); err != nil {
		t.Fatal(err)
	}
	if err := c.SendMail("ana@aurora.test", []string{"bruno@boreal.test", "beatriz@boreal.test"}, bytes.NewReader([]byte("hi\r\n"))); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	if got := m.stored(); len(got) != 1 || addresses(got[0].t.Rcpts) != "<bruno@boreal.test>,<beatriz@boreal.test>" {
		t.Errorf("%+v", got)
	}
}

func code(err error) int {
	var e *smtp.SMTPError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestPeer_LMTP(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", serve(t, smtpd.Config{Proto: smtpd.LMTP, Backend: &memory{}}))
	if err != nil {
		t.Fatal(err)
	}
	c := smtp.NewClientLMTP(conn)
	defer c.Close()
	if err := c.Mail("ana@aurora.test", nil); err != nil {
		t.Fatal(err)
	}
	for rcpt, want := range map[string]int{"ninguem@boreal.test": 550, "cheio@boreal.test": 452} {
		if err := c.Rcpt(rcpt, nil); code(err) != want {
			t.Errorf("%s: %v", rcpt, err)
		}
	}
	for _, rcpt := range []string{"bruno@boreal.test", "rejeita-dados@boreal.test"} {
		if err := c.Rcpt(rcpt, nil); err != nil {
			t.Fatal(err)
		}
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "hi\r\n"); err != nil {
		t.Fatal(err)
	}
	replies, err := w.CloseWithLMTPResponse()
	var refused smtp.LMTPDataError
	if !errors.As(err, &refused) || len(refused) != 1 || refused["rejeita-dados@boreal.test"].Code != 554 {
		t.Errorf("refused: %v", err)
	}
	if len(replies) != 1 || !strings.Contains(replies["bruno@boreal.test"].StatusText, "stored as ABCDEF0123") {
		t.Errorf("accepted: %v", replies)
	}
}
