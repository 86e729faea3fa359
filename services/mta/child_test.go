package mta

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/mailaddr"
	"correio/services/internal/node"
	"correio/services/internal/smtpc"
)

// childState names, in the environment of a test process that is to be killed,
// the state directory that it works in.
const childState = "CORREIO_TEST_MTA_STATE"

// childMain runs mx1.boreal.test on the loopback device until somebody kills
// it, and reports whether this process is such a child.
func childMain() bool {
	dir := os.Getenv(childState)
	if dir == "" {
		return false
	}
	org, err := lab.LoadOrg("../../deploy/boreal")
	if err != nil {
		panic(err)
	}
	h, _ := org.Host("mx1.boreal.test")
	events := event.NewLog(h.Name, 0)
	n, err := New(&node.Env{
		Org: org, Host: h, State: dir, Speed: 100, Net: loopback{}, Events: events,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		panic(err)
	}
	go tellState(n, events) // it ends with the process
	panic(n.Run(context.Background()))
}

// loopback gives every listener a port of 127.0.0.1, and tells on standard
// output which one port 25 has got. Nobody can be reached.
type loopback struct{}

func (loopback) Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err == nil && local.String() == "198.18.2.25:25" {
		fmt.Println(ln.Addr())
	}
	return ln, err
}

func (loopback) ListenPacket(context.Context, netip.AddrPort) (net.PacketConn, error) {
	return nil, syscall.EACCES
}

func (loopback) Dial(context.Context, string, netip.Addr, netip.AddrPort) (net.Conn, error) {
	return nil, syscall.ECONNREFUSED
}

// startChild starts the process and returns the address of its port 25.
func startChild(t *testing.T, state string) (*exec.Cmd, string) {
	t.Helper()
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
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not say where it listens: %v", err)
	}
	return cmd, strings.TrimSpace(line)
}

// A 250 means on disk: a process is killed while eight clients send, and what
// it had answered 250 for arrives when a node goes on with its state.
func TestKilledNodeLosesNothingItHasAccepted(t *testing.T) {
	const rounds, clients, killAfter = 3, 8, 120
	state := t.TempDir()
	accepted := map[string]bool{} // by Message-ID
	for round := range rounds {
		cmd, addr := startChild(t, state)
		acks := make(chan string)
		var sending sync.WaitGroup
		for client := range clients {
			sending.Go(func() { sendUntilCut(t, addr, fmt.Sprintf("%d.%d", round, client), acks) })
		}
		go func() { sending.Wait(); close(acks) }()
		n := 0
		for id := range acks {
			accepted[id] = true
			if n++; n == killAfter {
				cmd.Process.Signal(syscall.SIGKILL)
			}
		}
		cmd.Wait()
		if n < killAfter {
			t.Fatalf("round %d: %d messages accepted before the process ended", round, n)
		}
	}

	w := newWorld(t)
	box := w.mda("198.18.9.1:25") // an SMTP server here
	env := labtest.Env(t, w.stack, "../../deploy/boreal", "mx1.boreal.test")
	env.State = state
	h := w.restart(env)
	kept, err := h.spool.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.waitEmpty(t)
	got := map[string]int{}
	for _, s := range box.wait(t, 0) {
		_, id, _ := strings.Cut(s.message, "Message-ID: <")
		id, _, _ = strings.Cut(id, ">")
		got[id]++
	}
	for id := range accepted {
		if got[id] != 1 {
			t.Errorf("message %s was answered 250 and arrived %d times", id, got[id])
		}
	}
	t.Logf("%d messages were answered 250, %d were queued at the restart, %d arrived", len(accepted), kept.Messages, len(got))
}

// sendUntilCut sends messages over one connection and tells the Message-ID of
// each that is accepted, until the connection breaks.
func sendUntilCut(t *testing.T, addr, name string, acks chan<- string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	c, err := smtpc.Open(t.Context(), conn, smtpc.Options{Hello: "client.test"})
	if err != nil {
		return
	}
	defer c.Close()
	env := smtpc.Envelope{
		From: mailaddr.Address{Local: "ana", Domain: "aurora.test"},
		To:   []smtpc.Recipient{{To: mailaddr.Address{Local: "x", Domain: "selfbackup.casos.test"}}},
	}
	for i := 0; c.Usable(); i++ {
		id := fmt.Sprintf("%s.%d@client.test", name, i)
		body := "Message-ID: <" + id + ">\r\n\r\n" + strings.Repeat("linha\r\n", 500)
		if r := c.Send(t.Context(), env, strings.NewReader(body), smtpc.SendOptions{})[0]; r.Delivered() {
			acks <- id
		}
	}
}
