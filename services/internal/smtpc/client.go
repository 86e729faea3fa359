package smtpc

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/listener"
	"correio/services/internal/reason"
	"correio/services/internal/reply"
)

// Protocol is the dialect that a client speaks, and the "proto" of its events.
type Protocol string

// The dialects.
const (
	SMTP        Protocol = "smtp"
	Submission  Protocol = "submission"
	Submissions Protocol = "submissions" // the connection given to Open is a *tls.Conn
	LMTP        Protocol = "lmtp"
)

// Timeouts bound the waits of a dialogue. They are not scaled by the lab's
// speed: a peer needs real time to answer.
type Timeouts struct {
	Greeting time.Duration // for the 220
	Command  time.Duration // for the reply to a command
	Block    time.Duration // for each block of the message to be taken
	Done     time.Duration // for the reply to the final dot, or to a chunk
}

// DefaultTimeouts are those of RFC 5321 §4.5.3.2 with the patience of a lab:
// a minute where the RFC has five, five where it has ten.
func DefaultTimeouts() Timeouts {
	return Timeouts{Greeting: time.Minute, Command: time.Minute, Block: time.Minute, Done: 5 * time.Minute}
}

// Options say how to speak on a connection.
type Options struct {
	Protocol Protocol // "" means SMTP
	Hello    string   // our own name, for EHLO
	Host     string   // the server's name, for events and for TLS
	Queue    string   // the queue id that the connection is opened for, if any
	Events   *event.Log
	Timeouts Timeouts // zero values mean the defaults
	// Mechanism is what Auth uses; "" means the strongest that is offered.
	Mechanism string
	// AuthInClear lets Auth use PLAIN and LOGIN without TLS.
	AuthInClear bool
	// Trace, if not nil, is told about every line, on the goroutine that speaks.
	Trace func(Line)
}

// Client is one connection.
type Client struct {
	raw      net.Conn // what the caller dialled
	conn     net.Conn // raw, or TLS on it
	r        *bufio.Reader
	w        *bufio.Writer
	opt      Options
	rec      recorder
	hello    reply.Reply
	doubt    error             // why the certificate does not vouch for the server
	ext      map[string]string // keyword in upper case → parameters
	esmtp    bool
	closed   bool
	broken   bool // the dialogue has lost its step; only Close is left
	sent     int  // transactions begun, by Send and Ask
	messages int
	asks     int
	written  error // first error of a write, if any
}

// Open reads the greeting and says hello. It owns conn from now on: when it
// fails, conn is closed. The error is an *Error.
func Open(ctx context.Context, conn net.Conn, opt Options) (*Client, error) {
	if opt.Protocol == "" {
		opt.Protocol = SMTP
	}
	opt.Timeouts = opt.Timeouts.orDefaults()
	c := &Client{raw: conn, opt: opt}
	c.rec = newRecorder(opt, conn)
	c.use(conn)
	c.rec.open(conn)
	if t, ok := conn.(*tls.Conn); ok {
		state := t.ConnectionState()
		if len(state.VerifiedChains) == 0 {
			c.doubt = errUnverified
		}
		c.rec.tls(&state, c.doubt)
	}
	if err := c.greet(ctx); err != nil {
		c.close(reasons(err)...)
		return nil, err
	}
	return c, nil
}

func (t Timeouts) orDefaults() Timeouts {
	d := DefaultTimeouts()
	for _, p := range []struct{ v, d *time.Duration }{
		{&t.Greeting, &d.Greeting}, {&t.Command, &d.Command}, {&t.Block, &d.Block}, {&t.Done, &d.Done},
	} {
		if *p.v <= 0 {
			*p.v = *p.d
		}
	}
	return t
}

// use speaks over conn from now on; nothing read from another one is kept.
func (c *Client) use(conn net.Conn) {
	c.conn = conn
	c.r = bufio.NewReaderSize(conn, 2*maxReplyLine)
	c.w = bufio.NewWriterSize(blockWriter{c}, 8<<10)
}

// block is how much of a message a server must take in Timeouts.Block.
const block = 16 << 10

// blockWriter gives every block that leaves the buffer a deadline of its own.
type blockWriter struct{ c *Client }

// Write implements io.Writer.
func (b blockWriter) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		b.c.conn.SetWriteDeadline(time.Now().Add(b.c.opt.Timeouts.Block))
		m, err := b.c.conn.Write(p[n:min(n+block, len(p))])
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c *Client) greet(ctx context.Context) error {
	defer c.cutOn(ctx)()
	rep, err := c.read(StepBanner, c.opt.Timeouts.Greeting)
	if err != nil {
		return err
	}
	if rep.Code != 220 {
		return c.refused(StepBanner, rep)
	}
	return c.sayHello()
}

// sayHello introduces us: EHLO, and HELO where that is unknown (RFC 5321
// §4.1.1.1); LHLO in LMTP (RFC 2033 §4.1).
func (c *Client) sayHello() error {
	c.ext, c.esmtp = nil, false
	verb := "EHLO"
	if c.opt.Protocol == LMTP {
		verb = "LHLO"
	}
	rep, err := c.command(StepHello, verb+" "+c.opt.Hello)
	if err != nil {
		return err
	}
	if verb == "EHLO" && rep.Permanent() && c.opt.Protocol == SMTP {
		if rep, err = c.command(StepHello, "HELO "+c.opt.Hello); err != nil {
			return err
		}
		if rep.Code == 250 {
			c.hello = rep
			return nil
		}
	}
	if rep.Code != 250 {
		return c.refused(StepHello, rep)
	}
	c.hello, c.esmtp, c.ext = rep, true, extensions(rep)
	return nil
}

