package run

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The lab's schedule, at speed 1, as the README and package schedule have it.
var (
	steps = []time.Duration{
		5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	}
	life, notice = 5 * 24 * time.Hour, 4 * time.Hour
)

const (
	jitter     = 0.1 // a wait may be longer by so much of it
	fullSpeed  = 3600
	closedHost = "nobody@closed.casos.test"
)

// step is the wait behind attempt n (from 1).
func step(n int) time.Duration {
	if n > len(steps) {
		return time.Hour
	}
	return steps[n-1]
}

// attempts counts those of a message that nobody takes, at speed 1, when every
// wait is so many times its step: the last attempt falls on the end of its life.
func attempts(factor float64, life time.Duration) (n int) {
	n = 1
	for age := time.Duration(0); age < life; n++ {
		age += time.Duration(factor * float64(step(n)))
	}
	return n
}

// record is an event of a node.
type record struct {
	Time  time.Time         `json:"time"`
	Queue string            `json:"queue"`
	Kind  string            `json:"kind"`
	Text  string            `json:"text"`
	Meta  map[string]string `json:"meta"`
}

// events are those of a node about its queue, as far as it remembers.
func (o own) events(node string) (all []record) {
	o.t.Helper()
	resp := o.open(o.t.Context(), node, "events?follow=false")
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		if body, is := strings.CutPrefix(line, "data:"); is {
			var r record
			if err := json.Unmarshal([]byte(body), &r); err != nil {
				o.t.Fatalf("event %q: %v", line, err)
			}
			if r.Kind == "queue" {
				all = append(all, r)
			}
		}
		if err == io.EOF {
			return all
		}
		if err != nil {
			o.t.Fatal(err)
		}
	}
}

// A mail that nobody takes, at 3600 times the speed of life: it is tried in the
// order and as often as at speed 1, its sender is told of the delay once, and
// gets it back when five days, two minutes, are over.
func TestSpeedOfAClosedHost(t *testing.T) {
	o := ownLabOf(t)
	const node = "mx1.aurora.test"
	var sent struct {
		MessageID string `json:"message_id"`
		QueueID   string `json:"queue_id"`
	}
	if err := json.Unmarshal([]byte(o.correio("send", "--from", sender, "--to", closedHost, "--subject", "closed", "--json")), &sent); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	l := newLedger(o)
	var told []string // Action of the reports, in order
	o.await("the mail to come back", real(life)+10*time.Second, func() bool {
		for _, message := range l.empty(auroraMDA, user) {
			if _, action, is := strings.Cut(string(message), "\r\nAction: "); is {
				told = append(told, action[:strings.IndexByte(action, '\r')])
			}
		}
		return len(told) > 0 && told[len(told)-1] == "failed" || len(told) > 2
	})
	t.Logf("it came back after %v", time.Since(at).Round(time.Millisecond))
	if strings.Join(told, ", ") != "delayed, failed" {
		t.Errorf("Ana was told: %v, want of a delay, and of the end", told)
	}
	o.await("an empty queue", patience, func() bool { return len(o.queue(node)) == 0 })
	follow(t, o.events(node), sent.QueueID)
}

// real is how long a time of the lab takes.
func real(lab time.Duration) time.Duration { return lab / fullSpeed }

// measured is how exactly an event's time is known: of an attempt it is told
// when DNS has been asked, and of its end when that is on disk. busy is how late
// a machine that does other things may be; it makes no difference of an hour.
const measured, busy = 300 * time.Millisecond, 2 * time.Second

// follow holds the events about one message against the schedule.
func follow(t *testing.T, events []record, id string) {
	t.Helper()
	var accepted, tried, due time.Time // due: the next attempt, as announced
	var late time.Duration             // all that attempts were behind
	n, notices, ended := 0, 0, ""
	var off []string // waits that do not look like the schedule's
	for _, r := range events {
		if r.Queue != id {
			continue
		}
		age := r.Time.Sub(accepted)
		switch r.Text {
		case "accepted":
			accepted = r.Time
		case "attempt":
			n++
			if r.Meta["attempt-no"] != strconv.Itoa(n) {
				t.Fatalf("attempt %s follows number %d", r.Meta["attempt-no"], n-1)
			}
			if tried = r.Time; n > 1 {
				late += max(tried.Sub(due), 0)
			}
		case "deferred":
			wait, err := time.ParseDuration(r.Meta["retry-in"])
			if err != nil {
				t.Fatal(err)
			}
			due = r.Time.Add(wait)
			if wrong := checkWait(n, due.Sub(tried), due.Sub(accepted)); wrong != "" {
				off = append(off, wrong)
			}
			if r.Meta["bounce"] != "" {
				notices++
				if late := age - real(notice); late < 0 || late > real(time.Hour*11/10)+busy {
					t.Errorf("the delay is told after %v, want at the first attempt behind %v", age, real(notice))
				}
			}
		case "bounced", "removed":
			ended += r.Text + " "
			if late := age - real(life); late < -measured || late > busy {
				t.Errorf("%s after %v, want after %v", r.Text, age, real(life))
			}
		default:
			t.Errorf("%s, which is not expected", r.Text)
		}
	}
	if notices != 1 || ended != "bounced removed " {
		t.Errorf("%d delay notices, and at the end: %s", notices, ended)
	}
	if len(off) > n/20 { // the machine was busy
		t.Errorf("not as the schedule says: %s", strings.Join(off, "; "))
	}
	least, most := attempts(1+jitter, life-late*fullSpeed), attempts(1, life)
	t.Logf("%d attempts; the schedule at speed 1 makes %d to %d; they were late by %v in all", n, attempts(1+jitter, life), most, late)
	if n < least || n > most {
		t.Errorf("%d attempts, want %d to %d", n, least, most)
	}
}

// checkWait holds the wait behind attempt n against the schedule: a step and its
// jitter, or what is left of the message's life. It returns what is wrong.
func checkWait(n int, wait, end time.Duration) (wrong string) {
	least, most := real(step(n)), time.Duration((1+jitter)*float64(real(step(n))))
	if last := end >= real(life)-measured; wait < least-measured && !last || wait > most+measured {
		return fmt.Sprintf("behind attempt %d there is a wait of %v, want %v to %v", n, wait, least, most)
	}
	return ""
}
