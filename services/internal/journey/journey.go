// Package journey puts a message's way through the lab together from what the
// nodes saw, as a postmaster reads logs: nothing is added to the message and
// nothing is guessed.
//
// It starts at the records that carry the Message-ID, or at the first queue id
// of a message that has none, follows each queue id to
// the connections that spoke of it, joins the two ends of a connection by
// their address pair, takes the queue id that the next host gave ("queued as
// X") to that host, and ends at the mailbox and the POP3 sessions that read
// it. A report about the message (a bounce) is followed as well. DNS questions
// belong to the queue id that caused them; a resolver's own questions belong
// to the client question they answer.
//
// Everything here is a pure function of the records: Assemble and List of a
// slice of them, an Index of those that come and go.
package journey

import (
	"time"

	"correio/services/internal/reason"
)

// Kind says what sort of conversation a step is.
type Kind string

// The kinds of steps, in the order a message usually meets them.
const (
	Submission Kind = "submission"
	DNS        Kind = "dns"
	SMTP       Kind = "smtp"
	LMTP       Kind = "lmtp"
	Queue      Kind = "queue" // the message waits, or fails, inside an MTA
	Store      Kind = "store"
	POP3       Kind = "pop3"
)

// State is how far a recipient's copy has come.
type State string

// The states, from the first to the last.
const (
	Held        State = "held"        // a person has put it aside
	Quarantined State = "quarantined" // the MTA has, for good: it cannot go on
	Queued      State = "queued"      // an MTA has it
	Deferred    State = "deferred"    // an attempt failed, another will follow
	Handed      State = "handed-over" // a host took it that the lab does not watch, or not yet
	Bounced     State = "bounced"     // given up, and the sender mostly told
	Dropped     State = "dropped"     // a person has removed it
	Delivered   State = "delivered"   // on disk in a mailbox
)

// Over reports whether nothing more is going to happen.
func (s State) Over() bool { return s == Delivered || s == Bounced || s == Dropped }

// Journey is one message's way.
type Journey struct {
	Message string `json:"message"` // Message-ID without angle brackets
	// NoMessageID says that the message carries none, as those that are typed
	// by hand (RFC 5322 §3.6 does not demand one); Message is then the queue id
	// and the node that it began at.
	NoMessageID bool        `json:"no_message_id,omitempty"`
	From        string      `json:"from"` // envelope sender, "" for the null reverse-path
	Subject     string      `json:"subject,omitempty"`
	State       State       `json:"state"` // the least advanced recipient's
	Recipients  []Recipient `json:"recipients"`
	Started     time.Time   `json:"started"`
	// TookMS is the time from the beginning to the last change of a recipient's
	// state, in milliseconds.
	TookMS int64  `json:"took_ms"`
	Read   bool   `json:"read"` // somebody has fetched it
	Steps  []Step `json:"steps"`
}

// Recipient is one envelope recipient and what became of its copy.
type Recipient struct {
	Address string `json:"address"`
	// Original is the address that the sender named, where that is another one and
	// the records tell.
	Original string `json:"original,omitempty"`
	State    State  `json:"state"`
	Node     string `json:"node"`            // who said so last
	Reply    string `json:"reply,omitempty"` // the reply that decided
	// TookMS is the time from the beginning of the journey to what made this state of it, in
	// milliseconds.
	TookMS int64 `json:"took_ms"`
	// Untold says that the sender was not told that it failed: it did not want to
	// know, or there is nobody to tell.
	Untold bool `json:"untold,omitempty"`
	// Untried says that no attempt of what is deferred has been made: it waits for a
	// probe of its dead destination, made with another message.
	Untried bool `json:"untried,omitempty"`
}

// Step is one conversation, or one thing that happened inside a node.
type Step struct {
	Number int  `json:"number"`
	Kind   Kind `json:"kind"`
	// Client and Server are the two ends; Server is empty for a step inside one
	// node, Client is empty when nobody knows who it was.
	Client     string    `json:"client,omitempty"`
	Server     string    `json:"server,omitempty"`
	ClientAddr string    `json:"client_addr,omitempty"`
	ServerAddr string    `json:"server_addr,omitempty"`
	Start      time.Time `json:"start"`
	OffsetMS   int64     `json:"offset_ms"` // since the journey began
	TookMS     int64     `json:"took_ms"`
	Queue      string    `json:"queue,omitempty"`      // at the client (MTA), or of the step's own node
	NextQueue  string    `json:"next_queue,omitempty"` // what the server called it
	Outcome    string    `json:"outcome,omitempty"`    // last reply, DNS rcode, or word of the event
	Detail     string    `json:"detail,omitempty"`     // DNS question, recipients, next host, mailbox
	Reply      string    `json:"reply,omitempty"`      // of a step inside an MTA: the reply that decided
	// Reasons are why, and what follows: the decisions behind a route, the time
	// until the next attempt. Their texts are in English until Said.
	Reasons []reason.Said `json:"reasons,omitempty"`
	TLS     string        `json:"tls,omitempty"`
	Failed  bool          `json:"failed,omitempty"`
	// Question marks an LMTP dialogue that asked whether the mailbox takes the
	// mail, at RCPT time, and sent none.
	Question bool `json:"question,omitempty"`
	// Report marks a step of the report about the message, not of itself.
	Report bool     `json:"report,omitempty"`
	SeenBy []string `json:"seen_by"` // the nodes that recorded it
	Lines  []Line   `json:"lines,omitempty"`
}

// Line is one line spoken in a step.
type Line struct {
	OffsetMS int64  `json:"offset_ms"` // since the step began
	Dir      string `json:"dir"`       // ">" client to server, "<" server to client, "=" a note
	Text     string `json:"text"`
	TLS      bool   `json:"tls,omitempty"`
	// Note is what a note says, or what stands in place of lines that are not shown
	// or were none, as data; nil where somebody has spoken.
	Note *reason.Reason `json:"note,omitempty"`
}

// Summary is a journey in one line of a list.
type Summary struct {
	Message string    `json:"message"`
	From    string    `json:"from"`
	To      []string  `json:"to"`
	Started time.Time `json:"started"`
	Node    string    `json:"node"` // the first MTA that accepted it
}
