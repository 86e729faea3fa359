package mta

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/durable"
	"correio/services/internal/mailaddr"
	"correio/services/internal/node"
	"correio/services/internal/problem"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
	"correio/services/mta/internal/spool"
)

// Routes implements node.Service.
func (n *Node) Routes() []node.Route {
	return []node.Route{
		{Pattern: "GET /queue", Handler: http.HandlerFunc(n.serveQueue)},
		{Pattern: "GET /queue/{id}", Handler: http.HandlerFunc(n.serveMessage)},
		{Pattern: "POST /queue/{verb}", Handler: http.HandlerFunc(n.changeQueue)},
	}
}

// Bounds of GET /queue?limit=.
const (
	defaultListed = 1000
	maxListed     = 10_000
)

// QueueList is the answer of GET /queue: a part of the queue, oldest message
// first. after= goes on behind a message or where Next says; domain= and state=
// choose.
type QueueList struct {
	Messages []QueuedMessage `json:"messages"`
	// Next is the after= of the following part; "" when this is the last one.
	Next string `json:"next,omitempty"`
	// Total and Octets are those of the whole queue, whatever was asked for.
	Total  int64 `json:"total"`
	Octets int64 `json:"octets"`
	// Matching are the messages that domain= and state= choose, on all parts.
	Matching int64 `json:"matching"`
	// Dead are the destinations that have mail and cannot be reached; with
	// domain=, that one alone, and none where state= asks for what waits for a
	// person and not for them.
	Dead []DeadDestination `json:"dead"`
}

// DeadDestination is a domain whose mail waits for a probe to get through.
type DeadDestination struct {
	Domain    string    `json:"domain"`
	Since     time.Time `json:"since"`
	NextProbe time.Time `json:"next_probe"`
	Probing   bool      `json:"probing"` // a probe is under way, and decides when the next one is
	LastReply string    `json:"last_reply"`
}

// QueuedMessage is one message of GET /queue.
type QueuedMessage struct {
	ID          string     `json:"id"`
	From        string     `json:"from"` // "<>" for the null reverse-path
	To          []string   `json:"to"`   // those that wait
	Size        int64      `json:"size"`
	Arrived     time.Time  `json:"arrived"`
	Attempts    int        `json:"attempts"`
	NextAttempt *time.Time `json:"next_attempt,omitempty"`
	Prospect
	LastReply string `json:"last_reply"`
	// State is active before the first attempt has ended, deferred afterwards,
	// held when a person has put it aside, quarantined when somebody must look
	// at it.
	State string `json:"state"`
	// Why a message is in quarantine, as data; LastReply says it in English.
	Why       []reason.Reason `json:"why,omitempty"`
	MessageID string          `json:"message_id"`
}

// QueuedDetails is the answer of GET /queue/{id}.
type QueuedDetails struct {
	QueuedMessage
	Ret        string            `json:"ret,omitempty"`
	EnvID      string            `json:"envid,omitempty"`
	EightBit   bool              `json:"eightbit"`
	Binary     bool              `json:"binary"`
	UTF8       bool              `json:"utf8"`
	Recipients []QueuedRecipient `json:"recipients"`
	Header     string            `json:"header"` // the beginning of the message; "" when it cannot be read
}

// QueuedRecipient is one that waits.
type QueuedRecipient struct {
	Address     string     `json:"address"`
	Notify      string     `json:"notify,omitempty"`
	ORcpt       string     `json:"orcpt,omitempty"`
	Attempts    int        `json:"attempts"`
	NextAttempt *time.Time `json:"next_attempt,omitempty"`
	Prospect
	KeptUntil *time.Time `json:"kept_until,omitempty"` // when it is given up
	LastReply string     `json:"last_reply"`
	Held      bool       `json:"held"`
	Dead      bool       `json:"dead"`    // its destination is
	Noticed   bool       `json:"noticed"` // the sender was told about the delay
}

func (n *Node) serveQueue(w http.ResponseWriter, r *http.Request) {
	answer, err := n.listQueue(r)
	if err != nil {
		n.refuse(w, "to list the queue", err)
		return
	}
	control.WriteJSON(w, http.StatusOK, answer)
}

func (n *Node) listQueue(r *http.Request) (QueueList, error) {
	page, limit, err := n.page(r)
	if err != nil {
		return QueueList{}, err
	}
	list, err := n.spool.List(r.Context(), page, limit+1)
	if err != nil {
		return QueueList{}, err
	}
	answer, err := n.queueList(r.Context(), list, limit)
	if err == nil {
		answer.Matching, err = n.spool.Matching(r.Context(), page)
	}
	answer.Dead = slices.DeleteFunc(answer.Dead, func(d DeadDestination) bool {
		return page.Domain != "" && d.Domain != page.Domain || page.State == spool.Held || page.State == spool.Quarantined
	})
	return answer, err
}

// queueList makes the answer of up to limit messages.
func (n *Node) queueList(ctx context.Context, list []spool.Listed, limit int) (QueueList, error) {
	st, err := n.spool.Stats(ctx)
	if err != nil {
		return QueueList{}, err
	}
	shown := list[:min(limit, len(list))]
	view := n.outlook(ctx, shown)
	answer := QueueList{Messages: []QueuedMessage{}, Dead: []DeadDestination{}, Total: st.Messages, Octets: st.Octets}
	for _, l := range shown {
		answer.Messages = append(answer.Messages, view.message(l))
	}
	if len(list) > limit {
		last := list[limit-1]
		answer.Next = spool.Position{Arrived: last.Arrived, ID: last.ID}.String()
	}
	for _, d := range view.dead {
		answer.Dead = append(answer.Dead, DeadDestination{d.Domain, d.Since.UTC(), d.Next.UTC(), d.Probing, d.Why.String()})
	}
	slices.SortFunc(answer.Dead, func(a, b DeadDestination) int { return strings.Compare(a.Domain, b.Domain) })
	return answer, nil
}

