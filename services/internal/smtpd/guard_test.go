package smtpd_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"correio/services/internal/smtpd"
)

// from4 is a connection that comes from an address of one's choice.
type from4 struct {
	net.Conn
	addr string
}

func (c from4) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(addrPort(c.addr))
}

// timeless has no deadlines: the timers of net.Pipe outlive it.
type timeless struct{ net.Conn }

func (timeless) SetReadDeadline(time.Time) error  { return nil }
func (timeless) SetWriteDeadline(time.Time) error { return nil }

// visitor connects to a server in memory, from an address.
func visitor(t *testing.T, srv *smtpd.Server, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	client, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.ServeConn(t.Context(), from4{server, addr})
	}()
	t.Cleanup(func() {
		client.Close()
		<-done
	})
	return client, bufio.NewReader(client)
}

func server(t *testing.T, cfg smtpd.Config) *smtpd.Server {
	t.Helper()
	cfg.Hostname = "mx1.boreal.test"
	if cfg.Backend == nil {
		cfg.Backend = &memory{}
	}
	srv, err := smtpd.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// The ports of a node share one limit on connections, in all and for an address.
func TestGuard_ConnectionsOfSeveralServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := smtpd.Limits{Connections: 3, PerClient: 2}
		guard := smtpd.NewGuard(limits)
		mx := server(t, smtpd.Config{Guard: guard})
		submission := server(t, smtpd.Config{Guard: guard, Proto: smtpd.Submission})
		type step struct {
			srv  *smtpd.Server
			addr string
			want string
		}
		var open []net.Conn
		for _, s := range []step{
			{mx, "198.18.1.100:1", "220"},
			{submission, "198.18.1.100:2", "220"},
			{submission, "198.18.1.100:3", "421"}, // two from one address
			{mx, "[2001:db8::1]:4", "220"},
			{mx, "198.18.2.100:5", "421"}, // three in all
		} {
			c, in := visitor(t, s.srv, s.addr)
			if got := expect(t, in, s.want); s.want == "421" && got != "421 Too many connections; try again later" {
				t.Errorf("%s: got %q", s.addr, got)
			}
			if s.want == "421" {
				expectEOF(t, in)
			}
			open = append(open, c)
		}
		open[1].Close()
		synctest.Wait()
		_, in := visitor(t, mx, "198.18.1.100:6")
		expect(t, in, "220")
	})
}

// Addresses of one IPv6 network are one client: a site has 2^64 of them.
func TestGuard_OneNetworkOfIPv6(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := server(t, smtpd.Config{Limits: smtpd.Limits{PerClient: 1}})
		for addr, want := range map[string]string{"[2001:db8::1]:1": "", "[2001:db8::2:1]:1": "", "[2001:db8:0:1::1]:1": "220"} {
			_, in := visitor(t, srv, addr)
			line, err := in.ReadString('\n')
			if err != nil || want != "" && !strings.HasPrefix(line, want) {
				t.Errorf("%s: got %q, %v", addr, line, err)
			}
		}
		_, in := visitor(t, srv, "[2001:db8::3]:1")
		expect(t, in, "421")
	})
}

// commands gives NOOP until it is refused, and returns how often it was taken.
func commands(t *testing.T, c net.Conn, in *bufio.Reader) int {
	t.Helper()
	for n := 0; ; n++ {
		write(t, c, "NOOP\r\n")
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "421 4.7.0 Too many commands") {
			expectEOF(t, in)
			return n
		}
	}
}

func TestGuard_CommandsPerMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := server(t, smtpd.Config{Limits: smtpd.Limits{Commands: 60}})
		const me, other = "198.18.1.100:1", "198.18.2.100:1"
		for _, s := range []struct {
			addr string
			wait time.Duration
			want int
		}{
			{me, 0, 60},
			{me, 0, 0}, // another connection is no help
			{other, 0, 60},
			{me, 30 * time.Second, 30},
			{me, time.Hour, 60}, // a burst is never more than a minute's worth
		} {
			<-time.After(s.wait)
			c, in := visitor(t, srv, s.addr)
			expect(t, in, "220")
			if got := commands(t, c, in); got != s.want {
				t.Errorf("%s after %v: %d commands, want %d", s.addr, s.wait, got, s.want)
			}
		}
	})
}

