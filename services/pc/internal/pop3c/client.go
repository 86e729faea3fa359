// Package pop3c is the client side of POP3 (RFC 1939) with STLS (RFC 2595), CAPA
// (RFC 2449) and AUTH (RFC 5034): a workstation's way to its mailbox.
//
// The caller dials and gives the connection to Open, which reads the greeting.
// Each command is sent, then its answer is read: one at a time, as the
// textbook prints it. Every line of an answer is bounded, every wait has a
// deadline, and the end of a call's context cuts the connection. Messages are
// returned octet for octet as the server stores them.
package pop3c

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/pc/internal/transcript"
)

const (
	// wait bounds the time in which nothing arrives.
	wait = time.Minute
	// maxReply bounds a line of an answer: RFC 2449 §4 allows 512 octets.
	maxReply = 2 << 10
	// maxListed bounds the lines of a listing.
	maxListed = 200_000
	// maxCapabilities bounds the lines of CAPA's answer.
	maxCapabilities = 200
)

// Step is a part of the dialogue, for those who read that it failed.
type Step string

// The steps.
const (
	StepConnect Step = "connect"
	StepBanner  Step = "banner"
	StepTLS     Step = "tls"
	StepCapa    Step = "capa"
	StepAuth    Step = "auth"
	StepUser    Step = "user"
	StepPass    Step = "pass"
	StepList    Step = "list"
	StepUIDL    Step = "uidl"
	StepRetr    Step = "retr"
	StepDele    Step = "dele"
	StepQuit    Step = "quit"
)

// Error says why a dialogue did not get on: at which step, and either the
// server's refusal or what broke.
type Error struct {
	Step  Step
	Reply string // the server's line, "" when it did not answer
	Err   error  // nil when it did
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Step, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Step, e.Reply)
}

// reasons says an error of a dialogue as data.
func reasons(err error) []reason.Reason {
	var e *Error
	if !errors.As(err, &e) {
		return reason.Of(err)
	}
	return reason.AtStep(string(e.Step), e.Reply, e.Err)
}

// Unwrap returns what broke.
func (e *Error) Unwrap() error { return e.Err }

// Errors of a server that does not keep to the protocol.
var (
	ErrReply    = reason.NewFault(reason.NotPOP3)
	ErrTooLong  = reason.NewFault(reason.ReplyTooLong)
	ErrTooLarge = reason.NewFault(reason.TooLarge)
	// ErrInjected says that the answer to STLS was followed by octets in clear,
	// which somebody on the way may have put there.
	ErrInjected = reason.NewFault(reason.Injected, "STLS")
)

// Options say how to speak on a connection.
type Options struct {
	Host string // the server's name, for events and for TLS
	// TLS, if not nil, is spoken from the first octet on (port 995).
	TLS    *tls.Config
	Events *event.Log
	// Mechanism is how Login proves who we are: a mechanism of SASL, or User for
	// USER and PASS; "" means the strongest that the server offers.
	Mechanism string
	// InClear lets Login send the password as it is without TLS.
	InClear bool
	// Trace, if not nil, is told about every line that Events is told about.
	Trace func(at time.Time, l transcript.Line)
}

// Client is one connection, used by one goroutine.
type Client struct {
	raw       net.Conn
	conn      net.Conn // raw, or TLS on it
	r         *bufio.Reader
	rec       recorder
	mechanism string // of Options
	inClear   bool   // of Options
	closed    bool
}

// Open reads the greeting. It owns conn from now on: when it fails, conn is
// closed.
func Open(ctx context.Context, conn net.Conn, opt Options) (*Client, error) {
	c := &Client{raw: conn, rec: newRecorder(opt, conn), mechanism: opt.Mechanism, inClear: opt.InClear}
	c.use(conn)
	defer c.cutOn(ctx)()
	if err := c.greet(ctx, opt.TLS); err != nil {
		c.close(reasons(err)...)
		return nil, err
	}
	return c, nil
}

func (c *Client) greet(ctx context.Context, implicit *tls.Config) error {
	if implicit != nil {
		if err := c.handshake(ctx, implicit); err != nil {
			return err
		}
	}
	_, err := c.answer(StepBanner)
	return err
}

func (c *Client) use(conn net.Conn) {
	c.conn = conn
	c.r = bufio.NewReaderSize(conn, 2*maxReply)
}

// StartTLS turns to TLS, verified for Options.Host unless cfg names another
// server. After an error the connection is of no use.
func (c *Client) StartTLS(ctx context.Context, cfg *tls.Config) error {
	defer c.cutOn(ctx)()
	if _, err := c.command(StepTLS, "STLS"); err != nil {
		return err
	}
	if c.r.Buffered() > 0 {
		return &Error{Step: StepTLS, Err: ErrInjected}
	}
	return c.handshake(ctx, cfg)
}

// handshake puts TLS on the connection.
func (c *Client) handshake(ctx context.Context, cfg *tls.Config) error {
	cfg = cfg.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName = c.rec.host
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	t := tls.Client(c.raw, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		c.rec.failed(err)
		return &Error{Step: StepTLS, Err: err}
	}
	c.use(t)
	c.rec.established(t.ConnectionState())
	return nil
}

// Entry is one message of a mailbox.
type Entry struct {
	Number int
	Size   int64  // octets, as LIST says
	UID    string // unique-id, as UIDL says
}

