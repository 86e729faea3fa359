package journey

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
)

// question makes the step of a DNS question: what was asked, what came back,
// and which servers the resolver asked in turn to find out.
func (a *assembly) question(r *event.Record) Step {
	took := rtt(r)
	s := Step{
		Kind: DNS, Client: r.Node, ClientAddr: r.Meta.Get(event.Local), ServerAddr: r.Meta.Get(event.Remote),
		Start: r.Time, TookMS: took.Milliseconds(), Queue: r.Queue,
		Detail: r.Text, Outcome: r.Meta.Get(event.Rcode), SeenBy: []string{r.Node},
	}
	if s.Outcome == "" {
		s.Outcome = r.Meta.Get(event.Error)
		s.Failed = true
	}
	s.Failed = s.Failed || slices.Contains(refusals, s.Outcome)
	s.Lines = append(s.Lines, Line{Dir: ">", Text: r.Text})
	if answered := a.x.answered(r); answered != nil {
		s.Server = answered.Node
		s.SeenBy = append(s.SeenBy, answered.Node)
		s.Lines = append(s.Lines, a.upstream(answered, s.Start)...)
		if answered.Meta.Get(event.Cached) != "" {
			s.Lines = append(s.Lines, note(s.TookMS, reason.New(reason.Cached)))
		}
	}
	if why, silent := silence(r); silent {
		s.Lines = append(s.Lines, note(s.TookMS, why))
		return s
	}
	for _, text := range answer(r) {
		s.Lines = append(s.Lines, Line{OffsetMS: s.TookMS, Dir: "<", Text: text})
	}
	return s
}

// refusals are the rcodes of a question that failed. Any other failure is silence.
var refusals = []string{"SERVFAIL", "REFUSED"}

// passedOn are the rules for a DNS question that a resolver asked and that was not
// answered, by those for one of a client.
var passedOn = map[reason.Rule]reason.Rule{
	reason.Silent: reason.AsksSilent, reason.Refuses: reason.AsksRefused, reason.NoWay: reason.AsksNoWay, reason.Broken: reason.AsksBroken,
}

// silence says why a client's question has no answer.
func silence(r *event.Record) (why reason.Reason, silent bool) {
	if r.Meta.Get(event.Rcode) != "" {
		return why, false
	}
	return reason.OfSilence(r.Meta.Get(event.Error)), true
}

// upstream notes what a resolver asked others to answer a client.
func (a *assembly) upstream(answered *event.Record, since time.Time) []Line {
	c := a.conn(at{answered.Node, answered.Conn})
	if c == nil {
		return nil
	}
	var lines []Line
	for _, r := range c.records {
		if r.Kind != event.KindDNS || r.Meta.Get(event.Role) != "client" {
			continue
		}
		who := r.Meta.Get(event.Remote)
		if server := a.x.answered(r); server != nil {
			who = server.Node + " " + who
		}
		why := reason.New(reason.Asks, r.Node, who, r.Text, strings.Join(answer(r), "; "))
		if none, silent := silence(r); silent {
			why.Args[3] = none.String()
			if rule, ok := passedOn[none.Rule]; ok {
				why = reason.New(rule, r.Node, who, r.Text)
			}
		}
		lines = append(lines, note(max(0, r.Time.Sub(since).Milliseconds()), why))
	}
	return lines
}

// answer lists what a DNS record of a client says came back, which is not silence.
func answer(r *event.Record) []string {
	rcode, flags := r.Meta.Get(event.Rcode), r.Meta.Get(event.Flags)
	head := rcode
	if flags != "" {
		head += " (" + flags + ")"
	}
	out := []string{head}
	for _, key := range []string{event.Answer, event.Authority} {
		if v := r.Meta.Get(key); v != "" {
			out = append(out, strings.Split(v, "; ")...)
			break // the authority section matters only where nothing was answered
		}
	}
	return out
}

func rtt(r *event.Record) time.Duration {
	ms, err := strconv.ParseFloat(r.Meta.Get(event.RTT), 64)
	if err != nil || ms < 0 {
		return 0
	}
	return time.Duration(ms * float64(time.Millisecond))
}
