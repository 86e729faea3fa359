package wire

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"correio/services/internal/headsample"
	"correio/services/internal/reply"
)

// What can be wrong with a message, or with how it comes.
var (
	ReplyBare   = reply.New(500, "5.5.2", "Message holds a CR or LF that is not part of CRLF; nothing was accepted")
	ReplyTooBig = reply.New(552, "5.3.4", "Message is larger than this server takes")
	ReplyHeader = reply.New(552, "5.3.4", "Message header is larger than this server takes")
	ReplySlow   = reply.New(421, "4.4.2", "Message came too slowly; closing the connection").WithClose()
)

// Pace bounds a message: its size, and how slowly it may come. It may take
// Grace, and a second more for each Floor octets that have come, but never more
// than Total, nor may it pause for longer than Idle.
type Pace struct {
	Size               int64 // octets
	Grace, Total, Idle time.Duration
	Floor              int64 // octets a second
}

// Bare says what is done about a CR or LF that is not part of CRLF.
type Bare uint8

// The choices. With all of them the reader gets lines that end in CRLF.
const (
	RefuseBare    Bare = iota // it spoils the message
	NormaliseBare             // it becomes CRLF, and has no part in ending the message
	TrustBare                 // the same, and LF ends a line and thereby a message, too
)

// Rules are what a message has to keep to.
type Rules struct {
	Pace
	Header int64 // octets of its header at most; 0: as the message
	Bare   Bare
	// LF says that every command so far ended in a bare LF: a person types at
	// nc, and LF ends lines of the message as well.
	LF bool
	// Binary says that the message is no text, and any octet may stand anywhere
	// in it (BODY=BINARYMIME, RFC 3030 §3).
	Binary bool
}

// Message is what reading a message by DATA or by BDAT has in common.
type Message struct {
	conn  *Conn
	rules Rules

	size  int64     // octets given
	read  int64     // octets of the wire
	began time.Time // when the first octet could come
	head  headsample.Scanner
	fixed bool // a bare CR or LF became CRLF

	spoiled *reply.Reply // why the message cannot be accepted, though it goes on
	lost    *reply.Reply // why its end will never be seen; Code 0: nobody to tell
	ended   bool         // the end was seen
	err     error        // what Read says from now on
}

func newMessage(conn *Conn, rules Rules, line func([]byte)) Message {
	if rules.Header == 0 {
		rules.Header = rules.Size
	}
	return Message{conn: conn, rules: rules, head: headsample.Scanner{Line: line}, began: time.Now()}
}

// Size returns how many octets the message had so far.
func (m *Message) Size() int64 { return m.size }

// LF reports whether lines could end in a bare LF.
func (m *Message) LF() bool { return m.rules.LF }

// Fixed reports whether a bare CR or LF became CRLF, other than where LF ends
// the lines.
func (m *Message) Fixed() bool { return m.fixed }

// Spoiled returns why the message cannot be accepted, or nil.
func (m *Message) Spoiled() *reply.Reply { return m.spoiled }

// Lost returns why the end of the message will never be seen, or nil. Nothing
// more may be read from the connection then. Code 0 means that it is broken.
func (m *Message) Lost() *reply.Reply { return m.lost }

// Ended reports whether the end of the message was seen.
func (m *Message) Ended() bool { return m.ended }

// give is the end of Read: what was read goes to the backend, unless something
// spoils it.
func (m *Message) give(p []byte, err error) (int, error) {
	_, _ = m.head.Write(p) // it never fails
	if m.head.Octets() > m.rules.Header {
		m.spoil(ReplyHeader)
	}
	if m.ended {
		m.head.End()
	}
	if m.spoiled != nil {
		m.err = m.spoiled.Err(nil)
		return 0, m.err
	}
	m.err = err
	if len(p) > 0 {
		return len(p), nil
	}
	return 0, err
}

func (m *Message) spoil(r reply.Reply) {
	if m.spoiled == nil {
		m.spoiled = &r
	}
}

// mayRead is how much of a message is read: one that is too large is read on to
// its end (RFC 1870 §6.3), but not beyond twice the limit.
func (m *Message) mayRead() int64 { return 2*m.rules.Size + LargeBuffer }

// grow counts what was given, and ends what has no end.
func (m *Message) grow(n int) {
	m.size += int64(n)
	if m.size > m.rules.Size {
		m.spoil(ReplyTooBig)
	}
	if m.size > m.mayRead() {
		r := ReplyTooBig.WithClose()
		m.lost = &r
	}
}

// take consumes octets of the wire.
func (m *Message) take(n int) {
	m.conn.r += n
	m.read += int64(n)
}

// fill reads from the connection.
func (m *Message) fill() error {
	err := m.conn.fill()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		m.lost = &ReplySlow
	default:
		m.lost = &reply.Reply{}
	}
	// Not by %w: a connection that ended is an io.EOF, and must not look like
	// the end of the message to anybody who asks errors.Is.
	return fmt.Errorf("%w: %v", io.ErrUnexpectedEOF, err) //nolint:errorlint // see above
}

// Deadline returns until when the next octet must have come. Octets buy time.
func (m *Message) Deadline(now time.Time) time.Time {
	p := &m.rules.Pace
	earned := time.Duration(min(m.read/p.Floor, int64(p.Total/time.Second))) * time.Second
	by := m.began.Add(min(p.Grace+earned, p.Total))
	if idle := now.Add(p.Idle); idle.Before(by) {
		return idle
	}
	return by
}
