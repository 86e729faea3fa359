// Package console is a line console on a TCP connection, to be used as telnet
// is: what is typed goes out with CRLF, what comes is printed. It speaks enough
// SMTP and POP3 to start TLS where the protocol does so in the middle.
//
// It works in pipes: at the end of the input the connection is closed for
// writing, and what the server still says is printed until it closes, or until
// Grace has passed.
package console

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"correio/services/internal/text"
)

// Grace is how long a server may still talk after the input has ended.
const Grace = 5 * time.Second

// maxLine bounds one line of the input, in octets.
const maxLine = 1 << 20

// Run connects in and out with the connection until the server closes it. It
// closes c. The input is read by a goroutine that ends with the input.
func Run(ctx context.Context, c net.Conn, in io.Reader, out io.Writer) error {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	typed := make(chan error, 1)
	go func() { typed <- typeLines(c, in) }()
	printed := make(chan error, 1)
	go func() { printed <- show(out, c) }()
	for {
		select {
		case err := <-printed:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		case err := <-typed:
			if err != nil && !errors.Is(err, io.EOF) {
				c.Close()
				return errors.Join(fmt.Errorf("read input: %w", err), <-printed)
			}
			typed = nil
		}
	}
}

// typeLines sends each line with CRLF, then closes the connection for writing.
// A write that fails shows on the reading side.
func typeLines(c net.Conn, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for lines.Scan() {
		_, err := c.Write([]byte(strings.TrimSuffix(lines.Text(), "\r") + "\r\n"))
		if err != nil {
			break
		}
	}
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // a connection that is gone needs none
	}
	_ = c.SetReadDeadline(time.Now().Add(Grace))
	return lines.Err()
}

// show prints what comes, with the line ends of this system.
func show(out io.Writer, c net.Conn) error {
	buf := make([]byte, 16<<10)
	for {
		n, err := c.Read(buf)
		if n > 0 {
			if _, err := io.WriteString(out, strings.ReplaceAll(string(buf[:n]), "\r", "")); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return nil
		default:
			return fmt.Errorf("read: %w", err)
		}
	}
}

// StartTLS encrypts a fresh connection. The certificate is not required to be
// anybody's: the console shows what there is, and says what is wrong with it.
func StartTLS(ctx context.Context, c net.Conn, host string) (*tls.Conn, error) {
	secured := tls.Client(c, &tls.Config{ServerName: host, InsecureSkipVerify: true}) //nolint:gosec // see above
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, text.Errorf(handshakeFailed, err)
	}
	return secured, nil
}

// Upgrade asks for TLS in the middle of a plain conversation, by STLS on a
// POP3 port and by STARTTLS of SMTP elsewhere, and prints what is said.
func Upgrade(ctx context.Context, c net.Conn, host, port string, out io.Writer) (*tls.Conn, error) {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	d := &dialogue{in: bufio.NewReader(io.LimitReader(c, 64<<10)), out: out, c: c}
	var err error
	if port == "110" {
		err = d.popSTLS()
	} else {
		err = d.smtpSTARTTLS()
	}
	if err != nil {
		return nil, err
	}
	// RFC 3207 §4.2: what was sent before the handshake must not count after it.
	if d.in.Buffered() > 0 {
		return nil, text.Errorf(wentOn)
	}
	return StartTLS(ctx, c, host)
}

// dialogue is the plain part of a conversation.
type dialogue struct {
	in  *bufio.Reader
	out io.Writer
	c   io.Writer
}

func (d *dialogue) say(line string) error {
	fmt.Fprintln(d.out, line)
	_, err := io.WriteString(d.c, line+"\r\n")
	return err
}

func (d *dialogue) hear() (string, error) {
	line, err := d.in.ReadString('\n')
	if err != nil {
		return "", text.Errorf(noReply, err)
	}
	line = strings.TrimRight(line, "\r\n")
	fmt.Fprintln(d.out, line)
	return line, nil
}

// popSTLS is RFC 2595 §4.
func (d *dialogue) popSTLS() error {
	for _, command := range []string{"", "STLS"} {
		if command != "" {
			if err := d.say(command); err != nil {
				return err
			}
		}
		line, err := d.hear()
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, "+OK") {
			return &RefusedError{Command: command, Reply: line}
		}
	}
	return nil
}

// smtpSTARTTLS is RFC 3207 §4. The name in EHLO is an address literal, for the
// console has none (RFC 5321 §4.1.4).
func (d *dialogue) smtpSTARTTLS() error {
	for _, command := range []string{"", "EHLO [127.0.0.1]", "STARTTLS"} {
		if command != "" {
			if err := d.say(command); err != nil {
				return err
			}
		}
		line, err := d.smtpReply()
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, "2") {
			return &RefusedError{Command: command, Reply: line}
		}
	}
	return nil
}

// smtpReply returns the last line of a reply (RFC 5321 §4.2.1).
func (d *dialogue) smtpReply() (string, error) {
	for {
		line, err := d.hear()
		if err != nil || len(line) < 4 || line[3] != '-' {
			return line, err
		}
	}
}

var (
	handshakeFailed = text.New("TLS: %v", "TLS: %v")
	wentOn          = text.New("the server went on talking in the clear after it agreed to TLS", "o servidor continuou a falar sem cifra depois de concordar com TLS")
	noReply         = text.New("the server did not answer: %v", "o servidor não respondeu: %v")
	refusedGreeting = text.New("the server refused the connection: %s", "o servidor recusou a conexão: %s")
	refused         = text.New("the server refused %s: %s", "o servidor recusou %s: %s")
)

// RefusedError is the reply of a server that does not go on.
type RefusedError struct {
	Command string // "" for the greeting
	Reply   string
}

// Error implements error.
func (e *RefusedError) Error() string { return e.In(text.English) }

// In says the error in a language.
func (e *RefusedError) In(lang text.Lang) string {
	if e.Command == "" {
		return refusedGreeting.Sprintf(lang, e.Reply)
	}
	return refused.Sprintf(lang, e.Command, e.Reply)
}
