package observatory_test

import (
	"net/http"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/journey"
	"correio/services/internal/problem"
	"correio/services/internal/reason"
	"correio/services/internal/text"
	"correio/services/observatory/internal/collect"
)

// Keys, codes and states are the same in every language; what people read is not.
func TestAPISpeaksTheLanguageThatIsAskedFor(t *testing.T) {
	w := newWorld(t)
	w.play(mx1, nil)
	w.observe()
	const id = "m@pc.aurora.test"
	w.cfg.Events.Import(event.Record{Node: mx1, Kind: event.KindQueue, Queue: "Q1", Message: id, Text: event.Accepted, Meta: event.M(event.From, "<ana@aurora.test>", event.To, "x@nx.test")})
	w.cfg.Events.Import(event.Record{Node: mx1, Kind: event.KindQueue, Queue: "Q1", Text: event.Bounced,
		Meta: event.M(event.To, "x@nx.test", event.Rules, reason.Encode(reason.New(reason.NotToBeTold)))})
	for query, lang := range map[string]text.Lang{"": text.English, "?lang=pt-BR": text.Portuguese} {
		for _, wait := range []string{"", "wait=any&"} {
			var j journey.Journey
			path := journeyPath(id) + "?" + wait
			if lang == text.Portuguese {
				path += "lang=pt-BR"
			}
			if status := w.get(path, &j); status != http.StatusOK || len(j.Steps) == 0 {
				t.Fatalf("%s = %d, %+v", path, status, j)
			}
			got := j.Steps[len(j.Steps)-1].Reasons
			if want := reason.New(reason.NotToBeTold).In(lang); len(got) != 1 || got[0].Text != want || got[0].Rule != reason.NotToBeTold {
				t.Errorf("%s: reasons %+v, want %q", path, got, want)
			}
		}
		var answer struct{ Nodes []collect.Status }
		w.get("/api/v1/nodes"+query, &answer)
		said := 0
		for _, n := range answer.Nodes {
			if n.Problem == nil {
				continue
			}
			if said++; n.Reason != problem.New(n.Problem.Code, n.Problem.Args...).In(lang) {
				t.Errorf("%s%s: %q, %+v", n.Name, query, n.Reason, n.Problem)
			}
		}
		if said == 0 {
			t.Error("no node has a problem, though only one runs")
		}
	}
}
