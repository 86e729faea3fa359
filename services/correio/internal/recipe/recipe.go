// Package recipe plays a recipe of the reply catalogue on a connection: it types
// line after line, each when the one before was answered, until the reply comes
// that the recipe is about. Afterwards it leaves as a client should, so that no
// message is accepted on the way.
package recipe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/console"
	"correio/services/internal/reply"
)

// Bounds of one dialogue.
const (
	patience  = 30 * time.Second // for one reply
	parting   = 5 * time.Second  // for one on the way out
	maxOctets = 1 << 20          // of all that the server says before and after TLS, each
	maxLines  = 100              // of one reply
)

// Played is what came of a recipe.
type Played struct {
	Lines []client.Line
	Reply string // last line of the reply to the last line typed
	OK    bool   // it is the one that the recipe wants
}

// Play plays a recipe on a fresh connection to host, which it closes. When the
// dialogue breaks off, what was said until then is returned with the error.
func Play(ctx context.Context, c net.Conn, host string, r reply.Recipe, v reply.Values) (Played, error) {
	p := &player{host: host, began: time.Now(), recipe: r, patience: patience}
	p.use(c)
	defer func() { p.conn.Close(); c.Close() }()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	err := p.play(ctx, v)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return Played{Lines: p.lines, Reply: p.reply, OK: err == nil && p.came()}, err
}

type player struct {
	host     string
	recipe   reply.Recipe
	patience time.Duration
	conn     net.Conn
	in       *bufio.Reader
	began    time.Time
	secure   bool
	lines    []client.Line
	reply    string // the last one
}

func (p *player) use(c net.Conn) {
	p.conn, p.in = c, bufio.NewReader(io.LimitReader(c, maxOctets))
}

// came reports whether the reply is the one that is wanted.
func (p *player) came() bool { return strings.HasPrefix(p.reply+" ", p.recipe.Want+" ") }

func (p *player) play(ctx context.Context, v reply.Values) error {
	if p.recipe.Security == reply.TLS {
		if err := p.encrypt(ctx); err != nil {
			return err
		}
	}
	if err := p.hear(); err != nil {
		return err
	}
	if p.recipe.Security == reply.StartTLS {
		if err := p.upgrade(ctx, v.Me); err != nil {
			return err
		}
	}
	if err := p.typeAll(p.recipe.Typed(v)); err != nil {
		return err
	}
	p.leave()
	return nil
}

// upgrade is RFC 3207 §4.
func (p *player) upgrade(ctx context.Context, me string) error {
	for _, line := range []string{"EHLO " + me, "STARTTLS"} {
		if err := p.ask(line); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(p.reply, "220") {
		return &console.RefusedError{Command: "STARTTLS", Reply: p.reply}
	}
	if p.in.Buffered() > 0 {
		return errors.New("the server went on talking in the clear after it agreed to TLS")
	}
	return p.encrypt(ctx)
}

func (p *player) encrypt(ctx context.Context) error {
	p.conn.SetDeadline(time.Now().Add(p.patience))
	secured, err := console.StartTLS(ctx, p.conn, p.host)
	if err != nil {
		return err
	}
	p.use(secured)
	p.secure = true
	p.note("=", tls.VersionName(secured.ConnectionState().Version))
	return nil
}

// typeAll types the lines of the recipe until its reply has come, or nothing
// more can be said.
func (p *player) typeAll(lines []string) error {
	message := false // the lines are message text
	for i, line := range lines {
		last := i == len(lines)-1
		switch {
		case message && line != ".":
			if err := p.say(line); err != nil {
				return err
			}
			continue
		case last:
			return p.repeat(line)
		}
		if err := p.ask(line); err != nil {
			return err
		}
		message = strings.HasPrefix(p.reply, "354")
		if p.pointless(line) {
			return nil
		}
	}
	return nil
}

// pointless reports that the reply to a line leaves nothing to go on with: the
// server has gone, what follows would not be a message, or the recipe's person
// is not let in.
func (p *player) pointless(line string) bool {
	heard := func(code string) bool { return strings.HasPrefix(p.reply, code) }
	return heard("421") || line == "DATA" && !heard("354") ||
		p.recipe.Login && strings.HasPrefix(line, "AUTH ") && !heard("235")
}

// repeat types the last line, as often as the recipe allows.
func (p *player) repeat(line string) error {
	for range max(1, p.recipe.Times) {
		if err := p.ask(line); err != nil {
			return err
		}
		if p.came() || strings.HasPrefix(p.reply, "421") {
			return nil
		}
	}
	return nil
}

// leave ends the dialogue whatever it is in the middle of. The reply that
// mattered has come, so how it goes is no matter.
func (p *player) leave() {
	said := p.reply
	p.patience = parting
	defer func() { p.reply = said }()
	var words []string
	switch {
	case strings.HasPrefix(said, "421"), strings.HasPrefix(said, "221"):
		return
	case strings.HasPrefix(said, "354"):
		words = append(words, ".")
	case strings.HasPrefix(said, "334"):
		words = append(words, "*") // RFC 4954 §4
	}
	for _, word := range append(words, "QUIT") {
		if p.ask(word) != nil {
			return
		}
	}
}

// ask types a line and hears the reply.
func (p *player) ask(line string) error {
	if err := p.say(line); err != nil {
		return err
	}
	return p.hear()
}

func (p *player) say(line string) error {
	p.note(">", line)
	p.conn.SetDeadline(time.Now().Add(p.patience))
	if _, err := io.WriteString(p.conn, line+"\r\n"); err != nil {
		return fmt.Errorf("type %q: %w", line, err)
	}
	return nil
}

// hear reads one reply (RFC 5321 §4.2.1).
func (p *player) hear() error {
	p.conn.SetDeadline(time.Now().Add(p.patience))
	for range maxLines {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read reply: %w", err)
		}
		line = strings.TrimRight(line, "\r\n")
		p.note("<", line)
		if len(line) < 4 || line[3] != '-' {
			p.reply = line
			return nil
		}
	}
	return fmt.Errorf("a reply of more than %d lines", maxLines)
}

func (p *player) note(dir, line string) {
	p.lines = append(p.lines, client.Line{
		Dir: dir, Text: line, TLS: p.secure, OffsetMS: time.Since(p.began).Milliseconds(),
	})
}
