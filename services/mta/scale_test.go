package mta

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/labtest"
	"correio/services/internal/mailaddr"
	"correio/services/internal/smtpc"
	"correio/services/mta/internal/spool"
)

// The bounds of a queue of a hundred thousand messages for a dead destination.
const (
	maxResident = 200 << 20
	maxRestart  = 5 * time.Second
)

// largeQueue is how many messages the tests of large queues queue: enough for
// what grows with each to show, or what the environment says.
func largeQueue(t testing.TB) int {
	s := os.Getenv("CORREIO_TEST_LARGE_QUEUE")
	if s == "" {
		return 20_000
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fill puts messages of 4 KB for one domain into a spool that nobody has open.
// They came during the last minute, were tried in vain, and are all due.
func fill(t testing.TB, state string, n int) {
	t.Helper()
	s, err := spool.Open(t.Context(), state, 1<<40, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	body := "Message-ID: <1@client.test>\r\n\r\n" + strings.Repeat("linha de texto\r\n", 256)
	from, to := mailaddr.Address{Local: "ana", Domain: "aurora.test"}, mailaddr.Address{Local: "x", Domain: "one.casos.test"}
	now := time.Now()
	var next atomic.Int64
	var adding sync.WaitGroup
	for range 64 {
		adding.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				e := &spool.Entry{
					Message: spool.Message{ID: spool.NewID(), Arrived: now.Add(-time.Duration(i) * time.Minute / time.Duration(n)), From: from, MessageID: fmt.Sprintf("%d@client.test", i)},
					Rcpts:   []spool.Recipient{{To: to, Next: now, Reply: "451 4.4.1 Cannot connect to a.two.casos.test (198.18.9.1:25): connection refused"}},
				}
				if err := s.Add(t.Context(), e, strings.NewReader(body)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	adding.Wait()
}

// A node with a large queue for a dead destination is back at once, and small.
func TestLargeQueueForADeadDestination(t *testing.T) {
	n, state := largeQueue(t), t.TempDir()
	fill(t, state, n)
	began := time.Now()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childState+"="+state)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(out)
	said := func(what string) string {
		for lines.Scan() {
			if line, ok := strings.CutPrefix(lines.Text(), what); ok {
				return line
			}
		}
		t.Fatalf("the child ended before it said %q: %v", what, lines.Err())
		return ""
	}
	said("ready")
	ready := time.Since(began)
	heap := said("dead")
	resident := residentOf(t, cmd.Process.Pid)
	t.Logf("%d messages: ready after %s, dead destination noticed after %s; heap%s MB, resident %d MB", n, ready.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), heap, resident>>20)
	if ready > maxRestart {
		t.Errorf("ready after %s, want %s", ready, maxRestart)
	}
	if resident > maxResident {
		t.Errorf("%d MB resident, want %d", resident>>20, maxResident>>20)
	}
}

// residentOf reads the resident memory of a process, in octets.
func residentOf(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("no /proc here: ", err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// tellState prints, for the parent of a child, when the node is ready and when a
// destination is dead, with the heap of then.
func tellState(n *Node, events *event.Log) {
	for n.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("ready")
	for seq := uint64(0); ; {
		b, err := events.Wait(context.Background(), seq, 100)
		if err != nil {
			return
		}
		for _, r := range b.Records {
			seq = r.Seq
			if r.Kind == event.KindQueue && r.Text == event.Dead {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				fmt.Println("dead", m.HeapAlloc>>20)
			}
		}
	}
}

// relay is a node that brings mail to an MDA.
type relay struct {
	w     *world
	box   *mailboxes
	conns []*smtpc.Client
	sent  int
}

// newRelay starts one in whose queue messages wait for a dead destination.
func newRelay(b *testing.B, queued int) *relay {
	r := &relay{w: newWorld(b)}
	env := labtest.Env(b, r.w.stack, "../../deploy/boreal", "mx1.boreal.test")
	env.Log = slog.New(slog.DiscardHandler)
	fill(b, env.State, queued)
	h := r.w.restart(env)
	if queued > 0 {
		h.waitEvent(b, "the death", queueEvent(event.Dead, ""))
	}
	r.box = r.w.mda("198.19.2.110:24")
	for range 10 {
		r.conns = append(r.conns, r.w.connect(pc, "198.18.2.25:25", ""))
	}
	return r
}

// relay sends messages of 4 KB until all have arrived, and returns the time it
// took, of the clock and of the processors.
func (r *relay) relay(b *testing.B, n int) (wall, cpu time.Duration) {
	body := "Message-ID: <1@client.test>\r\n\r\n" + strings.Repeat("linha de texto\r\n", 256)
	env := smtpc.Envelope{From: r.w.address("ana@aurora.test"), To: []smtpc.Recipient{{To: r.w.address("bruno@boreal.test")}}}
	began, used := time.Now(), processorTime(b)
	var sending sync.WaitGroup
	for _, c := range r.conns {
		sending.Go(func() {
			for range n / len(r.conns) {
				c.Send(b.Context(), env, strings.NewReader(body), smtpc.SendOptions{Pipelined: true})
			}
		})
	}
	sending.Wait()
	r.sent += n
	r.box.wait(b, r.sent)
	return time.Since(began), processorTime(b) - used
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRelayBesideALargeQueue compares a node in whose queue a hundred
// thousand messages wait for a dead destination with one without, in turns: the
// machine is never quiet. An operation is a round of 200 messages at each; the
// metrics are medians of the rounds' ratios.
func BenchmarkRelayBesideALargeQueue(b *testing.B) {
	const batch = 200
	empty, full := newRelay(b, 0), newRelay(b, 100_000)
	empty.relay(b, batch)
	full.relay(b, batch)
	var walls, cpus []float64
	b.ResetTimer()
	for i := range b.N {
		first, second := empty, full
		if i%2 == 1 {
			first, second = full, empty
		}
		wall1, cpu1 := first.relay(b, batch)
		wall2, cpu2 := second.relay(b, batch)
		wall, cpu := float64(wall2)/float64(wall1), float64(cpu2)/float64(cpu1)
		if i%2 == 1 {
			wall, cpu = 1/wall, 1/cpu
		}
		walls, cpus = append(walls, wall), append(cpus, cpu)
	}
	slices.Sort(walls)
	slices.Sort(cpus)
	b.ReportMetric(walls[len(walls)/2], "wall-ratio")
	b.ReportMetric(cpus[len(cpus)/2], "cpu-ratio")
}
