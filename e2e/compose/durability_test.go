package compose

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/smtp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"correio/e2e/scenario"
)

// TestKillDuringSubmissionsLosesNothing ends Aurora's MTA by SIGKILL while 500
// mails are submitted. Whatever got a 250 must be in Bruno's mailbox after the
// restart.
func TestKillDuringSubmissionsLosesNothing(t *testing.T) {
	const mails, workers, killAfter = 500, 10, 150
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	run := fmt.Sprintf("kill-%x", time.Now().UnixNano())
	var acked atomic.Int64
	accepted := make([]atomic.Bool, mails)
	reached := make(chan struct{})
	reach := sync.OnceFunc(func() { close(reached) })
	work := make(chan int)
	var senders sync.WaitGroup
	for range workers {
		senders.Go(func() {
			for i := range work {
				submitUntilSettled(ctx, t, people[0], people[2], fmt.Sprintf("%s-%d", run, i), &accepted[i])
				if accepted[i].Load() && acked.Add(1) == killAfter {
					reach()
				}
			}
		})
	}
	killed := make(chan error, 1)
	go func() {
		<-reached
		if err := theLab.Kill(ctx, "aurora-mx1"); err != nil {
			killed <- err
			return
		}
		killed <- theLab.Start(ctx, "aurora-mx1")
	}()
	for i := range mails {
		work <- i
	}
	close(work)
	senders.Wait()
	reach()
	if err := <-killed; err != nil {
		t.Fatalf("kill and restart: %v", err)
	}
	if n := acked.Load(); n < mails/2 {
		t.Fatalf("only %d of %d mails were accepted; the test proves nothing", n, mails)
	}
	missing, duplicates := awaitAll(ctx, t, run, accepted)
	t.Logf("accepted %d of %d, missing %d, duplicates %d", acked.Load(), mails, len(missing), duplicates)
	if len(missing) > 0 {
		t.Errorf("accepted with 250 and lost: %v", missing)
	}
}

// submitUntilSettled submits a mail until the server accepts it or dies while
// it has it: then nobody knows, and it is not sent again. A server that cannot
// be reached is asked again.
func submitUntilSettled(ctx context.Context, t *testing.T, from, to person, mark string, accepted *atomic.Bool) {
	for ctx.Err() == nil {
		sent, err := submit(ctx, from, to, mark)
		if err == nil {
			accepted.Store(true)
			return
		}
		if sent {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond): // between two attempts to connect
		case <-ctx.Done():
			t.Errorf("%s: %v", mark, err)
		}
	}
}

// submit sends one mail over 587 as its sender would. sent tells that the message itself
// was under way when an error came.
func submit(ctx context.Context, from, to person, mark string) (sent bool, err error) {
	conn, err := theLab.Dial(ctx, from.mx+":587")
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return false, err
	}
	c, err := smtp.NewClient(conn, from.mx)
	if err != nil {
		return false, err
	}
	if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil {
		return false, err
	}
	if err := c.Auth(smtp.PlainAuth("", from.name, from.name, from.mx)); err != nil {
		return false, err
	}
	if err := c.Mail(from.address()); err != nil {
		return false, err
	}
	if err := c.Rcpt(to.address()); err != nil {
		return false, err
	}
	w, err := c.Data()
	if err != nil {
		return false, err
	}
	if _, err := fmt.Fprintf(w, "From: %s\r\nTo: %s\r\nSubject: %s.\r\n\r\nhello\r\n",
		from.address(), to.address(), mark); err != nil {
		return true, err
	}
	return true, w.Close() // reads the 250
}

// awaitAll waits until every accepted mail of a run is in Bruno's mailbox and
// returns those that are not, and how many came more than once.
func awaitAll(ctx context.Context, t *testing.T, run string, accepted []atomic.Bool) (missing []string, duplicates int) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	err := theLab.Await(ctx, "every accepted mail in the mailbox", func(context.Context) error {
		count := map[string]int{}
		for _, message := range scenario.Fetch(t, theLab, "198.19.2.110", "bruno") {
			if _, rest, ok := bytes.Cut(message, []byte("Subject: "+run)); ok {
				mark, _, _ := bytes.Cut(rest, []byte("."))
				count[run+string(mark)]++
			}
		}
		missing, duplicates = nil, 0
		for i := range accepted {
			mark := fmt.Sprintf("%s-%d", run, i)
			if accepted[i].Load() && count[mark] == 0 {
				missing = append(missing, mark)
			}
			duplicates += max(0, count[mark]-1)
		}
		if len(missing) > 0 {
			return fmt.Errorf("%d missing", len(missing))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return missing, duplicates
}
