package mta

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/smtpc"
)

// ask sends a request to the node's own routes, as the control port does, and
// decodes the answer into out when it is 200.
func (h *host) ask(t testing.TB, method, path, body string, out any) (status int, problem string) {
	t.Helper()
	mux := http.NewServeMux()
	for _, r := range h.Routes() {
		mux.Handle(r.Pattern, r.Handler)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if w.Code != http.StatusOK {
		var p control.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		return w.Code, p.Error
	}
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
	}
	return w.Code, ""
}

// order1 gives an order that must be carried out and returns how many messages it has
// changed.
func (h *host) order1(t testing.TB, verb, body string) int {
	t.Helper()
	var done QueueChanged
	if status, problem := h.ask(t, http.MethodPost, "/queue/"+verb, body, &done); status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", verb, body, status, problem)
	}
	return done.Messages
}

func (h *host) list(t testing.TB, query string) QueueList {
	t.Helper()
	var l QueueList
	if status, problem := h.ask(t, http.MethodGet, "/queue"+query, "", &l); status != http.StatusOK {
		t.Fatalf("GET /queue%s: %d %s", query, status, problem)
	}
	return l
}

// states says what is queued, as "deferred deferred held".
func (l QueueList) states() string {
	var list []string
	for _, m := range l.Messages {
		list = append(list, m.State)
	}
	return strings.Join(list, " ")
}

// queued sends a message to each address, and waits until all of them were
// tried in vain.
func (w *world) queued(t testing.TB, h *host, to ...string) (ids []string) {
	t.Helper()
	c := w.connect(pc, "198.18.1.25:587", "ana")
	for _, a := range to {
		ids = append(ids, smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, strings.Fields(a)...)[0].Reply))
	}
	for _, id := range ids {
		h.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	}
	return ids
}

func byID(id string) string { return `{"id":"` + id + `"}` }

const oneDomain = `{"domain":"one.casos.test"}`

func TestHeldMessageIsNotAttemptedUntilItIsReleased(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	ids := w.queued(t, aurora, "x@one.casos.test", "y@one.casos.test")
	if n := aurora.order1(t, "hold", byID(ids[0])); n != 1 {
		t.Errorf("%d held", n)
	}
	if r := aurora.waitEvent(t, "the hold", queueEvent(event.Held, ids[0])); r.Meta.Get(event.To) != "x@one.casos.test" || r.Message == "" {
		t.Errorf("%+v", r)
	}
	// The host is there now, and takes the other one.
	box := w.mda("198.18.9.1:25")
	if n := aurora.order1(t, "retry", `{"all":true}`); n != 1 {
		t.Errorf("%d of 1 are tried", n)
	}
	box.wait(t, 1)
	aurora.waitEvent(t, "the removal", queueEvent(event.Removed, ids[1]))
	l := aurora.list(t, "")
	if l.states() != "held" || l.Messages[0].ID != ids[0] || l.Messages[0].NextAttempt != nil || !strings.Contains(l.Messages[0].LastReply, "4.4.1") {
		t.Errorf("%+v", l)
	}
	if status, problem := aurora.ask(t, http.MethodPost, "/queue/retry", byID(ids[0]), nil); status != http.StatusConflict || !strings.Contains(problem, "release it") {
		t.Errorf("retry: %d %s", status, problem)
	}
	if n := aurora.order1(t, "retry", `{"all":true}`) + aurora.order1(t, "hold", byID(ids[0])); n != 0 {
		t.Errorf("a retry of all and a second hold have changed %d", n)
	}
	aurora.stop()
	again := w.restart(aurora.env)
	if l := again.list(t, ""); l.states() != "held" || l.Total != 1 {
		t.Errorf("after a restart: %+v", l)
	}
	if n := again.order1(t, "release", byID(ids[0])); n != 1 {
		t.Errorf("%d released", n)
	}
	again.waitEvent(t, "the delivery", queueEvent(event.Delivered, ids[0]))
	if got := box.wait(t, 2); len(got) != 2 || got[1].to != "x@one.casos.test" {
		t.Errorf("%+v", got)
	}
}

