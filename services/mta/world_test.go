package mta

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"correio/services/internal/clock"
	"correio/services/internal/event"
	"correio/services/internal/labtest"
	"correio/services/internal/mailaddr"
	"correio/services/internal/node"
	"correio/services/internal/smtpc"
	"correio/services/internal/smtpd"
)

func TestMain(m *testing.M) {
	if childMain() {
		return
	}
	goleak.VerifyTestMain(m)
}

// world is a lab with this package's MTAs, and stand-ins for DNS and the MDAs.
type world struct {
	t     testing.TB
	stack *labtest.Stack
	zone  *zone
	again tuning // of nodes that are started anew
}

const zoneText = `
	aurora.test. MX 10 mx1.aurora.test.
	mx1.aurora.test. A 198.18.1.25
	boreal.test. MX 10 mx1.boreal.test.
	boreal.test. MX 20 mx2.boreal.test.
	mx1.boreal.test. A 198.18.2.25
	mx2.boreal.test. A 198.18.2.26
	nullmx.casos.test. MX 0 .
	closed.casos.test. MX 10 closed-host.casos.test.
	closed-host.casos.test. A 198.18.1.200
	loop.casos.test. MX 10 mx1.boreal.test.
	two.casos.test. MX 10 a.two.casos.test.
	two.casos.test. MX 20 b.two.casos.test.
	a.two.casos.test. A 198.18.9.1
	b.two.casos.test. A 198.18.9.2
	one.casos.test. MX 10 a.two.casos.test.
	selfbackup.casos.test. MX 10 a.two.casos.test.
`

func newWorld(t testing.TB) *world { return worldOf(t, zoneText) }

// worldOf is a world whose DNS says something else.
func worldOf(t testing.TB, zone string) *world {
	w := &world{t: t, stack: labtest.NewStack(t), zone: newZone(t, zone)}
	for _, resolver := range []string{"198.18.0.8:53", "198.18.0.9:53"} {
		w.zone.serve(t, w.stack, netip.MustParseAddrPort(resolver))
	}
	return w
}

// zone is a DNS server that answers what its lines say.
type zone struct {
	records []dns.RR
	failing string // a name that it answers SERVFAIL about, from a line "SERVFAIL name"
}

func newZone(t testing.TB, text string) *zone {
	z := &zone{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if name, ok := strings.CutPrefix(line, "SERVFAIL "); ok {
			z.failing = name
			continue
		}
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		z.records = append(z.records, rr)
	}
	return z
}

func (z *zone) serve(t testing.TB, stack *labtest.Stack, at netip.AddrPort) {
	pc, err := stack.ListenPacket(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { pc.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buf[:n]) != nil || len(q.Question) != 1 {
				continue
			}
			if wire, err := z.answer(q).Pack(); err == nil {
				pc.WriteTo(wire, from)
			}
		}
	}()
}

func (z *zone) answer(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Rcode = dns.RcodeNameError
	if strings.EqualFold(q.Question[0].Name, z.failing) {
		m.Rcode = dns.RcodeServerFailure
		return m
	}
	for _, rr := range z.records {
		if !strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
			continue
		}
		m.Rcode = dns.RcodeSuccess
		if rr.Header().Rrtype == q.Question[0].Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	return m
}

func (w *world) serveMail(at string, proto smtpd.Protocol, backend smtpd.Backend) {
	w.t.Helper()
	server, err := smtpd.New(smtpd.Config{Hostname: "mda.test", Proto: proto, Backend: backend, SMTPUTF8: true, Log: labtest.Logger(w.t, "mda")})
	if err != nil {
		w.t.Fatal(err)
	}
	w.listen(at, func(ctx context.Context, ln net.Listener) { server.Serve(ctx, ln) })
}

func (w *world) listen(at string, serve func(ctx context.Context, ln net.Listener)) {
	w.t.Helper()
	ln, err := w.stack.Listen(w.t.Context(), netip.MustParseAddrPort(at))
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); serve(ctx, ln) }()
	w.t.Cleanup(func() { cancel(); ln.Close(); <-done })
}

// host is an MTA of the world.
type host struct {
	*Node
	env  *node.Env
	stop func()
}

// mta starts an MTA of the default lab.
func (w *world) mta(site, name string, speed clock.Speed) *host {
	w.t.Helper()
	return w.tuned(site, name, speed, tuning{})
}

func (w *world) tuned(site, name string, speed clock.Speed, tune tuning) *host {
	w.t.Helper()
	env := labtest.Env(w.t, w.stack, "../../deploy/"+site, name)
	env.Speed = speed
	n, err := newNode(env, tune)
	if err != nil {
		w.t.Fatal(err)
	}
	return &host{n, env, labtest.Start(w.t, n)}
}

