package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/reason"
)

// Queue is a part of an MTA's queue, oldest message first.
type Queue struct {
	Messages []Queued `json:"messages"`
	Next     string   `json:"next,omitempty"` // where the following part begins
	Total    int64    `json:"total"`          // messages in the whole queue
	Matching int64    `json:"matching"`       // of these, that were asked for
	Octets   int64    `json:"octets"`
	Dead     []Dead   `json:"dead"`
}

// Dead is a destination that has mail and cannot be reached.
type Dead struct {
	Domain    string    `json:"domain"`
	Since     time.Time `json:"since"`
	NextProbe time.Time `json:"next_probe"`
	Probing   bool      `json:"probing"` // a probe is under way
	LastReply string    `json:"last_reply"`
}

// Prospect is what a message, or a recipient, waits for; where nothing is set, for
// its next attempt.
type Prospect struct {
	Running bool `json:"running,omitempty"` // an attempt is under way
	Parked  bool `json:"parked,omitempty"`  // it waits for a probe of its dead destination, made then
	Probing bool `json:"probing,omitempty"` // which is under way
}

// Queued is one message of a queue.
type Queued struct {
	ID          string     `json:"id"`
	From        string     `json:"from"`
	To          []string   `json:"to"`
	Size        int64      `json:"size"`
	Arrived     time.Time  `json:"arrived"`
	Attempts    int        `json:"attempts"`
	NextAttempt *time.Time `json:"next_attempt,omitempty"`
	Prospect
	LastReply string `json:"last_reply"`
	State     string `json:"state"`
	// Why a message is in quarantine, as data; LastReply says it in English.
	Why       []reason.Reason `json:"why,omitempty"`
	MessageID string          `json:"message_id"`
}

// QueuedDetails is all that is known of a queued message.
type QueuedDetails struct {
	Queued
	Ret        string            `json:"ret,omitempty"`
	EnvID      string            `json:"envid,omitempty"`
	EightBit   bool              `json:"eightbit"`
	Binary     bool              `json:"binary"`
	UTF8       bool              `json:"utf8"`
	Recipients []QueuedRecipient `json:"recipients"`
	Header     string            `json:"header"`
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
	Dead      bool       `json:"dead"` // its destination is
	Noticed   bool       `json:"noticed"`
}

// QueuePart says which part of a queue is wanted; zero values mean all.
type QueuePart struct {
	Domain, State string
	Limit         int
}

// QueueOrder names what is to be changed: a message, what waits for a domain,
// or all. One field is set.
type QueueOrder struct {
	ID     string `json:"id,omitempty"`
	Domain string `json:"domain,omitempty"`
	All    bool   `json:"all,omitempty"`
}

// QueueChanged is what an order has changed, in messages.
type QueueChanged struct {
	Messages int `json:"messages"`
	Already  int `json:"already"` // named, and as wanted before
	Aside    int `json:"aside"`   // held or in quarantine, which a retry leaves alone
	Parked   int `json:"parked"`  // of Messages, those that a retry lets wait for a probe of their dead destination
}

// ErrNotQueued tells that an MTA has no such message in its queue.
var ErrNotQueued = errors.New("no such message is queued")

// Queue lists the queue of an MTA.
func (l *Lab) Queue(ctx context.Context, node string, part QueuePart) (Queue, error) {
	query := url.Values{}
	for key, value := range map[string]string{"domain": part.Domain, "state": part.State} {
		if value != "" {
			query.Set(key, value)
		}
	}
	if part.Limit > 0 {
		query.Set("limit", strconv.Itoa(part.Limit))
	}
	var q Queue
	err := l.call(ctx, http.MethodGet, l.queueURL(query, node), nil, &q)
	return q, err
}

// Queued tells all about one message, or returns ErrNotQueued.
func (l *Lab) Queued(ctx context.Context, node, id string) (QueuedDetails, error) {
	var m QueuedDetails
	err := l.call(ctx, http.MethodGet, l.queueURL(nil, node, id), nil, &m)
	return m, notQueued(err)
}

// ChangeQueue gives an order (retry, hold, release or drop) and returns what it has
// changed, or ErrNotQueued.
func (l *Lab) ChangeQueue(ctx context.Context, node, order string, o QueueOrder) (done QueueChanged, err error) {
	err = l.call(ctx, http.MethodPost, l.queueURL(nil, node, order), o, &done)
	return done, notQueued(err)
}

func (l *Lab) queueURL(query url.Values, node string, more ...string) string {
	return l.url(query, append([]string{"api", "v1", "nodes", node, "control", "queue"}, more...)...)
}

func notQueued(err error) error {
	var status *control.StatusError
	if errors.As(err, &status) && status.Code == http.StatusNotFound {
		return ErrNotQueued
	}
	return err
}

// Away reports whether a node could not be asked, or is not ready to answer.
func Away(err error) bool {
	var status *control.StatusError
	return errors.As(err, &status) && (status.Code == http.StatusBadGateway || status.Code == http.StatusServiceUnavailable)
}
