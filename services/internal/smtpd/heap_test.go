package smtpd_test

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"correio/services/internal/smtpd"
)

// Idle connections cost under 20 KB each (issue 3). It is measured in a process
// of its own: what other tests leave to be collected is more than that.
func TestIdleConnectionsAreCheap(t *testing.T) {
	const alone = "CORREIO_TEST_ALONE"
	if os.Getenv(alone) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), alone+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "octets for each") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	addr := serve(t, smtpd.Config{Backend: &memory{}, Limits: smtpd.Limits{Connections: 2000, PerClient: 2000}})
	conns := make([]net.Conn, 0, 500)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	before := inUse()
	for range cap(conns) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		write(t, c, ehlo)
		var reply [512]byte
		for n := 0; !strings.Contains(string(reply[:n]), "250 HELP"); {
			k, err := c.Read(reply[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += k
		}
	}
	// Both ends are in this process: the client's is a socket without buffers.
	each := (inUse() - before) / len(conns)
	t.Logf("%d octets for each idle connection", each)
	if each > 20<<10 || each < 4<<10 { // less than its buffer: then the measure is wrong
		t.Errorf("%d octets for each idle connection", each)
	}
}

// inUse is what live objects and stacks take. Pools are empty after the third
// collection, and the stacks of goroutines that ended are gone.
func inUse() int {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}
