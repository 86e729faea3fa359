// Package scenario holds what every lab must do, however it runs: the suites
// of ../run and ../compose play the same scenarios. It knows the lab as its
// users do, by its command, its addresses and its protocols, and imports
// nothing of the product.
package scenario

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"
)

// Lab is a running lab, reached from where its addresses are reachable.
type Lab interface {
	// CLI runs the command correio on the lab and returns what it printed and
	// its exit status.
	CLI(ctx context.Context, args ...string) (stdout, stderr string, code int)
	// Dial connects to an address of the lab, such as 198.18.2.25:25.
	Dial(ctx context.Context, addr string) (net.Conn, error)
	// Dir is the lab directory that the nodes read, ours to edit.
	Dir() string
}

// patience bounds every wait of a scenario.
const patience = 45 * time.Second

// Org is an organisation of the default lab, as README's table has it.
type Org struct {
	Domain string
	MDA    string // its address
	People [2]string
}

// MX hosts by name, as they are reached on the backbone.
var mxAddr = map[string]string{
	"mx1.aurora.test": "198.18.1.25", "mx1.boreal.test": "198.18.2.25", "mx2.boreal.test": "198.18.2.26",
	"mx1.cedro.test": "198.18.3.25", "mx2.cedro.test": "198.18.3.26",
}

var (
	aurora = Org{"aurora.test", "198.19.1.110", [2]string{"ana", "alice"}}
	boreal = Org{"boreal.test", "198.19.2.110", [2]string{"bruno", "beatriz"}}
	cedro  = Org{"cedro.test", "198.19.3.110", [2]string{"carla", "caio"}}
	orgs   = []Org{aurora, boreal, cedro}
)

// All runs every scenario on the lab, one after the other.
func All(t *testing.T, l Lab) {
	for _, s := range []struct {
		name string
		play func(t *testing.T, p *player)
	}{
		{"mail between each pair arrives byte for byte", mailBetweenEachPair},
		{"the deck's commands typed by hand", typedByHand},
		{"backup MX queues and hands on", backupQueuesAndHandsOn},
		{"equal MX share the mail", equalMXShare},
		{"special cases of casos.test", specialCases},
		{"dig asks the resolver and walks from the root", digAndWalk},
		{"status knows every node", statusKnowsEveryNode},
		{"every reply code comes on purpose", everyReplyCode},
		{"reserved local parts take mail", reservedPartsTakeMail},
		{"delivery reports as they were asked for", deliveryReports},
		{"aliases, lists and forwarding", aliasesAndLists},
		{"mail in UTF-8", utf8Mail},
		{"people log in by every mechanism", everyMechanism},
		{"the queue is changed by hand", queueIsChangedByHand},
		// Last: the resolver keeps the changed answer for its TTL.
		{"changing the MX moves the connection", changingTheMX},
	} {
		t.Run(s.name, func(t *testing.T) { s.play(t, &player{t: t, lab: l}) })
	}
}

// player plays one scenario.
type player struct {
	t   *testing.T
	lab Lab
}

// Sent is what `correio send --json` prints.
type Sent struct {
	OK        bool   `json:"ok"`
	MessageID string `json:"message_id"`
	QueueID   string `json:"queue_id"`
	Code      int    `json:"code"`
	Reply     string `json:"reply"`
}

// Journey is what `correio trace --json` prints, as far as scenarios look.
type Journey struct {
	State      string `json:"state"`
	Recipients []struct {
		Address string `json:"address"`
		State   string `json:"state"`
		Node    string `json:"node"`
		Reply   string `json:"reply"`
	} `json:"recipients"`
	Steps []Step `json:"steps"`
}

// Step is one step of a journey.
type Step struct {
	Kind       string `json:"kind"`
	Client     string `json:"client"`
	Server     string `json:"server"`
	ServerAddr string `json:"server_addr"`
	Outcome    string `json:"outcome"`
	Detail     string `json:"detail"`
	Reply      string `json:"reply"`
	Reasons    []struct {
		Rule string   `json:"rule"`
		Args []string `json:"args"`
		Text string   `json:"text"`
	} `json:"reasons"`
	Lines []struct {
		Dir  string `json:"dir"`
		Text string `json:"text"`
	} `json:"lines"`
}

// cli runs a verb that must succeed and returns its standard output.
func (p *player) cli(args ...string) string {
	p.t.Helper()
	// Not cancelled with the test: clean-up functions call it as well.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), 2*patience)
	defer cancel()
	out, talk, code := p.lab.CLI(ctx, args...)
	if code != 0 {
		p.t.Fatalf("correio %s: exit %d\n%s%s", strings.Join(args, " "), code, out, talk)
	}
	return out
}

func (p *player) cliJSON(v any, args ...string) {
	p.t.Helper()
	out := p.cli(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		p.t.Fatalf("correio %s --json: %v in\n%s", strings.Join(args, " "), err, out)
	}
}

// send submits a mail as its sender would, and returns what the server said.
func (p *player) send(from, to string, more ...string) Sent {
	p.t.Helper()
	var s Sent
	p.cliJSON(&s, append([]string{"send", "--from", from, "--to", to}, more...)...)
	if !s.OK || s.MessageID == "" || s.QueueID == "" {
		p.t.Fatalf("send from %s to %s = %+v, want it accepted with both ids", from, to, s)
	}
	return s
}

// trace waits until the message has reached a state and returns its journey.
func (p *player) trace(s Sent, state string) Journey {
	p.t.Helper()
	var j Journey
	p.cliJSON(&j, "trace", s.MessageID, "--wait", state, "--timeout", patience.String())
	if j.State != state {
		p.t.Fatalf("journey of %s is %q, want %q", s.MessageID, j.State, state)
	}
	return j
}

// first returns the first step of a kind that fits, or fails.
func (p *player) first(j Journey, kind string, fits func(Step) bool) Step {
	p.t.Helper()
	for _, s := range j.Steps {
		if s.Kind == kind && fits(s) {
			return s
		}
	}
	p.t.Fatalf("no fitting %s step in the journey:\n%s", kind, outline(j))
	return Step{}
}

func outline(j Journey) string {
	var b strings.Builder
	for _, s := range j.Steps {
		b.WriteString(strings.Join([]string{s.Kind, s.Client, "→", s.Server, s.ServerAddr, s.Detail, s.Outcome, s.Reply}, " ") + "\n")
		for _, r := range s.Reasons {
			b.WriteString("  · " + r.Text + "\n")
		}
	}
	return b.String()
}

// says reports whether a step has a line that contains part.
func (s Step) says(part string) bool {
	for _, l := range s.Lines {
		if strings.Contains(l.Text, part) {
			return true
		}
	}
	return false
}

// await asks until it is told true.
func (p *player) await(what string, ask func() bool) {
	p.t.Helper()
	p.awaitFor(patience, what, ask)
}

func (p *player) awaitFor(patience time.Duration, what string, ask func() bool) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		if time.Now().After(deadline) {
			p.t.Fatalf("waited %v in vain for: %s", patience, what)
		}
		<-tick.C
	}
}

func (p *player) dial(addr string) net.Conn {
	p.t.Helper()
	c := Dial(p.t, p.lab, addr)
	p.t.Cleanup(func() { c.Close() })
	return c
}

// Dial connects to an address of the lab, and bounds what is done there.
func Dial(t testing.TB, l Lab, addr string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := l.Dial(ctx, addr)
	if err != nil {
		t.Fatalf("connect to %s: %v", addr, err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}
