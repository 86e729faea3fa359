package journey_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"correio/services/internal/event"
	"correio/services/internal/journey"
	"correio/services/internal/journey/journeytest"
)

// arrivals are orders in which records come to one who watches all nodes.
var arrivals = map[string]func(random *rand.Rand, records []event.Record){
	"in order of time": func(_ *rand.Rand, records []event.Record) {
		slices.SortFunc(records, func(a, b event.Record) int { return a.Time.Compare(b.Time) })
	},
	"some of them late": func(random *rand.Rand, records []event.Record) {
		late := map[string]int{}
		slices.SortStableFunc(records, func(a, b event.Record) int { return a.Time.Compare(b.Time) })
		order := make([]int, len(records))
		for i := range records {
			order[i] = i + random.IntN(40)
			late[fmt.Sprint(records[i].Node, records[i].Seq)] = order[i]
		}
		slices.SortStableFunc(records, func(a, b event.Record) int {
			return cmp.Compare(late[fmt.Sprint(a.Node, a.Seq)], late[fmt.Sprint(b.Node, b.Seq)])
		})
	},
	"node by node": func(_ *rand.Rand, records []event.Record) {
		slices.SortFunc(records, func(a, b event.Record) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Seq, b.Seq)) })
	},
	"in any order": func(random *rand.Rand, records []event.Record) {
		random.Shuffle(len(records), func(i, k int) { records[i], records[k] = records[k], records[i] })
	},
}

// An index that has been kept with a log, while records came in any order and
// went, answers as one that is made anew from what is left.
func TestLiveIndexAnswersAsOneMadeAnew(t *testing.T) {
	for name, arrive := range arrivals {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(4) {
				traffic := journeytest.New(seed, 12)
				arrive(rand.New(rand.NewPCG(seed, 1)), traffic.Records)
				log, live := event.NewLog("observatory", 150_000), &journey.Index{}
				log.Attach(live)
				kept := openings{}
				for i, r := range traffic.Records {
					gone := int(log.Dropped())
					log.Import(r)
					for ; gone < int(log.Dropped()); gone++ {
						kept.leaves(traffic.Records[gone])
					}
					if i%97 == 0 || i == len(traffic.Records)-1 {
						compare(t, live, append(slices.Collect(maps.Values(kept)), log.After(0, math.MaxInt).Records...), traffic.Names)
					}
				}
				if log.Dropped() == 0 {
					t.Error("the log never was full")
				}
			}
		})
	}
}

// openings is what an index must know beyond the log: the openings of
// connections of whose end it has not let go.
type openings map[string]event.Record

// leaves is told of the oldest record when it goes.
func (o openings) leaves(r event.Record) {
	switch conn := r.Node + " " + r.Conn; {
	case r.Kind != event.KindConn:
	case r.Text == event.Open:
		o[conn] = r
	case r.Text == event.Close:
		delete(o, conn)
	}
}

// TestConnectionKeptForLongIsStillNamed: a busy log had lost the opening of a
// connection that mail still went over, and nobody knew between whom. Here it
// has even lost all that was said on it.
func TestConnectionKeptForLongIsStillNamed(t *testing.T) {
	log, live := event.NewLog("observatory", 40_000), &journey.Index{}
	log.Attach(live)
	l := newLab()
	l.open(mx1a, "c-1", "smtp", "client", aMX1aOut, aMX1b)
	l.open(mx1b, "c-9", "smtp", "server", aMX1b, aMX1aOut)
	say := func(queue, text string) {
		l.line(mx1a, "c-1", queue, event.Out, text)
		l.line(mx1b, "c-9", "", event.In, text)
	}
	tell := func() {
		for _, r := range l.records {
			log.Import(r)
		}
		l.records = nil
	}
	say(otherOne, "MAIL FROM:<"+ana+">")
	tell()
	for log.Dropped() < 10 {
		log.Import(event.Record{Node: nsb, Kind: event.KindDNS, Text: question})
	}
	l.queue(mx1a, "", q1, message, event.Accepted, event.From, "<"+ana+">", event.To, bruno)
	say(q1, "MAIL FROM:<"+ana+">")
	tell()
	j, ok := live.Assemble(message)
	if len(j.Steps) == 0 || j.Steps[0].Client != mx1a || j.Steps[0].Server != mx1b || j.Steps[0].ServerAddr != aMX1b {
		t.Errorf("known %v, steps %q; want one that names both ends", ok, outline(j))
	}
	l.see(mx1a, event.Record{Conn: "c-1", Kind: event.KindConn, Text: event.Close})
	l.see(mx1b, event.Record{Conn: "c-9", Kind: event.KindConn, Text: event.Close})
	tell()
	for log.Dropped() < 1000 { // the connection is forgotten with its end
		log.Import(event.Record{Node: nsb, Kind: event.KindDNS, Text: question})
	}
	if full := live.Bytes(); full != 0 {
		t.Errorf("%d bytes of an index of nothing", full)
	}
}

