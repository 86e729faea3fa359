package journey_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"correio/services/internal/event"
	"correio/services/internal/journey"
	"correio/services/internal/text"
)

var began = time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC)

// lab records what nodes saw, one millisecond apart.
type lab struct {
	records []event.Record
	seqs    map[string]uint64
	now     time.Time
}

func newLab() *lab { return &lab{seqs: map[string]uint64{}, now: began} }

func (l *lab) see(node string, r event.Record) {
	l.seqs[node]++
	l.now = l.now.Add(time.Millisecond)
	r.Node, r.Seq, r.Time = node, l.seqs[node], l.now
	l.records = append(l.records, r)
}

func (l *lab) open(node, conn, proto, role, local, remote string) {
	l.see(node, event.Record{Conn: conn, Kind: event.KindConn, Text: event.Open,
		Meta: event.M(event.Proto, proto, event.Role, role, event.Local, local, event.Remote, remote)})
}

func (l *lab) line(node, conn, queue string, dir event.Dir, text string) {
	l.see(node, event.Record{Conn: conn, Queue: queue, Kind: event.KindLine, Dir: dir, Text: text})
}

func (l *lab) queue(node, conn, queue, message, word string, meta ...string) {
	l.see(node, event.Record{Conn: conn, Queue: queue, Message: message, Kind: event.KindQueue, Text: word, Meta: event.M(meta...)})
}

const (
	pc, mx1a, mx1b, mda    = "pc.aurora.test", "mx1.aurora.test", "mx1.boreal.test", "mda.boreal.test"
	resolver, nsb          = "resolver1.nic.test", "ns.boreal.test"
	aPC, aMX1a, aMX1aOut   = "198.19.1.100:5000", "198.19.1.25:587", "198.18.1.25:6000"
	aMX1b, aMX1bOut, aMDA  = "198.18.2.25:25", "198.19.2.25:7000", "198.19.2.110:24"
	aResolver, aAsk, aUp   = "198.18.0.8:53", "198.18.1.25:40000", "198.18.0.8:41000"
	aNS                    = "198.18.2.53:53"
	q1, q2, q3             = "AAAAAAAAAA", "BBBBBBBBBB", "CCCCCCCCCC"
	message                = "m1@pc.aurora.test"
	question               = "boreal.test. MX"
	ana, bruno             = "ana@aurora.test", "bruno@boreal.test"
	otherMessage, otherOne = "m2@pc.aurora.test", "DDDDDDDDDD"
)

// submit plays Ana's submission of message as queue id q on connection conn.
func (l *lab) submit(conn, q, message, port string) {
	client := "198.19.1.100:" + port
	l.open(pc, conn, "submission", "client", client, aMX1a)
	l.open(mx1a, conn, "submission", "server", aMX1a, client)
	l.line(mx1a, conn, "", event.Out, "220 mx1.aurora.test ESMTP")
	l.line(pc, conn, "", event.In, "220 mx1.aurora.test ESMTP")
	l.line(pc, conn, "", event.Out, "MAIL FROM:<"+ana+">")
	l.line(mx1a, conn, "", event.In, "MAIL FROM:<"+ana+">")
	l.line(mx1a, conn, "", event.In, "Subject: Oi")
	l.line(pc, conn, "", event.Out, ".")
	l.queue(mx1a, conn, q, message, event.Accepted, event.From, "<"+ana+">", event.To, bruno, event.Size, "100")
	l.line(mx1a, conn, q, event.Out, "250 2.0.0 Ok: queued as "+q)
	l.see(pc, event.Record{Conn: conn, Message: message, Kind: event.KindLine, Dir: event.In, Text: "250 2.0.0 Ok: queued as " + q})
	l.line(pc, conn, "", event.Out, "QUIT")
	l.line(pc, conn, "", event.In, "221 2.0.0 Bye")
}

// ask plays the MX question of queue id q, through the resolver.
func (l *lab) ask(q string) {
	dns := func(node, conn, queue, role, local, remote, id, answer string) {
		l.see(node, event.Record{Conn: conn, Queue: queue, Kind: event.KindDNS, Text: question,
			Meta: event.M(event.Role, role, event.ID, id, event.Local, local, event.Remote, remote,
				event.Rcode, "NOERROR", event.Answer, answer, event.RTT, "1.5")})
	}
	mx := "boreal.test. 60 IN MX 10 mx1.boreal.test.; boreal.test. 60 IN MX 20 mx2.boreal.test."
	dns(nsb, "", "", "server", aNS, aUp, "beef", mx)
	dns(resolver, "r-1", "", "client", aUp, aNS, "beef", mx)
	dns(resolver, "r-1", "", "server", aResolver, aAsk, "cafe", mx)
	dns(mx1a, "", q, "client", aAsk, aResolver, "cafe", mx)
}

