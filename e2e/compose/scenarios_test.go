package compose

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"correio/e2e/scenario"
)

// TestScenarios plays on the containers what every lab must do.
func TestScenarios(t *testing.T) { scenario.All(t, theLab) }

// Dir is the folder that the containers read: a copy, so that scenarios may
// edit zones.
func (l *lab) Dir() string { return filepath.Join(l.copy, "deploy") }

// workstations dial for us, each on its own LAN; the first also on the
// backbone. The host is on none of the lab's networks.
var workstations = map[string]netip.Prefix{
	"pc.aurora.test": netip.MustParsePrefix("198.19.1.0/24"),
	"pc.boreal.test": netip.MustParsePrefix("198.19.2.0/24"),
	"pc.cedro.test":  netip.MustParsePrefix("198.19.3.0/24"),
}

// Dial connects to an address of the lab through the page's port, which opens
// tunnels to a workstation: GET /api/v1/dial with Upgrade: correio-dial.
func (l *lab) Dial(ctx context.Context, addr string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	via := "pc.aurora.test"
	for name, lan := range workstations {
		if lan.Contains(to.Addr()) {
			via = name
		}
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(page, "http://"))
	if err != nil {
		return nil, err
	}
	tunnel, err := upgrade(c, "/api/v1/dial?"+url.Values{"via": {via}, "to": {addr}}.Encode())
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("dial %s via %s: %w", addr, via, err)
	}
	return tunnel, nil
}

func upgrade(c net.Conn, path string) (net.Conn, error) {
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodGet, page+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "correio-dial")
	if err := req.Write(c); err != nil {
		return nil, err
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // only makes the message better
		return nil, fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return tunnelled{c, r}, nil
}

// tunnelled reads first what came together with the answer.
type tunnelled struct {
	net.Conn
	r *bufio.Reader
}

func (t tunnelled) Read(p []byte) (int, error) { return t.r.Read(p) }