func compare(t *testing.T, live *journey.Index, records []event.Record, names []string) {
	t.Helper()
	for _, name := range names {
		want, known := journey.Assemble(records, name)
		got, ok := live.Assemble(name)
		if diff := gocmp.Diff(want, got); diff != "" || ok != known {
			t.Fatalf("journey of %s with %d records, known %v (-anew +live):\n%s", name, len(records), ok, diff)
		}
	}
	for _, limit := range []int{0, 3} {
		if diff := gocmp.Diff(plainList(records, limit), live.List(limit)); diff != "" {
			t.Fatalf("List(%d) with %d records (-plain +live):\n%s", limit, len(records), diff)
		}
	}
}

// plainList makes a list of messages the long way.
func plainList(records []event.Record, limit int) []journey.Summary {
	handed := map[string]string{}
	for _, r := range records {
		if id := r.Meta.Get(event.NextQueue); id != "" {
			handed[id] = r.Node
		}
	}
	first := map[string]event.Record{}
	for _, r := range records {
		from, ok := handed[r.Queue]
		if r.Kind != event.KindQueue || r.Text != event.Accepted || r.Message == "" && ok && from != r.Node {
			continue
		}
		name := cmp.Or(r.Message, r.Queue+"@"+r.Node)
		if known, ok := first[name]; !ok || r.Time.Before(known.Time) {
			first[name] = r
		}
	}
	var list []journey.Summary
	for name, r := range first {
		from := r.Meta.Get(event.From)
		list = append(list, journey.Summary{Message: name, From: from[1 : len(from)-1], To: []string{r.Meta.Get(event.To)}, Started: r.Time, Node: r.Node})
	}
	slices.SortFunc(list, func(a, b journey.Summary) int {
		return cmp.Or(b.Started.Compare(a.Started), cmp.Compare(a.Message, b.Message))
	})
	if limit > 0 {
		list = list[:min(limit, len(list))]
	}
	return list
}

// The order in which records come is chance; what they tell is not.
func TestOrderOfArrivalDoesNotChangeAnAnswer(t *testing.T) {
	traffic := journeytest.New(9, 12)
	ended := map[journey.State]int{}
	want := map[string]journey.Journey{}
	for _, name := range traffic.Names {
		j, ok := journey.Assemble(traffic.Records, name)
		if !ok {
			t.Fatalf("no journey of %s", name)
		}
		want[name] = j
		ended[j.State]++
	}
	if ended[journey.Delivered] < 5 || ended[journey.Bounced] == 0 {
		t.Errorf("the messages ended as %v; that is no variety", ended)
	}
	for name, arrive := range arrivals {
		arrive(rand.New(rand.NewPCG(9, 9)), traffic.Records)
		for id, j := range want {
			got, _ := journey.Assemble(traffic.Records, id)
			if diff := gocmp.Diff(j, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, id, diff)
			}
		}
	}
}

// What goes leaves nothing behind.
func TestIndexOfNothingTakesNothing(t *testing.T) {
	var x journey.Index
	records := journeytest.New(3, 5).Records
	for _, r := range records {
		if r.Kind == event.KindConn && r.Text == event.Open {
			records = append(records, event.Record{Node: r.Node, Conn: r.Conn, Kind: event.KindConn, Text: event.Close})
		}
	}
	for i := range records {
		x.Add(&records[i])
	}
	full := x.Bytes()
	for i := range records {
		x.Remove(&records[i])
	}
	if full == 0 || x.Bytes() != 0 || len(x.List(0)) != 0 {
		t.Errorf("full %d bytes, empty %d with messages %+v; want some, 0 and none", full, x.Bytes(), x.List(0))
	}
}
