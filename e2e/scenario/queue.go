package scenario

import (
	"context"
	"strings"
	"testing"
	"time"
)

// waiting is one message as `correio queue --json` lists it.
type waiting struct {
	ID        string   `json:"id"`
	To        []string `json:"to"`
	Attempts  int      `json:"attempts"`
	State     string   `json:"state"`
	LastReply string   `json:"last_reply"`
}

// queued returns what waits at an organisation's MTAs, by id.
func (p *player) queued(org Org) map[string]waiting {
	p.t.Helper()
	var list struct {
		Nodes []struct{ Messages []waiting }
	}
	p.cliJSON(&list, "queue", org.Domain)
	all := map[string]waiting{}
	for _, n := range list.Nodes {
		for _, m := range n.Messages {
			all[m.ID] = m
		}
	}
	return all
}

// changed gives an order about the queue and returns how many messages it has
// changed.
func (p *player) changed(order string, args ...string) int {
	p.t.Helper()
	var done struct {
		Changed []struct{ Messages int }
	}
	p.cliJSON(&done, append([]string{"queue", order}, args...)...)
	n := 0
	for _, c := range done.Changed {
		n += c.Messages
	}
	return n
}

// state waits until a message's journey has come to a state that is no end.
func (p *player) state(s Sent, state string) {
	p.t.Helper()
	p.await(s.MessageID+" to be "+state, func() bool {
		var j Journey
		p.cliJSON(&j, "trace", s.MessageID)
		return j.State == state
	})
}

func queueIsChangedByHand(t *testing.T, p *player) {
	p.cli("down", "mx1.aurora.test")
	started := false
	t.Cleanup(func() {
		if !started {
			p.cli("up", "mx1.aurora.test")
		}
	})
	free := p.send("bruno@boreal.test", "ana@aurora.test", "--subject", "waits for the host")
	held := p.send("bruno@boreal.test", "ana@aurora.test", "--subject", "waits for a person")
	dropped := p.send("bruno@boreal.test", "ana@aurora.test", "--subject", "goes nowhere")
	p.await("three messages to wait, each with the reason", func() bool {
		queue := p.queued(boreal)
		for _, s := range []Sent{free, held, dropped} {
			if m := queue[s.QueueID]; m.State != "deferred" || !strings.Contains(m.LastReply, "4.4.1") || m.To[0] != "ana@aurora.test" {
				return false
			}
		}
		return true
	})
	if n := p.changed("hold", held.QueueID); n != 1 {
		t.Errorf("%d messages are held", n)
	}
	if n := p.changed("drop", dropped.QueueID, "--node", "boreal.test"); n != 1 {
		t.Errorf("%d messages are dropped", n)
	}
	p.state(held, "held")
	p.state(dropped, "dropped")
	before := p.heldAndAtRest(held)

	p.cli("up", "mx1.aurora.test")
	started = true
	p.changed("retry", "--domain", "aurora.test", "--node", "boreal.test")
	p.trace(free, "delivered")
	if now := p.queued(boreal)[held.QueueID]; now.State != "held" || now.Attempts != before {
		t.Errorf("the host is back, and the held message is %+v; it had %d attempts", now, before)
	}
	if n := p.changed("release", held.QueueID); n != 1 {
		t.Errorf("%d messages are released", n)
	}
	p.trace(held, "delivered")
	p.gone(dropped)
}

// attemptAtMost is longer than an attempt to connect to a host that is off takes.
const attemptAtMost = 11 * time.Second

// heldAndAtRest waits until no attempt of a held message is under way any more,
// and returns how many there were: one that began before is not cut off.
func (p *player) heldAndAtRest(s Sent) (attempts int) {
	p.t.Helper()
	at := time.Now()
	p.await("the attempts to rest", func() bool {
		m := p.queued(boreal)[s.QueueID]
		if m.State != "held" {
			p.t.Fatalf("the held message is %+v", m)
		}
		if m.Attempts != attempts {
			attempts, at = m.Attempts, time.Now()
		}
		return time.Since(at) > attemptAtMost
	})
	return attempts
}

// gone checks that a message is in no queue.
func (p *player) gone(s Sent) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if out, talk, code := p.lab.CLI(ctx, "queue", "show", s.QueueID); code != 1 || !strings.Contains(talk, s.QueueID) {
		p.t.Errorf("queue show of a dropped message: exit %d\n%s%s", code, out, talk)
	}
	p.state(s, "dropped")
}