// connect connects as a workstation does. At port 25 it neither encrypts nor
// logs in.
func (w *world) connect(from, to, user string) *smtpc.Client {
	w.t.Helper()
	conn, err := w.stack.Dial(w.t.Context(), "tcp", netip.MustParseAddr(from), netip.MustParseAddrPort(to))
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := smtpc.Open(w.t.Context(), conn, smtpc.Options{Hello: "pc.aurora.test"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	if user == "" {
		return c
	}
	if err := c.StartTLS(w.t.Context(), &tls.Config{RootCAs: w.stack.Roots(), ServerName: "localhost"}); err != nil { // every certificate of the lab names it
		w.t.Fatal(err)
	}
	if err := c.Auth(w.t.Context(), user, user); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) send(c *smtpc.Client, from, message string, to ...string) []smtpc.Result {
	w.t.Helper()
	env := smtpc.Envelope{From: w.address(from)}
	for _, a := range to {
		env.To = append(env.To, smtpc.Recipient{To: w.address(a)})
	}
	return c.Send(w.t.Context(), env, strings.NewReader(message), smtpc.SendOptions{})
}

func (w *world) address(s string) mailaddr.Address {
	if s == "" {
		return mailaddr.Address{}
	}
	a, err := mailaddr.Parse(s)
	if err != nil {
		w.t.Fatalf("%q: %v", s, err)
	}
	return a
}

// waitEvent returns the first record from seq on that fits.
func (h *host) waitEvent(t testing.TB, what string, fits func(event.Record) bool) event.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var seq uint64
	for {
		b, err := h.env.Events.Wait(ctx, seq, 100)
		if err != nil {
			t.Fatalf("%s: never saw %s", h.env.Host.Name, what)
		}
		for _, r := range b.Records {
			seq = r.Seq
			if fits(r) {
				return r
			}
		}
	}
}

func queueEvent(text, id string) func(event.Record) bool {
	return func(r event.Record) bool {
		return r.Kind == event.KindQueue && r.Text == text && (id == "" || r.Queue == id)
	}
}

// queue returns GET /queue.
func (h *host) queue(t testing.TB) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/queue", nil)
	h.Routes()[0].Handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("GET /queue: %d", w.Code)
	}
	return w.Body.String()
}

// scripted serves connections by scripts of "S: " and "C: " lines; the n-th
// connection gets the n-th script, later ones the last. "C: X*" is satisfied by
// every line that begins with X, "C: ..." reads up to the final dot, and "HANG"
// until the client has gone. It counts connections.
func (w *world) scripted(at string, scripts ...string) *atomic.Int32 {
	w.t.Helper()
	count := new(atomic.Int32)
	w.listen(at, func(ctx context.Context, ln net.Listener) {
		var all sync.WaitGroup
		defer all.Wait()
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			script := scripts[min(int(count.Add(1)), len(scripts))-1]
			all.Go(func() {
				defer context.AfterFunc(ctx, func() { c.Close() })()
				defer c.Close()
				playScript(c, script)
			})
		}
	})
	return count
}

// playScript plays the server. Lines that follow each other go out together,
// as in one packet.
func playScript(c net.Conn, script string) {
	r, out := bufio.NewReader(c), bufio.NewWriter(c)
	defer out.Flush()
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "S: "); ok {
			fmt.Fprintf(out, "%s\r\n", text)
			continue
		}
		out.Flush()
		switch {
		case line == "HANG":
			io.Copy(io.Discard, r)
		case line == "C: ...":
			for {
				if got, err := r.ReadString('\n'); err != nil || got == ".\r\n" {
					break
				}
			}
		case strings.HasPrefix(line, "C: "):
			got, err := r.ReadString('\n')
			if want := strings.TrimSuffix(line[3:], "*"); err != nil || !strings.HasPrefix(got, want) {
				return
			}
		}
	}
}

// waitEmpty returns when the queue is empty.
func (h *host) waitEmpty(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for seq := uint64(0); ; {
		st, err := h.spool.Stats(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if st.Messages == 0 {
			return
		}
		b, err := h.env.Events.Wait(ctx, seq, 1000)
		if err != nil {
			t.Fatalf("%d messages are still queued", st.Messages)
		}
		seq = b.Records[len(b.Records)-1].Seq
	}
}

// restart starts a node anew on the state of a stopped one.
func (w *world) restart(env *node.Env) *host {
	w.t.Helper()
	env.Metrics = prometheus.NewRegistry()
	n, err := newNode(env, w.again)
	if err != nil {
		w.t.Fatal(err)
	}
	return &host{n, env, labtest.Start(w.t, n)}
}
