package mda_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/event"
)

// A damaged page kept the node, and with it the whole of 'correio run', from
// starting at all, and the mailboxes from their owners.
func TestNodeStartsWithDamagedMailboxes(t *testing.T) {
	l := newLab(t)
	c := l.lmtp()
	for range 3 {
		l.send(c, "Subject: x\r\n\r\nOi\r\n", "ana")
	}
	c.Close()
	l.stop()
	path := filepath.Join(l.env.State, "mail.db")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(data, bytes.Repeat([]byte("\xa5"), 4096)) // the page that leads to all others
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	l.env.Events, l.env.Metrics = event.NewLog("mda.aurora.test", 0), prometheus.NewRegistry()
	l.start()
	if boxes := l.mailboxes().Mailboxes; boxes[0].Name != "ana" || boxes[0].Messages != 3 {
		t.Errorf("%+v", boxes)
	}
	for _, r := range l.env.Events.After(0, 10).Records {
		if r.Text == event.Salvaged {
			if why := r.Meta.Get(event.Reason); !strings.HasPrefix(why, "salvaged("+path+".damaged-") || !strings.HasSuffix(why, "|3)") {
				t.Errorf("told: %s", why)
			}
			return
		}
	}
	t.Error("nobody was told")
}
