// Package journeytest plays the records of a lab's mail for tests and
// benchmarks: as many as the nodes of a lab make for as many messages, and as
// different as messages are.
package journeytest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"correio/services/internal/event"
)

// The nodes that have a part.
const (
	pc       = "pc.aurora.test"
	sender   = "mx1.aurora.test"
	backup   = "mx2.boreal.test"
	receiver = "mx1.boreal.test"
	mda      = "mda.boreal.test"
	resolver = "resolver1.nic.test"
	server   = "ns.boreal.test"
)

var addresses = map[string]string{
	pc: "198.18.1.100", sender: "198.18.1.25", backup: "198.18.2.26", receiver: "198.18.2.25", mda: "198.19.2.110",
	resolver: "198.18.0.8", server: "198.18.2.53",
}

const (
	ana   = "ana@aurora.test"
	bruno = "bruno@boreal.test"
)

// Traffic plays messages, whose times overlap.
type Traffic struct {
	// Records are those of all nodes, message by message.
	Records []event.Record
	// Names are what the messages go by, reports not among them.
	Names []string

	seed   uint64
	random *rand.Rand
	now    time.Time
	seqs   map[string]uint64
	ids    int
}

// New returns the traffic of so many messages, the same for the same seed; that
// of another seed has other names and other times.
func New(seed uint64, messages int) *Traffic {
	t := &Traffic{seed: seed, random: rand.New(rand.NewPCG(seed, seed)), seqs: map[string]uint64{}}
	began := time.Date(2026, 11, 23, 18, int(seed), 0, 0, time.UTC)
	for i := range messages {
		t.now = began.Add(time.Duration(i)*50*time.Millisecond + time.Duration(t.random.IntN(500))*time.Millisecond)
		t.Names = append(t.Names, t.message())
	}
	return t
}

func (t *Traffic) id(prefix string) string {
	t.ids++
	return fmt.Sprintf("%s%03d%05d", prefix, t.seed, t.ids)
}

func (t *Traffic) see(node string, r event.Record) {
	t.seqs[node]++
	t.now = t.now.Add(time.Duration(10+t.random.IntN(500)) * time.Microsecond)
	r.Node, r.Seq = node, t.seqs[node]
	if r.Time.IsZero() {
		r.Time = t.now
	}
	t.Records = append(t.Records, r)
}

func (t *Traffic) queue(node, conn, id, message, word string, meta ...string) {
	t.see(node, event.Record{Conn: conn, Queue: id, Message: message, Kind: event.KindQueue, Text: word, Meta: event.M(meta...)})
}

// message plays one message from its submission as far as chance takes it, and
// returns its name.
func (t *Traffic) message() string {
	first, message := t.id("Q"), t.id("m")+"."+pc
	nameless := t.random.IntN(5) == 0
	if nameless {
		message = ""
	}
	t.session(session{client: pc, server: sender, proto: "submission", port: 587, given: first, message: message})
	name := message
	if nameless {
		name = first + "@" + sender
	}
	t.ask(first, "boreal.test. MX")
	switch t.random.IntN(6) {
	case 0:
		t.queue(sender, "", first, "", event.Deferred, event.To, bruno, event.Reply, "connection refused", event.RetryIn, "30s")
	case 1:
		t.bounce(first)
		return name
	case 2: // the backup takes it, and hands it on
		between := t.id("Q")
		t.session(session{client: sender, server: backup, proto: "smtp", port: 25, own: first, given: between, message: message})
		t.deliver(between, message, backup)
		return name
	}
	t.deliver(first, message, sender)
	return name
}

// deliver plays the last hops from a node that has the message as queue id own.
func (t *Traffic) deliver(own, message, from string) {
	last, stored := t.id("Q"), t.id("S")
	t.session(session{client: from, server: receiver, proto: "smtp", port: 25, own: own, given: last, message: message})
	t.session(session{client: receiver, server: mda, proto: "lmtp", port: 24, own: last, given: stored, message: message})
	if t.random.IntN(2) == 0 {
		t.fetch(stored, message)
	}
}

// bounce plays the end of a message, whose sender gets a report.
func (t *Traffic) bounce(id string) {
	report := t.id("Q")
	t.queue(sender, "", report, t.id("r")+"."+sender, event.Accepted, event.From, "<>", event.To, ana)
	t.queue(sender, "", id, "", event.Bounced, event.To, bruno, event.Reply, "550 5.1.1 no such mailbox here", event.BounceID, report)
	t.queue(sender, "", report, "", event.Delivered, event.To, ana, event.Next, "mda.aurora.test", event.Reply, "250 2.1.5 Ok")
}

// fetch plays a POP3 session that reads the message.
func (t *Traffic) fetch(stored, message string) {
	conn := t.open(mda, "pop3", "server", "198.19.2.110:110", t.ephemeral(pc))
	say := func(dir event.Dir, text string) {
		t.see(mda, event.Record{Conn: conn, Kind: event.KindLine, Dir: dir, Text: text})
	}
	say(event.Out, "+OK mda.boreal.test ready")
	say(event.In, "USER bruno")
	say(event.Out, "+OK")
	say(event.In, "RETR 1")
	t.see(mda, event.Record{Conn: conn, Queue: stored, Message: message, Kind: event.KindStore, Text: event.Retrieved, Meta: event.M(event.Mailbox, "bruno", event.UID, "1")})
	say(event.Out, "+OK 612 octets")
	say(event.In, "QUIT")
}

func (t *Traffic) ephemeral(node string) string {
	return fmt.Sprintf("%s:%d", addresses[node], 32768+t.random.IntN(28000))
}

func (t *Traffic) open(node, proto, role, local, remote string) (conn string) {
	conn = t.id("c0ffee-")
	t.see(node, event.Record{Conn: conn, Kind: event.KindConn, Text: event.Open,
		Meta: event.M(event.Proto, proto, event.Role, role, event.Local, local, event.Remote, remote)})
	return conn
}

// ask plays a question that a queue id causes, through the resolver.
func (t *Traffic) ask(queue, question string) {
	answer := "boreal.test. 60 IN MX 10 mx1.boreal.test.; boreal.test. 60 IN MX 20 mx2.boreal.test."
	began := t.now
	seen := func(node, conn, queue, role, id, local, remote string) {
		t.see(node, event.Record{Time: began, Conn: conn, Queue: queue, Kind: event.KindDNS, Text: question,
			Meta: event.M(event.Role, role, event.ID, id, event.Proto, "udp", event.Local, local, event.Remote, remote,
				event.Rcode, "NOERROR", event.Flags, "aa", event.Answer, answer, event.RTT, "0.412")})
		began = began.Add(time.Microsecond)
	}
	conn, stub, up := t.id("c0ffee-"), t.ephemeral(sender), t.ephemeral(resolver)
	id, upID := fmt.Sprintf("%04x", t.random.IntN(1<<16)), fmt.Sprintf("%04x", t.random.IntN(1<<16))
	seen(sender, "", queue, "client", id, stub, addresses[resolver]+":53")
	seen(resolver, conn, "", "client", upID, up, addresses[server]+":53")
	seen(server, "", "", "server", upID, addresses[server]+":53", up)
	seen(resolver, conn, "", "server", id, addresses[resolver]+":53", stub)
}
