package scenario

import (
	"slices"
	"strings"
	"testing"
)

// routingCase is one name of casos.test: who writes, where the mail stands in
// the end, and the rule that the journey must name.
type routingCase struct {
	from, to string
	state    string // delivered, bounced or deferred
	rule     string // part of what the deciding host gave as its reasons
	reply    string // part of the last reply
	via      string // the host that took the mail from the sender's MTA; "" for none
}

// inPortuguese is what some of the rules say with --lang pt-BR, by recipient.
var inPortuguese = map[string]string{
	"ana@half.casos.test":     "ns.aurora.test não pôde recebê-la (451 4.4.1",
	"x@nullmx.casos.test":     `diz com "MX 0 ." que não recebe correio`,
	"bruno@cname.casos.test":  "cname.casos.test é um apelido (CNAME) de boreal.test",
	"x@selfbackup.casos.test": "mx2.boreal.test descartado: a preferência 30 não é melhor que a nossa, 20",
}

var routingCases = []routingCase{
	{"ana@aurora.test", "x@nullmx.casos.test", "bounced", `says by "MX 0 ." that it takes no mail`, "5.1.10", ""},
	{"bruno@boreal.test", "ana@implicit.casos.test", "delivered", "the domain itself is its mail host", "250", "mx1.aurora.test"},
	{"ana@aurora.test", "x@nomail.casos.test", "bounced", "has no address either", "5.4.4", ""},
	{"ana@aurora.test", "x@nx.casos.test", "bounced", "does not exist (NXDOMAIN)", "5.1.2", ""},
	{"ana@aurora.test", "bruno@cname.casos.test", "delivered", "cname.casos.test is an alias for boreal.test", "250", "mx1.boreal.test"},
	{"bruno@boreal.test", "ana@mxcname.casos.test", "delivered", "which is an alias for mx1.aurora.test", "250", "mx1.aurora.test"},
	{"ana@aurora.test", "x@closed.casos.test", "deferred", "10 ns.aurora.test", "4.4.1", ""},
	{"ana@aurora.test", "x@blackhole.casos.test", "deferred", "10 nobody.blackhole.casos.test", "4.4.1", ""},
	{"bruno@boreal.test", "ana@half.casos.test", "delivered", "ns.aurora.test could not take it (451 4.4.1 Cannot connect to", "250", "mx1.aurora.test"},
	{"ana@aurora.test", "x@loop.casos.test", "bounced", "10 mx1.boreal.test", "5.7.1", "mx1.boreal.test"},
	{"bruno@boreal.test", "x@loop.casos.test", "bounced", "the mail would come back here", "5.4.6", ""},
	{"beatriz@boreal.test", "x@selfbackup.casos.test", "deferred", "mx2.boreal.test dropped: preference 30 is not better than our own, 20", "4.4.1", ""},
	{"ana@aurora.test", "x@selfbackup.casos.test", "deferred", "mx2.boreal.test dropped: preference 30 is not better than our own, 20", "4.4.1", "mx1.boreal.test"},
	{"ana@aurora.test", "x@servfail.casos.test", "deferred", "SERVFAIL", "4.4.3", ""},
	{"ana@aurora.test", "x@lame.casos.test", "deferred", "is not authoritative", "4.4.3", ""},
	{"ana@aurora.test", "x@dead-ns.casos.test", "deferred", "did not answer", "4.4.3", ""},
	{"bruno@boreal.test", "ana@long.casos.test", "delivered", "10 mail-exchanger-number-01.long.casos.test", "250", "mx1.aurora.test"},
	{"ana@aurora.test", "x@ip.casos.test", "bounced", "an MX record must name a host, not an address", "5.4.4", ""},
	{"bruno@boreal.test", "ana@xn--caf-dma.casos.test", "delivered", "10 mx1.aurora.test", "250", "mx1.aurora.test"},
}

// specialCases writes to every name of casos.test. All mails are sent before
// the first is waited for, since some wait for nobody to answer.
func specialCases(t *testing.T, p *player) {
	sent := make([]Sent, len(routingCases))
	for i, c := range routingCases {
		sent[i] = p.send(c.from, c.to, "--subject", "case "+c.to)
	}
	for i, c := range routingCases {
		t.Run(c.from+" to "+c.to, func(t *testing.T) { c.follow(&player{t: t, lab: p.lab}, sent[i]) })
	}
}

// because reports whether one of a step's reasons says this.
func (s Step) because(text string) bool {
	for _, r := range s.Reasons {
		if strings.Contains(r.Text, text) {
			return true
		}
	}
	return false
}

func (c routingCase) follow(p *player, s Sent) {
	var j Journey
	p.await("the mail to be "+c.state, func() bool {
		p.cliJSON(&j, "trace", s.MessageID)
		return j.State == c.state
	})
	if r := j.Recipients[0]; !strings.Contains(r.Reply, c.reply) {
		p.t.Errorf("the last reply is %q, want %q in it", r.Reply, c.reply)
	}
	p.first(j, "queue", func(s Step) bool { return s.because(c.rule) })
	if rule, ok := inPortuguese[c.to]; ok {
		if got := p.cli("trace", s.MessageID, "--lang", "pt-BR"); !strings.Contains(got, rule) {
			p.t.Errorf("in Portuguese the journey lacks %q:\n%s", rule, got)
		}
	}
	submission := p.first(j, "submission", func(Step) bool { return true })
	took := ""
	for _, step := range j.Steps {
		if step.Kind == "smtp" && step.Client == submission.Server {
			took = step.Server
		}
	}
	if took != c.via {
		p.t.Errorf("%s spoke with %q last, want %q:\n%s", submission.Server, took, c.via, outline(j))
	}
	if c.state == "bounced" {
		name, domain, _ := strings.Cut(c.from, "@")
		at := slices.IndexFunc(orgs, func(o Org) bool { return o.Domain == domain })
		p.find(orgs[at], name, "case "+c.to, false) // the report returns the header
	}
}
