package mta

import (
	"bufio"
	"context"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/mta/internal/spool"
)

// old serves SMTP without 8BITMIME at an address, and returns what it was told and
// given of each message.
func (w *world) old(at string) <-chan [2]string {
	w.t.Helper()
	got := make(chan [2]string, 10)
	w.listen(at, func(ctx context.Context, ln net.Listener) {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { c.Close() })
			serveOld(c, got)
			stop()
			c.Close()
		}
	})
	return got
}

func serveOld(c net.Conn, got chan<- [2]string) {
	r := textproto.NewReader(bufio.NewReader(c))
	say := func(line string) bool {
		_, err := c.Write([]byte(line + "\r\n"))
		return err == nil
	}
	mail := ""
	for more := say("220 old.test"); more; {
		line, err := r.ReadLine()
		switch {
		case err != nil:
			return
		case strings.HasPrefix(line, "EHLO"):
			more = say("250-old.test") && say("250 SIZE 1000000")
		case strings.HasPrefix(line, "DATA"):
			say("354 Go")
			lines, err := r.ReadDotLines()
			if err != nil {
				return
			}
			got <- [2]string{mail, strings.Join(lines, "\r\n") + "\r\n"}
			more = say("250 Ok")
		default:
			if strings.HasPrefix(line, "MAIL") {
				mail = line
			}
			more = say("250 Ok")
		}
	}
}

// A report about 8-bit mail was in 8 bits, so that no host without 8BITMIME got it:
// the sender never heard, and the postmaster read of a double bounce.
func TestSenderBehindAHostWithoutEightBitHearsOfAFailure(t *testing.T) {
	const global = "From: João <joao@one.casos.test>\r\nSubject: Olá\r\n\r\nOlá!\r\n"
	for name, test := range map[string]struct {
		to, message    string
		kind, returned string
	}{
		"8 bits":   {"x@nx.casos.test", "Subject: Oi\r\n\r\nOlá\r\n", "text/rfc822-headers", "Subject: Oi\r\n"},
		"Latin-1":  {"x@nx.casos.test", "Subject: Ol\xe1\r\n\r\n\xe7\r\n", "text/rfc822-headers", "Subject: Ol\xe1\r\n"},
		"SMTPUTF8": {"joão@nx.casos.test", global, "message/global", global},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.mta("aurora", "mx1.aurora.test", 1)
			got := w.old("198.18.9.1:25")
			id := w.failing(aurora, "ana@one.casos.test", test.to, test.message)
			report := aurora.waitEvent(t, "the failure", queueEvent(event.Bounced, id)).Meta.Get(event.BounceID)
			aurora.waitEvent(t, "the report's delivery", queueEvent(event.Delivered, report))
			raw := <-got
			r := parseReport(t, raw[1])
			if strings.Contains(raw[0], "BODY=") || strings.ContainsFunc(raw[1], func(r rune) bool { return r > '~' }) || r.Kind != test.kind || r.Returned != test.returned {
				t.Errorf("%s\n%s: %q", raw[0], r.Kind, r.Returned)
			}
			if f := r.Recipients[0]; f.Get("Action") != "failed" || f.Get("Status") != "5.1.2" || !strings.Contains(r.Text, "<"+test.to+">") {
				t.Errorf("%v\n%s", f, r.Text)
			}
		})
	}
}

// failing queues 8-bit mail from a sender that goes to nobody.
func (w *world) failing(h *host, from, to, message string) (id string) {
	w.t.Helper()
	e := &spool.Entry{Message: spool.Message{EightBit: true}, Rcpts: []spool.Recipient{{To: w.address(to), Next: time.Now().Add(time.Minute)}}}
	e.ID, e.From, e.Arrived = spool.NewID(), w.address(from), time.Now()
	if err := h.spool.Add(w.t.Context(), e, strings.NewReader(message)); err != nil {
		w.t.Fatal(err)
	}
	h.enqueue(e)
	return e.ID
}

// What we did not write goes as it is, or not at all: 8-bit mail with a null
// reverse-path comes back for want of 8BITMIME (RFC 6152 §3).
func TestForeignEightBitMailIsNotMadeSevenBit(t *testing.T) {
	for name, id := range map[string]string{"another one's report": "r@boreal.test", "submitted without Message-ID": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			aurora := w.mta("aurora", "mx1.aurora.test", 1)
			w.mda("198.19.1.110:24")
			w.old("198.18.9.1:25")
			e := &spool.Entry{Message: spool.Message{EightBit: true, MessageID: id}, Rcpts: []spool.Recipient{{To: w.address("ana@one.casos.test"), Next: time.Now().Add(time.Minute)}}}
			e.ID, e.Arrived = spool.NewID(), time.Now()
			if id == "" {
				e.MessageID = e.ID + "@mx1.aurora.test"
			}
			if err := aurora.spool.Add(t.Context(), e, strings.NewReader("Subject: Oi\r\n\r\nOlá\r\n")); err != nil {
				t.Fatal(err)
			}
			aurora.enqueue(e)
			if r := aurora.waitEvent(t, "the failure", queueEvent(event.Bounced, e.ID)); !strings.HasPrefix(r.Meta.Get(event.Reply), "554 5.6.3") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A report that cannot be read is put aside, and not taken for one that the host is
// not fit for.
func TestReportThatCannotBeReadIsPutAsideByAHostWithoutEightBitToo(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	id := w.failing(aurora, "ana@one.casos.test", "x@nx.casos.test", "Subject: Oi\r\n\r\nOlá\r\n")
	report := aurora.waitEvent(t, "the failure", queueEvent(event.Bounced, id)).Meta.Get(event.BounceID)
	aurora.waitEvent(t, "the report's delay", queueEvent(event.Deferred, report))
	aurora.stop()
	damage(t, aurora.env.State, "DELETE FROM durable_chunk")
	damage(t, aurora.env.State, "UPDATE recipient SET next=0")
	aurora.env.Events = event.NewLog("mx1.aurora.test", 0)
	w.old("198.18.9.1:25")
	w.restart(aurora.env).waitEvent(t, "the quarantine", queueEvent(event.Quarantined, report))
}
