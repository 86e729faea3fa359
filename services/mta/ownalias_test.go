package mta

import (
	"slices"
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/smtpc"
)

// aliased starts mx1.boreal.test with addresses behind which are others.
func (w *world) aliased() *host {
	return w.configured("boreal", "mx1.boreal.test", func(o *lab.Org) {
		o.Aliases = map[string]lab.Targets{
			"postmaster": {"beatriz"}, "ambos": {"bruno", "beatriz"}, "fora": {"ana@aurora.test"}, "mistura": {"bruno", "ana@aurora.test"},
			"vazio": {"ninguem@aurora.test"}, "volta": {"eco@aurora.test"},
		}
		o.Lists = []lab.List{{Address: "turma", Owner: "beatriz", Members: lab.Targets{"bruno", "ana@aurora.test"}}}
		o.Elsewhere = "alice@aurora.test"
	})
}

// reports returns whom the reports among n messages are for, by name.
func (m *mailboxes) reports(t *testing.T, n int) string {
	t.Helper()
	var to []string
	for _, s := range m.wait(t, n) {
		if s.from == "" {
			to = append(to, s.to)
			parseReport(t, s.message)
		}
	}
	slices.Sort(to)
	return strings.Join(to, " ")
}

// Reports that we write to an alias of our own were not expanded, as those are that
// come in by port 25: the MDA gave them back as mail in a circle, and they ended as
// double bounces.
func TestReportToAnAliasOfOursIsExpanded(t *testing.T) {
	for from, want := range map[string][2]string{ // at Boreal, and at Aurora
		"ambos@boreal.test":     {"beatriz@boreal.test bruno@boreal.test", ""},
		"fora@boreal.test":      {"", "ana@aurora.test"},
		"mistura@boreal.test":   {"bruno@boreal.test", "ana@aurora.test"},
		"encaminha@boreal.test": {"", "alice@aurora.test"},
		"turma@boreal.test":     {"turma-owner@boreal.test", ""},
	} {
		for about, copies := range map[string]int{"bruno@boreal.test": 1, "ambos@boreal.test": 2, "x@nx.casos.test": 0} {
			t.Run(from+" about "+about, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				boreal := w.aliased()
				w.mta("aurora", "mx1.aurora.test", 1)
				box, ana := w.mda("198.19.2.110:24"), w.mda("198.19.1.110:24")
				var id string
				if copies == 0 {
					id = w.failing(boreal, from, about, message)
				} else {
					c := w.connect(pc, "198.18.2.25:25", "")
					id = w.ask(c, smtpc.Envelope{To: []smtpc.Recipient{{To: w.address(about), Notify: "SUCCESS"}}}, from, message)
				}
				r := boreal.reportOn(t, id)
				here, there := strings.Fields(want[0]), strings.Fields(want[1])
				if got := box.reports(t, copies+len(here)); got != want[0] {
					t.Errorf("at Boreal: %q, want %q", got, want[0])
				}
				if got := ana.reports(t, len(there)); got != want[1] {
					t.Errorf("at Aurora: %q, want %q", got, want[1])
				}
				if got := boreal.reportsAbout(t, r.Queue); got != "" {
					t.Errorf("a report is reported about: %s", got)
				}
				to, all := strings.Split(r.Meta.Get(event.To), ", "), append(here, there...)
				slices.Sort(to)
				slices.Sort(all)
				if !slices.Equal(to, all) || !strings.HasPrefix(r.Meta.Get(event.Original), from) || !strings.Contains(r.Meta.Get(event.Reason), "stands-for("+from+"|") {
					t.Errorf("recorded: %v", r.Meta)
				}
			})
		}
	}
}

// reportOn returns the record of the report about a message.
func (h *host) reportOn(t *testing.T, id string) event.Record {
	t.Helper()
	return h.waitEvent(t, "the report about "+id, func(r event.Record) bool {
		return r.Text == event.Accepted && r.Meta.Get(event.Client) == "report about "+id
	})
}

// Whoever is behind an alias, what fails of a report is the postmaster's.
func TestReportToAnAliasOfOursIsNotReportedAboutToTheSender(t *testing.T) {
	w := newWorld(t)
	boreal := w.aliased()
	w.mta("aurora", "mx1.aurora.test", 1)
	box := w.mda("198.19.2.110:24")
	w.mda("198.19.1.110:24")
	report := boreal.reportOn(t, w.failing(boreal, "vazio@boreal.test", "x@nx.casos.test", message))
	if got := boreal.reportsAbout(t, report.Queue); got != "failed; double-bounce to postmaster@boreal.test" {
		t.Errorf("reported: %s", got)
	}
	if got := box.reports(t, 1); got != "postmaster@boreal.test" {
		t.Errorf("told: %s", got)
	}
}

// Aurora's alias leads back: what has been expanded once is not expanded again, as
// its Delivered-To says.
func TestReportDoesNotGoInCirclesByAnAliasOfOurs(t *testing.T) {
	w := newWorld(t)
	boreal := w.aliased()
	w.configured("aurora", "mx1.aurora.test", func(o *lab.Org) {
		o.Aliases = map[string]lab.Targets{"postmaster": {"alice"}, "eco": {"volta@boreal.test"}}
	})
	w.mda("198.19.2.110:24")
	alice := w.mda("198.19.1.110:24")
	report := boreal.reportOn(t, w.failing(boreal, "volta@boreal.test", "x@nx.casos.test", message))
	boreal.waitEvent(t, "its end", queueEvent(event.Removed, report.Queue))
	got := alice.wait(t, 1)[0]
	if f := parseReport(t, got.message).Recipients[0]; got.to != "postmaster@aurora.test" || f.Get("Final-Recipient") != "rfc822; volta@boreal.test" || f.Get("Status") != "5.4.6" {
		t.Errorf("%s is told %v", got.to, f)
	}
	if n := len(boreal.spoke("RCPT TO:<eco")); n != 1 {
		t.Errorf("it went out %d times", n)
	}
}
