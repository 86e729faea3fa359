package dnsclient

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"correio/services/internal/dnstext"
	"correio/services/internal/event"
	"correio/services/internal/network"
	"correio/services/internal/reason"
)

// maxUDP is the largest datagram read; more than UDPSize, for servers that do
// not keep to it.
const maxUDP = 4096

// maxStray bounds the datagrams ignored on one socket, so that a flood of
// forgeries ends the try instead of its chances (RFC 5452 §9).
const maxStray = 100

var buffers = sync.Pool{New: func() any { return new([maxUDP]byte) }}

var errStray = reason.NewFault(reason.Stray)

// once sends m over one transport and records what came of it.
func (c *Client) once(ctx context.Context, network string, m *dns.Msg) (*dns.Msg, error) {
	start := time.Now()
	record := event.Record{
		Time: start, Conn: c.cfg.Conn, Queue: c.cfg.Queue, Message: c.cfg.Message,
		Kind: event.KindDNS, Dir: event.Out, Text: dnstext.Question(m.Question[0]),
		Meta: event.M(event.Role, "client", event.ID, dnstext.ID(m.Id), event.Proto, network,
			event.Remote, c.cfg.Server.String()),
	}
	conn, err := c.cfg.Dial(ctx, network, c.cfg.Server)
	var resp *dns.Msg
	if err == nil {
		defer conn.Close()
		record.Meta = append(record.Meta, event.Attr{Key: event.Local, Value: conn.LocalAddr().String()})
		resp, err = converse(ctx, network, conn, m)
	}
	rtt := float64(time.Since(start).Microseconds()) / 1000
	record.Meta = append(record.Meta, event.Attr{Key: event.RTT, Value: strconv.FormatFloat(rtt, 'f', 1, 64)})
	record.Meta = append(record.Meta, dnstext.Meta(resp)...)
	if err != nil {
		record.Meta = append(record.Meta, event.Attr{Key: event.Error, Value: trouble(err)})
	}
	c.cfg.Events.Append(record)
	return resp, err
}

// trouble is why nothing came back, as events tell it: in one word if it has one.
func trouble(err error) string {
	if t := network.TroubleOf(err); t != "" {
		return string(t)
	}
	return reason.Encode(reason.Of(err)...)
}

// converse speaks over an open connection until the matching response, the
// deadline or the end of the context.
func converse(ctx context.Context, network string, conn net.Conn, m *dns.Msg) (*dns.Msg, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, fmt.Errorf("set deadline: %w", err)
		}
	}
	// Cutting the deadline is how a cancelled context reaches a blocked read.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var resp *dns.Msg
	var err error
	if network == "tcp" {
		resp, err = overTCP(conn, m)
	} else {
		resp, err = overUDP(conn, m)
	}
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil, ctx.Err()
	}
	return resp, err
}

func overUDP(conn net.Conn, m *dns.Msg) (*dns.Msg, error) {
	buf := buffers.Get().(*[maxUDP]byte)
	defer buffers.Put(buf)
	out, err := m.PackBuffer(buf[:])
	if err != nil {
		return nil, fmt.Errorf("pack question: %w", err)
	}
	if _, err := conn.Write(out); err != nil {
		return nil, err
	}
	for range maxStray {
		n, err := conn.Read(buf[:])
		if err != nil {
			return nil, err
		}
		if resp, ok := Match(m, buf[:n]); ok {
			return resp, nil
		}
	}
	return nil, errStray
}

func overTCP(conn net.Conn, m *dns.Msg) (*dns.Msg, error) {
	out, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("pack question: %w", err)
	}
	// RFC 7766 §8: length and message in one write.
	framed := binary.BigEndian.AppendUint16(make([]byte, 0, len(out)+2), uint16(len(out)))
	if _, err := conn.Write(append(framed, out...)); err != nil {
		return nil, err
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, fmt.Errorf("read length: %w", err)
	}
	in := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, in); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	resp, ok := Match(m, in)
	if !ok {
		return nil, reason.NewFault(reason.Mismatch)
	}
	return resp, nil
}

// Match parses a response and reports whether it answers m: the same id,
// opcode and question (RFC 5452 §9.1). Only a FORMERR may leave the question
// out (RFC 1035 §7.3 knows servers that could not read it).
func Match(m *dns.Msg, wire []byte) (*dns.Msg, bool) {
	if len(wire) < 12 || binary.BigEndian.Uint16(wire) != m.Id {
		return nil, false
	}
	resp := new(dns.Msg)
	if err := resp.Unpack(wire); err != nil {
		return nil, false
	}
	if resp.Id != m.Id || !resp.Response || resp.Opcode != m.Opcode {
		return nil, false
	}
	if len(resp.Question) == 0 && resp.Rcode == dns.RcodeFormatError {
		return resp, true
	}
	if len(resp.Question) != 1 {
		return nil, false
	}
	want, got := m.Question[0], resp.Question[0]
	return resp, got.Qtype == want.Qtype && got.Qclass == want.Qclass && strings.EqualFold(got.Name, want.Name)
}
