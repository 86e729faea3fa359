package iterate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"correio/services/internal/dnstext"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world answers for servers: by address, then question, a header line and
// records as response takes them. The flags "silent" and "dead" are no answer.
type world struct {
	t       testing.TB
	mu      sync.Mutex
	answers map[string][]string // "198.18.0.10 boreal.test. MX", or "198.18.0.10 *"
	asked   []string
}

func (w *world) ask(ctx context.Context, server netip.AddrPort, q dns.Question, _ string) (*dns.Msg, error) {
	w.mu.Lock()
	key := server.Addr().String() + " " + dnstext.Question(q)
	w.asked = append(w.asked, key)
	a, ok := w.answers[key]
	if !ok {
		a, ok = w.answers[server.Addr().String()+" *"]
	}
	w.mu.Unlock()
	switch {
	case !ok || a[0] == "silent":
		t := time.NewTimer(time.Second)
		defer t.Stop()
		select {
		case <-t.C:
			return nil, os.ErrDeadlineExceeded
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case a[0] == "dead":
		return nil, errors.New("connection refused")
	}
	return response(w.t, q, a[0], a[1:]...), nil
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func newWorld(t testing.TB, answers map[string][]string) (*world, *Resolver) {
	w := &world{t: t, answers: answers}
	root := Delegation{Zone: ".", Servers: []Server{{"a.root.", []netip.Addr{addr("198.18.0.10")}}}}
	return w, New(root, 1, w.ask, func(a netip.Addr) bool { return a.Is4() && !a.IsLoopback() })
}

func resultString(r Result) string {
	s := dnstext.Rcode(r.Rcode)
	if len(r.Answer) > 0 {
		s += " " + dnstext.Join(r.Answer)
	}
	if r.SOA != nil {
		s += " soa " + r.SOA.Hdr.Name
	}
	if r.Reason != (Failure{}) {
		s += fmt.Sprintf(" %d %s", r.Reason.Code, r.Reason.Text)
	}
	return s
}

// base refers from the root to test. and from there to two organisations.
func base(more map[string][]string) map[string][]string {
	answers := map[string][]string{
		"198.18.0.10 *": {"", "ns test. 60 IN NS ns.nic.test.", "ar ns.nic.test. 60 IN A 198.18.0.20"},
	}
	for k, v := range more {
		answers[k] = v
	}
	return answers
}

func TestResolve(t *testing.T) {
	boreal := []string{"", "ns boreal.test. 60 IN NS ns1.boreal.test.", "ns boreal.test. 60 IN NS ns2.boreal.test.", "ar ns1.boreal.test. 60 IN A 198.18.2.53", "ar ns2.boreal.test. 60 IN A 198.18.2.54"}
	mx := []string{"aa", "an boreal.test. 60 IN MX 10 mx1.boreal.test."}
	const found = "NOERROR boreal.test. 60 IN MX 10 mx1.boreal.test."
	tests := []struct {
		name     string
		answers  map[string][]string
		question string
		want     string
		within   time.Duration // of waiting
		asked    int           // questions at most
	}{
		{"both servers well", map[string][]string{"198.18.0.20 *": boreal, "198.18.2.53 *": mx, "198.18.2.54 *": mx}, "boreal.test. MX", found, 0, 3},
		{"one is silent", map[string][]string{"198.18.0.20 *": boreal, "198.18.2.53 *": {"silent"}, "198.18.2.54 *": mx}, "boreal.test. MX", found, time.Second, 4},
		{"one refuses connections", map[string][]string{"198.18.0.20 *": boreal, "198.18.2.53 *": {"dead"}, "198.18.2.54 *": mx}, "boreal.test. MX", found, 0, 4},
		{"one fails", map[string][]string{"198.18.0.20 *": boreal, "198.18.2.53 *": {"servfail"}, "198.18.2.54 *": mx}, "boreal.test. MX", found, 0, 4},
		{"one is lame", map[string][]string{"198.18.0.20 *": boreal, "198.18.2.53 *": {"refused"}, "198.18.2.54 *": mx}, "boreal.test. MX", found, 0, 4},
		{"all silent", map[string][]string{"198.18.0.20 *": boreal, "198.18.2.53 *": {"silent"}, "198.18.2.54 *": {"silent"}}, "boreal.test. MX", "SERVFAIL 22 ", 4 * time.Second, 6},
		{"all dead", map[string][]string{"198.18.0.20 *": boreal, "198.18.2.53 *": {"dead"}, "198.18.2.54 *": {"dead"}}, "boreal.test. MX", "SERVFAIL 23 ", 0, 4},
		{"the root is silent", map[string][]string{"198.18.0.10 *": {"silent"}}, "boreal.test. MX", "SERVFAIL 22 a.root. (198.18.0.10) did not answer", 2 * time.Second, 2},

		{"server without glue", map[string][]string{
			"198.18.0.20 *":                 {"", "ns boreal.test. 60 IN NS ns.aurora.test."},
			"198.18.0.20 ns.aurora.test. A": {"", "ns aurora.test. 60 IN NS ns.aurora.test.", "ar ns.aurora.test. 60 IN A 198.18.1.53"},
			"198.18.1.53 ns.aurora.test. A": {"aa", "an ns.aurora.test. 60 IN A 198.18.1.53"},
			"198.18.1.53 boreal.test. MX":   mx,
		}, "boreal.test. MX", found, 0, 6},
		{"servers that wait for each other", map[string][]string{
			"198.18.0.20 boreal.test. MX":   {"", "ns boreal.test. 60 IN NS ns.aurora.test."},
			"198.18.0.20 ns.aurora.test. A": {"", "ns aurora.test. 60 IN NS ns.boreal.test."},
			"198.18.0.20 ns.boreal.test. A": {"", "ns boreal.test. 60 IN NS ns.aurora.test."},
		}, "boreal.test. MX", "SERVFAIL 22 ", 0, 10},
		{"forged glue for a server elsewhere is looked up", map[string][]string{
			"198.18.0.20 *":                 {"", "ns boreal.test. 60 IN NS ns.boreal.test.", "ar ns.boreal.test. 60 IN A 198.18.2.53"},
			"198.18.2.53 *":                 {"", "ns sub.boreal.test. 60 IN NS ns.aurora.test.", "ar ns.aurora.test. 60 IN A 198.18.66.66"},
			"198.18.66.66 *":                {"aa", "an x.sub.boreal.test. 60 IN A 198.18.66.66"},
			"198.18.0.20 ns.aurora.test. A": {"aa", "an ns.aurora.test. 60 IN A 198.18.1.53"},
			"198.18.1.53 *":                 {"aa", "an x.sub.boreal.test. 60 IN A 198.18.2.1"},
		}, "x.sub.boreal.test. A", "NOERROR x.sub.boreal.test. 60 IN A 198.18.2.1", 0, 7},
		{"alias into another zone", map[string][]string{
			"198.18.0.20 *":          {"aa", "an c.test. 60 IN CNAME d.test."},
			"198.18.0.20 d.test. MX": {"aa", "an d.test. 30 IN MX 1 e.test."},
		}, "c.test. MX", "NOERROR c.test. 60 IN CNAME d.test.; d.test. 30 IN MX 1 e.test.", 0, 4},
		{"aliases in a circle over two zones", map[string][]string{
			"198.18.0.20 a.test. MX": {"aa", "an a.test. 60 IN CNAME b.test."},
			"198.18.0.20 b.test. MX": {"aa", "an b.test. 60 IN CNAME A.test."},
		}, "a.test. MX", "SERVFAIL 0 the aliases of a.test. go in circles, or are too many", 0, 4},
		{"negative", map[string][]string{"198.18.0.20 *": {"aa nxdomain", "ns test. 60 IN SOA a. b. 1 2 3 4 30"}}, "nx.test. MX", "NXDOMAIN soa test.", 0, 2},
		{"addresses that lead nowhere", map[string][]string{"198.18.0.20 *": {"", "ns boreal.test. 60 IN NS ns.boreal.test.", "ar ns.boreal.test. 60 IN A 127.0.0.1", "ar ns.boreal.test. 60 IN AAAA fd00::1"}},
			"boreal.test. MX", "SERVFAIL 22 boreal.test. has no server with an address", 0, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, r := newWorld(t, base(tt.answers))
				start := time.Now()
				got := r.Resolve(t.Context(), questionOf(tt.question), "")
				if s := resultString(got); s != tt.want && !(strings.HasSuffix(tt.want, " ") && strings.HasPrefix(s, tt.want)) {
					t.Errorf("got  %s\nwant %s\nasked %s", s, tt.want, strings.Join(w.asked, "\n      "))
				}
				if took := time.Since(start); took > tt.within {
					t.Errorf("took %s, want %s", took, tt.within)
				}
				if len(w.asked) > tt.asked || got.Asked != len(w.asked) {
					t.Errorf("%d questions, says %d; want at most %d:\n%s", len(w.asked), got.Asked, tt.asked, strings.Join(w.asked, "\n"))
				}
			})
		})
	}
}

