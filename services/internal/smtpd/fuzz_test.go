package smtpd_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reply"
	"correio/services/internal/sasl"
	"correio/services/internal/smtpd"
)

// FuzzEngine plays anything at a whole server. Whatever comes, the server
// answers in replies that are well formed, calls its backend in order, and ends
// when the client does.
func FuzzEngine(f *testing.F) {
	f.Add([]byte("EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"), byte(0), byte(255))
	f.Add([]byte("HELO a\nMAIL FROM:a@b\nRCPT TO:<c@d>\nDATA\nx\n.\nQUIT\n"), byte(0), byte(3))
	f.Add([]byte("LHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\nRCPT TO:<ninguem@d>\r\nDATA\r\n..\n\r\n.\r\n"), byte(1), byte(7))
	f.Add([]byte("EHLO a\r\nAUTH LOGIN\r\nYQ==\r\nYQ==\r\nAUTH PLAIN\r\n*\r\nMAIL FROM:<\"a> X=1 <b\"@b>\r\n"), byte(2), byte(20))
	f.Add([]byte("EHLO a\r\nAUTH CRAM-MD5\r\nYQ==\r\nAUTH SCRAM-SHA-256 biwsbj1hLHI9eA==\r\nYz1iaXdzLHI9eCxwPUFBPT0=\r\n\r\nAUTH SCRAM-SHA-256\r\n=\r\n"), byte(2), byte(30))
	f.Add([]byte("EHLO a\r\nMAIL FROM:<é@b> SMTPUTF8 ENVID=+2B\r\nRCPT TO:<pane@d> NOTIFY=NEVER\r\n"), byte(0), byte(40))
	f.Add([]byte("\x16\x03\x01\x00\x00GET / HTTP/1.1\r\n"+strings.Repeat("x", 3000)+"\r\nSTARTTLS\r\n"), byte(0), byte(100))
	f.Add([]byte("EHLO a\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nBDAT 5\r\na\nb\rcNOOP\r\nBDAT 0 LAST\r\nQUIT\r\n"), byte(0), byte(255))
	f.Add([]byte("LHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\na\r\nBDAT 4 LAST\r\n\n\r\n.RSET\r\n"), byte(4), byte(1))
	f.Add([]byte("EHLO a\r\nBDAT 3\r\nabcMAIL FROM:<a@b>\r\nBDAT 999\r\nRCPT TO:<c@d>\r\nBDAT 1\r\nxMAIL FROM:<a@b>\r\nDATA\r\nBDAT 2 FIRST\r\nabBDAT -1\r\n"), byte(8), byte(9))
	f.Add([]byte("EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\n.\r\nMAIL FROM:<a@b>\r\n\r\n.\nDATA\r\n"), byte(6), byte(255))
	f.Fuzz(func(t *testing.T, input []byte, proto, chunk byte) {
		b := &ordered{t: t}
		srv, err := smtpd.New(smtpd.Config{
			Hostname: "mx1.boreal.test", Backend: b, Events: event.NewLog("mx1", 1<<16),
			Proto:          []smtpd.Protocol{smtpd.SMTP, smtpd.LMTP, smtpd.Submission}[proto%3],
			AuthMechanisms: sasl.Mechanisms, SMTPUTF8: true, DSN: true, TLS: testTLS(),
			Chunking: proto%2 == 0, BinaryMIME: proto%2 == 0,
			LineEnds: []smtpd.LineEnds{smtpd.RefuseBare, smtpd.NormaliseBare, smtpd.TrustBare}[proto/3%3],
			Limits:   smtpd.Limits{MessageSize: 200, Header: 100, Recipients: 3, Errors: 20, AuthFailures: 3, Handshake: 10 * time.Millisecond},
		})
		if err != nil {
			t.Fatal(err)
		}
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			srv.ServeConn(context.Background(), server)
		}()
		replies := make(chan []byte, 1)
		go func() {
			all, _ := io.ReadAll(client)
			replies <- all
		}()
		for part := range chunks(input, int(chunk)+1) {
			if _, err := client.Write(part); err != nil {
				break
			}
		}
		client.Close()
		<-done
		checkReplies(t, <-replies)
		if b.open {
			t.Fatal("the session was not closed")
		}
	})
}

