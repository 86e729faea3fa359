package forward

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/lab"
	"correio/services/internal/listener"
	"correio/services/internal/tunnel"
)

const (
	maxPerPort  = 100
	maxReason   = 200 // octets; with the rest it fits a reply line (RFC 5321 §4.5.3.1.5: 512)
	goodbyeWait = 2 * time.Second
)

// Port is one user port.
type Port struct {
	lab.UserPort
	Dialer *Dialer
	Log    *slog.Logger
}

// Serve forwards the listener's connections until the context ends, gives
// those that are open Grace to finish, and returns. It closes the listener.
func (p Port) Serve(ctx context.Context, ln net.Listener) error {
	cfg := listener.Config{
		Total: maxPerPort, Grace: Grace,
		Busy: func(c net.Conn) {
			_, _ = io.WriteString(c, p.apology("too many connections")) // the client may be gone already
		},
	}
	return listener.Serve(ctx, ln, cfg, p.forward)
}

func (p Port) forward(ctx context.Context, c net.Conn) {
	up, err := p.Dialer.Dial(ctx, p.Via, p.To)
	if err != nil {
		p.Log.Info("user port: no connection", "port", p.Port, "via", p.Via, "to", p.To, "err", err)
		p.decline(c, err)
		return
	}
	// Serve cuts the connection after the grace period.
	tunnel.Splice(context.WithoutCancel(ctx), c, up, Idle)
}

// decline tells the client, in its protocol's words where it has any before
// TLS, why there is nobody.
func (p Port) decline(c net.Conn, err error) {
	c.SetDeadline(time.Now().Add(goodbyeWait))
	if _, err := io.WriteString(c, p.apology(reason(err))); err != nil {
		return
	}
	// What the client says meanwhile must be read, or the kernel would throw the
	// line away with the connection.
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, c, 64<<10) // the client's leaving is what we wait for
	}
}

// reason says why in words for a person who looks at a mail program.
func reason(err error) string {
	var said *control.StatusError
	if errors.As(err, &said) {
		return said.What
	}
	return err.Error()
}

// apology is the line with which a server of the port's protocol says that it
// cannot serve; empty where the client expects TLS first, or where no server
// speaks first.
func (p Port) apology(why string) string {
	_, port, err := net.SplitHostPort(p.To)
	if err != nil {
		return ""
	}
	why = printable(p.To + ": " + why)
	switch port {
	case "25", "587", "589":
		// RFC 5321 §3.8: 421 also as the greeting; RFC 3463 §3.4: X.3.2.
		return "421 4.3.2 " + why + "\r\n"
	case "24":
		return "421 4.3.2 " + why + "\r\n" // RFC 2033 §4.1: the replies of SMTP
	case "110":
		return "-ERR [SYS/TEMP] " + why + "\r\n" // RFC 3206 §4
	case "143":
		return "* BYE " + why + "\r\n" // RFC 3501 §7.1.5
	}
	return ""
}

// printable makes one line of ASCII of a text, of bounded length.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxReason)]
}
