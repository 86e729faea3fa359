package mta

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"correio/services/internal/smtpc"
)

// BenchmarkAccept is the time from MAIL to the 250 that means "on disk", for
// 4 KB messages that nobody fetches, over TCP.
func BenchmarkAccept(b *testing.B) {
	for _, clients := range []int{1, 10} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			w := newWorld(b)
			w.mta("boreal", "mx1.boreal.test", 1)
			body := "Message-ID: <1@client.test>\r\n\r\n" + strings.Repeat("linha de texto\r\n", 256)
			conns := make([]*smtpc.Client, clients)
			for i := range conns {
				conns[i] = w.connect(pc, "198.18.2.25:25", "")
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			b.SetBytes(int64(len(body)))
			b.ResetTimer()
			var sending sync.WaitGroup
			for _, c := range conns {
				sending.Go(func() {
					env := smtpc.Envelope{From: w.address("ana@aurora.test"), To: []smtpc.Recipient{{To: w.address("postmaster@boreal.test")}}}
					for left.Add(-1) >= 0 {
						if r := c.Send(b.Context(), env, strings.NewReader(body), smtpc.SendOptions{Pipelined: true})[0]; !r.Delivered() {
							b.Errorf("%+v", r)
							return
						}
					}
				})
			}
			sending.Wait()
		})
	}
}

// BenchmarkRelay is the way of a 4 KB message from port 25 of one MTA through
// its queue to an LMTP server.
func BenchmarkRelay(b *testing.B) {
	w := newWorld(b)
	w.mta("boreal", "mx1.boreal.test", 1)
	box := w.mda("198.19.2.110:24")
	body := "Message-ID: <1@client.test>\r\n\r\n" + strings.Repeat("linha de texto\r\n", 256)
	const clients = 10
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var sending sync.WaitGroup
	for range clients {
		c := w.connect(pc, "198.18.2.25:25", "")
		sending.Go(func() {
			env := smtpc.Envelope{From: w.address("ana@aurora.test"), To: []smtpc.Recipient{{To: w.address("bruno@boreal.test")}}}
			for left.Add(-1) >= 0 {
				c.Send(b.Context(), env, strings.NewReader(body), smtpc.SendOptions{Pipelined: true})
			}
		})
	}
	sending.Wait()
	box.wait(b, b.N)
}
