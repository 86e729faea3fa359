package run

import (
	"strings"
	"testing"
	"time"
)

// Without its resolver an organisation cannot find anybody: its mail waits, and
// that of its own people does not need one.
func TestAdversityResolverDown(t *testing.T) {
	l := newLedger(ownLabOf(t))
	const node, away = "mx1.aurora.test", 20
	l.correio("down", "resolver1.nic.test")
	l.sendAll("away", away, 1000, "bruno@boreal.test", "carla@cedro.test")
	l.sendAll("here", 5, 1000, "alice@aurora.test")
	if len(l.accepted) != away+5 {
		t.Errorf("%d messages are accepted, want %d: %v", len(l.accepted), away+5, l.replies)
	}
	l.await("mail within Aurora", patience, func() bool {
		l.fetch(auroraMDA, "alice")
		return len(l.missing()) == away
	})
	// Some are not tried at all when others have found the destination dead.
	l.await("all other mail to wait for DNS", patience, func() bool {
		tried, queue := 0, l.queue(node)
		for _, m := range queue {
			if m.LastReply != "" && !strings.HasPrefix(m.LastReply, "451 4.4.3 ") {
				t.Fatalf("without a resolver %s waits for: %s", m.MessageID, m.LastReply)
			}
			if m.State == "deferred" {
				tried++
			}
		}
		return len(queue) == away && tried > 2
	})
	l.correio("up", "resolver1.nic.test")
	l.settle(time.Minute, func() {
		l.fetch(borealMDAHost, "bruno")
		l.fetch(cedroMDA, "carla")
		l.reports()
	}, node)
	l.idle(node)
	l.check(nil)
	if len(l.reported) > 0 {
		t.Errorf("reported as failed: %v", l.reported)
	}
}
