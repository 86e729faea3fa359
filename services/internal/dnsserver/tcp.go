package dnsserver

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"correio/services/internal/listener"
)

const (
	// maxStream is the longest question read by TCP, in octets.
	maxStream = 16 << 10
	// pipelined bounds the questions of one connection that are at work.
	pipelined = 16
	// messageTime is how long a client has to send the rest of a message, and
	// to take a response.
	messageTime = 5 * time.Second
)

// serveConn answers the questions of one connection until it is idle for too
// long, has asked enough, sends what is no message, or ctx ends.
func (s *Server) serveConn(ctx, work context.Context, c net.Conn) {
	t := &stream{server: s, conn: c, free: make(chan struct{}, pipelined)}
	// A cut deadline is how the end of ctx reaches a blocked read.
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	defer t.answering.Wait()
	for range s.cfg.PerConnection {
		wire, ok := t.read(ctx)
		if !ok {
			return
		}
		if s.slots == nil {
			t.answer(work, wire)
			continue
		}
		t.start(work, wire)
	}
}

type stream struct {
	server    *Server
	conn      net.Conn
	free      chan struct{} // holds a token for each question at work
	answering sync.WaitGroup
	mu        sync.Mutex // one response at a time goes out
}

// read reads one message with its length (RFC 1035 §4.2.2).
func (t *stream) read(ctx context.Context) ([]byte, bool) {
	if !t.deadline(ctx, t.server.cfg.Idle) {
		return nil, false
	}
	var length [2]byte
	if _, err := io.ReadFull(t.conn, length[:]); err != nil {
		return nil, false
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if n < headerSize || n > maxStream || !t.deadline(ctx, messageTime) {
		return nil, false
	}
	wire := make([]byte, n)
	if _, err := io.ReadFull(t.conn, wire); err != nil {
		return nil, false
	}
	return wire, true
}

// deadline sets the read deadline, but never over the one that the end of ctx
// has set.
func (t *stream) deadline(ctx context.Context, d time.Duration) bool {
	if err := t.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return false
	}
	return ctx.Err() == nil
}

// start answers in a goroutine (RFC 7766 §6.2.1.1: responses may come out of
// order). It waits while too many are at work, which slows the client down.
func (t *stream) start(work context.Context, wire []byte) {
	t.free <- struct{}{}
	select {
	case t.server.slots <- struct{}{}:
	case <-work.Done():
		<-t.free
		return
	}
	t.answering.Go(func() {
		defer func() { <-t.server.slots; <-t.free }()
		t.answer(work, wire)
	})
}

func (t *stream) answer(work context.Context, wire []byte) {
	r := &Request{Proto: "tcp", Local: listener.AddrPort(t.conn.LocalAddr()), Remote: listener.AddrPort(t.conn.RemoteAddr())}
	out := t.server.respond(work, r, wire, nil)
	if out == nil {
		return
	}
	framed := append(binary.BigEndian.AppendUint16(make([]byte, 0, len(out)+2), uint16(len(out))), out...)
	t.mu.Lock()
	defer t.mu.Unlock()
	// A connection that cannot be written to fails its next read, too.
	t.conn.SetWriteDeadline(time.Now().Add(messageTime))
	if _, err := t.conn.Write(framed); err != nil {
		t.server.record.drop("cannot be sent")
		t.conn.Close()
	}
}
