package mta

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"correio/services/internal/labtest"
	"correio/services/internal/smtpc"
	"correio/services/mda"
)

// BenchmarkAccept is the time from MAIL to the 250 that means "on disk", over TCP,
// for messages that go into the spool: the MDA is not there.
func BenchmarkAccept(b *testing.B) {
	for _, clients := range []int{1, 10, 100} {
		for _, size := range []int{4 << 10, 100 << 10} {
			for _, pipelined := range []bool{false, true} {
				b.Run(fmt.Sprintf("clients=%d/size=%dK/pipelined=%t", clients, size>>10, pipelined), func(b *testing.B) {
					w := newWorld(b)
					w.quiet("boreal", "mx1.boreal.test")
					w.load(b, load{clients: clients, size: size, pipelined: pipelined, to: "postmaster@boreal.test"})
				})
			}
		}
	}
}

// BenchmarkLocalDelivery is the way of a message into its mailbox: port 25, LMTP and
// the MDA's disk.
func BenchmarkLocalDelivery(b *testing.B) {
	for _, clients := range []int{1, 10, 100} {
		for _, size := range []int{4 << 10, 100 << 10} {
			b.Run(fmt.Sprintf("clients=%d/size=%dK", clients, size>>10), func(b *testing.B) {
				w := newWorld(b)
				env := labtest.Env(b, w.stack, "../../deploy/boreal", "mda.boreal.test")
				env.Org.Limits.Quota, env.Log = 1<<40, slog.New(slog.DiscardHandler)
				node, err := mda.New(env)
				if err != nil {
					b.Fatal(err)
				}
				labtest.Start(b, node)
				h := w.quiet("boreal", "mx1.boreal.test")
				w.load(b, load{clients: clients, size: size, pipelined: true, to: "bruno@boreal.test", last: h})
			})
		}
	}
}

// BenchmarkRelay is the way of a 4 KB message from one organisation's MTA through
// its queue, by MX, to another's, and on to an LMTP server that keeps it in memory.
func BenchmarkRelay(b *testing.B) {
	for _, clients := range []int{1, 10} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			w := newWorld(b)
			w.quiet("aurora", "mx1.aurora.test")
			w.quiet("boreal", "mx1.boreal.test")
			box := w.mda("198.19.2.110:24")
			w.load(b, load{clients: clients, size: 4 << 10, pipelined: true, to: "bruno@boreal.test", user: "ana", box: box})
		})
	}
}

// quiet starts an MTA whose log costs nothing.
func (w *world) quiet(site, name string) *host {
	w.t.Helper()
	env := labtest.Env(w.t, w.stack, "../../deploy/"+site, name)
	env.Log = slog.New(slog.DiscardHandler)
	n, err := New(env)
	if err != nil {
		w.t.Fatal(err)
	}
	return &host{n, env, labtest.Start(w.t, n)}
}

// load is what clients send.
type load struct {
	clients, size int
	pipelined     bool
	to            string
	user          string     // who submits it to Aurora; "" for Boreal's port 25
	box           *mailboxes // if not nil, it is over when all is there
	last          *host      // if not nil, it is over when nothing is queued there
}

// load sends b.N messages.
func (w *world) load(b *testing.B, l load) {
	head := "From: ana@aurora.test\r\nMessage-ID: <1@client.test>\r\n\r\n"
	const line = "linha de texto, como as que as pessoas escrevem umas as outras\r\n"
	body := head + strings.Repeat(line, (l.size-len(head))/len(line))
	at := "198.18.2.25:25"
	if l.user != "" {
		at = "198.18.1.25:587"
	}
	conns := make([]*smtpc.Client, l.clients)
	for i := range conns {
		conns[i] = w.connect(pc, at, l.user)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.ResetTimer()
	var sending sync.WaitGroup
	for _, c := range conns {
		sending.Go(func() {
			env := smtpc.Envelope{From: w.address("ana@aurora.test"), To: []smtpc.Recipient{{To: w.address(l.to)}}}
			for left.Add(-1) >= 0 {
				if r := c.Send(b.Context(), env, strings.NewReader(body), smtpc.SendOptions{Pipelined: l.pipelined})[0]; !r.Delivered() {
					b.Errorf("%+v", r)
					return
				}
			}
		})
	}
	sending.Wait()
	if l.last != nil {
		l.last.waitEmpty(b)
	}
	if l.box != nil {
		l.box.wait(b, b.N)
	}
}
