package observatory_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/journey"
	"correio/services/observatory"
)

const (
	message = "m/1@pc.aurora.test" // a slash is allowed in a Message-ID
	bruno   = "bruno@boreal.test"
	queueID = "AAAAAAAAAA"
	storeID = "CCCCCCCCCC"
)

func queue(id, message, word string, meta ...string) event.Record {
	return event.Record{Kind: event.KindQueue, Queue: id, Message: message, Text: word, Meta: event.M(meta...)}
}

func accept(mail *player, id, message, from string) {
	mail.log.Append(queue(id, message, event.Accepted, event.From, from, event.To, bruno))
}

func deliver(mail, box *player) {
	box.log.Append(event.Record{Kind: event.KindStore, Queue: storeID, Message: message, Text: event.Stored, Meta: event.M(event.Mailbox, "bruno")})
	mail.log.Append(queue(queueID, "", event.Delivered, event.To, bruno, event.Next, mda, event.NextQueue, storeID))
}

// mailWorld is a world whose observatory watches an MTA and an MDA.
func mailWorld(t *testing.T) (w *world, mail, box *player) {
	w = newWorld(t)
	mail, box = w.play(mx1, nil), w.play(mda, nil)
	w.observe()
	w.settle(mx1, observatory.NodeReady)
	w.settle(mda, observatory.NodeReady)
	return w, mail, box
}

func journeyPath(id string) string { return "/api/v1/journeys/" + url.PathEscape(id) }

func TestJourneysAreFoundByMessageIDAndAsTheLast(t *testing.T) {
	w, mail, _ := mailWorld(t)
	var list observatory.Journeys
	if w.get("/api/v1/journeys", &list); list.Journeys == nil || len(list.Journeys) != 0 {
		t.Errorf("journeys of an empty lab = %#v, want an empty list", list.Journeys)
	}
	accept(mail, "QOLDER", "older@pc.aurora.test", "ana@aurora.test")
	accept(mail, queueID, message, "ana@aurora.test")
	accept(mail, "QREPORT", "report@mx1.aurora.test", "<>") // newer, but nobody sent it
	w.imported(mx1, 3)
	for _, id := range []string{message, "<" + message + ">", "last"} {
		var j journey.Journey
		if status := w.get(journeyPath(id), &j); status != http.StatusOK || j.Message != message || j.State != journey.Queued {
			t.Errorf("journey of %s = %d %q %s, want 200 %q queued", id, status, j.Message, j.State, message)
		}
	}
	if w.get("/api/v1/journeys?limit=2", &list); len(list.Journeys) != 2 || list.Journeys[0].Message != "report@mx1.aurora.test" {
		t.Errorf("journeys with limit 2 = %+v, want the two newest", list.Journeys)
	}
}

func TestBadJourneyRequests(t *testing.T) {
	w, _, _ := mailWorld(t)
	for path, want := range map[string]int{
		journeyPath("nobody@x"):                            http.StatusNotFound,
		journeyPath("last"):                                http.StatusNotFound,
		journeyPath("last") + "?wait=never":                http.StatusBadRequest,
		journeyPath("last") + "?wait=any&timeout=11m":      http.StatusBadRequest,
		journeyPath("last") + "?wait=any&timeout=-1s":      http.StatusBadRequest,
		journeyPath("last") + "?wait=any&timeout=soon":     http.StatusBadRequest,
		journeyPath("nobody@x") + "?wait=any&timeout=10ms": http.StatusGatewayTimeout,
		"/api/v1/journeys?limit=0":                         http.StatusBadRequest,
	} {
		var said observatory.Unmet
		if status := w.get(path, &said); status != want || said.Error == "" || said.Journey != nil {
			t.Errorf("%s = %d %+v, want %d and a reason", path, status, said, want)
		}
	}
}

// answer is what a wait ends with, whichever way.
type answer struct {
	observatory.Unmet
	State journey.State  `json:"state"`
	Steps []journey.Step `json:"steps"`
	Read  bool           `json:"read"`
}

// wait asks for a journey in the background.
func (w *world) wait(path string) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		defer close(got)
		var a answer
		w.get(path, &a)
		got <- a
	}()
	return got
}

func TestWaitEndsWhenTheMessageIsDelivered(t *testing.T) {
	w, mail, box := mailWorld(t)
	got := w.wait(journeyPath(message) + "?wait=delivered&timeout=9s")
	accept(mail, queueID, message, "ana@aurora.test")
	mail.log.Append(queue(queueID, "", event.Deferred, event.To, bruno, event.Reply, "451 later"))
	w.imported(mx1, 2)
	select {
	case a := <-got:
		t.Fatalf("the wait ended with %+v while the message was deferred", a)
	default:
	}
	deliver(mail, box)
	// A record that comes a little late belongs to the journey.
	w.imported(mx1, 3)
	box.log.Append(event.Record{Kind: event.KindStore, Queue: storeID, Message: message, Text: event.Retrieved, Meta: event.M(event.Mailbox, "bruno")})
	a := <-got
	if a.State != journey.Delivered || a.Error != "" {
		t.Fatalf("wait = %+v, want delivered", a)
	}
	if !slices.ContainsFunc(a.Steps, func(s journey.Step) bool { return s.Kind == journey.Store }) || !a.Read {
		t.Errorf("the journey lacks what came late: read %v, steps %+v", a.Read, a.Steps)
	}
}

func TestWaitForTheLastTakesTheFirstThatComes(t *testing.T) {
	w, mail, box := mailWorld(t)
	got := w.wait(journeyPath("last") + "?wait=any&timeout=9s")
	accept(mail, queueID, message, "ana@aurora.test")
	deliver(mail, box)
	if a := <-got; a.State != journey.Delivered {
		t.Errorf("wait = %+v, want delivered", a)
	}
}

func TestWaitEndsAtOnceWhenTheJourneyEndsOtherwise(t *testing.T) {
	w, mail, _ := mailWorld(t)
	accept(mail, queueID, message, "ana@aurora.test")
	mail.log.Append(queue(queueID, "", event.Bounced, event.To, bruno, event.Reply, "550 no"))
	w.imported(mx1, 2)
	for goal, want := range map[string]int{"delivered": http.StatusConflict, "bounced": http.StatusOK, "any": http.StatusOK} {
		var a answer
		status := w.get(journeyPath(message)+"?timeout=9s&wait="+goal, &a)
		if status != want {
			t.Errorf("wait=%s = %d %+v, want %d", goal, status, a, want)
		}
		if want == http.StatusConflict && (a.Journey == nil || a.Journey.State != journey.Bounced) {
			t.Errorf("wait=%s: the answer lacks the journey: %+v", goal, a)
		}
	}
}

func TestWaitGivesTheJourneySoFarWhenTimeIsUp(t *testing.T) {
	w, mail, _ := mailWorld(t)
	accept(mail, queueID, message, "ana@aurora.test")
	w.imported(mx1, 1)
	var a answer
	began := time.Now()
	status := w.get(journeyPath(message)+"?wait=delivered&timeout=50ms", &a)
	if status != http.StatusGatewayTimeout || a.Journey == nil || a.Journey.State != journey.Queued || !strings.Contains(a.Error, "queued") {
		t.Errorf("wait = %d %+v, want 504 and the queued journey", status, a)
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("the wait ended after %s, want 50 ms", took)
	}
}