// List asks for the messages of the mailbox, by LIST and UIDL.
func (c *Client) List(ctx context.Context) ([]Entry, error) {
	defer c.cutOn(ctx)()
	sizes, err := c.listing(StepList, "LIST")
	if err != nil {
		return nil, err
	}
	uids, err := c.listing(StepUIDL, "UIDL")
	if err != nil {
		return nil, err
	}
	byNumber := make(map[int]string, len(uids))
	for _, u := range uids {
		byNumber[u.number] = u.value
	}
	entries := make([]Entry, 0, len(sizes))
	for _, s := range sizes {
		size, err := strconv.ParseInt(s.value, 10, 64)
		if err != nil || size < 0 {
			return nil, &Error{Step: StepList, Err: fmt.Errorf("%w: size %q", ErrReply, s.value)}
		}
		entries = append(entries, Entry{Number: s.number, Size: size, UID: byNumber[s.number]})
	}
	return entries, nil
}

// listed is a line of a listing: a message number and a value.
type listed struct {
	number int
	value  string
}

func (c *Client) listing(step Step, command string) ([]listed, error) {
	if _, err := c.command(step, command); err != nil {
		return nil, err
	}
	var all []listed
	for {
		line, err := c.line(step)
		if err != nil {
			return nil, err
		}
		c.rec.line(event.In, line)
		if line == "." {
			return all, nil
		}
		number, value, ok := strings.Cut(line, " ")
		n, err := strconv.Atoi(number)
		if err != nil || !ok || n < 1 {
			return nil, &Error{Step: step, Err: fmt.Errorf("%w: %q in a listing", ErrReply, line)}
		}
		if len(all) == maxListed {
			return nil, &Error{Step: step, Err: ErrTooLarge}
		}
		all = append(all, listed{n, value})
	}
}

// Retr reads one message, of at most limit octets.
func (c *Client) Retr(ctx context.Context, number int, limit int64) ([]byte, error) {
	defer c.cutOn(ctx)()
	if _, err := c.command(StepRetr, "RETR "+strconv.Itoa(number)); err != nil {
		return nil, err
	}
	message, err := c.multi(limit)
	if err != nil {
		return nil, &Error{Step: StepRetr, Err: err}
	}
	c.rec.message(message)
	return message, nil
}

// multi reads a multi-line response to its dot and takes the stuffing off
// (RFC 1939 §3). Lines may be of any length.
func (c *Client) multi(limit int64) ([]byte, error) {
	var message []byte
	begin := 0 // of the current line
	for {
		c.conn.SetReadDeadline(time.Now().Add(wait))
		part, err := c.r.ReadSlice('\n')
		message = append(message, part...)
		if int64(len(message)) > limit+int64(len(".\r\n")) {
			return nil, ErrTooLarge
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, unexpected(err)
		}
		if line := message[begin:]; line[0] == '.' {
			if text := bytes.TrimRight(line, "\r\n"); len(text) == 1 {
				return message[:begin:begin], nil
			}
			message = append(message[:begin], line[1:]...)
		}
		begin = len(message)
	}
}

// Dele marks a message, which the server removes at Quit.
func (c *Client) Dele(ctx context.Context, number int) error {
	defer c.cutOn(ctx)()
	_, err := c.command(StepDele, "DELE "+strconv.Itoa(number))
	return err
}

// Quit removes what was marked, and closes the connection. After an error
// nobody knows whether that was done.
func (c *Client) Quit(ctx context.Context) error {
	defer c.cutOn(ctx)()
	_, err := c.command(StepQuit, "QUIT")
	c.close(reason.New(reason.Quit))
	return err
}

// Close cuts the connection; nothing that was marked is removed. A second call
// does nothing.
func (c *Client) Close() { c.close(reason.New(reason.Closed)) }

func (c *Client) close(why ...reason.Reason) {
	if c.closed {
		return
	}
	c.closed = true
	c.conn.Close() // says good-bye in TLS, too
	c.rec.close(why)
}

// cutOn closes the socket when the context ends; the function that it returns
// ends that.
func (c *Client) cutOn(ctx context.Context) func() {
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	return func() { stop() }
}

// command sends a line and reads the first line of its answer.
func (c *Client) command(step Step, line string) (string, error) {
	if err := c.write(step, line, line); err != nil {
		return "", err
	}
	return c.answer(step)
}

func (c *Client) write(step Step, line, shown string) error {
	if strings.ContainsAny(line, "\r\n\x00") {
		return &Error{Step: step, Err: fmt.Errorf("line end within a command: %q", shown)}
	}
	c.rec.line(event.Out, shown)
	c.conn.SetWriteDeadline(time.Now().Add(wait))
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		return &Error{Step: step, Err: err}
	}
	return nil
}

// answer reads a status line; -ERR is an *Error.
func (c *Client) answer(step Step) (string, error) {
	line, err := c.line(step)
	if err != nil {
		return "", err
	}
	c.rec.line(event.In, line)
	return verdict(step, line)
}

// verdict reads a status line.
func verdict(step Step, line string) (string, error) {
	switch status, _, _ := strings.Cut(line, " "); {
	case strings.EqualFold(status, "+OK"):
		return line, nil
	case strings.EqualFold(status, "-ERR"):
		return "", &Error{Step: step, Reply: line}
	}
	return "", &Error{Step: step, Err: fmt.Errorf("%w: %.60q", ErrReply, line)}
}

// line reads one line of an answer, without its line end.
func (c *Client) line(step Step) (string, error) {
	c.conn.SetReadDeadline(time.Now().Add(wait))
	line, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", &Error{Step: step, Err: ErrTooLong}
	case err != nil:
		return "", &Error{Step: step, Err: unexpected(err)}
	}
	return string(bytes.TrimRight(line, "\r\n")), nil
}

// unexpected makes of the end of the connection what it is here.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
