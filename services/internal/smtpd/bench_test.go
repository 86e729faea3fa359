package smtpd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/reply"
	"correio/services/internal/sasl"
	"correio/services/internal/smtpd"
)

// discard accepts everything and keeps nothing.
type discard struct{}

func (discard) Open(context.Context, smtpd.Peer) (smtpd.Session, error) { return discard{}, nil }
func (discard) Secret(context.Context, string) (sasl.Secret, error) {
	return sasl.Secret{}, sasl.ErrNobody
}
func (discard) Auth(context.Context, sasl.Identity) error                           { return nil }
func (discard) Mail(context.Context, *smtpd.Transaction) (r reply.Reply, err error) { return }
func (discard) Rcpt(context.Context, *smtpd.Transaction, smtpd.Recipient) (r reply.Reply, err error) {
	return
}

func (discard) Data(_ context.Context, _ *smtpd.Transaction, message io.Reader) ([]reply.Reply, error) {
	_, err := io.Copy(io.Discard, message)
	return nil, err
}

func (discard) Close() {}

// BenchmarkEngine is the engine alone, over loopback TCP: one message is one
// operation, whatever the number of connections.
func BenchmarkEngine(b *testing.B) {
	for _, size := range []int{4 << 10, 100 << 10} {
		for _, conns := range []int{1, 10, 100} {
			for _, pipelined := range []bool{false, true} {
				for _, watched := range []bool{false, true} {
					if watched && (conns != 10 || size != 4<<10) {
						continue
					}
					name := fmt.Sprintf("size=%d/conns=%d/pipelined=%v/events=%v", size, conns, pipelined, watched)
					b.Run(name, func(b *testing.B) { benchmark(b, size, conns, pipelined, watched) })
				}
			}
		}
	}
}

func benchmark(b *testing.B, size, conns int, pipelined, watched bool) {
	cfg := smtpd.Config{Backend: discard{}, Limits: smtpd.Limits{Connections: 1000, PerClient: 1000}}
	if watched {
		cfg.Events = event.NewLog("mx1.boreal.test", 0)
	}
	addr := serve(b, cfg)
	header := "From: Ana <ana@aurora.test>\r\nTo: Bruno <bruno@boreal.test>\r\nSubject: a benchmark\r\n" +
		"Date: Mon, 23 Nov 2026 12:00:00 -0300\r\nMessage-ID: <1234567890.1234567890@pc.aurora.test>\r\n\r\n"
	body := header + strings.Repeat(strings.Repeat("x", 70)+"\r\n", (size-len(header))/72) + ".\r\n"
	clients := make(chan *client, conns)
	for range conns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		c := &client{conn, bufio.NewReader(conn)}
		c.replies(b, 1)
		c.ask(b, ehlo, 1)
		clients <- c
	}
	b.SetParallelism(conns)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c := <-clients
			if pipelined {
				c.ask(b, from+to+"DATA\r\n", 3)
			} else {
				c.ask(b, from, 1)
				c.ask(b, to, 1)
				c.ask(b, "DATA\r\n", 1)
			}
			c.ask(b, body, 1)
			clients <- c
		}
	})
}

type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func (c *client) ask(b *testing.B, s string, n int) {
	if _, err := io.WriteString(c.conn, s); err != nil {
		b.Error(err)
	}
	c.replies(b, n)
}

func (c *client) replies(b *testing.B, n int) {
	for n > 0 {
		line, err := c.in.ReadSlice('\n')
		if err != nil || line[0] > '3' {
			b.Errorf("%q, %v", line, err)
			return
		}
		if line[3] == ' ' {
			n--
		}
	}
}
