package dnsserver

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestPipelinedQuestions(t *testing.T) {
	for name, concurrent := range map[string]int{"answered in turn": 0, "answered at the same time": 8} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(c *Config) { c.Concurrent = concurrent })
			c := f.dial(t, "tcp")
			var all []byte
			for i := range 50 {
				q := query("1.test.", 0)
				q.Id = uint16(i)
				all = append(all, frame(pack(t, q))...)
			}
			go c.Write(all)
			seen := map[uint16]bool{}
			for range 50 {
				wire, err := readFrame(c)
				if err != nil {
					t.Fatal(err)
				}
				seen[unpack(t, wire).Id] = true
			}
			if len(seen) != 50 {
				t.Errorf("%d different responses", len(seen))
			}
		})
	}
}

// behaviour.md §6 row 23 (CVE-2017-15133): idle TCP connections must not keep
// the service from others.
func TestRow23IdleConnectionsDoNotExhaustTheServer(t *testing.T) {
	f := start(t, func(c *Config) { c.Connections, c.PerClient = 400, 40 })
	open := 0
	for range 500 {
		c := f.dial(t, "tcp")
		c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			c.Close()
			continue
		}
		open++
	}
	if open < 30 || open > 45 {
		t.Errorf("one client holds %d connections, want about 40", open)
	}
	other, err := f.stack.Dial(t.Context(), "tcp", netip.MustParseAddr("198.18.2.25"), at)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetDeadline(time.Now().Add(5 * time.Second))
	other.Write(frame(pack(t, query("1.test.", 0))))
	if _, err := readFrame(other); err != nil {
		t.Errorf("another client by TCP: %v", err)
	}
	if m := unpack(t, f.udp(t, pack(t, query("1.test.", 0)))); m.Rcode != 0 {
		t.Errorf("by UDP: %v", m)
	}
}

func TestConnectionEnds(t *testing.T) {
	f := start(t, func(c *Config) { c.Idle, c.PerConnection = 30*time.Millisecond, 3 })
	tests := []struct {
		name    string
		send    []byte
		answers int
	}{
		{"when it is idle", nil, 0},
		{"after too many questions", slices.Concat(frame(pack(t, query("1.test.", 0))), frame(pack(t, query("1.test.", 0))), frame(pack(t, query("1.test.", 0))), frame(pack(t, query("1.test.", 0)))), 3},
		{"when a message is too short", frame([]byte("short")), 0},
		{"when a message is too long", frame(make([]byte, 20<<10)), 0},
		{"when it speaks another protocol", []byte("GET / HTTP/1.1\r\n\r\n"), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := f.dial(t, "tcp")
			c.Write(tt.send)
			got := 0
			for {
				if _, err := readFrame(c); err != nil {
					var late net.Error
					if errors.As(err, &late) && late.Timeout() {
						t.Fatal("the connection stays open")
					}
					break
				}
				got++
			}
			if got != tt.answers {
				t.Errorf("%d answers, want %d", got, tt.answers)
			}
		})
	}
}