// relay plays the hop to boreal and into Bruno's mailbox.
func (l *lab) relay() {
	l.open(mx1a, "o-1", "smtp", "client", aMX1aOut, aMX1b)
	l.open(mx1b, "i-1", "smtp", "server", aMX1b, aMX1aOut)
	l.line(mx1a, "o-1", q1, event.Out, "MAIL FROM:<"+ana+">")
	l.line(mx1b, "i-1", "", event.In, "MAIL FROM:<"+ana+">")
	l.queue(mx1b, "i-1", q2, message, event.Accepted, event.From, "<"+ana+">", event.To, bruno)
	l.line(mx1b, "i-1", q2, event.Out, "250 2.0.0 Ok: queued as "+q2)
	l.line(mx1a, "o-1", q1, event.In, "250 2.0.0 Ok: queued as "+q2)
	l.queue(mx1a, "o-1", q1, "", event.Delivered, event.To, bruno, event.Next, mx1b, event.NextQueue, q2, event.Reply, "250 2.0.0 Ok: queued as "+q2)
	l.open(mx1b, "o-2", "lmtp", "client", aMX1bOut, aMDA)
	l.open(mda, "i-2", "lmtp", "server", aMDA, aMX1bOut)
	l.line(mx1b, "o-2", q2, event.Out, "MAIL FROM:<"+ana+">")
	l.see(mda, event.Record{Conn: "i-2", Queue: q3, Message: message, Kind: event.KindStore, Text: event.Stored, Meta: event.M(event.Mailbox, "bruno", event.UID, "1")})
	l.line(mx1b, "o-2", q2, event.In, "250 2.1.5 <"+bruno+"> Ok: stored as "+q3)
	l.queue(mx1b, "o-2", q2, "", event.Delivered, event.To, bruno, event.Next, mda, event.NextQueue, q3, event.Reply, "250 2.1.5 Ok: stored as "+q3)
}

func (l *lab) fetch() {
	l.open(mda, "p-1", "pop3", "server", "198.19.2.110:110", "198.19.2.100:8000")
	l.line(mda, "p-1", "", event.Out, "+OK ready")
	l.line(mda, "p-1", "", event.In, "USER bruno")
	l.line(mda, "p-1", "", event.In, "RETR 1")
	l.see(mda, event.Record{Conn: "p-1", Queue: q3, Message: message, Kind: event.KindStore, Text: event.Retrieved, Meta: event.M(event.Mailbox, "bruno")})
	l.line(mda, "p-1", "", event.Out, "+OK 100 octets")
	l.see(mda, event.Record{Conn: "p-1", Kind: event.KindLine, Dir: event.Out, Text: "(message: 100 octets)", Meta: event.M(event.Summary, "message-size(100)")})
	l.line(mda, "p-1", "", event.Out, ".")
}

