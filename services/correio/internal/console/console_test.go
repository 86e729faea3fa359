package console_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"correio/services/correio/internal/console"
	"correio/services/internal/labtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	here  = netip.MustParseAddr("198.18.1.100")
	there = netip.MustParseAddrPort("198.18.2.25:25")
)

// serve starts a server that holds one conversation, and connects to it.
func serve(t *testing.T, s *labtest.Stack, talk func(net.Conn)) net.Conn {
	t.Helper()
	ln, err := s.Listen(t.Context(), there)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		talk(c)
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	c, err := s.Dial(t.Context(), "tcp", here, there)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatIsTypedGoesOutWithCRLFAndWhatComesIsPrinted(t *testing.T) {
	var heard []string
	c := serve(t, labtest.NewStack(t), func(c net.Conn) {
		io.WriteString(c, "220 hello\r\n")
		in := bufio.NewReader(c)
		for range 2 {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Errorf("server: %v", err)
			}
			heard = append(heard, line)
		}
		io.WriteString(c, "221 bye\r\n")
	})
	var out bytes.Buffer
	if err := console.Run(t.Context(), c, strings.NewReader("HELO x\nQUIT\r\n"), &out); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(heard, ""), "HELO x\r\nQUIT\r\n"; got != want {
		t.Errorf("the server heard %q, want %q", got, want)
	}
	if got, want := out.String(), "220 hello\n221 bye\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestTheEndOfTheInputStillLetsTheServerAnswer(t *testing.T) {
	c := serve(t, labtest.NewStack(t), func(c net.Conn) {
		all, err := io.ReadAll(c)
		if err != nil {
			t.Errorf("server: %v", err)
		}
		c.Write(all)
	})
	var out bytes.Buffer
	if err := console.Run(t.Context(), c, strings.NewReader("NOOP"), &out); err != nil || out.String() != "NOOP\n" {
		t.Errorf("Run = %v, printed %q", err, out.String())
	}
}

func TestTheConsoleEndsWithItsContext(t *testing.T) {
	c := serve(t, labtest.NewStack(t), func(c net.Conn) { io.ReadAll(c) })
	ctx, cancel := context.WithCancel(t.Context())
	in, stillOpen := io.Pipe()
	defer stillOpen.Close()
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := console.Run(ctx, c, in, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want the cancellation", err)
	}
}

func TestUpgrade(t *testing.T) {
	tests := []struct {
		name, port string
		replies    []string
		heard      []string
		refused    string // what the error says; "" for success
	}{
		{"SMTP", "25", []string{"220 mx ESMTP\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"}, []string{"EHLO [127.0.0.1]\r\n", "STARTTLS\r\n"}, ""},
		{"POP3", "110", []string{"+OK pop\r\n", "+OK go\r\n"}, []string{"STLS\r\n"}, ""},
		{"a server that does not greet", "25", []string{"554 no\r\n"}, nil, "the server refused the connection: 554 no"},
		{"a server without STARTTLS", "25", []string{"220 mx\r\n", "250 mx\r\n", "502 what?\r\n"}, []string{"EHLO [127.0.0.1]\r\n", "STARTTLS\r\n"}, "STARTTLS: 502 what?"},
		{"a server that injects", "110", []string{"+OK pop\r\n", "+OK go\r\n+OK injected\r\n"}, []string{"STLS\r\n"}, "in the clear"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stack := labtest.NewStack(t)
			cert := stack.Certificate("mx.test")
			var heard []string
			done := make(chan struct{})
			c := serve(t, stack, func(c net.Conn) {
				defer close(done)
				in := bufio.NewReader(c)
				for i, reply := range tt.replies {
					io.WriteString(c, reply)
					if i == len(tt.replies)-1 {
						break
					}
					line, _ := in.ReadString('\n')
					heard = append(heard, line)
				}
				if tt.refused == "" {
					tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*cert}}).Handshake()
				}
			})
			defer c.Close()
			var out bytes.Buffer
			secured, err := console.Upgrade(t.Context(), c, "mx.test", tt.port, &out)
			<-done
			if got, want := strings.Join(heard, ""), strings.Join(tt.heard, ""); got != want {
				t.Errorf("the server heard %q, want %q", got, want)
			}
			switch {
			case tt.refused == "" && err != nil:
				t.Errorf("Upgrade: %v; printed:\n%s", err, out.String())
			case tt.refused == "" && secured.ConnectionState().PeerCertificates[0].Subject.CommonName != "mx.test":
				t.Errorf("certificate of %v", secured.ConnectionState().PeerCertificates[0].Subject)
			case tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)):
				t.Errorf("Upgrade = %v, want %q", err, tt.refused)
			}
		})
	}
}
