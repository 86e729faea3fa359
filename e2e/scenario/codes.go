package scenario

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// deckCodes are the reply codes of the teaching deck, and those that a student
// meets besides (behaviour.md §2).
var deckCodes = []int{
	211, 214, 220, 221, 250, 251, 252, 354, 421, 450, 451, 452, 500, 501, 502, 503, 504,
	530, 535, 538, 550, 551, 552, 553, 554, 555,
}

// tried is what `correio codes CODE --try --json` prints.
type tried struct {
	Code  int  `json:"code"`
	OK    bool `json:"ok"`
	Tries []struct {
		Host     string   `json:"host"`
		Want     string   `json:"want"`
		Reply    string   `json:"reply"`
		OK       bool     `json:"ok"`
		Dialogue []spoken `json:"dialogue"`
	} `json:"tries"`
}

type spoken struct {
	Dir  string `json:"dir"`
	Text string `json:"text"`
}

// everyReplyCode provokes every code of the catalogue, dialogue by dialogue, at
// one organisation after the other.
func everyReplyCode(t *testing.T, p *player) {
	var list struct {
		Codes []struct {
			Code    int   `json:"code"`
			Recipes []any `json:"recipes"`
		} `json:"codes"`
	}
	p.cliJSON(&list, "codes")
	var came []int
	for i, c := range list.Codes {
		if len(c.Recipes) == 0 {
			continue
		}
		t.Run(strconv.Itoa(c.Code), func(t *testing.T) {
			p := &player{t: t, lab: p.lab}
			var got tried
			org := orgs[i%len(orgs)]
			p.cliJSON(&got, "codes", strconv.Itoa(c.Code), "--try", "--org", org.Domain)
			if p.checkTried(got, c.Code, org); len(got.Tries) != len(c.Recipes) {
				t.Errorf("%d dialogues for %d recipes", len(got.Tries), len(c.Recipes))
			}
		})
		came = append(came, c.Code)
	}
	for _, code := range deckCodes {
		if !slices.Contains(came, code) {
			t.Errorf("%d has no recipe", code)
		}
	}
}

// checkTried does not take the command's word for it: the server must have said
// the code.
func (p *player) checkTried(got tried, code int, org Org) {
	p.t.Helper()
	if got.Code != code || !got.OK {
		p.t.Errorf("codes %d --try = %+v", code, got)
	}
	for _, try := range got.Tries {
		heard := slices.ContainsFunc(try.Dialogue, func(l spoken) bool { return l.Dir == "<" && l.Text == try.Reply })
		if !heard || !try.OK || !strings.HasPrefix(try.Reply, strconv.Itoa(code)) || !strings.HasPrefix(try.Reply, try.Want) ||
			try.Host != "mx1."+org.Domain {
			p.t.Errorf("%s: wanted %s, came %q; the dialogue: %+v", try.Host, try.Want, try.Reply, try.Dialogue)
		}
	}
}

// reservedPartsTakeMail sends to the reserved local parts whose mail arrives in
// the end: slowly, at the second attempt, at another organisation.
func reservedPartsTakeMail(t *testing.T, p *player) {
	for _, test := range []struct{ to, mailbox, says string }{
		{"lento@boreal.test", "postmaster@boreal.test", "250 2.1.5"},
		{"cinza@boreal.test", "postmaster@boreal.test", "450 4.7.1"},
		{"encaminha@boreal.test", "carla@cedro.test", "251 2.1.5 User not local; will forward to <carla@cedro.test>"},
	} {
		t.Run(test.to, func(t *testing.T) {
			p := &player{t: t, lab: p.lab}
			j := p.trace(p.send("ana@aurora.test", test.to), "delivered")
			if len(j.Recipients) != 1 || j.Recipients[0].Address != test.mailbox {
				t.Errorf("delivered to %+v, want %s", j.Recipients, test.mailbox)
			}
			p.first(j, "smtp", func(s Step) bool { return s.says(test.says) })
		})
	}
}