// outline reduces a journey to what a scenario wants to see.
func outline(j journey.Journey) []string {
	out := []string{string(j.State)}
	for _, s := range j.Steps {
		line := fmt.Sprintf("%s %s>%s %s", s.Kind, s.Client, s.Server, s.Outcome)
		if s.Report {
			line += " report"
		}
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

func TestJourneys(t *testing.T) {
	bounceID, bounceMessage := "EEEEEEEEEE", "b1@mx1.aurora.test"
	tests := []struct {
		name string
		play func(l *lab)
		want []string
	}{
		{"delivered and read", func(l *lab) { l.submit("c-1", q1, message, "5000"); l.ask(q1); l.relay(); l.fetch() }, []string{
			"delivered",
			"submission pc.aurora.test>mx1.aurora.test 250 2.0.0 Ok: queued as AAAAAAAAAA",
			"dns mx1.aurora.test>resolver1.nic.test NOERROR",
			"smtp mx1.aurora.test>mx1.boreal.test 250 2.0.0 Ok: queued as BBBBBBBBBB",
			"lmtp mx1.boreal.test>mda.boreal.test 250 2.1.5 <bruno@boreal.test> Ok: stored as CCCCCCCCCC",
			"store mda.boreal.test> stored",
			"pop3 >mda.boreal.test +OK 100 octets",
		}},
		{"accepted only", func(l *lab) { l.submit("c-1", q1, message, "5000") }, []string{
			"queued", "submission pc.aurora.test>mx1.aurora.test 250 2.0.0 Ok: queued as AAAAAAAAAA",
		}},
		{"another message beside it", func(l *lab) {
			l.submit("c-1", q1, message, "5000")
			l.submit("c-2", otherOne, otherMessage, "5001")
			l.ask(otherOne)
		}, []string{
			"queued", "submission pc.aurora.test>mx1.aurora.test 250 2.0.0 Ok: queued as AAAAAAAAAA",
		}},
		{"deferred, then a foreign host takes it", func(l *lab) {
			l.submit("c-1", q1, message, "5000")
			l.queue(mx1a, "", q1, "", event.Deferred, event.To, bruno, event.Reply, "connection refused", event.RetryIn, "30s")
			l.queue(mx1a, "", q1, "", event.Delivered, event.To, bruno, event.Next, "mail.example", event.Reply, "250 ok")
		}, []string{
			"handed-over",
			"submission pc.aurora.test>mx1.aurora.test 250 2.0.0 Ok: queued as AAAAAAAAAA",
			"queue mx1.aurora.test> deferred",
		}},
		{"bounced, and the report is followed", func(l *lab) {
			l.submit("c-1", q1, message, "5000")
			l.queue(mx1a, "", bounceID, bounceMessage, event.Accepted, event.From, "<>", event.To, ana)
			l.queue(mx1a, "", q1, "", event.Bounced, event.To, bruno, event.Reply, "550 5.1.1 no such user", event.BounceID, bounceID)
			l.queue(mx1a, "", bounceID, "", event.Deferred, event.To, ana, event.Reply, "mda away")
		}, []string{
			"bounced",
			"submission pc.aurora.test>mx1.aurora.test 250 2.0.0 Ok: queued as AAAAAAAAAA",
			"queue mx1.aurora.test> bounced",
			"queue mx1.aurora.test> deferred report",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab()
			tt.play(l)
			rand.Shuffle(len(l.records), func(i, k int) { l.records[i], l.records[k] = l.records[k], l.records[i] })
			j, ok := journey.Assemble(l.records, message)
			if !ok {
				t.Fatal("Assemble found nothing")
			}
			if diff := cmp.Diff(tt.want, outline(j)); diff != "" {
				t.Errorf("journey (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownMessageHasNoJourney(t *testing.T) {
	l := newLab()
	l.submit("c-1", q1, message, "5000")
	if j, ok := journey.Assemble(l.records, "other@x"); ok {
		t.Errorf("Assemble = %+v, want none", j)
	}
}

func TestJourneyKnowsEnvelopeSubjectAndQueueIDs(t *testing.T) {
	l := newLab()
	l.submit("c-1", q1, message, "5000")
	l.ask(q1)
	l.relay()
	l.fetch()
	j, _ := journey.Assemble(l.records, message)
	if j.From != ana || j.Subject != "Oi" || !j.Read {
		t.Errorf("from %q, subject %q, read %v; want %q, Oi, true", j.From, j.Subject, j.Read, ana)
	}
	want := []journey.Recipient{{Address: bruno, State: journey.Delivered, Node: mx1b, Reply: "250 2.1.5 Ok: stored as " + q3, TookMS: 29}}
	if diff := cmp.Diff(want, j.Recipients); diff != "" {
		t.Errorf("recipients (-want +got):\n%s", diff)
	}
	smtp := j.Steps[slices.IndexFunc(j.Steps, func(s journey.Step) bool { return s.Kind == journey.SMTP })]
	if smtp.Queue != q1 || smtp.NextQueue != q2 || smtp.ClientAddr != aMX1aOut || smtp.ServerAddr != aMX1b {
		t.Errorf("SMTP step = %+v", smtp)
	}
}

func TestDNSStepShowsTheAnswerAndWhoWasAsked(t *testing.T) {
	l := newLab()
	l.submit("c-1", q1, message, "5000")
	l.ask(q1)
	j, _ := journey.Assemble(l.records, message)
	dns := j.Steps[len(j.Steps)-1]
	var lines []string
	for _, line := range dns.Lines {
		lines = append(lines, line.Dir+" "+line.Text)
	}
	want := []string{
		"> boreal.test. MX",
		"= resolver1.nic.test asks ns.boreal.test 198.18.2.53:53: boreal.test. MX → NOERROR; boreal.test. 60 IN MX 10 mx1.boreal.test.; boreal.test. 60 IN MX 20 mx2.boreal.test.",
		"< NOERROR",
		"< boreal.test. 60 IN MX 10 mx1.boreal.test.",
		"< boreal.test. 60 IN MX 20 mx2.boreal.test.",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// Two messages over one connection: only the transaction of ours is shown.
func TestReusedConnectionShowsOneTransaction(t *testing.T) {
	l := newLab()
	l.submit("c-1", q1, message, "5000")
	l.open(mx1a, "o-1", "smtp", "client", aMX1aOut, aMX1b)
	for _, q := range []string{otherOne, q1} {
		l.line(mx1a, "o-1", q, event.Out, "MAIL FROM:<"+q+"@aurora.test>")
		l.line(mx1a, "o-1", q, event.In, "250 2.0.0 Ok: queued as X"+q)
	}
	j, _ := journey.Assemble(l.records, message)
	smtp := j.Steps[len(j.Steps)-1]
	if smtp.Kind != journey.SMTP || len(smtp.Lines) != 2 || smtp.Lines[0].Text != "MAIL FROM:<"+q1+"@aurora.test>" || smtp.Lines[0].OffsetMS != 0 {
		t.Errorf("last step = %+v, want the second transaction alone", smtp)
	}
}

// The server does not record the final dot, and the client says QUIT behind it:
// the reply to QUIT was once shown as what became of the mail.
func TestOutcomeIsTheReplyToTheMessageWithoutItsDot(t *testing.T) {
	l := newLab()
	l.open(mx1a, "c-9", "submission", "server", aMX1a, aPC)
	l.line(mx1a, "c-9", "", event.In, "MAIL FROM:<"+ana+">")
	l.line(mx1a, "c-9", "", event.Out, "250 2.1.0 Ok")
	l.line(mx1a, "c-9", "", event.In, "DATA")
	l.line(mx1a, "c-9", "", event.Out, "354 go on")
	l.line(mx1a, "c-9", q1, event.In, "(message: 10 octets)")
	l.queue(mx1a, "c-9", q1, message, event.Accepted, event.From, "<"+ana+">", event.To, bruno)
	l.line(mx1a, "c-9", q1, event.Out, "250 2.0.0 Ok: queued as "+q1)
	l.line(mx1a, "c-9", "", event.In, "QUIT")
	l.line(mx1a, "c-9", "", event.Out, "221 2.0.0 bye")
	j, _ := journey.Assemble(l.records, message)
	if got, want := j.Steps[0].Outcome, "250 2.0.0 Ok: queued as "+q1; got != want {
		t.Errorf("outcome %q, want %q", got, want)
	}
}

func TestListIsNewestFirstAndLimited(t *testing.T) {
	l := newLab()
	l.submit("c-1", q1, message, "5000")
	l.submit("c-2", otherOne, otherMessage, "5001")
	l.relay()
	got := journey.List(l.records, 0)
	if len(got) != 2 || got[0].Message != otherMessage || got[1].Message != message || got[1].Node != mx1a {
		t.Errorf("List = %+v", got)
	}
	if got := journey.List(l.records, 1); len(got) != 1 {
		t.Errorf("List with limit 1 has %d entries", len(got))
	}
}

func TestRenderSpeaksBothLanguages(t *testing.T) {
	l := newLab()
	l.submit("c-1", q1, message, "5000")
	l.ask(q1)
	l.relay()
	j, _ := journey.Assemble(l.records, message)
	for lang, want := range map[text.Lang]string{
		text.English: "Delivered to bruno@boreal.test in ", text.Portuguese: "Entregue a bruno@boreal.test em ",
	} {
		stored := map[text.Lang]string{text.English: "bruno  stored", text.Portuguese: "bruno  guardada"}[lang]
		var b bytes.Buffer
		if err := journey.Render(&b, j, lang, journey.Options{}); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{want, "-> MAIL FROM:<" + ana + ">", "MX 10 mx1.boreal.test.", q1 + " → " + q2, stored} {
			if !strings.Contains(b.String(), part) {
				t.Errorf("%s rendering lacks %q:\n%s", lang, part, b.String())
			}
		}
		if strings.Contains(b.String(), "\x1b") {
			t.Errorf("%s rendering has colours nobody asked for", lang)
		}
	}
}

// A recipient that a host forwards goes on under its new address; the old one
// must not be waited for.
func TestForwardedRecipientIsFollowed(t *testing.T) {
	l := newLab()
	l.queue(mx1a, "s-1", q1, message, event.Accepted, event.From, "<"+ana+">", event.To, "encaminha@boreal.test")
	l.queue(mx1a, "", q1, "", event.Delivered, event.To, "encaminha@boreal.test", event.NextQueue, q2)
	l.queue(mx1b, "i-1", q2, message, event.Accepted, event.From, "<"+ana+">",
		event.To, "carla@cedro.test, "+bruno, event.Original, "encaminha@boreal.test, "+bruno)
	l.queue(mx1b, "", q2, "", event.Delivered, event.To, "carla@cedro.test, "+bruno, event.NextQueue, q3)
	l.see(mda, event.Record{Queue: q3, Message: message, Kind: event.KindStore, Text: event.Stored, Meta: event.M(event.Mailbox, "carla")})
	j, ok := journey.Assemble(l.records, message)
	if !ok || j.State != journey.Delivered || len(j.Recipients) != 2 || j.Recipients[0].Address != "carla@cedro.test" {
		t.Errorf("state %s, recipients %+v", j.State, j.Recipients)
	}
}

// A peer's line, shown by "correio trace", must not command the terminal.
func TestRenderShowsControlCharactersInsteadOfObeyingThem(t *testing.T) {
	l := newLab()
	l.submit("c-1", q1, message, "5000")
	l.relay()
	j, _ := journey.Assemble(l.records, message)
	const evil = "x\x1b]0;owned\a\u009b2J\u202e\n\tend"
	j.Subject, j.Steps[0].Detail = evil, evil
	j.Steps[0].Lines = append(j.Steps[0].Lines, journey.Line{Dir: ">", Text: evil})
	var b bytes.Buffer
	if err := journey.Render(&b, j, text.English, journey.Options{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), `x\x1b]0;owned\a\u009b2J\u202e\n    end`); n != 3 || strings.ContainsAny(b.String(), "\x1b\a\u009b\u202e\t") {
		t.Errorf("shown %d times, want 3:\n%q", n, b.String())
	}
}

// Two recipients of one message, handed to the MDA one after the other behind
// a question about each, were once shown as one step with the last reply.
func TestTransactionsOfOneConnectionAreStepsOfTheirOwn(t *testing.T) {
	l := newLab()
	l.submit("c-1", q1, message, "5000")
	l.open(mx1a, "o-1", "lmtp", "client", "198.19.1.25:7000", "198.19.1.110:24")
	l.open("mda.aurora.test", "i-1", "lmtp", "server", "198.19.1.110:24", "198.19.1.25:7000")
	l.line(mx1a, "o-1", q1, event.In, "220 mda.aurora.test LMTP")
	l.line(mx1a, "o-1", q1, event.Out, "MAIL FROM:<"+ana+">")
	l.line(mx1a, "o-1", q1, event.Out, "RCPT TO:<alice@aurora.test>")
	l.line(mx1a, "o-1", q1, event.Out, "RSET")
	l.line(mx1a, "o-1", q1, event.In, "250 2.1.0 sender")
	l.line(mx1a, "o-1", q1, event.In, "250 2.1.5 recipient")
	l.line(mx1a, "o-1", q1, event.In, "250 2.0.0 reset")
	for _, to := range []string{"X1", "X2"} {
		l.line(mx1a, "o-1", q1, event.Out, "MAIL FROM:<"+ana+">")
		l.line("mda.aurora.test", "i-1", "", event.In, "MAIL FROM:<"+ana+">")
		l.line(mx1a, "o-1", q1, event.Out, "DATA")
		l.line("mda.aurora.test", "i-1", to, event.Out, "250 2.1.5 Ok: stored as "+to)
		l.line(mx1a, "o-1", q1, event.In, "250 2.1.5 Ok: stored as "+to)
		l.queue(mx1a, "o-1", q1, "", event.Delivered, event.To, to+"@aurora.test", event.NextQueue, to, event.Reply, "250 2.1.5 Ok: stored as "+to)
	}
	j, _ := journey.Assemble(l.records, message)
	var got []string
	for _, s := range j.Steps {
		if s.Kind == journey.LMTP {
			got = append(got, fmt.Sprintf("%v %s %s %s", s.Question, s.NextQueue, s.Outcome, s.Lines[0].Text))
		}
	}
	want := []string{
		"true  250 2.1.5 recipient 220 mda.aurora.test LMTP",
		"false X1 250 2.1.5 Ok: stored as X1 MAIL FROM:<ana@aurora.test>",
		"false X2 250 2.1.5 Ok: stored as X2 MAIL FROM:<ana@aurora.test>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("LMTP steps (-want +got):\n%s", diff)
	}
}
