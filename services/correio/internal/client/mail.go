package client

import (
	"context"
	"net/http"

	"correio/services/internal/network"
	"correio/services/internal/reason"
)

// Message is what a workstation is asked to send.
type Message struct {
	From    string   `json:"from"`
	To      []string `json:"to"`
	Subject string   `json:"subject,omitempty"`
	Body    string   `json:"body,omitempty"`
	EML     []byte   `json:"eml,omitempty"`  // the whole message; then Subject and Body are not used
	Auth    string   `json:"auth,omitempty"` // the mechanism to log in by; "" for the strongest
	// What the sender wants to hear (RFC 3461): Notify "never" or a list of
	// success, failure, delay; Ret "full" or "hdrs"; EnvID a name for reports.
	Notify string `json:"notify,omitempty"`
	Ret    string `json:"ret,omitempty"`
	EnvID  string `json:"envid,omitempty"`
}

// Line is one line of a dialogue: Dir is ">" for the workstation's, "<" for
// the server's.
type Line struct {
	Dir  string `json:"dir"`
	Text string `json:"text"`
	// Note says as data what stands in place of lines, in English in Text; nil
	// where somebody has spoken.
	Note     *reason.Reason `json:"note,omitempty"`
	OffsetMS int64          `json:"offset_ms"`
	TLS      bool           `json:"tls,omitempty"`
}

// Sent tells how a submission went. Step and Code are swaks-like: 2 connect,
// 21 banner, 22 helo, 23 mail, 24 rcpt, 25 data, 26 after the final dot, 28
// auth, 29 tls; 0 when all went well. A message may be taken for some of its
// recipients only: it is not OK then, and has a queue id all the same.
type Sent struct {
	OK        bool   `json:"ok"` // taken for every recipient
	MessageID string `json:"message_id"`
	QueueID   string `json:"queue_id"`
	Code      int    `json:"code"`
	Step      string `json:"step"`
	Reply     string `json:"reply"`
	Server    string `json:"server"` // host and port
	// Trouble is what kept the connection from working; "" where the server spoke.
	Trouble  network.Trouble `json:"trouble,omitempty"`
	Accepted []string        `json:"accepted,omitempty"`
	Refused  []Refusal       `json:"refused,omitempty"`
	Lines    []Line          `json:"lines"`
}

// Refusal is a recipient that was refused, and how.
type Refusal struct {
	To    string `json:"to"`
	Reply string `json:"reply"`
}

// Send submits a message from a workstation.
func (l *Lab) Send(ctx context.Context, workstation string, m Message) (Sent, error) {
	var sent Sent
	err := l.Control(ctx, workstation, http.MethodPost, "send", m, &sent)
	return sent, err
}

// Fetch is what a workstation is asked to fetch by POP3.
type Fetch struct {
	User string `json:"user"`
	Auth string `json:"auth,omitempty"` // as in Message, or user for USER and PASS
	TLS  string `json:"tls"`            // none, starttls or tls
	Keep bool   `json:"keep"`
}

// Fetched is what came.
type Fetched struct {
	OK     bool   `json:"ok"`
	Step   string `json:"step"`
	Reply  string `json:"reply"`
	Server string `json:"server"` // host and port
	// Trouble is as in Sent.
	Trouble  network.Trouble `json:"trouble,omitempty"`
	Messages []Mail          `json:"messages"`
	Lines    []Line          `json:"lines"`
}

// Mail is one fetched message, octet for octet.
type Mail struct {
	UID  string `json:"uid"`
	Size int64  `json:"size"`
	EML  []byte `json:"eml"`
}

// Fetch reads a mailbox from a workstation.
func (l *Lab) Fetch(ctx context.Context, workstation string, f Fetch) (Fetched, error) {
	var got Fetched
	err := l.Control(ctx, workstation, http.MethodPost, "fetch", f, &got)
	return got, err
}

// People returns the names of those who work at a workstation.
func (l *Lab) People(ctx context.Context, workstation string) ([]string, error) {
	var answer struct {
		People []string `json:"people"`
	}
	err := l.Control(ctx, workstation, http.MethodGet, "people", nil, &answer)
	return answer.People, err
}
