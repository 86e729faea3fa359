package journey_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/journey"
	"correio/services/internal/network"
	"correio/services/internal/reason"
	"correio/services/internal/text"
)

var update = flag.Bool("update", false, "write the golden files")

// tried plays an attempt that the route gives reasons for.
func (l *lab) tried(node, q, next string, why ...reason.Reason) {
	l.queue(node, "", q, "", event.Attempt, event.To, bruno, event.Next, next, event.AttemptNo, "1", event.Rules, reason.Encode(why...))
}

// unanswered plays a question that nobody answers: neither the resolver to mx1,
// nor a name server to the resolver.
func (l *lab) unanswered(q string, trouble network.Trouble) {
	dns := func(node, conn, queue, role, local, remote string, more ...string) {
		l.see(node, event.Record{Conn: conn, Queue: queue, Kind: event.KindDNS, Text: question,
			Meta: event.M(append([]string{event.Role, role, event.ID, "cafe", event.Local, local, event.Remote, remote}, more...)...)})
	}
	dns(resolver, "r-1", "", "client", aUp, aNS, event.Error, string(trouble))
	dns(resolver, "r-1", "", "server", aResolver, aAsk, event.Rcode, "SERVFAIL")
	dns(mx1a, "", q, "client", aAsk, aResolver, event.Error, string(trouble))
}

var spoken = map[string]func(l *lab){
	"delivered": func(l *lab) {
		l.submit("c-1", q1, message, "5000")
		l.ask(q1)
		l.tried(mx1a, q1, mx1b, reason.New(reason.Sorted, "boreal.test", "10 mx1.boreal.test, 10 mx2.boreal.test, 20 mx3.boreal.test"),
			reason.New(reason.Shuffled, "2", "10", mx1b), reason.New(reason.NotBetter, "mx3.boreal.test", "20", "10"))
		l.relay()
		l.fetch()
	},
	"tls": func(l *lab) {
		l.submit("c-1", q1, message, "5000")
		l.open(mx1a, "o-1", "smtp", "client", aMX1aOut, aMX1b)
		l.see(mx1a, event.Record{Conn: "o-1", Kind: event.KindTLS, Text: event.Failed, Meta: event.M(event.Reason, "tls-failed(handshake failure)")})
		l.see(mx1a, event.Record{Conn: "o-1", Kind: event.KindTLS, Text: event.Established, Meta: event.M(event.Version, "TLS 1.3", event.Cipher, "TLS_AES_128_GCM_SHA256")})
		l.line(mx1a, "o-1", q1, event.Out, "MAIL FROM:<"+ana+">")
		l.line(mx1a, "o-1", q1, event.In, "451 4.3.0 later")
	},
	"deferred": func(l *lab) {
		l.submit("c-1", q1, message, "5000")
		l.unanswered(q1, network.Timeout)
		l.tried(mx1a, q1, "", reason.New(reason.LookupTimeout, "boreal.test"))
		l.queue(mx1a, "", q1, "", event.Deferred, event.To, bruno, event.Reply, "451 4.4.3 DNS could not tell", event.RetryIn, "30s", event.BounceID, "EEEEEEEEEE",
			event.Rules, reason.Encode(reason.New(reason.NotBefore, "30s")))
		l.unanswered(q1, network.Refused)
		l.queue(mx1a, "", q1, "", event.Deferred, event.To, bruno, event.Reply, "451 4.4.3 DNS could not tell", event.RetryIn, "1m0s",
			event.Rules, reason.Encode(reason.New(reason.StillDead, "boreal.test", "18:00:00"), reason.New(reason.NotBefore, "1m0s")))
	},
	"parked": func(l *lab) {
		dead := reason.New(reason.DeadHost, "boreal.test", "18:00:00")
		l.queue(mx1a, "s-1", q1, message, event.Accepted, event.From, "<"+ana+">", event.To, bruno+", "+carla+", beatriz@boreal.test")
		l.queue(mx1a, "", q1, message, event.Deferred, event.To, bruno, event.Reply, "451 4.4.1 Cannot connect", event.ProbeIn, "78ms", event.Rules, reason.Encode(dead))
		l.queue(mx1a, "", q1, message, event.Deferred, event.To, "beatriz@boreal.test", event.Reply, "451 4.4.1 Cannot connect",
			event.Rules, reason.Encode(dead, reason.New(reason.ProbeRuns)))
		l.queue(mx1a, "", q1, message, event.Deferred, event.To, carla, event.Reply, "450 4.7.1 greylisted", event.RetryIn, "83ms")
	},
	"by-hand": func(l *lab) {
		l.submit("c-1", q1, message, "5000")
		l.queue(mx1a, "", q1, message, event.Held, event.To, bruno)
		l.queue(mx1a, "", q1, message, event.Released, event.To, bruno)
		l.queue(mx1a, "", q1, message, event.Dropped, event.To, bruno)
		l.queue(mx1a, "", q1, message, event.Removed)
	},
	"double-bounce": func(l *lab) {
		l.queue(mx1a, "s-1", q1, message, event.Accepted, event.From, "<>", event.To, "postmaster@aurora.test")
		l.queue(mx1a, "", q1, "", event.Deferred, event.To, "postmaster@aurora.test", event.Reply, "450 4.2.0 busy", event.RetryIn, "5s")
		l.queue(mx1a, "", q1, "", event.Quarantined, event.Rules,
			reason.Encode(reason.New(reason.PostmasterAway, "postmaster@aurora.test", "550 5.1.1 Who?"), reason.New(reason.NobodyLeft)))
	},
	"idn": func(l *lab) {
		const cafe = "ana@xn--caf-dma.casos.test"
		l.queue(mx1a, "s-1", q1, message, event.Accepted, event.From, "<"+cafe+">", event.To, cafe+", "+bruno)
		l.tried(mx1a, q1, "xn--caf-dma.casos.test", reason.New(reason.ALabels, "café.casos.test", "xn--caf-dma.casos.test"), reason.New(reason.Implicit, "xn--caf-dma.casos.test"))
		l.queue(mx1a, "", q1, "", event.Bounced, event.To, cafe, event.Reply, "550 5.1.1 no such user", event.Rules, reason.Encode(reason.New(reason.NotToBeTold)))
	},
}

