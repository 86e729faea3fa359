package run

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"correio/e2e/scenario"
)

// ledger is what a lab has accepted, and what became of it: each message must be
// delivered, reported to its sender, or still be queued.
type ledger struct {
	own
	mu       sync.Mutex        // guards what follows while mail is sent
	sent     map[string]string // by mark: digest of the text
	accepted map[string]bool   // by mark: it got a 250
	replies  map[string]int    // how often a reply was heard that refuses, by its codes
	copies   map[string]int    // by mark: how often it was found where it was to go
	reported map[string]int    // by mark: reports in Ana's mailbox
	spoiled  []string          // marks of copies that are not as they were sent
}

func newLedger(o own) *ledger {
	return &ledger{
		own: o, sent: map[string]string{}, accepted: map[string]bool{}, replies: map[string]int{}, copies: map[string]int{}, reported: map[string]int{},
	}
}

const auroraMX, auroraMDA, borealMDAHost, cedroMDA = "198.18.1.25", "198.19.1.110", "198.19.2.110", "198.19.3.110"

// ana logs in at mx1.aurora.test, port 587.
func (l *ledger) ana() (*smtp.Client, error) {
	c, err := dialGoSMTP(order{way: way{host: auroraMX, port: "587", security: startTLS}, ca: os.Getenv("CORREIO_CA")})
	if err != nil {
		return nil, err
	}
	c.CommandTimeout, c.SubmissionTimeout = patience, patience
	mechanism, err := goMechanism("PLAIN", user)
	if err == nil {
		err = c.Auth(mechanism)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// text is a message that is known by its mark, of about so many octets.
func text(mark, to string, size int) string {
	header := "From: <" + sender + ">\r\nTo: <" + to + ">\r\nSubject: adversity\r\nMessage-ID: <" + mark + "@e2e.invalid>\r\n" +
		"Date: Mon, 23 Nov 2026 18:00:00 +0000\r\n\r\n"
	line := mark + strings.Repeat(".", max(70-len(mark), 0)) + "\r\n"
	return header + strings.Repeat(line, max(size/len(line), 1))
}

// send hands one message over and writes down what was said. The error is
// anything but a reply.
func (l *ledger) send(c *smtp.Client, mark, to string, size int) error {
	body := text(mark, to, size)
	l.mu.Lock()
	l.sent[mark] = digest(body)
	l.mu.Unlock()
	err := c.SendMail(sender, []string{to}, strings.NewReader(body))
	var refused *smtp.SMTPError
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.accepted[mark] = true
	case errors.As(err, &refused):
		e := refused.EnhancedCode
		l.replies[fmt.Sprintf("%d %d.%d.%d", refused.Code, e[0], e[1], e[2])]++
		return c.Reset()
	}
	return err
}

// sendAll hands over n messages, over four connections at a time, to those that
// to names in turn.
func (l *ledger) sendAll(name string, n, size int, to ...string) {
	l.t.Helper()
	next := make(chan int)
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			c, err := l.ana()
			for i := range next {
				if err == nil {
					err = l.send(c, markOf(name, i), to[i%len(to)], size)
				}
			}
			if err == nil {
				err = c.Quit()
			}
			if err != nil {
				l.t.Errorf("send: %v", err)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	senders.Wait()
}

// markOf is the mark of message number i.
func markOf(name string, i int) string { return fmt.Sprintf("%s-%d", name, i) }

func digest(body string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(body))) }

var markPattern = regexp.MustCompile(`(?m)^Message-ID: <([a-zA-Z0-9-]+)@e2e\.invalid>\r$`)

// arrived notes one copy where it was to go, which must be what was sent behind
// the fields of its way.
func (l *ledger) arrived(message []byte) {
	found := markPattern.FindSubmatch(message)
	if found == nil {
		return
	}
	mark := string(found[1])
	l.mu.Lock()
	defer l.mu.Unlock()
	l.copies[mark]++
	from := bytes.Index(message, []byte("From: <"+sender+">\r\nTo: "))
	if from < 0 || digest(string(message[from:])) != l.sent[mark] {
		l.spoiled = append(l.spoiled, mark)
	}
}

