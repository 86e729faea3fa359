package dnsclient

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"correio/services/internal/event"
	"correio/services/internal/labtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var serverAddr = netip.MustParseAddrPort("198.18.0.8:53")

// fake answers questions of one address by a function, whose nil answers are
// silence. proto is "udp" or "tcp".
type fake struct {
	mu    sync.Mutex
	asked []string // "udp boreal.test. MX"
	reply func(proto string, n int, q *dns.Msg) [][]byte
}

func startFake(t *testing.T, s *labtest.Stack, at netip.AddrPort, reply func(proto string, n int, q *dns.Msg) [][]byte) *fake {
	t.Helper()
	f := &fake{reply: reply}
	pc, err := s.ListenPacket(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := s.Listen(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { pc.Close(); ln.Close(); running.Wait() })
	running.Go(func() { f.udp(pc) })
	running.Go(func() { f.tcp(ln) })
	return f
}

func (f *fake) answer(proto string, wire []byte) [][]byte {
	q := new(dns.Msg)
	if q.Unpack(wire) != nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, proto+" "+q.Question[0].Name+" "+dns.TypeToString[q.Question[0].Qtype])
	return f.reply(proto, len(f.asked), q)
}

func (f *fake) udp(pc net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		for _, wire := range f.answer("udp", buf[:n]) {
			pc.WriteTo(wire, from)
		}
	}
}

func (f *fake) tcp(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err == nil {
			wire := make([]byte, binary.BigEndian.Uint16(length[:]))
			if _, err := io.ReadFull(c, wire); err == nil {
				for _, wire := range f.answer("tcp", wire) {
					c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...))
				}
			}
		}
		c.Close()
	}
}

func (f *fake) questions() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

func pack(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	wire, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

func rrs(t testing.TB, lines ...string) []dns.RR {
	t.Helper()
	var list []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rr)
	}
	return list
}

func newClient(s *labtest.Stack, log *event.Log) *Client {
	return New(Config{
		Server: serverAddr, Events: log, Timeout: 200 * time.Millisecond,
		Dial: func(ctx context.Context, network string, remote netip.AddrPort) (net.Conn, error) {
			return s.Dial(ctx, network, netip.MustParseAddr("198.18.1.25"), remote)
		},
	})
}

func TestLookupThatIsAnsweredAfterATryThatIsNot(t *testing.T) {
	s := labtest.NewStack(t)
	f := startFake(t, s, serverAddr, func(_ string, n int, q *dns.Msg) [][]byte {
		if n == 1 {
			return nil
		}
		m := new(dns.Msg).SetReply(q)
		m.Answer = rrs(t, "boreal.test. 60 IN MX 20 mx2.boreal.test.", "boreal.test. 50 IN MX 10 mx1.boreal.test.")
		return [][]byte{pack(t, m)}
	})
	log := event.NewLog("mx1.aurora.test", 0)
	a := newClient(s, log).ForQueue("4F0A", "m@aurora.test").LookupMX(t.Context(), "boreal.test")
	if a.Status != Found || len(a.MX()) != 2 || a.TTL != 50*time.Second || a.Alias() || a.Err != nil {
		t.Errorf("got %+v", a)
	}
	if got := f.questions(); len(got) != 2 {
		t.Errorf("asked %q, want the same question twice", got)
	}
	records := log.After(0, 10).Records
	if len(records) != 2 {
		t.Fatalf("%d records, want one for each try", len(records))
	}
	for i, r := range records {
		if r.Text != "boreal.test. MX" || r.Queue != "4F0A" || r.Meta.Get(event.Remote) != serverAddr.String() ||
			!strings.HasPrefix(r.Meta.Get(event.Local), "198.18.1.25:") || r.Meta.Get(event.Proto) != "udp" {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	if records[0].Meta.Get(event.Error) == "" || records[0].Meta.Get(event.Rcode) != "" {
		t.Errorf("first try: %v, want an error and no rcode", records[0].Meta)
	}
	want := "boreal.test. 60 IN MX 20 mx2.boreal.test.; boreal.test. 50 IN MX 10 mx1.boreal.test."
	if got := records[1].Meta.Get(event.Answer); got != want || records[1].Meta.Get(event.Rcode) != "NOERROR" {
		t.Errorf("second try: %v", records[1].Meta)
	}
	if records[0].Meta.Get(event.ID) == records[1].Meta.Get(event.ID) {
		t.Error("both tries have the same id")
	}
}

func TestTruncatedResponseIsAskedForByTCP(t *testing.T) {
	s := labtest.NewStack(t)
	f := startFake(t, s, serverAddr, func(proto string, _ int, q *dns.Msg) [][]byte {
		m := new(dns.Msg).SetReply(q)
		if m.Truncated = proto == "udp"; !m.Truncated {
			m.Answer = rrs(t, "long.casos.test. 60 IN MX 1 a.test.")
		}
		return [][]byte{pack(t, m)}
	})
	if a := newClient(s, nil).LookupMX(t.Context(), "long.casos.test."); a.Status != Found {
		t.Errorf("got %+v", a)
	}
	want := []string{"udp long.casos.test. MX", "tcp long.casos.test. MX"}
	if got := f.questions(); !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

func TestServerWithoutEDNSIsAskedPlainly(t *testing.T) {
	s := labtest.NewStack(t)
	startFake(t, s, serverAddr, func(_ string, _ int, q *dns.Msg) [][]byte {
		m := new(dns.Msg).SetReply(q)
		if q.IsEdns0() != nil {
			m.Rcode = dns.RcodeFormatError
			m.Question = nil
		}
		return [][]byte{pack(t, m)}
	})
	if a := newClient(s, nil).LookupMX(t.Context(), "old.test."); a.Status != NoData {
		t.Errorf("got %+v", a)
	}
}

func TestSilenceAndRefusalFailWithinTheBudget(t *testing.T) {
	s := labtest.NewStack(t)
	c := newClient(s, nil)
	if a := c.LookupMX(t.Context(), "a.test"); a.Status != Failed || !Refused(a.Err) {
		t.Errorf("nobody listens: %+v", a)
	}
	f := startFake(t, s, serverAddr, func(string, int, *dns.Msg) [][]byte { return nil })
	start := time.Now()
	a := c.LookupMX(t.Context(), "a.test")
	if took := time.Since(start); a.Status != Failed || a.Err == nil || took < 500*time.Millisecond || took > 5*time.Second {
		t.Errorf("silence: %+v after %s", a, took)
	}
	if n := len(f.questions()); n != 3 {
		t.Errorf("%d tries, want 3", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	start = time.Now()
	if a := c.LookupMX(ctx, "a.test"); a.Status != Failed || time.Since(start) > 150*time.Millisecond {
		t.Errorf("cancelled: %+v after %s", a, time.Since(start))
	}
}