// TestJourneysReadAsWritten compares what people read, in each language, with
// testdata. Run with -update to write it anew, and read the difference.
func TestJourneysReadAsWritten(t *testing.T) {
	for name, play := range spoken {
		l := newLab()
		play(l)
		j, ok := journey.Assemble(l.records, message)
		if !ok {
			t.Fatalf("%s: no journey", name)
		}
		for _, lang := range text.Langs {
			t.Run(name+" in "+string(lang), func(t *testing.T) {
				var b strings.Builder
				if err := journey.Render(&b, j, lang, journey.Options{}); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join("testdata", name+"."+string(lang)+".txt")
				if *update {
					if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if b.String() != string(want) {
					t.Errorf("got\n%s\nwant, by %s,\n%s", b.String(), file, want)
				}
			})
		}
	}
}

// The reason for every decision is data, with its words in the language asked for.
func TestStepsCarryReasonsAsData(t *testing.T) {
	l := newLab()
	spoken["delivered"](l)
	j, _ := journey.Assemble(l.records, message)
	for lang, want := range map[text.Lang]string{text.English: "2 hosts of preference 10, shuffled: ", text.Portuguese: "2 servidores de preferência 10, sorteados: "} {
		data, err := json.Marshal(j.Said(lang))
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"rule":"shuffled","args":["2","10","mx1.boreal.test"],"text":"` + want; !strings.Contains(string(data), want) {
			t.Errorf("%s JSON lacks %s:\n%s", lang, want, data)
		}
		if want := `"dir":"\u003c","text":"` + reason.New(reason.MessageSize, "100").In(lang) + `","note":{"rule":"message-size","args":["100"]}`; !strings.Contains(string(data), want) {
			t.Errorf("%s JSON lacks %s:\n%s", lang, want, data)
		}
		if want := `"note":{"rule":"asks","args":["resolver1.nic.test",`; !strings.Contains(string(data), want) {
			t.Errorf("%s JSON lacks %s:\n%s", lang, want, data)
		}
	}
	for _, s := range j.Steps {
		for _, r := range s.Reasons {
			if r.Text != r.In(text.English) {
				t.Errorf("the journey itself says %q", r.Text)
			}
		}
	}
}

