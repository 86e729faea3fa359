package scenario

import (
	"strings"
	"testing"
)

func digAndWalk(t *testing.T, p *player) {
	if out := p.cli("dig", "boreal.test", "MX", "--short"); strings.TrimSpace(out) == "" || !strings.Contains(out, "10 mx1.boreal.test.") {
		t.Errorf("dig boreal.test MX --short = %q, want mx1 in it", out)
	}
	if out := p.cli("dig", "@198.18.3.53", "cedro.test", "MX"); !strings.Contains(out, "aa") || !strings.Contains(out, "mx2.cedro.test.") {
		t.Errorf("dig @ns.cedro cedro.test MX = %s, want an authoritative answer with both hosts", out)
	}
	walk := p.cli("dig", "boreal.test", "MX", "--trace")
	at := -1
	for _, server := range []string{"asked a.root-servers.test", "asked ns.nic.test", "asked ns.boreal.test"} {
		next := strings.Index(walk, server)
		if next <= at {
			t.Fatalf("the walk does not come to %s in its turn:\n%s", server, walk)
		}
		at = next
	}
}

func statusKnowsEveryNode(t *testing.T, p *player) {
	out := p.cli("status")
	for _, host := range []string{
		"a.root-servers.test", "ns.nic.test", "resolver1.nic.test", "resolver2.nic.test",
		"ns.aurora.test", "mx1.aurora.test", "mda.aurora.test", "pc.aurora.test", "mx2.boreal.test", "mda.cedro.test",
	} {
		if !strings.Contains(out, host) {
			t.Errorf("status does not name %s:\n%s", host, out)
		}
	}
}
