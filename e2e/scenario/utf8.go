package scenario

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// utf8Mail sends what needs SMTPUTF8 (RFC 6531), and what only looks so.
func utf8Mail(t *testing.T, p *player) {
	t.Run("a UTF-8 header to a UTF-8 mailbox", func(t *testing.T) { (&player{t: t, lab: p.lab}).utf8Mailbox() })
	t.Run("an internationalised domain", func(t *testing.T) { (&player{t: t, lab: p.lab}).idnBothForms() })
	t.Run("a host without SMTPUTF8", func(t *testing.T) { (&player{t: t, lab: p.lab}).withoutSMTPUTF8() })
}

// sendUTF8 submits a message with a raw UTF-8 header, and returns it.
func (p *player) sendUTF8(to string) (Sent, string) {
	p.t.Helper()
	eml := strings.Replace(awkward("ana@aurora.test", to, newMark()), "Subject: ", "Subject: Ação às três, João! 😀 ", 1)
	file := filepath.Join(p.t.TempDir(), "utf8.eml")
	if err := os.WriteFile(file, []byte(eml), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return p.send("ana@aurora.test", to, "--eml", file), eml
}

func (p *player) utf8Mailbox() {
	sent, eml := p.sendUTF8("joão@boreal.test")
	j := p.trace(sent, "delivered")
	p.first(j, "smtp", func(s Step) bool {
		return s.Server == "mx1.boreal.test" && s.says(" SMTPUTF8") && s.says("RCPT TO:<joão@boreal.test>")
	})
	_, mark, _ := strings.Cut(eml, "Message-ID: <")
	mark, _, _ = strings.Cut(mark, "@")
	fetched := p.find(boreal, "bruno", mark, false)
	trace, ok := bytes.CutSuffix(fetched, []byte(eml))
	if !ok {
		p.t.Fatalf("the message changed on the way; fetched:\n%s\nsent:\n%s", fetched, eml)
	}
	for _, want := range []string{"with UTF8SMTPSA id", "with UTF8SMTPS id", "with UTF8LMTP id", "Delivered-To: joão@boreal.test\r\n"} {
		if !bytes.Contains(trace, []byte(want)) {
			p.t.Errorf("trace lines lack %q:\n%s", want, trace)
		}
	}
	if !onlyTrace.Match(trace) {
		p.t.Errorf("more than trace headers was added:\n%s", trace)
	}
}

// idnBothForms: written in U-labels, asked for in A-labels, delivered without
// SMTPUTF8, shown in both forms.
func (p *player) idnBothForms() {
	const ulabels, alabels = "café.casos.test", "xn--caf-dma.casos.test"
	mark := newMark()
	sent := p.send("bruno@boreal.test", "ana@"+ulabels, "--subject", mark)
	j := p.trace(sent, "delivered")
	p.first(j, "dns", func(s Step) bool { return s.Detail == alabels+". MX" && s.Outcome == "NOERROR" })
	hop := p.first(j, "smtp", func(s Step) bool { return s.Client == "mx1.boreal.test" && s.Server == "mx1.aurora.test" })
	if hop.says(" SMTPUTF8 ") || !hop.says("RCPT TO:<ana@"+alabels+">") {
		p.t.Errorf("the next hop heard %v, want A-labels and no SMTPUTF8", hop.Lines)
	}
	p.find(aurora, "ana", mark, false)
	if shown := p.cli("trace", sent.MessageID); !strings.Contains(shown, "ana@"+ulabels+" ("+alabels+")") {
		p.t.Errorf("trace does not show both forms:\n%s", shown)
	}
	if out := p.cli("dig", ulabels, "MX"); !strings.Contains(out, alabels+".\t") || !strings.Contains(out, ulabels+". ("+alabels+".)") {
		p.t.Errorf("dig %s MX:\n%s", ulabels, out)
	}
}

// withoutSMTPUTF8 turns the extension off at Boreal: what needs it comes back,
// what does not arrives.
func (p *player) withoutSMTPUTF8() {
	const org, people = "boreal/org.yaml", "\npeople:\n"
	restart := func() {
		for _, mx := range []string{"mx1.boreal.test", "mx2.boreal.test"} {
			p.cli("down", mx)
			p.cli("up", mx)
		}
	}
	p.t.Cleanup(restart) // after the old file is back: clean-ups run last first
	p.editZone(org, people, "\nsmtp: {ascii-only: true}"+people)
	restart()
	for _, to := range []string{"joão@boreal.test", "bruno@boreal.test"} { // for the address, and for the header alone
		sent, _ := p.sendUTF8(to)
		j := p.trace(sent, "bounced")
		if r := j.Recipients[0]; !strings.HasPrefix(r.Reply, "550 5.6.7 ") {
			p.t.Errorf("%s: %q, want 550 5.6.7", to, r.Reply)
		}
	}
	p.find(aurora, "ana", "Status: 5.6.7", false)
	mark := newMark()
	p.trace(p.send("ana@aurora.test", "bruno@boreal.test", "--subject", "ação "+mark, "--body", "maçã"), "delivered")
}
