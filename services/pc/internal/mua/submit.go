// Package mua is a workstation's mail program: it submits by SMTP (RFC 6409)
// over STARTTLS with AUTH, fetches by POP3, and tells step by step what was
// said.
package mua

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"correio/services/internal/event"
	"correio/services/internal/mailaddr"
	"correio/services/internal/network"
	"correio/services/internal/reply"
	"correio/services/internal/smtpc"
	"correio/services/internal/smtputf8"
	"correio/services/internal/text"
	"correio/services/pc/internal/transcript"
)

// dialWait bounds how long connecting may take.
const dialWait = 30 * time.Second

// Server is a server of the organisation, by name and address.
type Server struct {
	Name string
	Addr netip.Addr
}

func (s Server) at(port uint16) string { return net.JoinHostPort(s.Name, strconv.Itoa(int(port))) }

// User is who logs in, and by which mechanism; "" is the strongest.
type User struct{ Name, Password, Mechanism string }

// Agent is the mail program.
type Agent struct {
	Host   string // the workstation's name
	Dial   func(ctx context.Context, network string, remote netip.AddrPort) (net.Conn, error)
	Roots  *x509.CertPool
	Events *event.Log
}

// PortSubmission is where messages are submitted (RFC 6409 §3.1).
const PortSubmission = 587

// Mail is what to send: EML as it is, or else Letter.
type Mail struct {
	Letter  Letter
	EML     []byte
	Reports Reports
}

// Sent tells how a submission went. Code and Step name the step that failed,
// close to what swaks uses (package smtpc); 0 and "" when all went well.
type Sent struct {
	OK        bool              `json:"ok"` // taken for every recipient
	MessageID string            `json:"message_id"`
	QueueID   string            `json:"queue_id"` // as the server names it, "" when it took nothing
	Code      int               `json:"code"`
	Step      string            `json:"step"`
	Reply     string            `json:"reply"`              // the server's, or why there was none
	Server    string            `json:"server"`             // host and port
	Trouble   network.Trouble   `json:"trouble,omitempty"`  // what kept the connection from working
	Accepted  []string          `json:"accepted,omitempty"` // the recipients that the server has taken the message for
	Refused   []Refusal         `json:"refused,omitempty"`
	Lines     []transcript.Line `json:"lines"`
}

// Refusal is a recipient that the server refused.
type Refusal struct {
	To    string `json:"to"`
	Reply string `json:"reply"`
}

// Submit hands a mail to the submission server. That it fails is an answer,
// not an error.
func (a *Agent) Submit(ctx context.Context, server Server, user User, m Mail) Sent {
	lines := transcript.New()
	sent := Sent{Server: server.at(PortSubmission)}
	err := a.submit(ctx, server, user, m, &sent, lines)
	if err != nil {
		sent.fail(err)
	}
	sent.OK = err == nil && sent.Code == 0
	sent.Lines = lines.Lines()
	return sent
}

func (a *Agent) submit(ctx context.Context, server Server, user User, m Mail, sent *Sent, lines *transcript.Transcript) error {
	c, err := a.open(ctx, server, user.Mechanism, lines)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, ok := c.Extension("STARTTLS"); !ok {
		return &smtpc.Error{Step: smtpc.StepTLS, Err: errors.New("the server does not offer STARTTLS")}
	}
	if err := c.StartTLS(ctx, &tls.Config{RootCAs: a.Roots, MinVersion: tls.VersionTLS12}); err != nil {
		return err
	}
	if err := c.Auth(ctx, user.Name, user.Password); err != nil {
		c.Quit(ctx)
		return err
	}
	a.send(ctx, c, m, sent)
	c.Quit(ctx)
	return nil
}

// open connects and says hello.
func (a *Agent) open(ctx context.Context, server Server, mechanism string, lines *transcript.Transcript) (*smtpc.Client, error) {
	conn, err := a.connect(ctx, netip.AddrPortFrom(server.Addr, PortSubmission))
	if err != nil {
		return nil, &smtpc.Error{Step: smtpc.StepConnect, Err: err}
	}
	return smtpc.Open(ctx, conn, smtpc.Options{
		Protocol: smtpc.Submission, Hello: a.Host, Host: server.Name, Events: a.Events, Mechanism: mechanism,
		Trace: func(l smtpc.Line) {
			lines.Add(l.Time, transcript.Line{Dir: l.Dir, Text: l.Text, Note: l.Note, TLS: l.TLS})
		},
	})
}

// send runs the transaction, one command at a time as the textbook prints it.
func (a *Agent) send(ctx context.Context, c *smtpc.Client, m Mail, sent *Sent) {
	eml := m.EML
	if eml == nil {
		sent.MessageID = NewMessageID(a.Host)
		_, eightBit := c.Extension("8BITMIME")
		eml = Compose(m.Letter, sent.MessageID, time.Now(), eightBit)
	} else {
		sent.MessageID = MessageID(eml)
	}
	env := smtpc.Envelope{
		From: m.Letter.From.ALabels(), Size: int64(len(eml)), UTF8: international(eml),
		EightBit: !text.IsASCII(eml),
	}
	for _, to := range m.Letter.To {
		env.To = append(env.To, smtpc.Recipient{To: to.ALabels()})
	}
	if err := m.Reports.ask(c, &env); err != nil {
		sent.fail(err)
		return
	}
	for i, r := range c.Send(ctx, env, bytes.NewReader(eml), smtpc.SendOptions{}) {
		sent.add(m.Letter.To[i], r)
	}
}

// international reports whether a message has a header in UTF-8 (RFC 6532),
// which only SMTPUTF8 may carry. Other octets above 127 make a header broken, not
// international: they go as they are.
func international(eml []byte) bool {
	var scan smtputf8.Scan
	_, _ = scan.Write(eml) // never fails
	scan.End()
	return scan.Needed && utf8.Valid(eml)
}

// add takes the result of one recipient in. The first failure decides what is
// said of all.
func (s *Sent) add(to mailaddr.Address, r smtpc.Result) {
	said := lineOf(r.Reply)
	switch {
	case r.Delivered():
		s.QueueID = smtpc.QueuedAs(r.Reply)
		s.Accepted = append(s.Accepted, to.String())
		if s.Code == 0 {
			s.Reply = said
		}
		return
	case r.Err != nil:
		said = r.Err.Error()
	}
	s.Refused = append(s.Refused, Refusal{To: to.String(), Reply: said})
	if s.Code == 0 {
		s.Code, s.Step, s.Reply = int(r.Step), r.Step.String(), said
	}
}

// fail takes in what ended the dialogue.
func (s *Sent) fail(err error) {
	var e *smtpc.Error
	if !errors.As(err, &e) {
		e = &smtpc.Error{Step: smtpc.StepConnect, Err: err}
	}
	s.Code, s.Step = int(e.Step), e.Step.String()
	if e.Err != nil {
		s.Reply, s.Trouble = e.Err.Error(), network.TroubleOf(e.Err)
	} else {
		s.Reply = lineOf(e.Reply)
	}
}

func lineOf(r reply.Reply) string {
	if r.Code == 0 {
		return ""
	}
	return r.String()
}
