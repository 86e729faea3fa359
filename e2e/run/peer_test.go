package run

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// stage is where in a session a peer may fail: behind which command, in the
// words of RFC 5321.
type stage string

const (
	greeting stage = "greeting"
	hello    stage = "EHLO"
	mailFrom stage = "MAIL"
	rcptTo   stage = "RCPT"
	data     stage = "DATA"
	midText  stage = "text" // in the middle of the message
	finalDot stage = "dot"  // the message is complete, nothing said about it
	goodbye  stage = "QUIT"
)

var stages = []stage{greeting, hello, mailFrom, rcptTo, data, midText, finalDot}

// trouble is one failure.
type trouble struct {
	at    stage
	say   string // a reply; "" to vanish without a word
	reset bool   // vanish by RST, not FIN
	cut   bool   // vanish in the middle of saying it
	keep  bool   // at the dot: the peer has the message, whatever it said of that
}

// peerCase is a domain of casos.test with one mail host, which the test plays.
type peerCase struct {
	name     string
	troubles []trouble // each happens once, in this order; then all goes well
	reported bool      // so the sender gets the message back
}

func (c peerCase) domain() string { return c.name + ".casos.test" }

// peerNet is a network in which the lab has nobody. The n-th case (from 0) has
// the address n+1.
var peerNet = [4]byte{198, 18, 253, 0}

func peerAddress(n int) string {
	return net.IPv4(peerNet[0], peerNet[1], peerNet[2], byte(n+1)).String()
}

// peerZone is what casos.test says of peers.
func peerZone(cases []peerCase) string {
	var b strings.Builder
	for i, c := range cases {
		fmt.Fprintf(&b, "\n%s\tMX\t10 host.%s\nhost.%s\tA\t%s\n", c.name, c.name, c.name, peerAddress(i))
	}
	return b.String()
}

// peer is a mail host that keeps what it gets in a ledger.
type peer struct {
	ledger *ledger
	// next says what goes wrong now, if anything.
	next func(at stage) (trouble, bool)
	// gate, if not nil, is waited for before something happens at a stage.
	gate func(at stage)

	talking atomic.Int32 // sessions

	mu   sync.Mutex     // guards lost
	lost map[string]int // by mark: copies that the peer has kept and the sender could not know of
}

// startPeer serves one address until the test ends.
func startPeer(t *testing.T, p *peer, address string) {
	t.Helper()
	p.lost = map[string]int{}
	ln, err := net.Listen("tcp4", net.JoinHostPort(address, "25"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer context.AfterFunc(ctx, func() { c.Close() })()
				defer c.Close()
				p.talking.Add(1)
				defer p.talking.Add(-1)
				p.talk(c)
			})
		}
	})
	t.Cleanup(func() { cancel(); ln.Close(); all.Wait() })
}

// inOrder makes a case's troubles happen, each once.
func inOrder(troubles []trouble) func(stage) (trouble, bool) {
	var mu sync.Mutex
	return func(at stage) (trouble, bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(troubles) == 0 || troubles[0].at != at {
			return trouble{}, false
		}
		tr := troubles[0]
		troubles = troubles[1:]
		return tr, true
	}
}

// good are the replies when nothing goes wrong.
var good = map[stage]string{
	greeting: "220 peer.casos.test ESMTP", hello: "250 peer.casos.test", mailFrom: "250 2.1.0 Ok", rcptTo: "250 2.1.5 Ok",
	data: "354 Go ahead", finalDot: "250 2.0.0 Ok", goodbye: "221 2.0.0 Bye",
}

// talk is one session. It ends when it returns.
func (p *peer) talk(c net.Conn) {
	r := bufio.NewReaderSize(c, 4096)
	if _, on := p.meet(c, greeting); !on {
		return
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		at := stage(strings.ToUpper(verb))
		if at == "HELO" {
			at = hello
		}
		if good[at] == "" { // RSET
			fmt.Fprint(c, "250 2.0.0 Ok\r\n")
			continue
		}
		well, on := p.meet(c, at)
		if at == data && well && on {
			on = p.message(c, r)
		}
		if !on || at == goodbye {
			return
		}
	}
}

// meet answers at a stage. well says that nothing went wrong, on that the
// session goes on.
func (p *peer) meet(c net.Conn, at stage) (well, on bool) {
	if p.gate != nil {
		p.gate(at)
	}
	tr, bad := p.next(at)
	if !bad {
		_, err := io.WriteString(c, good[at]+"\r\n")
		return true, err == nil
	}
	return false, tr.act(c)
}

// act does what goes wrong, and reports whether the session goes on.
func (tr trouble) act(c net.Conn) (on bool) {
	if tr.say == "" || tr.cut {
		io.WriteString(c, tr.say[:len(tr.say)/2])
		if tcp, ok := c.(*net.TCPConn); ok && tr.reset {
			tcp.SetLinger(0)
		}
		return false
	}
	_, err := io.WriteString(c, tr.say+"\r\n")
	return err == nil && !strings.HasPrefix(tr.say, "421")
}

// message reads one up to its end, and reports whether the session goes on.
func (p *peer) message(c net.Conn, r *bufio.Reader) (on bool) {
	var text []byte
	for half := true; ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return false
		}
		if string(line) == ".\r\n" {
			break
		}
		if line[0] == '.' {
			line = line[1:]
		}
		text = append(text, line...)
		if half && len(text) > 1000 {
			half = false
			if p.gate != nil {
				p.gate(midText)
			}
			if tr, bad := p.next(midText); bad {
				return tr.act(c)
			}
		}
	}
	tr, bad := p.next(finalDot)
	if !bad || tr.keep {
		p.ledger.arrived(text)
	}
	if !bad {
		_, err := io.WriteString(c, good[finalDot]+"\r\n")
		return err == nil
	}
	if found := markPattern.FindSubmatch(text); tr.keep && found != nil {
		p.mu.Lock()
		p.lost[string(found[1])]++
		p.mu.Unlock()
	}
	return tr.act(c)
}
