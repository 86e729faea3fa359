package run

import (
	"bytes"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"correio/e2e/scenario"
)

// mailbox is where the letters to Bruno come out, by POP3. One
// session at a time may have it open, so tests that run in parallel share what
// each of them fetches.
type mailbox struct {
	lab scenario.Lab

	mu   sync.Mutex        // guards mail, and the mailbox
	mail map[string][]byte // fetched and not yet asked for, by the name in EHLO
}

const (
	borealMDA = "198.19.2.110:110"
	patience  = 20 * time.Second
	// ehloDomain ends the names that clients give themselves here: what was sent
	// is recognised by the first hop's Received line, as its own text may be
	// anything.
	ehloDomain = ".e2e.invalid"
)

var ehloName = regexp.MustCompile(`\r\nReceived: from (\S+` + regexp.QuoteMeta(ehloDomain) + `) \(`)

// await waits for the message of the client that called itself so, and takes it
// out of the mailbox.
func (b *mailbox) await(t *testing.T, ehlo string) []byte {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if message := b.take(t, ehlo); message != nil {
			return message
		}
		if time.Now().After(deadline) {
			t.Fatalf("the message did not arrive in %v", patience)
		}
		<-tick.C
	}
}

func (b *mailbox) take(t *testing.T, ehlo string) []byte {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mail[ehlo] == nil {
		b.empty(t)
	}
	message := b.mail[ehlo]
	delete(b.mail, ehlo)
	return message
}

// empty fetches and deletes the letters of these tests; others stay.
func (b *mailbox) empty(t *testing.T) {
	t.Helper()
	c := scenario.Dial(t, b.lab, borealMDA)
	defer c.Close()
	k := b.login(t, c)
	k.Say("LIST", "+OK")
	for i, field := range strings.Fields(string(k.Multiline())) {
		if i%2 != 0 {
			continue
		}
		k.Say("TOP "+field+" 0", "+OK")
		if !ehloName.Match(k.Multiline()) {
			continue
		}
		k.Say("RETR "+field, "+OK")
		message := k.Multiline()
		all := ehloName.FindAllSubmatch(message[:min(len(message), 8<<10)], -1)
		b.mail[string(all[len(all)-1][1])] = bytes.Clone(message)
		k.Say("DELE "+field, "+OK")
	}
	k.Say("QUIT", "+OK")
	k.Closed()
}

func (b *mailbox) login(t *testing.T, c net.Conn) *scenario.Talk {
	t.Helper()
	k := scenario.NewTalk(t, c)
	k.Hear("+OK")
	k.Say("USER bruno", "+OK")
	k.Say("PASS bruno", "+OK")
	return k
}

// field is one field of a header, unfolded.
type field struct{ name, value string }

// cutField takes the first field off a header.
func cutField(message string) (field, string, bool) {
	line, rest, _ := strings.Cut(message, "\r\n")
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" || strings.ContainsAny(name, " \t") {
		return field{}, message, false
	}
	for strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "\t") {
		line, rest, _ = strings.Cut(rest, "\r\n")
		value += line
	}
	return field{name, strings.TrimSpace(value)}, rest, true
}

// checkArrived fails unless a fetched message is what was sent with the fields
// of its way in front, and not an octet more.
func checkArrived(t *testing.T, o order, fetched string) {
	t.Helper()
	hops := o.hops()
	names := append([]string{"Return-Path", "Delivered-To"}, slices.Repeat([]string{"Received"}, len(hops))...)
	if !o.way.direct {
		names = append(names, o.letter.lacks...)
	}
	rest := fetched
	for i, want := range names {
		f, after, ok := cutField(rest)
		if !ok || f.name != want {
			t.Fatalf("field %d is not %s (want %v):\n%.2000q", i, want, names, fetched)
		}
		rest = after
		value := map[string]string{"Return-Path": "<" + sender + ">", "Delivered-To": o.to, "From": "<" + sender + ">"}[want]
		if value != "" && f.value != value || f.value == "" {
			t.Errorf("%s is %q, want %q", want, f.value, value)
		}
		if want == "Received" {
			hops[i-2].check(t, f.value)
		}
	}
	if o.letter.bare {
		below, apart := strings.CutPrefix(rest, "\r\n")
		if !apart {
			t.Fatalf("nothing keeps the fields apart from a bare body:\n%.2000q", fetched)
		}
		rest = below
	}
	checkSame(t, rest, arrives(o.text, o.client.nothing))
}

// hop is what a Received line must say.
type hop struct{ from, by, with string }

// hops are those of a message from the mailbox back to the client. RFC 3848 and
// RFC 6531 §4.3 name the protocols.
func (o order) hops() []hop {
	lmtp, smtp, s, a := "LMTP", "ESMTP", "", ""
	if o.letter.utf8 {
		lmtp, smtp = "UTF8LMTP", "UTF8SMTP"
	}
	if o.way.security != inClear {
		s = "S"
	}
	if o.way.mechanism != "" {
		a = "A"
	}
	last := []hop{{"mx1.boreal.test", "mda.boreal.test", lmtp}}
	if !o.way.direct {
		last = append(last, hop{"mx1.aurora.test", "mx1.boreal.test", smtp + "S"})
	}
	return append(last, hop{o.ehlo, o.way.host, smtp + s + a})
}

var receivedWords = regexp.MustCompile(`^from (\S+) .*\bby (\S+) (?:\([^)]*\) )?with (\S+) id `)

func (h hop) check(t *testing.T, received string) {
	t.Helper()
	words := receivedWords.FindStringSubmatch(strings.ReplaceAll(received, "\t", " "))
	if words == nil || (hop{words[1], words[2], words[3]}) != h {
		t.Errorf("Received: %q, want %+v", received, h)
	}
}

// checkSame fails at the first octet that differs.
func checkSame(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	around := func(s string) string { return s[max(0, at-60):min(len(s), at+60)] }
	t.Errorf("%d octets arrived, %d were sent; from octet %d:\ngot  %q\nwant %q", len(got), len(want), at, around(got), around(want))
}
