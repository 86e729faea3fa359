package mta

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"correio/services/internal/event"
	"correio/services/internal/smtpc"
)

// damagePage spoils the last page of a spool that holds a text.
func damagePage(t *testing.T, state, text string) {
	t.Helper()
	const size = 4096
	path := filepath.Join(state, "spool.db")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(data, []byte(text))
	if at < 0 {
		t.Fatalf("%q is nowhere", text)
	}
	copy(data[at/size*size:], bytes.Repeat([]byte("\xa5"), size))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A damaged page kept the node, and with it the whole of 'correio run', from
// starting at all. Now mail goes on, and people are told what became of the queue.
func TestNodeStartsWithADamagedQueue(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	var to []string
	for i := range 90 {
		to = append(to, "x"+strconv.Itoa(i)+"@one.casos.test")
	}
	ids := w.queued(t, aurora, to[0], strings.Join(to, " "), to[1])
	aurora.stop()
	damagePage(t, aurora.env.State, to[45]) // it holds no other message's
	env := *aurora.env
	env.Events = event.NewLog("mx1.aurora.test", 0)
	box := w.mda("198.18.9.1:25")
	again := w.restart(&env)
	r := again.waitEvent(t, "the salvage", func(r event.Record) bool { return r.Kind == event.KindNode && r.Text == event.Salvaged })
	if why := r.Meta.Get(event.Reason); !strings.HasPrefix(why, "salvaged("+env.State) || !strings.HasSuffix(why, "|3); salvaged-in-part(1)") {
		t.Errorf("told: %s", why)
	}
	l := again.list(t, "")
	if len(l.Messages) != 3 || len(l.Messages[1].To) < 50 || len(l.Messages[1].To) >= len(to) {
		t.Errorf("left: %+v", l)
	}
	for i, id := range []string{ids[0], ids[2]} {
		again.order1(t, "retry", byID(id))
		again.waitEvent(t, "the removal", queueEvent(event.Removed, id))
		if n := box.copies(to[i]); n != 1 {
			t.Errorf("%s has %d copies", to[i], n)
		}
	}
}

// What cannot be read whole waits in quarantine, for all to see.
func TestMessageWithADamagedBodyIsKeptInQuarantine(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message+strings.Repeat("cheia de linhas\r\n", 1000), "x@one.casos.test")[0].Reply)
	aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	c.Close()
	aurora.stop()
	damagePage(t, aurora.env.State, "Subject:")
	damagePage(t, aurora.env.State, "SQLite format 3")
	env := *aurora.env
	env.Events, env.Metrics = event.NewLog("mx1.aurora.test", 0), prometheus.NewRegistry()
	again := w.restart(&env)
	if r := again.waitEvent(t, "the quarantine", queueEvent(event.Quarantined, id)); r.Meta.Get(event.Rules) != "body-damaged" {
		t.Errorf("quarantined: %+v", r)
	}
	l := again.list(t, "?state=quarantined")
	if len(l.Messages) != 1 || l.Messages[0].ID != id || len(l.Messages[0].Why) != 1 || !slices.Equal(l.Messages[0].To, []string{"x@one.casos.test"}) {
		t.Errorf("listed: %+v", l)
	}
	if n := again.order1(t, "drop", byID(id)); n != 1 {
		t.Errorf("%d dropped", n)
	}
}
