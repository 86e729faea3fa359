package pc_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/tunnel"
	"correio/services/pc/internal/tunnels"
)

// tunnel opens a tunnel as the observatory does.
func (w *world) tunnel(to string) (net.Conn, error) {
	w.t.Helper()
	c, err := net.Dial("tcp", w.http.Listener.Addr().String())
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.http.URL+"/dial?to="+url.QueryEscape(to), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := tunnel.Open(w.t.Context(), c, req)
	if err == nil {
		w.t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(20 * time.Second))
	}
	return conn, err
}

// greeter listens on a lab address, greets, reads to the end and says what it
// read and who came.
func (w *world) greeter(addr string) {
	w.t.Helper()
	ln, err := w.stack.Listen(w.t.Context(), netip.MustParseAddrPort(addr))
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			io.WriteString(c, "220 hello "+host+"\r\n")
			said, _ := io.ReadAll(c)
			io.WriteString(c, "you said "+string(said))
			c.Close()
		}
	}()
	w.t.Cleanup(func() { ln.Close(); <-done })
}

// resolver answers questions for addresses out of a table; "fail" is SERVFAIL.
func (w *world) resolver(table map[string]string) {
	w.t.Helper()
	pc, err := w.stack.ListenPacket(w.t.Context(), netip.AddrPortFrom(w.env.Org.Resolver, 53))
	if err != nil {
		w.t.Fatal(err)
	}
	srv := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		switch addr, ok := table[q.Question[0].Name]; {
		case !ok:
			m.Rcode = dns.RcodeNameError
		case addr == "fail":
			m.Rcode = dns.RcodeServerFailure
		case q.Question[0].Qtype == dns.TypeA && addr != "":
			m.Answer = append(m.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
				A:   net.ParseIP(addr),
			})
		}
		rw.WriteMsg(m)
	})}
	started, done := make(chan struct{}), make(chan error, 1)
	srv.NotifyStartedFunc = func() { close(started) }
	go func() { done <- srv.ActivateAndServe() }()
	<-started
	w.t.Cleanup(func() { srv.Shutdown(); <-done })
}

func TestDialCarriesOctetsBothWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.greeter("198.18.2.25:25")
	w.greeter("198.19.1.110:110")
	w.resolver(map[string]string{"mx1.boreal.test.": "198.18.2.25", "mda.aurora.test.": "198.19.1.110"})
	for to, from := range map[string]string{
		"198.18.2.25:25": "198.18.1.100", "mx1.boreal.test:25": "198.18.1.100", "mx1.boreal.test.:25": "198.18.1.100",
		"mda.aurora.test:110": "198.19.1.100",
	} {
		c, err := w.tunnel(to)
		if err != nil {
			t.Errorf("%s: %v", to, err)
			continue
		}
		if _, err := io.WriteString(c, "QUIT"); err != nil {
			t.Fatal(err)
		}
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		heard, err := io.ReadAll(c)
		if want := "220 hello " + from + "\r\nyou said QUIT"; err != nil || string(heard) != want {
			t.Errorf("%s: heard %q, %v; want %q", to, heard, err, want)
		}
	}
	w.stop() // waits for the tunnels
	var opened, closed, asked int
	for _, r := range w.env.Events.After(0, 1000).Records {
		switch {
		case r.Kind == event.KindConn && r.Text == event.Open:
			opened++
			if p := r.Meta.Get(event.Proto); p != "smtp" && p != "pop3" {
				t.Errorf("open event %+v", r)
			}
		case r.Kind == event.KindConn && r.Text == event.Close:
			closed++
		case r.Kind == event.KindDNS && r.Conn != "":
			asked++
		}
	}
	if opened != 4 || closed != 4 || asked == 0 {
		t.Errorf("%d opened, %d closed, %d questions", opened, closed, asked)
	}
}

func TestDialRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.resolver(map[string]string{
		"outside.test.": "8.8.8.8", "mda.boreal.test.": "198.19.2.110", "control.test.": "198.19.240.20",
		"empty.test.": "", "broken.test.": "fail", "closed.test.": "198.18.9.9",
	})
	for to, want := range map[string]int{
		"":                  http.StatusBadRequest,
		"mx1.boreal.test":   http.StatusBadRequest,
		"mx1.boreal.test:0": http.StatusBadRequest,
		"198.18.2.25:smtp":  http.StatusBadRequest,
		"198.18.2.25:70000": http.StatusBadRequest,
		"a b:25":            http.StatusBadRequest,
		"8.8.8.8:53":        http.StatusForbidden,
		"127.0.0.1:22":      http.StatusForbidden,
		"[::1]:22":          http.StatusForbidden,
		"198.19.2.110:110":  http.StatusForbidden,
		"198.19.240.20:90":  http.StatusForbidden,
		"outside.test:80":   http.StatusForbidden,
		"mda.boreal.test:1": http.StatusForbidden,
		"control.test:9025": http.StatusForbidden,
		"nx.test:25":        http.StatusNotFound,
		"empty.test:25":     http.StatusNotFound,
		"broken.test:25":    http.StatusBadGateway,
		"closed.test:25":    http.StatusBadGateway,
	} {
		_, err := w.tunnel(to)
		var said *control.StatusError
		if !errors.As(err, &said) || said.Code != want {
			t.Errorf("%q: %v, want %d", to, err, want)
		}
	}
	resp, err := w.http.Client().Get(w.http.URL + "/dial?to=198.18.2.25:25")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("without an upgrade: %s", resp.Status)
	}
}

func TestDialIsBoundedAndCutWhenTheNodeStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.greeter("198.18.2.25:25")
	open := make([]net.Conn, tunnels.MaxTunnels)
	for i := range open {
		c, err := w.tunnel("198.18.2.25:25")
		if err != nil {
			t.Fatalf("tunnel %d: %v", i, err)
		}
		open[i] = c
	}
	_, err := w.tunnel("198.18.2.25:25")
	var said *control.StatusError
	if !errors.As(err, &said) || said.Code != http.StatusServiceUnavailable {
		t.Errorf("one too many: %v", err)
	}
	w.stop()
	for i, c := range open {
		if _, err := io.Copy(io.Discard, c); isTimeout(err) {
			t.Errorf("tunnel %d is still open: %v", i, err)
		}
	}
	if _, err := w.tunnel("198.18.2.25:25"); err == nil {
		t.Error("a tunnel from a workstation that has stopped")
	}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