// empty fetches all of a person's mail and deletes it, as room is made.
func (l *ledger) empty(mda, person string) (messages [][]byte) {
	l.t.Helper()
	c := scenario.Dial(l.t, l, net.JoinHostPort(mda, "110"))
	defer c.Close()
	k := scenario.NewTalk(l.t, c)
	k.Hear("+OK")
	k.Say("USER "+person, "+OK")
	k.Say("PASS "+person, "+OK")
	k.Say("LIST", "+OK")
	for i, number := range strings.Fields(string(k.Multiline())) {
		if i%2 != 0 {
			continue
		}
		k.Say("RETR "+number, "+OK")
		messages = append(messages, bytes.Clone(k.Multiline()))
		k.Say("DELE "+number, "+OK")
	}
	k.Say("QUIT", "+OK")
	k.Closed()
	return messages
}

// fetch notes what has arrived in a mailbox, and empties it.
func (l *ledger) fetch(mda, person string) {
	l.t.Helper()
	for _, message := range l.empty(mda, person) {
		l.arrived(message)
	}
}

// reports notes what Ana has been told.
func (l *ledger) reports() {
	l.t.Helper()
	for _, message := range l.empty(auroraMDA, user) {
		if found := markPattern.FindSubmatch(message); found != nil && bytes.Contains(message, []byte("\r\nAction: failed\r\n")) {
			l.reported[string(found[1])]++
		}
	}
}

// missing are those of which nothing has been seen so far.
func (l *ledger) missing() (marks []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for mark := range l.accepted {
		if l.copies[mark] == 0 && l.reported[mark] == 0 {
			marks = append(marks, mark)
		}
	}
	slices.Sort(marks)
	return marks
}

// settle looks, by look, until every accepted message is delivered or reported.
// When some are not in time it says whether they are queued at least at these
// nodes, or lost.
func (l *ledger) settle(patience time.Duration, look func(), nodes ...string) {
	l.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for look(); len(l.missing()) > 0; look() {
		if time.Now().After(deadline) {
			queued := map[string]string{}
			for _, node := range nodes {
				for _, m := range l.queue(node) {
					queued[m.MessageID] = node + " " + m.State + ": " + m.LastReply
				}
			}
			missing := l.missing()
			l.t.Errorf("%d messages of %d are neither delivered nor reported after %v", len(missing), len(l.accepted), patience)
			for _, mark := range missing[:min(len(missing), 20)] {
				if where := queued[mark+"@e2e.invalid"]; where != "" {
					l.t.Errorf("%s waits at %s", mark, where)
				} else {
					l.t.Errorf("%s was accepted with 250 and is LOST", mark)
				}
			}
			return
		}
		<-tick.C
	}
}

// check fails unless every accepted message is there once, and whole, but for
// the extra copies that a peer is to blame for.
func (l *ledger) check(extra map[string]int) {
	l.t.Helper()
	duplicates := 0
	for mark := range l.accepted {
		copies, reports := l.copies[mark], l.reported[mark]
		switch {
		case copies > 0 && reports > 0:
			l.t.Errorf("%s was delivered %d times and reported as failed", mark, copies)
		case reports > 1:
			l.t.Errorf("%s was reported %d times", mark, reports)
		case reports == 0 && copies != 1+extra[mark]:
			l.t.Errorf("%s arrived %d times, want %d", mark, copies, 1+extra[mark])
		}
		duplicates += max(copies-1, 0)
	}
	if len(l.spoiled) > 0 {
		l.t.Errorf("not as they were sent: %v", l.spoiled[:min(len(l.spoiled), 20)])
	}
	l.t.Logf("accepted %d, delivered %d, reported %d, duplicates %d; refused %v",
		len(l.accepted), len(l.copies), len(l.reported), duplicates, l.replies)
}

// idle fails unless the nodes' queues are empty, or become so at once.
func (l *ledger) idle(nodes ...string) {
	l.t.Helper()
	for _, node := range nodes {
		l.await(node+" to have an empty queue", patience, func() bool { return len(l.queue(node)) == 0 })
	}
}

var _ scenario.Lab = (*ledger)(nil)
