// Package event is the lab's record of what happened: one Record per observed
// fact, the same JSON in every node, in the observatory and in the browser.
//
// A node appends to its own Log, a ring bounded in bytes. Appending never
// blocks, never fails and never waits for a reader: when the ring is full the
// oldest records go, they are counted, and a reader that was too slow is told
// how many it missed. Watching therefore changes nothing (design §1.4).
//
// The vocabulary, which journeys are put together from, is in vocabulary.go.
package event

import (
	"fmt"
	"time"
)

// Kind says what sort of fact a record holds.
type Kind string

// The kinds of facts.
const (
	KindConn  Kind = "conn"  // a connection was opened or closed
	KindLine  Kind = "line"  // one protocol line crossed the socket
	KindTLS   Kind = "tls"   // a TLS handshake ended
	KindAuth  Kind = "auth"  // somebody proved, or failed to prove, who they are
	KindDNS   Kind = "dns"   // a question was asked or answered
	KindQueue Kind = "queue" // a queued message changed its state
	KindStore Kind = "store" // a mailbox changed, or was read from
	KindFault Kind = "fault" // a fault was switched on or off
	KindNode  Kind = "node"  // a node changed its state
)

// Dir tells on which side of the node a line travelled.
type Dir string

// The two directions, seen from the node that recorded the fact.
const (
	In  Dir = "<" // the node received it
	Out Dir = ">" // the node sent it
)

// Record is one observed fact.
type Record struct {
	// Seq grows by one with every record of a node, from 1. Node, boot and Seq
	// together name a record for ever.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"`
	// Node is the host name of the node that saw it, such as mx1.aurora.test.
	Node string `json:"node"`
	// Conn names a connection within the node (unique across restarts).
	Conn string `json:"conn,omitempty"`
	// Queue is the queue id (MTA) or the store id (MDA) the fact belongs to.
	Queue string `json:"queue,omitempty"`
	// Message is the Message-ID without its angle brackets.
	Message string `json:"message,omitempty"`
	Kind    Kind   `json:"kind"`
	Dir     Dir    `json:"dir,omitempty"`
	// Text is the line spoken, without its line end and with secrets masked, what
	// stands in place of lines (Summary), or one of the words of vocabulary.go.
	Text string `json:"text,omitempty"`
	Meta Meta   `json:"meta,omitempty"`
}

// Attr is one named detail of a record.
type Attr struct{ Key, Value string }

// Meta holds the details of a record, in the order they were given. In JSON it
// is an object of strings.
type Meta []Attr

// M builds a Meta from keys and values in turn; empty values are left out. It
// panics when a key has no value, which is a mistake in the program.
func M(pairs ...string) Meta {
	if len(pairs)%2 != 0 {
		panic(fmt.Sprintf("event: key %q without a value", pairs[len(pairs)-1]))
	}
	meta := make(Meta, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			meta = append(meta, Attr{pairs[i], pairs[i+1]})
		}
	}
	return meta
}

// Get returns the value of a key, or "".
func (m Meta) Get(key string) string {
	for _, a := range m {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}
