package pop3_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// BenchmarkRETR drains a mailbox of 4 KB messages over TCP with so many
// commands in flight; one operation is one message.
func BenchmarkRETR(b *testing.B) {
	const messages = 2000
	body := "Subject: benchmark\r\nMessage-ID: <1@boreal.test>\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 51)
	s := newServer(b, nil)
	for range messages {
		s.deliver("ana", body)
	}
	for _, window := range []int{1, 32} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) {
			c := s.dial().login()
			r := bufio.NewReaderSize(c.r, 64<<10)
			b.SetBytes(int64(len(head) + len(body)))
			b.ResetTimer()
			for sent, got := 0, 0; got < b.N; got++ {
				var batch bytes.Buffer
				for ; sent < b.N && sent-got < window; sent++ {
					fmt.Fprintf(&batch, "RETR %d\r\n", sent%messages+1)
				}
				if _, err := io.Copy(c.Conn, &batch); err != nil {
					b.Fatal(err)
				}
				drain(b, r)
			}
			b.StopTimer()
			c.Close()
			s.waitUnlocked("ana")
		})
	}
}

func drain(b *testing.B, r *bufio.Reader) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if string(line) == ".\r\n" {
			return
		}
	}
}
