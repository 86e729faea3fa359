package observatory_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"testing"

	"correio/services/internal/control"
	"correio/services/internal/labtest"
	"correio/services/internal/problem"
	"correio/services/internal/tunnel"
)

// dial opens a tunnel through the observatory, as the command line does.
func (w *world) dial(ctx context.Context, via, to string) (net.Conn, error) {
	w.t.Helper()
	c, err := w.connect(ctx, "127.0.0.1:8080")
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+"/api/v1/dial?via="+url.QueryEscape(via)+"&to="+url.QueryEscape(to), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return tunnel.Open(ctx, c, req)
}

func TestTunnelReachesAServerThroughAWorkstation(t *testing.T) {
	w := newWorld(t)
	w.serve("198.18.1.25:25", "220 hello\r\n")
	w.play(pc, nil, w.dialRoute())
	w.observe()
	ctx, cancel := context.WithTimeout(t.Context(), labtest.Eventually)
	defer cancel()
	c, err := w.dial(ctx, pc, "198.18.1.25:25")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := talk(t, c, "QUIT\r\n"); got != "220 hello\r\nQUIT\r\n" {
		t.Errorf("through the tunnel came %q", got)
	}
}

// talk says what it has to say, half-closes, and returns all that it hears.
func talk(t *testing.T, c net.Conn, say string) string {
	t.Helper()
	io.WriteString(c, say)
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	heard, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(heard)
}

func refusedBy(code problem.Code, args ...string) control.StatusError {
	p := problem.New(code, args...)
	return control.StatusError{Code: http.StatusBadRequest, What: p.Error(), Problem: p}
}

func TestTunnelsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.play(pc, nil, w.dialRoute())
	w.observe()
	ctx, cancel := context.WithTimeout(t.Context(), labtest.Eventually)
	defer cancel()
	tests := []struct {
		name, via, to string
		want          control.StatusError
	}{
		{"nobody listens", pc, "198.18.1.25:25", control.StatusError{Code: 502, What: "connection refused"}},
		{"the workstation does not know the host", pc, "nobody.test:25", control.StatusError{Code: 400, What: "who is that?"}},
		{"via is no workstation", mx1, "198.18.1.25:25", refusedBy(problem.NotAWorkstation, `"`+mx1+`"`)},
		{"no port", pc, "198.18.1.25", refusedBy(problem.BadTarget, `"198.18.1.25"`)},
		{"a line break in the host", pc, "a\r\nb:25", refusedBy(problem.BadTarget, `"a\r\nb:25"`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.dial(ctx, tt.via, tt.to)
			var said *control.StatusError
			if !errors.As(err, &said) || !reflect.DeepEqual(*said, tt.want) {
				t.Errorf("dial via %s to %q: %v, want %v", tt.via, tt.to, err, &tt.want)
			}
		})
	}
}

func TestStoppingEndsStreamsAndTunnels(t *testing.T) {
	w := newWorld(t)
	w.serve("198.18.1.25:25", "220 hello\r\n")
	w.play(pc, nil, w.dialRoute())
	stop := w.observe()
	c, err := w.dial(t.Context(), pc, "198.18.1.25:25")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	resp, err := w.http.Get(w.base + "/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stop() // fails the test when it takes too long
	if _, err := io.ReadAll(c); err != nil {
		t.Logf("tunnel: %v", err) // cut or ended: either way it is over
	}
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Logf("stream: %v", err)
	}
}

func TestUserPortReachesAServer(t *testing.T) {
	w := newWorld(t)
	w.serve("198.18.1.25:25", "220 hello\r\n")
	w.play(pc, nil, w.dialRoute())
	w.observe()
	c, err := w.connect(t.Context(), "127.0.0.1:1025")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := talk(t, c, "QUIT\r\n"); got != "220 hello\r\nQUIT\r\n" {
		t.Errorf("through the user port came %q", got)
	}
}

func TestUserPortSaysInItsProtocolThatNobodyIsThere(t *testing.T) {
	w := newWorld(t)
	w.play(pc, nil, w.dialRoute())
	w.observe()
	for at, want := range map[string]string{
		"127.0.0.1:1025": "421 4.3.2 198.18.1.25:25: connection refused\r\n",
		"127.0.0.1:1110": "-ERR [SYS/TEMP] 198.19.1.110:110: connection refused\r\n",
		"127.0.0.1:1465": "",
	} {
		c, err := w.connect(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		if got := talk(t, c, "EHLO me\r\n"); got != want {
			t.Errorf("%s said %q, want %q", at, got, want)
		}
		c.Close()
	}
}

func TestListenersThatAreOpenAlreadyAreUsed(t *testing.T) {
	w := newWorld(t)
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	web, smtp := listen(), listen()
	w.serve("198.18.1.25:25", "220 hello\r\n")
	w.play(pc, nil, w.dialRoute())
	w.cfg.Bind = netip.Addr{}
	w.cfg.Listeners.Page = []net.Listener{web}
	w.cfg.Listeners.User = map[int]net.Listener{1025: smtp}
	w.observe()
	resp, err := http.Get("http://" + web.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	c, err := net.Dial("tcp", smtp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := talk(t, c, "QUIT\r\n"); got != "220 hello\r\nQUIT\r\n" {
		t.Errorf("through the given listener came %q", got)
	}
	if _, err := w.connect(t.Context(), "127.0.0.1:1110"); err == nil {
		t.Error("a user port was opened though Bind is not set")
	}
}
