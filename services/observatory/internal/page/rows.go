package page

import (
	"net/url"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/journey"
	"correio/services/internal/mailaddr"
	"correio/services/internal/text"
	"correio/services/observatory/internal/collect"
)

const maxCell = 300 // runes of one cell of a table

// The rows of the page's tables, as people read them: templates write those that
// there are, and the script is sent those that come in. What nodes and messages
// say has gone through cell, so that the script shows it as it comes.

// moment is a time in UTC: for browsers, and as a time of day for people.
type moment struct {
	Time  string `json:"time"`
	Clock string `json:"clock"`
}

func newMoment(t time.Time) moment {
	t = t.UTC()
	return moment{t.Format("2006-01-02T15:04:05.000Z"), t.Format("15:04:05.000")}
}

// recordRow is a record of a node.
type recordRow struct {
	moment
	Node  string `json:"node"`
	Kind  string `json:"kind"`
	What  string `json:"what"`
	Queue string `json:"queue"`
	// State marks a record that tells how its node is: see nodeRow.
	State bool `json:"state,omitempty"`
	// Message is the message that an MTA accepts by the record, or nil.
	Message *messageRow `json:"message,omitempty"`
}

func newRecordRow(lang text.Lang, r *event.Record) recordRow {
	row := recordRow{
		moment: newMoment(r.Time), Node: cell(mailaddr.Both(r.Node)), Kind: cell(kindWord(lang, r.Kind)),
		What: details(lang, r), Queue: cell(r.Queue), State: r.Kind == event.KindNode,
	}
	if s, ok := journey.SummaryOf(r); ok {
		m := newMessageRow(s)
		row.Message = &m
	}
	return row
}

// messageRow is a message in the list of messages.
type messageRow struct {
	moment
	ID   string `json:"id"`   // what tells it from others, as it is
	Name string `json:"name"` // the same, to be shown
	From string `json:"from"` // "" for the null sender
	To   string `json:"to"`
	Link string `json:"link"`
}

func newMessageRow(s journey.Summary) messageRow {
	return messageRow{
		moment: newMoment(s.Started), ID: s.Message, Name: cell(s.Message),
		From: cell(mailaddr.Both(s.From)), To: cell(bothOfAll(s.To)), Link: link(s.Message),
	}
}

// link is the address of a message's page.
func link(message string) string { return "/m/" + url.PathEscape(message) }

// nodeRow is what may change of a node while the page is open.
type nodeRow struct {
	Name    string        `json:"name"` // as it is
	State   collect.State `json:"state"`
	Reason  string        `json:"reason"`
	Records uint64        `json:"records"`
}

func newNodeRow(lang text.Lang, s *collect.Status) nodeRow {
	return nodeRow{Name: s.Name, State: s.State, Reason: cell(s.Because(lang)), Records: s.Records}
}

// bothOfAll shows addresses, each in both forms of its domain.
func bothOfAll(addresses []string) string {
	shown := make([]string, len(addresses))
	for i, a := range addresses {
		shown[i] = mailaddr.Both(a)
	}
	return strings.Join(shown, ", ")
}

// details shows what a record says: the line, or the word with its details.
func details(lang text.Lang, r *event.Record) string {
	var b strings.Builder
	if r.Dir != "" {
		b.WriteString(string(r.Dir) + " ")
	}
	b.WriteString(fact(lang, r))
	for _, a := range r.Meta {
		if a.Key == event.Summary { // the fact says it
			continue
		}
		b.WriteString(" · " + detail(lang, a.Key, a.Value))
	}
	return cell(b.String())
}

// cell cuts a text to what a table can show, and shows what a browser would obey.
func cell(s string) string {
	s = text.Visible(s)
	n := 0
	for i := range s {
		if n++; n > maxCell {
			return s[:i] + "…"
		}
	}
	return s
}