// Who sends mail is not slowed, even without QUIT or on many connections.
func TestGuard_AcceptedMessagesGiveBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := server(t, smtpd.Config{Limits: smtpd.Limits{Commands: 10}})
		for range 50 {
			c, in := visitor(t, srv, "198.18.1.100:1")
			expect(t, in, "220")
			for _, line := range []string{ehlo, from, to, to, "DATA\r\n"} {
				write(t, c, line)
				expect(t, in, map[bool]string{true: "354", false: "250"}[line == "DATA\r\n"])
			}
			write(t, c, ".\r\n")
			expect(t, in, "250")
			write(t, c, "QUIT\r\n")
			expect(t, in, "221")
		}
	})
}

// A refused message gives nothing back, and no limit is no limit.
func TestGuard_RefusedMessagesDoNot(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]string{12: "421", -1: "250"} {
		synctest.Test(t, func(t *testing.T) {
			srv := server(t, smtpd.Config{Limits: smtpd.Limits{Commands: limit}})
			c, in := visitor(t, srv, "198.18.1.100:1")
			expect(t, in, "220")
			write(t, c, ehlo)
			expect(t, in, "250")
			for range 3 {
				write(t, c, from)
				expect(t, in, "250")
				write(t, c, "RCPT TO:<rejeita-dados@boreal.test>\r\n")
				expect(t, in, "250")
				write(t, c, "DATA\r\n")
				expect(t, in, "354")
				write(t, c, ".\r\n")
				expect(t, in, "554")
			}
			write(t, c, "NOOP\r\n")
			expect(t, in, "250") // 11
			write(t, c, "NOOP\r\n")
			expect(t, in, "250") // 12
			write(t, c, "NOOP\r\n")
			expect(t, in, want)
		})
	}
}

// Ten sessions' worth of wrong passwords in a minute are enough for an address.
func TestGuard_AuthFailuresOfAnAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		srv := server(t, smtpd.Config{Proto: smtpd.Submission, AuthMechanisms: []string{"PLAIN"}, Backend: m, Limits: smtpd.Limits{AuthFailures: 3}})
		const wrong, right = "AUTH PLAIN AGFuYQBib2I=\r\n", "AUTH PLAIN AGFuYQBhbmE=\r\n"
		try := func(addr, line, want string) {
			t.Helper()
			c, in := visitor(t, srv, addr)
			expect(t, in, "220")
			write(t, c, ehlo)
			expect(t, in, "250")
			write(t, c, line)
			if got := expect(t, in, want); want == "421" && !strings.HasPrefix(got, "421 4.7.0 Too many failed") {
				t.Errorf("got %q", got)
			}
			c.Close()
			synctest.Wait()
		}
		const me = "198.18.1.100:1"
		for range 30 {
			try(me, wrong, "535")
		}
		asked := len(m.log)
		try(me, right, "421") // even with the right one: nobody may go on guessing
		if len(m.log) != asked {
			t.Error("a password was checked all the same")
		}
		try("198.18.2.100:1", right, "235")
		<-time.After(2 * time.Second)
		try(me, right, "235")
	})
}

// The table forgets: 100,000 addresses that come and go take no more room than
// those it keeps, and none of them is refused.
func TestGuard_TableIsBounded(t *testing.T) {
	t.Parallel()
	alone(t, func(t *testing.T) {
		srv := server(t, smtpd.Config{Limits: smtpd.Limits{Connections: 10}})
		visit := func(i int) {
			addr := fmt.Sprintf("10.%d.%d.%d:1", i>>16&0xff, i>>8&0xff, i&0xff)
			client, conn := net.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				srv.ServeConn(t.Context(), from4{timeless{conn}, addr})
			}()
			in := bufio.NewReaderSize(client, 16)
			line, err := in.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, "220") {
				t.Fatalf("%s: got %q, %v", addr, line, err)
			}
			client.Close()
			<-done
		}
		for i := range 10_000 {
			visit(i)
		}
		before := inUse()
		for i := range 100_000 {
			visit(i)
		}
		grown := inUse() - before
		t.Logf("%d octets more for 100,000 addresses", grown)
		if grown > 512<<10 {
			t.Errorf("the heap has grown by %d octets", grown)
		}
	})
}