func TestDroppedMessageIsGoneAndNobodyIsTold(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	ids := w.queued(t, aurora, "x@one.casos.test", "y@one.casos.test z@closed.casos.test", "z@closed.casos.test")
	if n := aurora.order1(t, "drop", oneDomain); n != 2 {
		t.Errorf("%d dropped", n)
	}
	aurora.waitEvent(t, "the removal", queueEvent(event.Removed, ids[0]))
	if r := aurora.waitEvent(t, "the drop", queueEvent(event.Dropped, ids[1])); r.Meta.Get(event.To) != "y@one.casos.test" {
		t.Errorf("%+v", r)
	}
	l := aurora.list(t, "")
	if l.Total != 2 || len(l.Messages) != 2 || strings.Join(l.Messages[0].To, " ") != "z@closed.casos.test" {
		t.Errorf("%+v", l)
	}
	if n := aurora.order1(t, "drop", `{"all":true}`); n != 2 {
		t.Errorf("%d dropped", n)
	}
	if l := aurora.list(t, ""); l.Total != 0 || l.Octets != 0 || len(l.Messages) != 0 {
		t.Errorf("%+v", l)
	}
	if status, _ := aurora.ask(t, http.MethodGet, "/queue/"+ids[2], "", nil); status != http.StatusNotFound {
		t.Errorf("the dropped message: %d", status)
	}
}

func TestRetryBringsMailAtOnceWhenTheHostIsBack(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	var to []string
	for i := range 12 {
		to = append(to, fmt.Sprintf("x%d@one.casos.test", i))
	}
	w.queued(t, aurora, to...)
	l := aurora.list(t, "")
	if len(l.Dead) != 1 || l.Dead[0].Domain != "one.casos.test" || !strings.Contains(l.Dead[0].LastReply, "4.4.1") || l.Dead[0].NextProbe.Before(l.Dead[0].Since) {
		t.Fatalf("dead: %+v", l.Dead)
	}
	for query, want := range map[string]int{"?domain=one.casos.test": 1, "?domain=two.casos.test": 0, "?state=held": 0, "?state=deferred": 1} {
		if l := aurora.list(t, query); len(l.Dead) != want {
			t.Errorf("%s: %d dead destinations, want %d", query, len(l.Dead), want)
		}
	}
	aurora.waitEvent(t, "the death", func(r event.Record) bool { return r.Text == event.Dead && r.Meta.Get(event.Domain) == "one.casos.test" })
	parked := 0
	for _, m := range l.Messages {
		if m.Attempts == 0 {
			parked++
			if m.State != "deferred" || m.NextAttempt == nil || m.NextAttempt.Before(l.Dead[0].NextProbe) || m.LastReply != l.Dead[0].LastReply {
				t.Errorf("not attempted: %+v", m)
			}
		}
	}
	if parked == 0 {
		t.Error("every message was tried although the destination is dead")
	}
	box := w.mda("198.18.9.1:25")
	began := time.Now()
	if n := aurora.order1(t, "retry", oneDomain); n != 12 {
		t.Errorf("%d of 12 are tried", n)
	}
	box.wait(t, 12)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
	aurora.waitEvent(t, "the return", func(r event.Record) bool { return r.Text == event.Alive })
}

// A message of which nobody was told anything is told about in its journey.
func TestMailToADeadDestinationIsDeferredWithTheReason(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	w.queued(t, aurora, "1@one.casos.test", "2@one.casos.test", "3@one.casos.test", "4@one.casos.test", "5@one.casos.test")
	aurora.waitEvent(t, "the death", queueEvent(event.Dead, ""))
	id := w.queued(t, aurora, "6@one.casos.test")[0]
	r := aurora.waitEvent(t, "the delay", queueEvent(event.Deferred, id))
	if !strings.HasPrefix(r.Meta.Get(event.Rules), "dead-destination(one.casos.test|") || !strings.Contains(r.Meta.Get(event.Reply), "4.4.1") || r.Message == "" {
		t.Errorf("%+v", r)
	}
	var m QueuedDetails
	if status, problem := aurora.ask(t, http.MethodGet, "/queue/"+id, "", &m); status != http.StatusOK {
		t.Fatalf("%d %s", status, problem)
	}
	if m.Attempts != 0 || len(m.Recipients) != 1 || !m.Recipients[0].Dead || m.Recipients[0].Address != "6@one.casos.test" ||
		!strings.Contains(m.Header, "Received: from") || strings.Contains(m.Header, "Oi, Bruno!") {
		t.Errorf("%+v", m)
	}
}