// refuse answers a request that failed: with what is wrong where it is the
// request's fault.
func (n *Node) refuse(w http.ResponseWriter, what string, err error) {
	var p *problem.Problem
	status := http.StatusBadRequest
	switch {
	case !errors.As(err, &p):
		n.env.Log.Error("a request about the queue failed", "op", what, "err", err)
		control.WriteError(w, http.StatusInternalServerError, what+" failed")
		return
	case p.Code == problem.NotQueued:
		status = http.StatusNotFound
	case p.Code == problem.MessageHeld:
		status = http.StatusConflict
	}
	control.WriteProblem(w, status, p)
}

// page reads which part of the queue is asked for.
func (n *Node) page(r *http.Request) (p spool.Page, limit int, err error) {
	q := r.URL.Query()
	limit = defaultListed
	if s := q.Get("limit"); s != "" {
		if limit, err = strconv.Atoi(s); err != nil || limit < 1 || limit > maxListed {
			return p, 0, problem.New(problem.NotANumber, "limit", strconv.Itoa(maxListed))
		}
	}
	if p.State = q.Get("state"); p.State != "" && !slices.Contains(spool.States, p.State) {
		return p, 0, problem.New(problem.OneOf, "state", strconv.Quote(p.State), strings.Join(spool.States, ", "))
	}
	if s := q.Get("domain"); s != "" {
		if p.Domain, err = domainOf(s); err != nil {
			return p, 0, err
		}
	}
	if s := q.Get("after"); s != "" {
		var ok bool
		if p.After, ok = spool.ParsePosition(s); !ok {
			p.After, err = n.spool.Position(r.Context(), s)
		}
		if errors.Is(err, spool.ErrGone) {
			err = problem.New(problem.NotInList, named(s))
		}
	}
	return p, limit, err
}

// domainOf reads a domain as recipients are kept by it.
func domainOf(s string) (string, error) {
	a, err := mailaddr.Parse("x@" + s)
	if err != nil {
		return "", problem.New(problem.BadValue, "domain", named(s))
	}
	return a.ALabels().Domain, nil
}

func (n *Node) serveMessage(w http.ResponseWriter, r *http.Request) {
	l, head, err := n.spool.Show(r.Context(), r.PathValue("id"))
	if errors.Is(err, spool.ErrGone) {
		err = problem.New(problem.NotQueued, named(r.PathValue("id")))
	}
	if err != nil {
		n.refuse(w, "to show a message", err)
		return
	}
	view := n.outlook(r.Context(), []spool.Listed{l})
	answer := QueuedDetails{
		QueuedMessage: view.message(l), Ret: l.Ret, EnvID: l.EnvID, EightBit: l.EightBit, Binary: l.Binary, UTF8: l.UTF8, Header: head,
		Recipients: []QueuedRecipient{},
	}
	for _, rcpt := range l.Rcpts {
		answer.Recipients = append(answer.Recipients, view.recipient(l, rcpt))
	}
	control.WriteJSON(w, http.StatusOK, answer)
}

// named is what somebody typed, fit to be shown.
func named(s string) string { return strconv.Quote(s[:min(len(s), 100)]) }

// queueSize is what metrics show of the queue.
func (n *Node) queueSize() (messages, octets, oldestSeconds float64) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	st, err := n.spool.Stats(ctx)
	if err != nil {
		n.env.Log.Warn("count the queue", "err", err)
		return 0, 0, 0
	}
	if !st.Oldest.IsZero() {
		oldestSeconds = n.env.Speed.Lab(time.Since(st.Oldest)).Seconds()
	}
	return float64(st.Messages), float64(st.Octets), oldestSeconds
}

// ask asks the MDA about a mailbox.
func (n *Node) ask(ctx context.Context, from mailaddr.Address, size int64, to mailaddr.Address, id string) (reply.Reply, error) {
	return n.deliverer.Ask(ctx, from, size, to, id)
}

func addresses(e *spool.Entry) string {
	list := make([]string, len(e.Rcpts))
	for i, r := range e.Rcpts {
		list[i] = r.To.String()
	}
	return strings.Join(list, ", ")
}

// originals lists whom RCPT named, or nobody when all are queued as named.
func originals(e *spool.Entry, named []mailaddr.Address) string {
	list, differ := make([]string, len(named)), false
	for i, a := range named {
		list[i] = a.String()
		differ = differ || a != e.Rcpts[i].To
	}
	if !differ {
		return ""
	}
	return strings.Join(list, ", ")
}

// disk tells how much room there is, asking the system once a second at most.
type disk struct {
	dir string

	mu    sync.Mutex // guards what follows
	asked time.Time
	room  int64
}

// free returns the octets that the disk can take, or -1 when nobody can say.
func (d *disk) free() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.asked) < time.Second && !d.asked.IsZero() {
		return d.room
	}
	d.asked, d.room = time.Now(), -1
	if free, err := durable.DiskFree(d.dir); err == nil {
		d.room = free
	}
	return d.room
}
