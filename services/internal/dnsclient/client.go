// Package dnsclient asks DNS servers by address. It is the stub with which
// every node asks its organisation's resolver, the transport with which the
// resolver asks the authoritative servers, and the walk from the root that
// "correio dig --trace" shows.
//
// A question goes out by UDP with EDNS0 (RFC 6891, 1232 octets), with a random
// id from a random port. A response counts only if it comes from the server
// asked and repeats id and question; everything else is ignored until the
// deadline. A truncated response is asked for again by TCP (RFC 7766). Every
// try is one event record.
//
// What Lookup returns is an Answer that tells "the name does not exist",
// "the name has no such record" and "nobody could say, try again later" apart:
// for mail the first two are permanent and the third is not (RFC 5321 §5.1).
//
// How messages read as text is in package dnstext.
package dnsclient

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/event"
)

// UDPSize is the UDP payload that we announce and the most that our servers
// send, in octets: it crosses every path without fragments (DNS flag day 2020).
const UDPSize = 1232

// Dial connects to remote by "udp" or "tcp"; node.Env's Dial is one.
type Dial func(ctx context.Context, network string, remote netip.AddrPort) (net.Conn, error)

// Config says whom to ask and how patiently.
type Config struct {
	Dial   Dial
	Server netip.AddrPort // asked by Lookup and Exchange
	// Tries is how often a question is sent before giving up; 0 means 3.
	Tries int
	// Timeout bounds each try, the TCP one that follows a truncated response
	// included; 0 means 2 seconds.
	Timeout time.Duration
	// TCPOnly asks by TCP from the first try, where UDP cannot pass.
	TCPOnly bool
	// Events takes a record of every try; it may be nil.
	Events *event.Log
	// Conn, Queue and Message are put into those records.
	Conn, Queue, Message string
}

// Client asks one server. It holds no socket and may be used concurrently.
type Client struct{ cfg Config }

// New returns a client. It panics without a Dial, which is a mistake in the
// program.
func New(cfg Config) *Client {
	if cfg.Dial == nil {
		panic("dnsclient: no Dial")
	}
	if cfg.Tries <= 0 {
		cfg.Tries = 3
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 2 * time.Second
	}
	return &Client{cfg}
}

// ForQueue returns a client whose event records carry a queue id and a
// Message-ID; either may be "".
func (c *Client) ForQueue(queue, message string) *Client {
	cfg := c.cfg
	cfg.Queue, cfg.Message = queue, message
	return &Client{cfg}
}

// ForServer returns a client that asks another server.
func (c *Client) ForServer(server netip.AddrPort) *Client {
	cfg := c.cfg
	cfg.Server = server
	return &Client{cfg}
}

// Query makes a recursive question with EDNS0 and a random id. The name need
// not end in a dot.
func Query(name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), qtype)
	m.Id = randomID()
	m.SetEdns0(UDPSize, false)
	return m
}

// randomID draws an id that nobody can predict (RFC 5452 §4.3).
func randomID() uint16 {
	var b [2]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return binary.BigEndian.Uint16(b[:])
}

// Exchange sends m, which has exactly one question, and returns the response,
// whatever its code. m's id is replaced for every try. The error wraps the
// context's or the last try's.
func (c *Client) Exchange(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	if len(m.Question) != 1 {
		return nil, fmt.Errorf("dns exchange: %d questions in a message", len(m.Question))
	}
	var err error
	for try := range c.cfg.Tries {
		if try > 0 && pause(ctx, err) != nil {
			break
		}
		m = m.Copy()
		m.Id = randomID()
		var resp *dns.Msg
		resp, err = c.try(ctx, m)
		if err == nil && resp.Rcode == dns.RcodeFormatError && stripEDNS(m) {
			// RFC 6891 §7: the server may not know EDNS.
			resp, err = c.try(ctx, m)
		}
		if err == nil {
			return resp, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("ask %s: %w", c.cfg.Server, err)
}

// pause keeps a server that refuses at once, because it is being restarted,
// from using up every try within a millisecond.
func pause(ctx context.Context, err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return ctx.Err()
	}
	t := time.NewTimer(250 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stripEDNS removes the OPT record and reports whether there was one.
func stripEDNS(m *dns.Msg) bool {
	for i, rr := range m.Extra {
		if rr.Header().Rrtype == dns.TypeOPT {
			m.Extra = append(m.Extra[:i:i], m.Extra[i+1:]...)
			return true
		}
	}
	return false
}

// try sends m once by UDP, and by TCP when the response is truncated.
func (c *Client) try(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	if !c.cfg.TCPOnly {
		resp, err := c.once(ctx, "udp", m)
		if err != nil || !resp.Truncated {
			return resp, err
		}
	}
	return c.once(ctx, "tcp", m)
}

// Refused reports whether an exchange failed because nothing listens at the
// address.
func Refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