// A host that answers is alive, however often it says no: five people with a
// full mailbox must not keep the others' mail waiting.
func TestDestinationThatRefusesIsNotDead(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	box := w.mda("198.18.9.1:25") // the second host of two.casos.test is away
	w.queued(t, aurora, "busy@two.casos.test", "busy@two.casos.test", "busy@two.casos.test", "busy@two.casos.test", "busy@two.casos.test", "busy@two.casos.test")
	c := w.connect(pc, "198.18.1.25:587", "ana")
	id := smtpc.QueuedAs(w.send(c, "ana@aurora.test", message, "x@two.casos.test")[0].Reply)
	box.wait(t, 1)
	aurora.waitEvent(t, "the removal", queueEvent(event.Removed, id))
	if l := aurora.list(t, ""); len(l.Dead) != 0 || l.Total != 6 {
		t.Errorf("%+v", l)
	}
}

// The notice and the report come in time although the destination is dead and
// most messages are never tried.
func TestMailForADeadDestinationIsReportedInTime(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 86_400)
	box := w.mda("198.19.1.110:24")
	var to []string
	for i := range 30 {
		to = append(to, fmt.Sprintf("x%d@closed.casos.test", i))
	}
	w.queued(t, aurora, to...)
	delayed, failed := 0, 0
	for _, m := range box.wait(t, 60) {
		switch {
		case strings.Contains(m.message, "Action: delayed"):
			delayed++
		case strings.Contains(m.message, "Action: failed") && strings.Contains(m.message, "Status: 4.4.7"):
			failed++
		}
	}
	if delayed != 30 || failed != 30 {
		t.Errorf("%d notices, %d reports", delayed, failed)
	}
	aurora.waitEmpty(t)
}

func TestOrdersThatAreWrongSaySo(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	for _, test := range []struct {
		method, path, body string
		status             int
		problem            string
	}{
		{"POST", "/queue/retry", byID("NOBODY"), 404, `no message "NOBODY" is queued here`},
		{"POST", "/queue/hold", byID("NOBODY"), 404, `no message "NOBODY"`},
		{"POST", "/queue/release", byID("NOBODY"), 404, `no message "NOBODY"`},
		{"POST", "/queue/drop", byID("NOBODY"), 404, `no message "NOBODY"`},
		{"POST", "/queue/bounce", `{"all":true}`, 404, `order is "bounce"; it can be one of retry`},
		{"POST", "/queue/drop", ``, 400, "an order names one of id, domain and all: EOF"},
		{"POST", "/queue/drop", `{}`, 400, "an order names one of id, domain and all: "},
		{"POST", "/queue/drop", `{"all":false}`, 400, "an order names one of id, domain and all: "},
		{"POST", "/queue/drop", `{"id":"A","all":true}`, 400, "an order names one of id, domain and all: "},
		{"POST", "/queue/drop", `{"id":"A","domain":"x.test"}`, 400, "an order names one of id, domain and all: "},
		{"POST", "/queue/drop", `{"ids":["A"]}`, 400, "unknown field"},
		{"POST", "/queue/drop", `{"all":true} {"all":true}`, 400, "something behind it"},
		{"POST", "/queue/drop", `{"all":"yes"}`, 400, "an order names"},
		{"POST", "/queue/drop", `{"domain":"x y"}`, 400, `domain cannot be "x y"`},
		{"POST", "/queue/drop", `{"id":"` + strings.Repeat("A", maxOrder) + `"}`, 400, "too large"},
		{"GET", "/queue/NOBODY", "", 404, `no message "NOBODY"`},
		{"GET", "/queue?limit=0", "", 400, "limit must be a number from 1 to 10000"},
		{"GET", "/queue?limit=x", "", 400, "limit must be a number from 1 to 10000"},
		{"GET", "/queue?limit=100000", "", 400, "limit must be a number from 1 to 10000"},
		{"GET", "/queue?state=sleepy", "", 400, `state is "sleepy"; it can be one of active`},
		{"GET", "/queue?domain=a@b", "", 400, "domain cannot be"},
		{"GET", "/queue?after=NOBODY", "", 400, "begin anew"},
	} {
		if status, problem := aurora.ask(t, test.method, test.path, test.body, nil); status != test.status || !strings.Contains(problem, test.problem) {
			t.Errorf("%s %s %.40s: %d %s; want %d, %s", test.method, test.path, test.body, status, problem, test.status, test.problem)
		}
	}
}

