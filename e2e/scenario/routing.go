package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// editZone replaces text in a zone file by write and rename, as editors do,
// and puts the old file back when the test ends.
func (p *player) editZone(path, old, new string) {
	p.t.Helper()
	file := filepath.Join(p.lab.Dir(), path)
	before, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.Contains(string(before), old) {
		p.t.Fatalf("%s does not contain %q", file, old)
	}
	p.replaceFile(file, strings.ReplaceAll(string(before), old, new))
	p.t.Cleanup(func() { p.replaceFile(file, string(before)) })
}

func (p *player) replaceFile(file, content string) {
	p.t.Helper()
	if err := os.WriteFile(file+".new", []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		p.t.Fatal(err)
	}
}

// hop sends a mail from Ana to Bruno and returns the host of boreal.test that
// Aurora's MTA handed it to.
func (p *player) hop() string {
	p.t.Helper()
	j := p.trace(p.send("ana@aurora.test", "bruno@boreal.test", "--subject", "which host"), "delivered")
	return p.first(j, "smtp", func(s Step) bool { return s.Client == "mx1.aurora.test" }).Server
}

func changingTheMX(t *testing.T, p *player) {
	if got := p.hop(); got != "mx1.boreal.test" {
		t.Fatalf("before: mail went to %s, want mx1.boreal.test", got)
	}
	p.editZone("boreal/boreal.test.zone", "MX      20 mx2", "MX      5 mx2")
	// The zone is looked at every second, the resolver keeps the old answer for
	// its TTL; the mail that finds out takes a moment.
	p.awaitFor(ttl+5*time.Second, "mail to go to mx2.boreal.test", func() bool { return p.hop() == "mx2.boreal.test" })
}

// ttl is the TTL of the lab's zones, at speed 1.
const ttl = time.Minute

func backupQueuesAndHandsOn(t *testing.T, p *player) {
	p.cli("down", "mx1.boreal.test")
	started := false
	t.Cleanup(func() {
		if !started {
			p.cli("up", "mx1.boreal.test")
		}
	})
	s := p.send("ana@aurora.test", "bruno@boreal.test", "--subject", "while mx1 is away")
	var j Journey
	p.await("mx2 to take the mail", func() bool {
		p.cliJSON(&j, "trace", s.MessageID)
		for _, step := range j.Steps {
			if step.Kind == "smtp" && step.Server == "mx2.boreal.test" && strings.HasPrefix(step.Outcome, "250") {
				return true
			}
		}
		return false
	})
	if j.State == "delivered" {
		t.Error("delivered although mx1 is away: a backup waits for a better host that DNS names")
	}
	p.cli("up", "mx1.boreal.test")
	started = true
	j = p.trace(s, "delivered")
	p.first(j, "smtp", func(s Step) bool { return s.Client == "mx2.boreal.test" && s.Server == "mx1.boreal.test" })
}

func equalMXShare(t *testing.T, p *player) {
	const mails, atOnce = 200, 10
	hosts := make(chan string, mails)
	work := make(chan int)
	var senders sync.WaitGroup
	for range atOnce {
		senders.Go(func() {
			for i := range work {
				host, err := p.handedTo("carla@cedro.test", "share "+strconv.Itoa(i))
				if err != nil {
					t.Errorf("mail %d: %v", i, err)
				}
				hosts <- host
			}
		})
	}
	for i := range mails {
		work <- i
	}
	close(work)
	senders.Wait()
	close(hosts)
	count := map[string]int{}
	for host := range hosts {
		count[host]++
	}
	if n := count["mx1.cedro.test"]; n < mails*30/100 || n > mails*70/100 || n+count["mx2.cedro.test"] != mails {
		t.Errorf("of %d mails: %v; want 30 to 70 percent on each of mx1 and mx2", mails, count)
	}
}

// handedTo sends a mail from Ana, waits for its delivery and returns the host
// that Aurora's MTA handed it to. It may be called from any goroutine.
func (p *player) handedTo(to, subject string) (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*patience)
	defer cancel()
	out, talk, code := p.lab.CLI(ctx, "send", "--from", "ana@aurora.test", "--to", to, "--subject", subject, "--json")
	var s Sent
	if err := json.Unmarshal([]byte(out), &s); code != 0 || err != nil {
		return "", fmt.Errorf("send: exit %d, %w\n%s%s", code, err, out, talk)
	}
	out, talk, code = p.lab.CLI(ctx, "trace", s.MessageID, "--wait", "delivered", "--timeout", patience.String(), "--json")
	var j Journey
	if err := json.Unmarshal([]byte(out), &j); code != 0 || err != nil {
		return "", fmt.Errorf("trace: exit %d, %w\n%s%s", code, err, out, talk)
	}
	for _, step := range j.Steps {
		if step.Kind == "smtp" && step.Client == "mx1.aurora.test" {
			return step.Server, nil
		}
	}
	return "", fmt.Errorf("no SMTP step from mx1.aurora.test:\n%s", outline(j))
}