func chunks(b []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(size, len(b))
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

// checkReplies checks the form of RFC 5321 §4.2.
func checkReplies(t *testing.T, all []byte) {
	t.Helper()
	more := ""
	in := bufio.NewReader(bytes.NewReader(all))
	for first := true; ; first = false {
		line, err := in.ReadString('\n')
		if err != nil {
			return // the last one may be cut, or be TLS
		}
		if line[0] == 0x15 || line[0] == 0x16 {
			return
		}
		ok := strings.HasSuffix(line, "\r\n") && len(line) <= 512 && len(line) >= 6 && line[0] >= '2' && line[0] <= '5' &&
			(line[3] == ' ' || line[3] == '-') && strings.Trim(line[:3], "0123456789") == "" && !strings.ContainsAny(line[:len(line)-2], "\r\n\x00")
		if !ok || more != "" && line[:3] != more || first && line[:3] != "220" {
			t.Fatalf("reply line %q in %q", line, all)
		}
		if more = ""; line[3] == '-' {
			more = line[:3]
		}
	}
}

// ordered fails when the engine calls it out of order.
type ordered struct {
	t    *testing.T
	open bool
}

func (o *ordered) Open(_ context.Context, p smtpd.Peer) (smtpd.Session, error) {
	o.open = true
	s, err := (&memory{}).Open(context.Background(), p)
	return &orderedSession{Session: s, o: o}, err
}

type orderedSession struct {
	smtpd.Session
	o       *ordered
	current *smtpd.Transaction
}

func (s *orderedSession) Secret(ctx context.Context, user string) (sasl.Secret, error) {
	s.check(user != "" && !strings.ContainsAny(user, "\r\n\x00"), "user %q", user)
	return s.Session.Secret(ctx, user)
}

func (s *orderedSession) check(ok bool, format string, args ...any) {
	if !ok {
		s.o.t.Errorf(format, args...)
	}
}

func (s *orderedSession) Mail(ctx context.Context, t *smtpd.Transaction) (reply.Reply, error) {
	s.check(t.Hello != "" && len(t.Rcpts) == 0 && t.QueueID == "", "mail with %+v", t)
	r, err := s.Session.Mail(ctx, t)
	if s.current = nil; err == nil {
		s.current = t
	}
	return r, err
}

func (s *orderedSession) Rcpt(ctx context.Context, t *smtpd.Transaction, to smtpd.Recipient) (reply.Reply, error) {
	s.check(t == s.current && t != nil, "rcpt outside of its transaction")
	s.check(!to.To.Null() && len(t.Rcpts) < 3, "rcpt %q after %d", to.To, len(t.Rcpts))
	return s.Session.Rcpt(ctx, t, to)
}

func (s *orderedSession) Data(ctx context.Context, t *smtpd.Transaction, message io.Reader) ([]reply.Reply, error) {
	s.check(t == s.current && t != nil && len(t.Rcpts) > 0, "data outside of its transaction")
	s.current = nil
	text, err := io.ReadAll(message)
	switch {
	case err == nil && t.Params.Body != "BINARYMIME":
		bare := strings.ReplaceAll(string(text), "\r\n", "")
		s.check(!strings.ContainsAny(bare, "\r\n"), "message %q", text)
		s.check(len(text) == 0 || strings.HasSuffix(string(text), "\r\n"), "message %q", text)
		fallthrough
	case err == nil:
		s.check(len(text) <= 200, "message %q", text)
	}
	return s.Session.Data(ctx, t, errorAfter{strings.NewReader(string(text)), err})
}

// errorAfter gives a text again, with the error that ended it.
type errorAfter struct {
	r   io.Reader
	err error
}

func (e errorAfter) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if n == 0 && err == io.EOF && e.err != nil {
		err = e.err
	}
	return n, err
}

func (s *orderedSession) Close() {
	s.check(s.o.open, "closed twice")
	s.o.open = false
	s.Session.Close()
}
