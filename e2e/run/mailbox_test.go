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

// mailbox is where the letters to one person of Boreal come out, by POP3. One
// session at a time may have it open, so tests that run in parallel share what
// each of them fetches.
type mailbox struct {
	lab    scenario.Lab
	person string

	mu   sync.Mutex        // guards mail, and the mailbox
	mail map[string][]byte // fetched and not yet asked for, by the name in EHLO
}

const (
	borealMDA = "198.19.2.110:110"
	patience  = 45 * time.Second
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
	k.Say("USER "+b.person, "+OK")
	k.Say("PASS "+b.person, "+OK")
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
	names := []string{"Return-Path", "Delivered-To", "Received", "Received", "Received"}
	if o.way.direct {
		names = names[:4]
	}
	first := len(names) - 1
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
		value := map[string]string{"Return-Path": "<ana@aurora.test>", "From": "<ana@aurora.test>"}[want]
		if value != "" && f.value != value || f.value == "" {
			t.Errorf("%s is %q, want %q", want, f.value, value)
		}
		if i == first {
			checkFirstHop(t, o, f.value)
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

// checkFirstHop looks at the Received line of the server that the client spoke
// to: RFC 3848 and RFC 6531 §4.3 name the keywords.
func checkFirstHop(t *testing.T, o order, received string) {
	t.Helper()
	with := "ESMTP"
	if o.letter.utf8 {
		with = "UTF8SMTP"
	}
	if o.way.security != inClear {
		with += "S"
	}
	if o.way.mechanism != "" {
		with += "A"
	}
	words := strings.Fields(received)
	i := slices.Index(words, "with")
	for i >= 0 && words[i+1] == "cipher" {
		i += 1 + slices.Index(words[i+1:], "with")
	}
	if words[1] != o.ehlo || i < 0 || words[i+1] != with {
		t.Errorf("first Received: %q, want it from %s with %s", received, o.ehlo, with)
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
