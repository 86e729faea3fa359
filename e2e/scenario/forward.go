package scenario

import (
	"bytes"
	"strings"
	"testing"
)

// aliasesAndLists writes to addresses that others stand behind.
func aliasesAndLists(t *testing.T, p *player) {
	each := func(name string, play func(p *player)) {
		t.Run(name, func(t *testing.T) { play(&player{t: t, lab: p.lab}) })
	}
	each("an alias of several people", (*player).aliasOfSeveral)
	each("a list of three organisations", (*player).listOfThree)
	each("a forwarding address", (*player).forwardedAway)
	each("reports and circles over organisations", (*player).reportsComeBack)
	each("greylisting, EXPN and a check of senders as a site's policy", (*player).strict)
}

// once checks that a person has one copy of the message with the mark, and
// returns it.
func (p *player) once(o Org, person, mark string) []byte {
	p.t.Helper()
	p.find(o, person, mark, false)
	var copies [][]byte
	for _, message := range p.fetch(o, person, false) {
		if bytes.Contains(message, []byte("Subject: "+mark)) {
			copies = append(copies, message)
		}
	}
	if len(copies) != 1 {
		p.t.Fatalf("%s@%s has %d copies of %s", person, o.Domain, len(copies), mark)
	}
	return copies[0]
}

// carries checks that a message has these lines.
func (p *player) carries(message []byte, lines ...string) {
	p.t.Helper()
	for _, want := range lines {
		if !bytes.Contains(message, []byte(want)) {
			p.t.Errorf("the message lacks %q:\n%s", want, message)
		}
	}
}

func (p *player) aliasOfSeveral() {
	mark := newMark()
	j := p.trace(p.send("bruno@boreal.test", "todos@aurora.test", "--subject", mark), "delivered")
	if len(j.Recipients) != 2 {
		p.t.Errorf("recipients: %+v, want Ana and Alice", j.Recipients)
	}
	p.first(j, "queue", func(s Step) bool { return s.Outcome == "expanded" && s.Detail == "todos@aurora.test" })
	for _, person := range aurora.People {
		p.carries(p.once(aurora, person, mark), "Return-Path: <bruno@boreal.test>\r\nDelivered-To: "+person+"@aurora.test\r\n")
	}
}

// listOfThree: the sender, who is no member of the list's organisation, is one of
// the list.
func (p *player) listOfThree() {
	mark := newMark()
	j := p.trace(p.send("ana@aurora.test", "turma@cedro.test", "--subject", mark), "delivered")
	if len(j.Recipients) != 3 {
		p.t.Errorf("recipients: %+v, want three", j.Recipients)
	}
	for _, o := range orgs {
		p.carries(p.once(o, o.People[0], mark), "Return-Path: <turma-owner@cedro.test>\r\n", "Delivered-To: turma@cedro.test\r\n",
			"List-Id: \"A turma\" <turma.cedro.test>\r\n", "Precedence: list\r\n", "From: ana@aurora.test\r\n")
	}
}

func (p *player) forwardedAway() {
	mark := newMark()
	j := p.trace(p.send("ana@aurora.test", "secretaria@boreal.test", "--subject", mark), "delivered")
	p.first(j, "smtp", func(s Step) bool {
		return s.Client == "mx1.aurora.test" && s.says("251 2.1.5 User not local; will forward to <carla@cedro.test>")
	})
	p.first(j, "smtp", func(s Step) bool {
		return s.Client == "mx1.boreal.test" && s.says("MAIL FROM:<SRS0=") && s.says("=aurora.test=ana@boreal.test>")
	})
	p.carries(p.once(cedro, "carla", mark), "Return-Path: <SRS0=", "=aurora.test=ana@boreal.test>\r\n", "Delivered-To: secretaria@boreal.test\r\n")
}

// reorganise changes org.yaml files, each by old and new text, and starts the
// hosts that read them anew; at the end of the test it does the same backwards.
func (p *player) reorganise(hosts []string, edits ...[3]string) {
	p.t.Helper()
	restart := func() {
		for _, host := range hosts {
			p.cli("down", host)
			p.cli("up", host)
		}
	}
	p.t.Cleanup(restart) // after the old files are back: clean-ups run last first
	for _, e := range edits {
		p.editZone(e[0], e[1], e[2])
	}
	restart()
}

