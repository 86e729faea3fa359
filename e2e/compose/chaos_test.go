package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"correio/e2e/scenario"
)

// person is somebody with a mailbox, and where that and their MTA are.
type person struct{ name, domain, mx, mda string }

func (p person) address() string { return p.name + "@" + p.domain }

var people = []person{
	{"ana", "aurora.test", "198.18.1.25", "198.19.1.110"}, {"alice", "aurora.test", "198.18.1.25", "198.19.1.110"},
	{"bruno", "boreal.test", "198.18.2.25", "198.19.2.110"}, {"beatriz", "boreal.test", "198.18.2.25", "198.19.2.110"},
	{"carla", "cedro.test", "198.18.3.25", "198.19.3.110"}, {"caio", "cedro.test", "198.18.3.26", "198.19.3.110"},
}

// victims are nodes of every kind. The observatory is not among them: this test reaches the lab through it.
var victims = []string{
	"aurora-mx1", "boreal-mx1", "boreal-mx2", "cedro-mx1", "cedro-mx2", "aurora-mda", "boreal-mda", "cedro-mda",
	"aurora-ns", "boreal-ns", "cedro-ns", "root", "tld", "resolver1", "aurora-pc", "boreal-pc", "cedro-pc",
}

// TestChaosLosesNothing sends mail between all organisations while every two seconds a node, chosen at random, is
// ended by SIGKILL and started again. Whatever got a 250 must be in its mailbox, or reported to its sender, when the
// lab has calmed down. CHAOS_ROUNDS and CHAOS_MAILS make it as long as one likes.
func TestChaosLosesNothing(t *testing.T) {
	rounds, mails := setting(t, "CHAOS_ROUNDS", 2), setting(t, "CHAOS_MAILS", 1000)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d rounds of %d mails", seed, rounds, mails)
	var all ledger
	for round := range rounds {
		all.round(t, fmt.Sprintf("chaos-%x-%d", seed, round), mails, rand.New(rand.NewPCG(seed, uint64(round))))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := theLab.Await(ctx, "every node to be ready", func(ctx context.Context) error {
		return theLab.Answers(ctx, page+"/readyz")
	}); err != nil {
		t.Fatal(err)
	}
	all.settle(ctx, t)
	t.Logf("%d nodes killed; accepted %d, in mailboxes %d, reported %d, lost %d; duplicates %d",
		all.kills, len(all.accepted), all.delivered, all.reported, len(all.lost), all.duplicates)
	if len(all.accepted) < rounds*mails/2 || all.kills < rounds {
		t.Errorf("only %d mails accepted and %d nodes killed: this proves nothing", len(all.accepted), all.kills)
	}
	if len(all.lost) > 0 {
		t.Errorf("accepted with 250 and lost: %v", all.lost[:min(len(all.lost), 20)])
	}
}

func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number from 1", name, v)
	}
	return n
}

// ledger is what was accepted, and what became of it.
type ledger struct {
	mu       sync.Mutex // guards accepted while mail is sent
	accepted []letter
	kills    int

	delivered, reported, duplicates int
	lost                            []string
}

// letter is one mail that got a 250, known by the mark in its subject.
type letter struct {
	mark     string
	from, to person
}

// round sends mails while nodes are killed.
func (l *ledger) round(t *testing.T, name string, mails int, chance *rand.Rand) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	killing, calm := context.WithCancel(ctx)
	killed := make(chan int, 1)
	go func() { killed <- reap(killing, t, chance) }()
	var next atomic.Int64
	var senders sync.WaitGroup
	for range 10 {
		senders.Go(func() {
			for i := next.Add(1); i <= int64(mails); i = next.Add(1) {
				l.send(ctx, t, fmt.Sprintf("%s-%d", name, i), int(i))
			}
		})
	}
	senders.Wait()
	calm()
	l.kills += <-killed
}

// send submits one mail until it is accepted, or nobody knows.
func (l *ledger) send(ctx context.Context, t *testing.T, mark string, i int) {
	from := people[i%len(people)]
	to := people[(i+2+i/len(people)%3)%len(people)] // always at another organisation
	var accepted atomic.Bool
	submitUntilSettled(ctx, t, from, to, mark, &accepted)
	if accepted.Load() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.accepted = append(l.accepted, letter{mark, from, to})
	}
}

// reap kills a node every two seconds, and starts it again at once, until ctx ends; all nodes run when it returns.
func reap(ctx context.Context, t *testing.T, chance *rand.Rand) (kills int) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return kills
		case <-tick.C:
		}
		victim := victims[chance.IntN(len(victims))]
		err := theLab.Kill(context.WithoutCancel(ctx), victim)
		restart := theLab.on(context.WithoutCancel(ctx), victim, func(id string) error {
			_, err := theLab.docker.ContainerStart(context.WithoutCancel(ctx), id, client.ContainerStartOptions{})
			return err
		})
		if err := errors.Join(err, restart); err != nil {
			t.Errorf("kill and start %s: %v", victim, err)
		}
		kills++
	}
}

// settle waits until every accepted mail is where it belongs, and counts.
func (l *ledger) settle(ctx context.Context, t *testing.T) {
	t.Helper()
	err := theLab.Await(ctx, "every accepted mail in a mailbox or reported", func(context.Context) error {
		l.count(t)
		if len(l.lost) > 0 {
			return fmt.Errorf("%d are missing", len(l.lost))
		}
		return nil
	})
	if err != nil {
		t.Log(err)
	}
}

func (l *ledger) count(t *testing.T) {
	t.Helper()
	boxes := map[person]map[string]int{}
	for _, p := range people {
		boxes[p] = marks(scenario.Fetch(t, theLab, p.mda, p.name))
	}
	l.delivered, l.reported, l.duplicates, l.lost = 0, 0, 0, nil
	for _, m := range l.accepted {
		switch n := boxes[m.to][m.mark]; {
		case n > 0:
			l.delivered++
			l.duplicates += n - 1
		case boxes[m.from][m.mark] > 0:
			l.reported++
		default:
			l.lost = append(l.lost, m.mark)
		}
	}
}

// marks counts the mails of a mailbox by the mark in their subject; a report carries that of the mail it is about.
func marks(messages [][]byte) map[string]int {
	count := map[string]int{}
	for _, message := range messages {
		if i := bytes.LastIndex(message, []byte("Subject: chaos-")); i >= 0 {
			mark, _, _ := bytes.Cut(message[i+len("Subject: "):], []byte("."))
			count[string(mark)]++
		}
	}
	return count
}
