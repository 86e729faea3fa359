package smtpd_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/smtpd"
)

// alone runs a measurement in a process of its own: what other tests leave to
// be collected is more than that.
func alone(t *testing.T, measure func(t *testing.T)) {
	t.Helper()
	const mark = "CORREIO_TEST_ALONE"
	if os.Getenv(mark) != "" {
		measure(t)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "octets") {
		t.Errorf("%v\n%s", err, out)
		return
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "octets") {
			t.Log(strings.TrimSpace(line))
		}
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

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// Idle connections cost under 20 KB each (issue 3).
func TestIdleConnectionsAreCheap(t *testing.T) {
	t.Parallel()
	alone(t, func(t *testing.T) {
		addr := serve(t, smtpd.Config{Backend: &memory{}, Limits: smtpd.Limits{Connections: 2000, PerClient: 2000}})
		conns := make([]net.Conn, 0, 1000)
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
	})
}

// peak runs something and returns by how much live memory was above what it was
// before, at most.
func peak(run func()) int {
	before := inUse()
	var done atomic.Bool
	most := make(chan int)
	go func() {
		top := 0
		for !done.Load() {
			top = max(top, inUse()-before)
		}
		most <- top
	}()
	run()
	done.Store(true)
	return <-most
}

// measured serves a discarding backend, watched by a small ring of events.
func measured(t *testing.T, cfg smtpd.Config) string {
	t.Helper()
	cfg.Backend = discard{}
	cfg.Events = event.NewLog("mx1.boreal.test", 64<<10)
	return serve(t, cfg)
}

func dial(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(60 * time.Second))
	return c, bufio.NewReader(c)
}

// Row 4 of behaviour §6 (postfix 20260805): memory grew with many tiny chunks.
func TestRow4_TinyChunks(t *testing.T) {
	t.Parallel()
	alone(t, func(t *testing.T) {
		const chunks = 100_000
		addr := measured(t, smtpd.Config{Chunking: true, Limits: smtpd.Limits{Commands: -1}})
		c, in := dial(t, addr)
		expect(t, in, "220")
		for _, line := range []string{ehlo, from, to} {
			write(t, c, line)
			expect(t, in, "250")
		}
		send := func(n int) {
			sent := make(chan error, 1)
			go func() {
				w := bufio.NewWriter(c)
				for range n {
					if _, err := w.WriteString("BDAT 1\r\nx"); err != nil {
						sent <- err
						return
					}
				}
				sent <- w.Flush()
			}()
			for i := range n {
				if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "250 2.0.0 Ok: ") {
					t.Fatalf("chunk %d: got %q, %v", i, line, err)
				}
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
		send(10_000) // the ring of events is full then, and every buffer in use
		before := inUse()
		send(chunks)
		grown := inUse() - before
		t.Logf("%d octets more for %d chunks", grown, chunks)
		if grown > 64<<10 {
			t.Errorf("%d octets for %d chunks of one octet", grown, chunks)
		}
		write(t, c, "BDAT 0 LAST\r\n")
		expect(t, in, "250")
	})
}

// Row 6: endless lines are not kept, in commands, in a header, in a chunk.
func TestRow6_EndlessLinesTakeNoMemory(t *testing.T) {
	t.Parallel()
	alone(t, func(t *testing.T) {
		const octets = 64 << 20
		for name, before := range map[string][]string{
			"command": {ehlo},
			"data":    {ehlo, from, to, "DATA\r\n"},
			"header":  {ehlo, from, to, "DATA\r\n", "Subject: "},
			"chunk":   {ehlo, from, to, fmt.Sprintf("BDAT %d LAST\r\n", octets)},
		} {
			addr := measured(t, smtpd.Config{Chunking: true, Limits: smtpd.Limits{MessageSize: 1 << 30, Header: 1 << 30}})
			c, in := dial(t, addr)
			expect(t, in, "220")
			for _, line := range before {
				write(t, c, line)
				if strings.HasSuffix(line, "\r\n") && !strings.HasPrefix(line, "BDAT") {
					expect(t, in, map[bool]string{true: "354", false: "250"}[line == "DATA\r\n"])
				}
			}
			top := peak(func() {
				_, _ = io.CopyN(c, endless{}, octets) // the command line is cut off
				c.Close()
			})
			t.Logf("%s: %d octets at most for a line of %d MiB", name, top, octets>>20)
			if top > 1<<20 {
				t.Errorf("%s: %d octets for a line without end", name, top)
			}
		}
	})
}

// Row 23 for SMTP: 500 half-open conversations, each stuck somewhere else, cost
// little, and others are served meanwhile.
func TestRow23_HalfOpenConnections(t *testing.T) {
	t.Parallel()
	alone(t, func(t *testing.T) {
		const conns = 500
		addr := measured(t, smtpd.Config{Chunking: true, TLS: testTLS(), AuthMechanisms: []string{"LOGIN"}, Proto: smtpd.Submission,
			Limits: smtpd.Limits{Connections: conns + 1, PerClient: conns + 1}})
		stuck := []string{
			"", "EHL", ehlo + strings.Repeat("x", 2000), ehlo + from + to + "DATA\r\nSubject: a\r\n", ehlo + "AUTH LOGIN\r\nYQ",
			ehlo + from + to + "BDAT 5000\r\nabc", ehlo + from + to + "BDAT 3\r\nabc", ehlo + "STARTTLS\r\n",
		}
		before := inUse()
		for i := range conns {
			c, in := dial(t, addr)
			script := stuck[i%len(stuck)]
			write(t, c, script)
			expect(t, in, "220")
			if strings.HasPrefix(script, ehlo) {
				expect(t, in, "250")
			}
		}
		// One more is served, so all the others have got as far as they will.
		c, in := dial(t, addr)
		write(t, c, ehlo+from+to+"DATA\r\n.\r\n")
		expect(t, in, "220", "250", "250", "250", "354", "250")
		each := (inUse() - before) / conns
		t.Logf("%d octets for each half-open connection, the client's reader among them", each)
		if each > 64<<10 { // a message at hand has a buffer of 32 KiB
			t.Errorf("%d octets for each", each)
		}
		write(t, c, "QUIT\r\n")
		expect(t, in, "221")
		// And one too many hears why.
		_, in = dial(t, addr)
		expect(t, in, "220")
		_, in = dial(t, addr)
		expect(t, in, "421")
	})
}