// reportsComeBack forwards mail over two organisations to nobody, and in a
// circle: both come back to whoever wrote them, step by step.
func (p *player) reportsComeBack() {
	const aliases = "\naliases:\n"
	p.reorganise([]string{"mx1.aurora.test", "mx1.boreal.test", "mx2.boreal.test", "mx1.cedro.test", "mx2.cedro.test"},
		[3]string{"aurora/org.yaml", aliases, aliases + "  roda: roda@boreal.test\n"},
		[3]string{"boreal/org.yaml", aliases, aliases + "  roda: roda@aurora.test\n  longe: longe@cedro.test\n"},
		[3]string{"cedro/org.yaml", aliases, aliases + "  longe: ninguem@aurora.test\n"})

	mark := newMark()
	j := p.trace(p.send("alice@aurora.test", "longe@boreal.test", "--subject", mark), "bounced")
	if r := j.Recipients; len(r) != 1 || r[0].Address != "ninguem@aurora.test" || !strings.HasPrefix(r[0].Reply, "550 5.1.1 ") {
		p.t.Errorf("recipients: %+v", r)
	}
	report := p.find(aurora, "alice", "Subject: "+mark, false)
	p.carries(report, "Final-Recipient: rfc822; ninguem@aurora.test\r\n", "Original-Recipient: rfc822; longe@boreal.test\r\n", "Return-Path: <>\r\n")
	p.first(j, "smtp", func(s Step) bool { // Cedro's report takes one step back, to Boreal, which knows Alice
		return strings.HasPrefix(s.Server, "mx") && strings.HasSuffix(s.Server, "boreal.test") && s.says("MAIL FROM:<>") && s.says("RCPT TO:<SRS0=")
	})

	mark = newMark()
	j = p.trace(p.send("carla@cedro.test", "roda@aurora.test", "--subject", mark), "bounced")
	if r := j.Recipients; len(r) != 1 || r[0].Address != "roda@aurora.test" || !strings.HasPrefix(r[0].Reply, "554 5.4.6 ") {
		p.t.Errorf("recipients: %+v", r)
	}
	expanded := 0
	for _, s := range j.Steps {
		if s.Outcome == "expanded" {
			expanded++
		}
	}
	if expanded != 2 {
		p.t.Errorf("expanded %d times, want once at each organisation:\n%s", expanded, outline(j))
	}
	p.carries(p.find(cedro, "carla", "Subject: "+mark, false), "Status: 5.4.6\r\n", "Original-Recipient: rfc822; roda@aurora.test\r\n")
}

// strict is an organisation that knows its strangers: it greylists them, and
// refuses senders whom no report could reach.
func (p *player) strict() {
	const people = "\npeople:\n"
	p.reorganise([]string{"mx1.boreal.test", "mx2.boreal.test"},
		[3]string{"boreal/org.yaml", people, "\nsmtp: {greylist: true, expn: true, check-sender-domain: true}" + people})
	mark := newMark()
	j := p.trace(p.send("ana@aurora.test", "bruno@boreal.test", "--subject", mark), "delivered")
	p.first(j, "smtp", func(s Step) bool {
		return s.Client == "mx1.aurora.test" && s.says("450 4.7.1 <bruno@boreal.test>: greylisted")
	})
	p.once(boreal, "bruno", mark)

	k := NewTalk(p.t, p.dial("198.18.2.25:25"))
	k.Hear("220 ")
	k.Say("HELO pc.aurora.test", "250 ")
	for _, refused := range [][2]string{
		{"servfail.casos.test", "451 4.4.3 "}, {"nx.casos.test", "550 5.1.8 "}, {"nomail.casos.test", "550 5.1.8 "}, {"nullmx.casos.test", "550 5.7.27 "},
	} {
		k.Say("MAIL FROM:<ana@"+refused[0]+">", refused[1])
	}
	k.Say("RCPT TO:<bruno@boreal.test>", "503 ")
	k.Say("MAIL FROM:<"+newMark()+"@aurora.test>", "250 ")
	k.Say("RCPT TO:<bruno@boreal.test>", "450 4.7.1 ")
	k.Say("RCPT TO:<ninguem@boreal.test>", "550 5.1.1 ")
	k.Say("RCPT TO:<postmaster@boreal.test>", "250 ")
	k.Say("EXPN secretaria", "250 2.1.5 <carla@cedro.test>")
	k.Say("VRFY bruno", "250 2.1.5 <bruno@boreal.test>")
	k.Say("QUIT", "221 ")
	// Whoever has logged in is no stranger.
	p.send("bruno@boreal.test", "beatriz@boreal.test", "--subject", mark)
}
