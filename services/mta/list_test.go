package mta

import (
	"strings"
	"testing"
)

func TestQueueIsListedInPages(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	ids := w.queued(t, aurora, "1@one.casos.test", "2@closed.casos.test", "3@one.casos.test", "4@one.casos.test", "5@one.casos.test")
	var seen []string
	for next, pages := "?limit=2", 0; next != ""; pages++ {
		l := aurora.list(t, next)
		if len(l.Messages) > 2 || l.Total != 5 || pages > 2 {
			t.Fatalf("page %d: %+v", pages, l)
		}
		for _, m := range l.Messages {
			seen = append(seen, m.ID)
		}
		if next = l.Next; next != "" {
			next = "?limit=2&after=" + next
		}
	}
	if strings.Join(seen, " ") != strings.Join(ids, " ") {
		t.Errorf("listed %v, sent %v", seen, ids)
	}
	if l := aurora.list(t, "?after="+ids[3]); len(l.Messages) != 1 || l.Messages[0].ID != ids[4] {
		t.Errorf("behind the fourth: %+v", l)
	}
	if l := aurora.list(t, "?domain=CLOSED.casos.test&state=deferred"); len(l.Messages) != 1 || l.Messages[0].ID != ids[1] {
		t.Errorf("of closed.casos.test: %+v", l)
	}
	// "1 of 5 messages are shown" was said where there were 4.
	for query, want := range map[string]int64{
		"?limit=1": 5, "?domain=one.casos.test&limit=1": 4, "?state=deferred&limit=2": 5, "?state=held": 0, "?domain=one.casos.test&limit=1&after=" + ids[0]: 4,
	} {
		if l := aurora.list(t, query); l.Matching != want || l.Total != 5 {
			t.Errorf("%s: %d messages match, want %d", query, l.Matching, want)
		}
	}
	if l := aurora.list(t, "?state=held"); len(l.Messages) != 0 || l.Messages == nil {
		t.Errorf("held: %+v", l)
	}
}