// A connection that the other end ended was told as "broken" in every language.
func TestEveryTroubleOfAQuestionIsSaidInTheReadersLanguage(t *testing.T) {
	for _, trouble := range []network.Trouble{network.Timeout, network.Refused, network.Unreachable, network.Broken} {
		l := newLab()
		l.submit("c-1", q1, message, "5000")
		l.unanswered(q1, trouble)
		j, _ := journey.Assemble(l.records, message)
		var b strings.Builder
		if err := journey.Render(&b, j, text.Portuguese, journey.Options{}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), string(trouble)) {
			t.Errorf("%s:\n%s", trouble, b.String())
		}
	}
}

// TestSilenceTowardsAResolverIsToldInWords: why a resolver's own question had no
// answer was shown as records have it: "→ cause(read: %28short%29)".
func TestSilenceTowardsAResolverIsToldInWords(t *testing.T) {
	for said, want := range map[string]string{
		reason.Encode(reason.New(reason.Stray)):                 "too many responses that do not match the question",
		reason.Encode(reason.New(reason.Cause, "read (short)")): "no answer: read (short)",
		string(network.Broken):                                  "the other end ended the connection",
	} {
		l := newLab()
		l.submit("c-1", q1, message, "5000")
		l.ask(q1)
		for i, r := range l.records {
			if r.Node == resolver && r.Meta.Get(event.Role) == "client" {
				l.records[i].Meta = event.M(event.Role, "client", event.Remote, aNS, event.Error, said)
			}
		}
		j, _ := journey.Assemble(l.records, message)
		if got := j.Steps[len(j.Steps)-1].Lines[1].Text; !strings.HasSuffix(got, "boreal.test. MX → "+want) {
			t.Errorf("%s: %s", said, got)
		}
	}
}

func TestEveryStateHasAWordOfItsOwnInEachLanguage(t *testing.T) {
	seen := map[string]journey.State{}
	for _, s := range []journey.State{journey.Held, journey.Quarantined, journey.Queued, journey.Deferred, journey.Handed, journey.Bounced, journey.Dropped, journey.Delivered} {
		for _, lang := range text.Langs {
			word := s.In(lang)
			if before, ok := seen[word]; ok && before != s || word == "" || lang == text.Portuguese && word == string(s) {
				t.Errorf("%s in %s: %q, as %s", s, lang, word, before)
			}
			seen[word] = s
		}
		j := journey.Journey{Message: message, Recipients: []journey.Recipient{{Address: bruno, State: s}}}
		if got := rendered(t, j); strings.HasPrefix(got, "Seen, but") {
			t.Errorf("the headline of %s: %s", s, got)
		}
	}
	if got := journey.State("new").In(text.English); got != "new" {
		t.Errorf("a state of another version: %q", got)
	}
}

// What people do with a queue shows in the journey: a dropped message was shown
// as on its way for ever.
func TestStatesByHand(t *testing.T) {
	for word, want := range map[string]journey.State{event.Held: journey.Held, event.Released: journey.Queued, event.Dropped: journey.Dropped, event.Quarantined: journey.Quarantined} {
		l := newLab()
		l.submit("c-1", q1, message, "5000")
		l.queue(mx1a, "", q1, message, word, event.To, bruno)
		if j, _ := journey.Assemble(l.records, message); j.State != want || j.Recipients[0].State != want {
			t.Errorf("%s: %s, %+v; want %s", word, j.State, j.Recipients, want)
		}
	}
	l := newLab()
	l.submit("c-1", q1, message, "5000")
	l.relay()
	l.queue(mx1b, "", q2, message, event.Quarantined)
	if j, _ := journey.Assemble(l.records, message); j.State != journey.Delivered {
		t.Errorf("what was delivered is %s", j.State)
	}
}
