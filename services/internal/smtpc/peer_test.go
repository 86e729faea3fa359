package smtpc

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"correio/services/internal/labtest"
)

func noVerify() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// peer is go-smtp's server: an independent reading of the standards.
type peer struct {
	addr string
	mu   sync.Mutex // guards what follows
	got  []string
	from []string
	body []smtp.BodyType
}

func (p *peer) NewSession(*smtp.Conn) (smtp.Session, error) { return &peerSession{p: p}, nil }

type peerSession struct {
	p  *peer
	to []string
}

func (s *peerSession) Reset()        { s.to = nil }
func (s *peerSession) Logout() error { return nil }
func (s *peerSession) Mail(from string, opt *smtp.MailOptions) error {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.from = append(s.p.from, from)
	s.p.body = append(s.p.body, opt.Body)
	return nil
}

func (s *peerSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "nobody@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *peerSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	s.p.got = append(s.p.got, string(b))
	return err
}

func (s *peerSession) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	err := s.Data(r)
	for i, to := range s.to {
		if i == 1 {
			status.SetStatus(to, &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "Full"})
		} else {
			status.SetStatus(to, err)
		}
	}
	return nil
}

func (s *peerSession) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *peerSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "ana" || password != "ana" {
			return errors.New("no")
		}
		return nil
	}), nil
}

func startPeer(t *testing.T, lmtp bool) (*peer, net.Conn) {
	t.Helper()
	p := &peer{}
	s := smtp.NewServer(p)
	s.Domain, s.LMTP, s.EnableSMTPUTF8 = "peer.test", lmtp, true
	s.EnableBINARYMIME = true
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*labtest.NewStack(t).Certificate("peer.test")}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = ln.Addr().String()
	served := make(chan struct{})
	go func() { defer close(served); s.Serve(ln) }()
	t.Cleanup(func() { s.Close(); <-served })
	conn, err := net.DialTimeout("tcp", ln.Addr().String(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return p, conn
}

func TestAgainstGoSMTPWithTLSAndAuth(t *testing.T) {
	p, conn := startPeer(t, false)
	c, err := Open(t.Context(), conn, Options{Protocol: Submission, Hello: "pc.test", Host: "peer.test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(t.Context(), noVerify()); err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(t.Context(), "ana", "ana"); err != nil {
		t.Fatal(err)
	}
	message := "Subject: x\r\n\r\n.\r\n..\r\nçã\r\n" + strings.Repeat("linha\r\n", 20_000)
	for i, pipelined := range []bool{false, true} {
		res := c.Send(t.Context(), envelope(t, "ana@peer.test", "nobody@peer.test", "bruno@peer.test"),
			strings.NewReader(message), SendOptions{Pipelined: pipelined})
		if !res[0].Permanent() || !res[1].Delivered() || !c.Usable() {
			t.Fatalf("transaction %d: %+v", i, res)
		}
	}
	c.Quit(t.Context())
	if len(p.got) != 2 || p.got[0] != message || p.got[1] != message {
		t.Errorf("%d messages arrived, or not as they were sent", len(p.got))
	}
}

func TestAgainstGoSMTPByLMTP(t *testing.T) {
	p, conn := startPeer(t, true)
	c, err := Open(t.Context(), conn, Options{Protocol: LMTP, Hello: "mx.test", Host: "peer.test"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		res := c.Send(t.Context(), envelope(t, "", "a@peer.test", "b@peer.test"), bytes.NewReader([]byte("x\r\n")), SendOptions{})
		if !res[0].Delivered() || res[1].Reply.Code != 452 {
			t.Fatalf("%+v", res)
		}
	}
	c.Quit(t.Context())
	if len(p.got) != 2 {
		t.Errorf("%d messages", len(p.got))
	}
}

// BDAT against somebody else's reading of RFC 3030: text and any octets, in
// one chunk and in many, one after the other and together.
func TestAgainstGoSMTPByBDAT(t *testing.T) {
	anything := make([]byte, 300_001)
	for i := range anything {
		anything[i] = byte(i * i >> 3)
	}
	text := "Subject: x\r\n\r\n" + strings.Repeat(".\r\nlinha\r\n", 20_000)
	for _, lmtp := range []bool{false, true} {
		p, conn := startPeer(t, lmtp)
		proto := SMTP
		if lmtp {
			proto = LMTP
		}
		c, err := Open(t.Context(), conn, Options{Protocol: proto, Hello: "mx.test", Host: "peer.test"})
		if err != nil {
			t.Fatal(err)
		}
		for _, opt := range []SendOptions{
			{Chunking: true}, {Chunking: true, Pipelined: true}, {Chunking: true, ChunkSize: maxChunk},
			{Chunking: true, Pipelined: true, ChunkSize: 999},
		} {
			for _, body := range []string{"", Binary} {
				env, message := envelope(t, "a@peer.test", "b@peer.test"), text
				if env.Body = body; body == Binary {
					message = string(anything)
				}
				res := c.Send(t.Context(), env, strings.NewReader(message), opt)
				p.mu.Lock()
				if !res[0].Delivered() || p.got[len(p.got)-1] != message || string(p.body[len(p.body)-1]) != body {
					t.Errorf("LMTP %t, %+v, %q: %v, BODY %v", lmtp, opt, body, told(res), p.body)
				}
				p.mu.Unlock()
			}
		}
		c.Quit(t.Context())
	}
}
