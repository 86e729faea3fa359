package forward

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"correio/services/internal/lab"
	"correio/services/internal/labtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestApologyIsOneLineOfThePortsProtocol(t *testing.T) {
	hostile := "no\r\nMAIL FROM:<a@b>\x00 é " + strings.Repeat("x", 1000)
	for port, begins := range map[string]string{
		"25": "421 4.3.2 ", "587": "421 4.3.2 ", "589": "421 4.3.2 ", "24": "421 4.3.2 ",
		"110": "-ERR [SYS/TEMP] ", "143": "* BYE ", "465": "", "995": "", "993": "", "53": "",
	} {
		got := Port{UserPort: lab.UserPort{To: "mx1.aurora.test:" + port}}.apology(hostile)
		if begins == "" {
			if got != "" {
				t.Errorf("port %s: %q, want nothing", port, got)
			}
			continue
		}
		body, ended := strings.CutSuffix(got, "\r\n")
		if !ended || !strings.HasPrefix(body, begins) || strings.ContainsAny(body, "\r\n\x00é") || len(got) > 255 {
			t.Errorf("port %s: %q, want one short printable line that begins with %q", port, got, begins)
		}
	}
}

func TestTarget(t *testing.T) {
	for s, want := range map[string]bool{
		"mx1.aurora.test:25": true, "198.18.1.25:65535": true, "[fd00::1]:25": true,
		"": false, ":25": false, "mx1": false, "mx1:": false, "mx1:0": false, "mx1:65536": false, "mx1:smtp": false,
		"mx1 x:25": false, "mx1\n:25": false, "é.test:25": false, strings.Repeat("a", 256) + ":25": false,
	} {
		if got := target(s); got != want {
			t.Errorf("target(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestTunnelsAreCountedAndBounded(t *testing.T) {
	d := NewDialer(testLab(), "token", labtest.NewStack(t))
	if _, err := d.Dial(t.Context(), "pc.aurora.test", "198.18.1.25:25"); err == nil || errors.Is(err, ErrBusy) {
		t.Fatalf("dial with the workstation away: %v, want that it cannot be reached", err)
	}
	if d.Open() != 0 {
		t.Errorf("open = %d after a failure, want 0", d.Open())
	}
	for range MaxTunnels {
		d.slots <- struct{}{}
	}
	if _, err := d.Dial(t.Context(), "pc.aurora.test", "198.18.1.25:25"); !errors.Is(err, ErrBusy) {
		t.Errorf("dial with %d open: %v, want %v", MaxTunnels, err, ErrBusy)
	}
	near, far := net.Pipe()
	defer far.Close()
	c := &counted{Conn: near, release: func() { <-d.slots }}
	c.Close()
	if d.Open() != MaxTunnels-1 {
		t.Errorf("open = %d after one was closed, want %d", d.Open(), MaxTunnels-1)
	}
}

func testLab() *lab.Lab {
	pc := lab.Host{Name: "pc.aurora.test", Role: lab.RolePC, Control: netip.MustParseAddr("198.19.241.12")}
	return &lab.Lab{Orgs: []*lab.Org{{Hosts: []lab.Host{pc}}}}
}

func TestLingerEndsAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		later, cancel := Linger(ctx)
		defer cancel()
		stop()
		time.Sleep(Grace - time.Nanosecond)
		synctest.Wait()
		if later.Err() != nil {
			t.Fatal("ended before the grace was over")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if later.Err() == nil {
			t.Error("goes on after the grace")
		}
	})
}
