package dnsserver

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"correio/services/internal/event"
	"correio/services/internal/labtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	at     = netip.MustParseAddrPort("198.18.0.20:53")
	client = netip.MustParseAddr("198.18.1.25")
)

type handlerFunc func(ctx context.Context, r *Request) *dns.Msg

func (f handlerFunc) Answer(ctx context.Context, r *Request) *dns.Msg { return f(ctx, r) }

// numbered answers "n.test." with n TXT records of about 50 octets, and
// "panic.test." with a panic.
func numbered(_ context.Context, r *Request) *dns.Msg {
	m := new(dns.Msg).SetReply(r.Msg)
	m.Authoritative = true
	var n int
	if _, err := fmt.Sscanf(r.Question.Name, "%d.", &n); err != nil {
		panic("no number in " + r.Question.Name)
	}
	for i := range n {
		m.Answer = append(m.Answer, &dns.TXT{
			Hdr: dns.RR_Header{Name: r.Question.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60},
			Txt: []string{fmt.Sprintf("%04d %s", i, strings.Repeat("x", 30))},
		})
	}
	return m
}

type fixture struct {
	stack *labtest.Stack
	log   *event.Log
	stop  func() error
}

func start(t testing.TB, change func(*Config)) *fixture {
	t.Helper()
	f := &fixture{stack: labtest.NewStack(t), log: event.NewLog("ns.nic.test", 0)}
	cfg := Config{
		Net: f.stack, Addrs: []netip.AddrPort{at}, Handler: handlerFunc(numbered), Events: f.log,
		Log: labtest.Logger(t, "ns.nic.test"), Metrics: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&cfg)
	}
	s, err := Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	var result error
	stopped := false
	f.stop = func() error {
		if cancel(); !stopped {
			result, stopped = <-done, true
		}
		return result
	}
	t.Cleanup(func() {
		if err := f.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return f
}

func (f *fixture) dial(t testing.TB, network string) net.Conn {
	t.Helper()
	c, err := f.stack.Dial(t.Context(), network, client, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(5 * time.Second))
	return c
}

func (f *fixture) udp(t testing.TB, wire []byte) []byte {
	t.Helper()
	c := f.dial(t, "udp")
	if _, err := c.Write(wire); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 65535)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatalf("no response: %v", err)
	}
	return buf[:n]
}

func frame(wire []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
}

func readFrame(c net.Conn) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	wire := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(c, wire)
	return wire, err
}

func query(name string, size uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, dns.TypeTXT)
	if size > 0 {
		m.SetEdns0(size, false)
	}
	return m
}

func pack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

func unpack(t testing.TB, wire []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(wire); err != nil {
		t.Fatalf("response %x: %v", wire, err)
	}
	return m
}

func TestQuestionsAtWorkAreAnsweredAtTheEnd(t *testing.T) {
	entered := make(chan struct{})
	release := map[string]chan struct{}{"udp": make(chan struct{}), "tcp": make(chan struct{})}
	f := start(t, func(c *Config) {
		c.Concurrent = 4
		c.Handler = handlerFunc(func(ctx context.Context, r *Request) *dns.Msg {
			entered <- struct{}{}
			select {
			case <-release[r.Proto]:
			case <-ctx.Done():
				return nil
			}
			return numbered(ctx, r)
		})
	})
	udp, tcp := f.dial(t, "udp"), f.dial(t, "tcp")
	udp.Write(pack(t, query("1.test.", 0)))
	tcp.Write(frame(pack(t, query("1.test.", 0))))
	<-entered
	<-entered
	stopped := make(chan error)
	go func() { stopped <- f.stop() }()
	close(release["udp"]) // the other question keeps the socket open meanwhile
	if _, err := udp.Read(make([]byte, 512)); err != nil {
		t.Errorf("udp: %v", err)
	}
	close(release["tcp"])
	if _, err := readFrame(tcp); err != nil {
		t.Errorf("tcp: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestHandlerThatHangsIsCutAfterTheGracePeriod(t *testing.T) {
	entered := make(chan struct{})
	f := start(t, func(c *Config) {
		c.Concurrent, c.Grace = 1, 20*time.Millisecond
		c.Handler = handlerFunc(func(ctx context.Context, _ *Request) *dns.Msg {
			close(entered)
			<-ctx.Done()
			return nil
		})
	})
	c := f.dial(t, "udp")
	c.Write(pack(t, query("1.test.", 0)))
	<-entered
	start := time.Now()
	if err := f.stop(); err != nil || time.Since(start) > 2*time.Second {
		t.Errorf("stopped after %s: %v", time.Since(start), err)
	}
}

func TestListenSaysWhatIsTaken(t *testing.T) {
	f := start(t, nil)
	_, err := Listen(t.Context(), Config{Net: f.stack, Addrs: []netip.AddrPort{at}, Handler: handlerFunc(numbered)})
	if err == nil || !strings.Contains(err.Error(), "listen on 198.18.0.20:53/udp") {
		t.Errorf("error %v", err)
	}
}