// extensions reads the EHLO reply. Keywords know no case (RFC 5321 §4.1.1.1).
func extensions(rep reply.Reply) map[string]string {
	ext := make(map[string]string, len(rep.Lines))
	for _, line := range rep.Lines[1:] {
		keyword, params, _ := strings.Cut(line, " ")
		ext[strings.ToUpper(keyword)] = params
	}
	return ext
}

// Extension returns the parameters of an extension (keyword in upper case) and
// whether the server offers it.
func (c *Client) Extension(keyword string) (string, bool) {
	params, ok := c.ext[keyword]
	return params, ok
}

func (c *Client) offers(keyword string) bool {
	_, ok := c.ext[keyword]
	return ok
}

// MaxSize returns the largest message that the server takes, 0 when it named
// no limit (RFC 1870 §3).
func (c *Client) MaxSize() int64 {
	n, err := strconv.ParseInt(c.ext["SIZE"], 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Conn returns the name of the connection in events.
func (c *Client) Conn() string { return c.rec.conn }

// Transactions counts those that were begun on the connection.
func (c *Client) Transactions() int { return c.sent }

// Messages counts the transactions of Send among them.
func (c *Client) Messages() int { return c.messages }

// Usable reports whether another transaction may be begun.
func (c *Client) Usable() bool { return !c.broken && !c.closed }

// Quit says good-bye and closes the connection.
func (c *Client) Quit(ctx context.Context) {
	if c.Usable() {
		stop := c.cutOn(ctx)
		c.opt.Timeouts.Command = min(c.opt.Timeouts.Command, 2*time.Second)
		if _, err := c.command(StepQuit, "QUIT"); err != nil {
			c.close(reasons(err)...) // it ends either way
		}
		stop()
	}
	c.close(reason.New(reason.Quit))
}

// Close cuts the connection. A second call does nothing.
func (c *Client) Close() { c.close(reason.New(reason.Closed)) }

func (c *Client) close(why ...reason.Reason) {
	if c.closed {
		return
	}
	c.closed = true
	c.raw.Close()
	c.rec.close(why)
}

// cutOn closes the socket when the context ends, which fails whatever waits on
// it; the function it returns ends that.
func (c *Client) cutOn(ctx context.Context) func() {
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	return func() { stop() }
}

// command sends one line and reads its reply.
func (c *Client) command(step Step, line string) (reply.Reply, error) {
	c.write(step, line)
	return c.answer(step)
}

// write puts one command line into the buffer. Lines are made of constants and
// of values whose encoder leaves no line ends; this is the last check.
func (c *Client) write(step Step, line string) { c.writeMasked(step, line, line) }

func (c *Client) writeMasked(step Step, line, shown string) {
	if strings.ContainsAny(line, "\r\n\x00") {
		c.written = errors.Join(c.written, fmt.Errorf("line end within a command: %q", shown))
		return
	}
	c.rec.line(event.Out, shown, step)
	if _, err := c.w.WriteString(line); err != nil {
		c.written = errors.Join(c.written, err)
		return
	}
	if _, err := c.w.WriteString("\r\n"); err != nil {
		c.written = errors.Join(c.written, err)
	}
}

// answer sends what is buffered and reads one reply.
func (c *Client) answer(step Step) (reply.Reply, error) {
	if err := c.flush(step); err != nil {
		return reply.Reply{}, err
	}
	return c.read(step, c.opt.Timeouts.Command)
}

func (c *Client) flush(step Step) error {
	err := c.written
	if err == nil {
		err = c.w.Flush()
	}
	if err != nil {
		return c.fail(&Error{Step: step, Err: err})
	}
	return nil
}

// read reads one reply. After a 421 the server closes (RFC 5321 §3.8).
func (c *Client) read(step Step, timeout time.Duration) (reply.Reply, error) {
	c.conn.SetReadDeadline(time.Now().Add(timeout))
	rep, err := readReply(c.r, func(line string) { c.rec.reply(line, step) })
	if err != nil {
		return reply.Reply{}, c.fail(&Error{Step: step, Err: err})
	}
	if rep.Code == 421 {
		c.broken = true
	}
	return rep, nil
}

// fail gives the connection up.
func (c *Client) fail(err *Error) error {
	c.broken = true
	c.close(reasons(err)...)
	return err
}

// refused gives the connection up for a reply that is not the one wanted.
func (c *Client) refused(step Step, rep reply.Reply) error {
	if rep.Positive() {
		return c.misplaced(step, rep)
	}
	return c.fail(&Error{Step: step, Reply: rep})
}

// misplaced gives it up for a reply that agrees to what was not asked.
func (c *Client) misplaced(step Step, rep reply.Reply) error {
	return c.fail(&Error{Step: step, Err: fmt.Errorf("%w: %s", ErrOutOfPlace, rep)})
}

// Remote returns the address of the server.
func (c *Client) Remote() string { return listener.AddrPort(c.raw.RemoteAddr()).String() }