// behaviour.md §6 row 25: a chain of 50.
func TestRow25LongChainOfAliasesEnds(t *testing.T) {
	answers := base(nil)
	for i := range 50 {
		answers[fmt.Sprintf("198.18.0.20 c%d.test. A", i)] = []string{"aa", fmt.Sprintf("an c%d.test. 60 IN CNAME c%d.test.", i, i+1)}
	}
	w, r := newWorld(t, answers)
	got := r.Resolve(t.Context(), questionOf("c0.test. A"), "")
	if got.Rcode != dns.RcodeServerFailure || len(w.asked) > maxAliases+3 {
		t.Errorf("%s after %d questions", resultString(got), len(w.asked))
	}
}

func TestReferralsThatNeverEndAreCutByTheBudget(t *testing.T) { // one label deeper each time, and servers without glue
	synctest.Test(t, func(t *testing.T) {
		answers := base(nil)
		for i := range 16 {
			answers["198.18.0.20 *"] = append(answers["198.18.0.20 *"], fmt.Sprintf("ns boreal.test. 60 IN NS ns%d.evil.test.", i))
		}
		answers["198.18.0.20 *"] = append([]string{""}, answers["198.18.0.20 *"]...)
		for i := range 16 {
			key := fmt.Sprintf("198.18.0.20 ns%d.evil.test. A", i)
			answers[key] = []string{""}
			for k := range 16 {
				answers[key] = append(answers[key], fmt.Sprintf("ns evil.test. 60 IN NS ns%d.evil.test.", k))
			}
		}
		w, r := newWorld(t, answers)
		start := time.Now()
		got := r.Resolve(t.Context(), questionOf("boreal.test. MX"), "")
		if got.Rcode != dns.RcodeServerFailure || len(w.asked) > maxQueries || time.Since(start) > Patience {
			t.Errorf("%s after %d questions and %s", resultString(got), len(w.asked), time.Since(start))
		}
	})
}

