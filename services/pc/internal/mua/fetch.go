package mua

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"

	"correio/services/internal/network"
	"correio/services/pc/internal/pop3c"
	"correio/services/pc/internal/transcript"
)

// The ports of POP3.
const (
	PortPOP3  = 110
	PortPOP3S = 995
)

// Security says how a connection to fetch mail is protected.
type Security string

// The ways to fetch.
const (
	InClear  Security = "none"
	STARTTLS Security = "starttls" // STLS on port 110
	TLS      Security = "tls"      // on port 995
)

func (s Security) port() uint16 {
	if s == TLS {
		return PortPOP3S
	}
	return PortPOP3
}

// maxFetch bounds the octets of one Fetch; what does not fit stays on the
// server.
const maxFetch = 40 << 20

// Order says what to fetch.
type Order struct {
	Security Security
	Keep     bool   // leave the messages on the server
	UID      string // only the message of that unique-id; "" for all
}

// Fetched tells what came. Step names the step that failed, "" when all went
// well.
type Fetched struct {
	OK       bool              `json:"ok"`
	Step     string            `json:"step"`
	Reply    string            `json:"reply"`
	Server   string            `json:"server"`            // host and port
	Trouble  network.Trouble   `json:"trouble,omitempty"` // what kept the connection from working
	Messages []Message         `json:"messages"`
	Left     int               `json:"left"` // messages asked for that did not fit into the answer
	Lines    []transcript.Line `json:"lines"`
}

// Message is one message, octet for octet.
type Message struct {
	UID  string `json:"uid"`
	Size int64  `json:"size"`
	EML  []byte `json:"eml"`
}

// Fetch reads a mailbox. That it fails is an answer, not an error; messages
// are removed from the server only when all of them have come.
func (a *Agent) Fetch(ctx context.Context, server Server, user User, o Order) Fetched {
	lines := transcript.New()
	got := Fetched{Messages: []Message{}, Server: server.at(o.Security.port())}
	if err := a.fetch(ctx, server, user, o, &got, lines); err != nil {
		got.fail(err)
	}
	got.OK = got.Step == ""
	got.Lines = lines.Lines()
	return got
}

func (f *Fetched) fail(err error) {
	var e *pop3c.Error
	if !errors.As(err, &e) {
		e = &pop3c.Error{Step: pop3c.StepConnect, Err: err}
	}
	f.Step, f.Reply = string(e.Step), e.Reply
	if e.Err != nil {
		f.Reply, f.Trouble = e.Err.Error(), network.TroubleOf(e.Err)
	}
}

func (a *Agent) fetch(ctx context.Context, server Server, user User, o Order, got *Fetched, lines *transcript.Transcript) error {
	c, err := a.mailbox(ctx, server, o.Security, user.Mechanism, lines)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Login(ctx, user.Name, user.Password); err != nil {
		return leave(ctx, c, err)
	}
	list, err := c.List(ctx)
	if err != nil {
		return err
	}
	room := int64(maxFetch)
	for _, e := range list {
		if o.UID != "" && e.UID != o.UID {
			continue
		}
		if e.Size > room {
			got.Left++
			continue
		}
		if err := retrieve(ctx, c, e, room, o.Keep, got); err != nil {
			return err
		}
		room -= got.Messages[len(got.Messages)-1].Size
	}
	return c.Quit(ctx)
}

func retrieve(ctx context.Context, c *pop3c.Client, e pop3c.Entry, limit int64, keep bool, got *Fetched) error {
	eml, err := c.Retr(ctx, e.Number, limit)
	if err != nil {
		return err
	}
	got.Messages = append(got.Messages, Message{UID: e.UID, Size: int64(len(eml)), EML: eml})
	if keep {
		return nil
	}
	return c.Dele(ctx, e.Number)
}

// leave says good-bye after a refusal, which is what stays to be told.
func leave(ctx context.Context, c *pop3c.Client, err error) error {
	var e *pop3c.Error
	if errors.As(err, &e) && e.Err == nil {
		_ = c.Quit(ctx) // the server may have hung up already
	}
	return err
}

// mailbox connects to the POP3 server, with TLS as ordered.
func (a *Agent) mailbox(ctx context.Context, server Server, how Security, mechanism string, lines *transcript.Transcript) (*pop3c.Client, error) {
	cfg := &tls.Config{RootCAs: a.Roots, MinVersion: tls.VersionTLS12}
	opt := pop3c.Options{Host: server.Name, Events: a.Events, Trace: lines.Add, Mechanism: mechanism, InClear: how == InClear}
	if how == TLS {
		opt.TLS = cfg
	}
	conn, err := a.connect(ctx, netip.AddrPortFrom(server.Addr, how.port()))
	if err != nil {
		return nil, &pop3c.Error{Step: pop3c.StepConnect, Err: err}
	}
	c, err := pop3c.Open(ctx, conn, opt)
	if err != nil || how != STARTTLS {
		return c, err
	}
	if err := c.StartTLS(ctx, cfg); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (a *Agent) connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	return a.Dial(ctx, "tcp", to)
}
