package fleet_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"correio/services/correio/internal/client"
	"correio/services/internal/labtest"
)

// edit replaces a text in org.yaml of a site.
func (w *world) edit(t *testing.T, site, from, to string) {
	t.Helper()
	file := filepath.Join(w.fleet.Dir(), site, "org.yaml")
	old, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(old, []byte(from)) {
		t.Fatalf("%s lacks %q: %v", file, from, err)
	}
	if err := os.WriteFile(file, bytes.Replace(old, []byte(from), []byte(to), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestANodeThatIsStartedAgainReadsItsOrgYAML turns SMTPUTF8 off at Boreal: mail
// to its UTF-8 alias comes back, and is delivered when it is on again.
func TestANodeThatIsStartedAgainReadsItsOrgYAML(t *testing.T) {
	w := newWorld(t)
	restart := func() {
		for _, mx := range []string{"mx1.boreal.test", "mx2.boreal.test"} {
			if err := w.api.StopNode(t.Context(), mx); err != nil {
				t.Fatal(err)
			}
			if err := w.api.StartNode(t.Context(), mx); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.edit(t, "boreal", "\npeople:\n", "\nsmtp: {ascii-only: true}\npeople:\n")
	restart()
	sent, err := w.api.Send(t.Context(), "pc.aurora.test", client.Message{From: "ana@aurora.test", To: []string{"joão@boreal.test"}, Subject: "ação"})
	if err != nil || !sent.OK {
		t.Fatalf("send: %+v, %v", sent, err)
	}
	j, err := w.api.Journey(t.Context(), sent.MessageID, "bounced", labtest.Eventually)
	if err != nil || !strings.HasPrefix(j.Recipients[0].Reply, "550 5.6.7 ") {
		t.Fatalf("ascii-only: %v\n%s", err, told(j))
	}
	w.edit(t, "boreal", "smtp: {ascii-only: true}\n", "")
	restart()
	w.deliver(t, "ana@aurora.test", "joão@boreal.test", message("ana@aurora.test", "joão@boreal.test"))

	w.edit(t, "boreal", "title: Boreal", "titel: Boreal")
	if err := w.api.StopNode(t.Context(), "mx2.boreal.test"); err != nil {
		t.Fatal(err)
	}
	if err := w.api.StartNode(t.Context(), "mx2.boreal.test"); err == nil || !strings.Contains(err.Error(), "titel") {
		t.Errorf("a faulty org.yaml: %v", err)
	}
}
