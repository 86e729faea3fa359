package scenario

import (
	"bytes"
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// awkward is a message that tests what must not be changed on the way: dots,
// long and empty lines, 8-bit text, no trailing comfort.
func awkward(from, to, mark string) string {
	return strings.ReplaceAll(`From: `+from+`
To: `+to+`
Subject: `+mark+`
Message-ID: <`+mark+`@e2e.invalid>
Date: Mon, 23 Nov 2026 18:00:00 +0000
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

.
..
.dot at the start, and ação in the middle

`+strings.Repeat("x", 900)+`
From the start of a line
`, "\n", "\r\n")
}

func mailBetweenEachPair(t *testing.T, p *player) {
	for i, from := range orgs {
		for k, to := range orgs {
			if i == k {
				continue
			}
			t.Run(from.Domain+" to "+to.Domain, func(t *testing.T) {
				p := &player{t: t, lab: p.lab}
				p.onePair(from, to)
			})
		}
	}
}

func (p *player) onePair(from, to Org) {
	sender, rcpt := from.People[0]+"@"+from.Domain, to.People[0]+"@"+to.Domain
	mark := newMark()
	eml := awkward(sender, rcpt, mark)
	file := filepath.Join(p.t.TempDir(), "mail.eml")
	if err := os.WriteFile(file, []byte(eml), 0o600); err != nil {
		p.t.Fatal(err)
	}
	s := p.send(sender, rcpt, "--eml", file)
	j := p.trace(s, "delivered")
	smtp := p.first(j, "smtp", func(s Step) bool { return strings.HasPrefix(s.Client, "mx1."+from.Domain) })
	if want := mxAddr[smtp.Server] + ":25"; smtp.ServerAddr != want {
		p.t.Errorf("SMTP went to %s at %s, want %s", smtp.Server, smtp.ServerAddr, want)
	}
	p.first(j, "dns", func(s Step) bool {
		return s.Detail == to.Domain+". MX" && s.Outcome == "NOERROR" && s.says(smtp.Server+".")
	})
	plain := p.find(to, to.People[0], mark, false)
	secure := p.find(to, to.People[0], mark, true)
	if !bytes.Equal(plain, secure) {
		p.t.Errorf("port 110 and port 995 differ:\n%q\n%q", plain, secure)
	}
	trace, ok := bytes.CutSuffix(plain, []byte(eml))
	if !ok {
		p.t.Fatalf("the message changed on the way; fetched:\n%s\nsent:\n%s", plain, eml)
	}
	if !onlyTrace.Match(trace) {
		p.t.Errorf("more than trace headers was added:\n%s", trace)
	}
}

// onlyTrace matches what hops put before a message (RFC 5321 §4.4).
var onlyTrace = regexp.MustCompile(`\A((Return-Path|Delivered-To|Received): [^\r\n]*\r\n([ \t][^\r\n]*\r\n)*)+\z`)

// newMark is a word that no other message contains.
func newMark() string {
	return "mark-" + rand.Text()
}

func typedByHand(t *testing.T, p *player) {
	TypeByHand(t, p.dial("198.18.2.25:25"), func() net.Conn { return p.dial("198.19.2.110:110") })
}

// TypeByHand types the commands of the teaching deck: a mail on port 25 of
// mx1.boreal.test, then its way out of Bruno's mailbox on port 110.
func TypeByHand(t *testing.T, smtp net.Conn, pop3 func() net.Conn) {
	mark := newMark()
	k := NewTalk(t, smtp)
	k.Hear("220 mx1.boreal.test")
	k.Say("helo pc.aurora.test", "250 ")
	k.Say("mail from:ana@aurora.test", "250 ") // as the deck prints it, without brackets
	k.Say("rcpt to: bruno@boreal.test", "250 ")
	k.Say("data", "354 ")
	k.Type("subject: " + mark + "\r\n\r\nolá\r\n")
	k.Say(".", "250 ")
	k.Say("quit", "221 ")
	k.Closed()

	number, message := awaitTyped(t, pop3, mark)
	if !bytes.Contains(message, []byte("olá")) {
		t.Errorf("retr fetched another body:\n%s", message)
	}
	k = login(t, pop3())
	k.Say("dele "+number, "+OK")
	k.Say("quit", "+OK")
	k.Closed()
	for _, message := range retrieve(t, pop3(), "bruno") {
		if bytes.Contains(message, []byte(mark)) {
			t.Error("the message is still there after dele and quit")
		}
	}
}

func login(t *testing.T, c net.Conn) *Talk {
	k := NewTalk(t, c)
	k.Hear("+OK")
	k.Say("user bruno@boreal.test", "+OK")
	k.Say("pass bruno", "+OK")
	return k
}

// awaitTyped waits until the last message of Bruno's mailbox has the mark, and
// returns its number and content.
func awaitTyped(t *testing.T, pop3 func() net.Conn, mark string) (number string, message []byte) {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		k := login(t, pop3())
		k.Say("list", "+OK")
		if fields := strings.Fields(string(k.Multiline())); len(fields) >= 2 {
			number = fields[len(fields)-2]
			k.Say("retr "+number, "+OK")
			message = k.Multiline()
		}
		k.Say("quit", "+OK")
		if bytes.Contains(message, []byte(mark)) {
			return number, message
		}
		<-tick.C
	}
	t.Fatalf("%s did not arrive in %v", mark, patience)
	return "", nil
}
