package dnsserver

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/event"
)

func TestAnswersAreRecorded(t *testing.T) {
	f := start(t, func(c *Config) {
		c.Handler = handlerFunc(func(ctx context.Context, r *Request) *dns.Msg {
			r.Conn, r.Note = "c-1", event.M(event.Cached, "yes")
			return numbered(ctx, r)
		})
	})
	q := query("1.test.", 0)
	q.Id = 0xbeef
	f.udp(t, pack(t, q))
	records := f.log.After(0, 10).Records
	if len(records) != 1 {
		t.Fatalf("%d records", len(records))
	}
	r := records[0]
	if r.Kind != event.KindDNS || r.Text != "1.test. TXT" || r.Conn != "c-1" || r.Dir != event.In {
		t.Errorf("record %+v", r)
	}
	for key, want := range map[string]string{
		event.Role: "server", event.ID: "beef", event.Proto: "udp", event.Local: at.String(), event.Rcode: "NOERROR",
		event.Flags: "aa rd", event.Cached: "yes", event.Answer: `1.test. 60 IN TXT "0000 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"`,
	} {
		if got := r.Meta.Get(key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if got := r.Meta.Get(event.Remote); !strings.HasPrefix(got, client.String()+":") {
		t.Errorf("remote = %q", got)
	}
}

func TestRecordsAreRationedAndTheGapIsSaid(t *testing.T) {
	log := event.NewLog("ns", 64<<20)
	r, err := newRecorder(log, nil)
	if err != nil {
		t.Fatal(err)
	}
	req := &Request{Proto: "udp", Local: at, Remote: netip.AddrPortFrom(client, 1)}
	resp := new(dns.Msg).SetReply(query("1.test.", 0))
	r.second = time.Now().Unix() + 3600 // the allowance of one second, however slow the machine
	for range 3 * recordRate {
		r.answered(req, resp)
	}
	n := len(log.After(0, 5*recordRate).Records)
	if n < recordRate || n > 2*recordRate+1 {
		t.Errorf("%d records of %d answers", n, 3*recordRate)
	}
	r.second = 0
	r.answered(req, resp)
	records := log.After(uint64(n), 5).Records
	if len(records) < 2 || records[0].Text != "not recorded" || records[1].Text != "1.test. TXT" {
		t.Errorf("after the gap: %+v", records)
	}
}
