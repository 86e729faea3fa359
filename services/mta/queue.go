package mta

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"correio/services/internal/durable"
	"correio/services/internal/mailaddr"
	"correio/services/internal/node"
	"correio/services/internal/reply"
	"correio/services/mta/internal/spool"
)

// Routes implements node.Service.
func (n *Node) Routes() []node.Route {
	return []node.Route{{Pattern: "GET /queue", Handler: http.HandlerFunc(n.serveQueue)}}
}

// Bounds of GET /queue?limit=.
const (
	defaultListed = 1000
	maxListed     = 10_000
)

// listedMessage is one message of GET /queue.
type listedMessage struct {
	ID          string     `json:"id"`
	From        string     `json:"from"` // "<>" for the null reverse-path
	To          []string   `json:"to"`   // those that wait
	Size        int64      `json:"size"`
	Arrived     time.Time  `json:"arrived"`
	Attempts    int        `json:"attempts"`
	NextAttempt *time.Time `json:"next_attempt,omitempty"`
	LastReply   string     `json:"last_reply"`
	// State is active before the first attempt has ended, deferred afterwards,
	// quarantined when somebody must look at it.
	State     string `json:"state"`
	MessageID string `json:"message_id"`
}

func (n *Node) serveQueue(w http.ResponseWriter, r *http.Request) {
	limit := defaultListed
	if s := r.URL.Query().Get("limit"); s != "" {
		v, err := strconv.Atoi(s)
		if err != nil || v < 1 || v > maxListed {
			http.Error(w, "limit: want a number from 1 to "+strconv.Itoa(maxListed), http.StatusBadRequest)
			return
		}
		limit = v
	}
	list, err := n.spool.List(r.Context(), limit)
	if err != nil {
		n.env.Log.Error("list the queue", "err", err)
		http.Error(w, "the queue cannot be read", http.StatusInternalServerError)
		return
	}
	messages := make([]listedMessage, len(list))
	for i, l := range list {
		messages[i] = listed(l)
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(map[string]any{"messages": messages}); err != nil {
		n.env.Log.Debug("answer GET /queue", "err", err) // the client has gone
	}
}

func listed(l spool.Listed) listedMessage {
	m := listedMessage{
		ID: l.ID, From: l.From.String(), To: l.To, Size: l.Size, Arrived: l.Arrived, Attempts: l.Attempts,
		LastReply: l.Reply, MessageID: l.MessageID, State: "active",
	}
	if l.From.Null() {
		m.From = "<>"
	}
	if !l.Next.IsZero() {
		m.NextAttempt = &l.Next
	}
	switch {
	case l.Quarantined != "":
		m.State, m.LastReply = "quarantined", l.Quarantined
	case l.Reply != "":
		m.State = "deferred"
	}
	return m
}

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