func TestFailuresAreKeptBriefly(t *testing.T) { // RFC 9520
	synctest.Test(t, func(t *testing.T) {
		w, r := newWorld(t, base(map[string][]string{"198.18.0.20 *": {"servfail"}}))
		q := questionOf("boreal.test. MX")
		first := resultString(r.Resolve(t.Context(), q, ""))
		n := len(w.asked)
		if got := r.Resolve(t.Context(), q, ""); resultString(got) != first || got.Asked != 0 || len(w.asked) != n {
			t.Errorf("at once again: %s, %d more questions", resultString(got), len(w.asked)-n)
		}
		w.answers["198.18.0.20 *"] = []string{"aa", "an boreal.test. 60 IN MX 10 mx1.boreal.test."}
		time.Sleep(failureTTL)
		if got := r.Resolve(t.Context(), q, ""); got.Rcode != 0 {
			t.Errorf("later: %s", resultString(got))
		}
	})
}

func TestTTLsCountDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := newWorld(t, base(map[string][]string{
			"198.18.0.20 a.test. A": {"aa", "an a.test. 60 IN A 198.18.0.1"},
			"198.18.0.20 b.test. A": {"aa", "ns test. 60 IN SOA a. b. 1 2 3 4 30"},
		}))
		for _, tt := range []struct {
			question string
			after    time.Duration
			want     string
			asks     bool
		}{
			{"a.test. A", 0, "NOERROR a.test. 60 IN A 198.18.0.1", true},
			{"b.test. A", 0, "NOERROR soa test.", true},
			{"A.test. A", 20 * time.Second, "NOERROR A.test. 40 IN A 198.18.0.1", false},
			{"b.test. A", 0, "NOERROR soa test.", false},
			{"b.test. A", 10 * time.Second, "NOERROR soa test.", true},
			{"a.test. A", 29500 * time.Millisecond, "NOERROR a.test. 1 IN A 198.18.0.1", false},
			{"a.test. A", time.Second, "NOERROR a.test. 60 IN A 198.18.0.1", true},
		} {
			time.Sleep(tt.after)
			n := len(w.asked)
			got := r.Resolve(t.Context(), questionOf(tt.question), "")
			if resultString(got) != tt.want || (len(w.asked) > n) != tt.asks {
				t.Errorf("%s after %s: %s, %d questions; want %s", tt.question, tt.after, resultString(got), len(w.asked)-n, tt.want)
			}
		}
	})
}

func TestServerThatDidNotAnswerIsAskedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := base(map[string][]string{
			"198.18.0.20 *": {"", "ns boreal.test. 60 IN NS ns1.boreal.test.", "ns boreal.test. 60 IN NS ns2.boreal.test.", "ar ns1.boreal.test. 60 IN A 198.18.2.53", "ar ns2.boreal.test. 60 IN A 198.18.2.54"},
			"198.18.2.53 *": {"silent"},
			"198.18.2.54 *": {"aa nxdomain", "ns boreal.test. 60 IN SOA a. b. 1 2 3 4 30"},
		})
		_, r := newWorld(t, answers)
		slow := 0
		for i := range 40 {
			start := time.Now()
			r.Resolve(t.Context(), questionOf(fmt.Sprintf("n%d.boreal.test. A", i)), "")
			if time.Since(start) > 0 {
				slow++
			}
		}
		if slow > 1 {
			t.Errorf("%d of 40 questions waited for the silent server", slow)
		}
	})
}

func TestClear(t *testing.T) {
	w, r := newWorld(t, base(map[string][]string{"198.18.0.20 *": {"aa", "an a.test. 60 IN A 198.18.0.1"}}))
	r.Resolve(t.Context(), questionOf("a.test. A"), "")
	r.Clear()
	if list := r.List(); len(list) != 0 {
		t.Errorf("kept %+v", list)
	}
	if got := r.Resolve(t.Context(), questionOf("a.test. A"), ""); got.Asked != 2 || len(w.asked) != 4 {
		t.Errorf("%d questions after Clear", got.Asked)
	}
}

func TestScoresAreBounded(t *testing.T) {
	s := newScores()
	a := addr("198.18.0.0")
	for range 2 * maxScores {
		s.failed(a)
		a = a.Next()
	}
	if len(s.by) > maxScores {
		t.Errorf("%d servers remembered", len(s.by))
	}
}
