package authdns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/network"
)

// BenchmarkUDP asks a node over the loopback device, 64 questions in flight,
// as performance.md §5 does: MX of 1,000 names.
func BenchmarkUDP(b *testing.B) {
	var text strings.Builder
	text.WriteString(head)
	for i := range 1000 {
		fmt.Fprintf(&text, "d%d 60 IN MX 10 mx.d%d\nmx.d%d 60 IN A 198.18.9.%d\n", i, i, i, i%250)
	}
	org := &lab.Org{Dir: b.TempDir(), Title: "Bench", Hosts: []lab.Host{{
		Name: "ns.bench.test", Role: lab.RoleDNS, Internet: netip.MustParseAddr("198.18.0.20"), Zones: []lab.Zone{{Name: "bench.test", File: "z.zone"}},
	}}}
	write(b, org.Dir+"/z.zone", text.String())
	env := labtest.EnvOf(b, labtest.NewStack(b), org, "ns.bench.test")
	stack := &oneSocket{}
	env.Net = stack
	n, err := New(env)
	if err != nil {
		b.Fatal(err)
	}
	labtest.Start(b, n)
	b.ReportAllocs()
	b.ResetTimer()
	start := time.Now()
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() { flood(b, stack.addr, c, b.N/4+1) })
	}
	clients.Wait()
	b.ReportMetric(float64(4*(b.N/4+1))/time.Since(start).Seconds(), "qps")
}

// flood asks count questions, 16 in flight.
func flood(b *testing.B, to net.Addr, seed, count int) {
	c, err := net.Dial("udp", to.String())
	if err != nil {
		b.Error(err)
		return
	}
	defer c.Close()
	buf := make([]byte, 2048)
	send := func(i int) {
		m := new(dns.Msg).SetQuestion(fmt.Sprintf("d%d.bench.test.", (i*7+seed)%1000), dns.TypeMX)
		wire, err := m.PackBuffer(buf)
		if err == nil {
			_, err = c.Write(wire)
		}
		if err != nil {
			b.Error(err)
		}
	}
	for i := range min(16, count) {
		send(i)
	}
	for i := range count {
		c.SetReadDeadline(time.Now().Add(2 * time.Second))
		if _, err := c.Read(buf); err != nil {
			b.Error(err)
			return
		}
		if i+16 < count {
			send(i)
		}
	}
}

// oneSocket is a stack whose only UDP socket is the system's own, as in a
// container, where the fast path of the server is taken.
type oneSocket struct {
	network.System
	addr net.Addr
}

func (s *oneSocket) ListenPacket(ctx context.Context, _ netip.AddrPort) (net.PacketConn, error) {
	pc, err := s.System.ListenPacket(ctx, netip.MustParseAddrPort("127.0.0.1:0"))
	if err == nil {
		s.addr = pc.LocalAddr()
	}
	return pc, err
}

func (s *oneSocket) Listen(ctx context.Context, _ netip.AddrPort) (net.Listener, error) {
	return s.System.Listen(ctx, netip.MustParseAddrPort("127.0.0.1:0"))
}