func TestOrdersWaitUntilTheNodeIsReady(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	aurora.stop()
	if status, _ := aurora.ask(t, http.MethodPost, "/queue/drop", `{"all":true}`, nil); status != http.StatusServiceUnavailable {
		t.Errorf("%d", status)
	}
}

// A message in quarantine is let go by retry as well as by release, and can be
// dropped.
func TestQuarantinedMessagesCanBeReleasedAndDropped(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	ids := w.queued(t, aurora, "1@one.casos.test", "2@one.casos.test", "3@one.casos.test")
	for _, id := range ids {
		if err := aurora.spool.Quarantine(t.Context(), id, "look at it"); err != nil {
			t.Fatal(err)
		}
	}
	aurora.stop()
	again := w.restart(aurora.env)
	if l := again.list(t, "?state=quarantined"); len(l.Messages) != 3 || l.Messages[0].LastReply != "look at it" || l.Messages[0].Why != nil { // as older versions have stored it
		t.Errorf("%+v", l)
	}
	box := w.mda("198.18.9.1:25")
	if n := again.order1(t, "retry", `{"all":true}`); n != 0 {
		t.Errorf("a retry of all has let %d go", n)
	}
	for verb, id := range map[string]string{"retry": ids[0], "release": ids[1], "drop": ids[2]} {
		if n := again.order1(t, verb, byID(id)); n != 1 {
			t.Errorf("%s: %d", verb, n)
		}
	}
	again.waitEvent(t, "the delivery", queueEvent(event.Removed, ids[0]))
	again.waitEvent(t, "the delivery", queueEvent(event.Removed, ids[1]))
	if got := box.wait(t, 2); len(got) != 2 || again.list(t, "").Total != 0 {
		t.Errorf("%+v", got)
	}
}

// While the queue is held as a whole, mail goes on coming in, and each message
// is either held or delivered, and once.
func TestOrdersWhileMailComesIn(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	box := w.mda("198.18.9.1:25")
	const n = 60
	sent := make(chan struct{})
	c := w.connect(pc, "198.18.1.25:587", "ana")
	go func() {
		defer close(sent)
		for i := range n {
			w.send(c, "ana@aurora.test", message, fmt.Sprintf("x%d@one.casos.test", i))
		}
	}()
	for running := true; running; {
		aurora.order1(t, "hold", `{"all":true}`)
		aurora.order1(t, "release", oneDomain)
		aurora.order1(t, "hold", oneDomain)
		select {
		case <-sent:
			running = false
		default:
		}
	}
	aurora.order1(t, "release", `{"all":true}`)
	aurora.waitEmpty(t)
	got := map[string]int{}
	for _, m := range box.wait(t, n) {
		got[m.to]++
	}
	for to, times := range got {
		if times != 1 {
			t.Errorf("%s got it %d times", to, times)
		}
	}
	if len(got) != n {
		t.Errorf("%d of %d arrived", len(got), n)
	}
}

// Released by one of its domains, a message came out of quarantine for the others
// as well; but nothing attempted it there, until the next start.
func TestReleaseOfADomainStrandsNobody(t *testing.T) {
	w := newWorld(t)
	aurora := w.mta("aurora", "mx1.aurora.test", 1)
	id := w.queued(t, aurora, "y@one.casos.test z@closed.casos.test")[0]
	if err := aurora.spool.Quarantine(t.Context(), id, "to be looked at"); err != nil {
		t.Fatal(err)
	}
	box := w.mda("198.18.9.1:25")
	if n := aurora.order1(t, "release", oneDomain); n != 1 {
		t.Errorf("%d released", n)
	}
	box.wait(t, 1)
	aurora.waitEvent(t, "the delivery", queueEvent(event.Delivered, id))
	if l := aurora.list(t, ""); l.states() != "held" || strings.Join(l.Messages[0].To, " ") != "z@closed.casos.test" {
		t.Errorf("left: %+v", l)
	}
	there := w.mda("198.18.1.200:25")
	aurora.order1(t, "release", byID(id))
	there.wait(t, 1)
	aurora.waitEmpty(t)
}
