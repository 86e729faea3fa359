package compose

import (
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"correio/e2e/scenario"
)

// host connects to a port that the lab publishes on the host.
func host(t *testing.T, port int) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDeckIsTypedFromTheHost(t *testing.T) {
	scenario.TypeByHand(t, host(t, 2025), func() net.Conn { return host(t, 2110) })
}

func TestUserPortsLeadToTheirServers(t *testing.T) {
	for digit, org := range []string{1: "aurora.test", 2: "boreal.test", 3: "cedro.test"} {
		if org == "" {
			continue
		}
		for _, p := range []struct {
			port  int
			tls   bool
			greet string
		}{
			{25, false, "220 mx1." + org}, {587, false, "220 mx1." + org}, {589, false, "220 mx1." + org}, {465, true, "220 mx1." + org},
			{110, false, "+OK "}, {995, true, "+OK "},
		} {
			t.Run(fmt.Sprintf("%d%03d", digit, p.port), func(t *testing.T) {
				c := host(t, digit*1000+p.port)
				if p.tls {
					// Whose certificate it is shows in its name; the authority is the lab's own.
					c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				}
				scenario.NewTalk(t, c).Hear(p.greet)
			})
		}
	}
}
