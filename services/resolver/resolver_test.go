package resolver_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"correio/services/internal/dnsclient"
	"correio/services/internal/dnstext"
	"correio/services/internal/event"
	"correio/services/internal/labtest"
	"correio/services/internal/node"
	"correio/services/resolver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSpecialCases(t *testing.T) { // behaviour.md §1
	tr := plant(t, nil)
	c := tr.client(t)
	tests := []struct {
		name, question, want string
		reason               string
	}{
		{"primary and backup", "boreal.test MX", "found / MX 10 mx1.boreal.test. / MX 20 mx2.boreal.test.", ""},
		{"address", "mx1.boreal.test A", "found / A 198.18.2.25", ""},
		{"alias in the zone", "smtp.boreal.test A", "found mx1.boreal.test. / A 198.18.2.25", ""},
		{"null MX", "nullmx.casos.test MX", "found / MX 0 .", ""},
		{"implicit MX", "implicit.casos.test MX", "no data", ""},
		{"its address", "implicit.casos.test A", "found / A 198.18.1.25", ""},
		{"no mail", "nomail.casos.test MX", "no data", ""},
		{"no address either", "nomail.casos.test A", "no data", ""},
		{"no such name", "nx.casos.test MX", "no such name", ""},
		{"alias of a domain elsewhere", "cname.casos.test MX", "found boreal.test. / MX 10 mx1.boreal.test. / MX 20 mx2.boreal.test.", ""},
		{"MX to an alias", "mxcname.casos.test MX", "found / MX 10 alias.mxcname.casos.test.", ""},
		{"the alias", "alias.mxcname.casos.test A", "found mx1.aurora.test. / A 198.18.1.25", ""},
		{"nothing on port 25", "closed.casos.test MX", "found / MX 10 ns.aurora.test.", ""},
		{"nobody there", "nobody.blackhole.casos.test A", "found / A 198.18.254.25", ""},
		{"half", "half.casos.test MX", "found / MX 10 ns.aurora.test. / MX 20 mx1.aurora.test.", ""},
		{"loop", "loop.casos.test MX", "found / MX 10 mx1.boreal.test.", ""},
		{"self as backup", "selfbackup.casos.test MX", "found / MX 10 ns.cedro.test. / MX 20 mx1.boreal.test. / MX 30 mx2.boreal.test.", ""},
		{"servfail", "servfail.casos.test MX", "failed", "ns.nic.test. (198.18.0.20) answered SERVFAIL"},
		{"lame", "lame.casos.test MX", "failed", "a.root-servers.test. (198.18.0.10) is not authoritative for lame.casos.test."},
		{"dead name server", "dead-ns.casos.test MX", "failed", "ns.dead-ns.casos.test. (198.18.254.53) did not answer"},
		{"address literal as a host", "ip.casos.test MX", "found / MX 10 198.18.1.25.", ""},
		{"that is no host", "198.18.1.25 A", "no such name", ""},
		{"internationalised name", "xn--caf-dma.casos.test MX", "found / MX 10 mx1.aurora.test.", ""},
		{"in another case", "XN--CAF-dma.CASOS.test MX", "found / MX 10 mx1.aurora.test.", ""},
		{"top-level domain that is none", "example.com MX", "no such name", ""},
		{"the root's servers", ". NS", "found / NS a.root-servers.test.", ""},
		{"ANY", "boreal.test ANY", "found / NS ns.boreal.test.", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, qtype, _ := strings.Cut(tt.question, " ")
			for _, when := range []string{"at first", "from the cache"} {
				a := c.Lookup(t.Context(), name, dns.StringToType[qtype])
				if qtype == "ANY" { // no record has that type
					m, err := c.Exchange(t.Context(), dnsclient.Query(name, dns.TypeANY))
					if err != nil {
						t.Fatal(err)
					}
					a = dnsclient.Read(name, dns.TypeNS, m)
				}
				if got := show(a); got != tt.want {
					t.Errorf("%s: got %s, want %s (%v)", when, got, tt.want, a.Err)
				}
				if tt.reason != "" && (a.Err == nil || !strings.Contains(a.Err.Error(), tt.reason)) {
					t.Errorf("%s: reason %v, want %s", when, a.Err, tt.reason)
				}
			}
		})
	}
}

func TestLongAnswerComesByTCP(t *testing.T) {
	tr := plant(t, nil)
	a := tr.client(t).LookupMX(t.Context(), "long.casos.test")
	if len(a.MX()) != 40 {
		t.Fatalf("%d MX records: %+v", len(a.MX()), a)
	}
	var protos []string
	for _, r := range tr.upstream() {
		if r.Meta.Get(event.Remote) == "198.18.0.20:53" {
			protos = append(protos, r.Meta.Get(event.Proto)+" "+r.Meta.Get(event.Flags))
		}
	}
	if want := []string{"udp aa tc", "tcp aa"}; !slices.Equal(protos, want) {
		t.Errorf("asked the registry %q, want %q", protos, want)
	}
}

func TestHeaderFlagsAndTTLs(t *testing.T) {
	tr := plant(t, nil)
	c := tr.client(t)
	m, err := c.Exchange(t.Context(), dnsclient.Query("nx.casos.test", dns.TypeMX))
	if err != nil {
		t.Fatal(err)
	}
	if m.Authoritative || !m.RecursionAvailable || !m.RecursionDesired {
		t.Errorf("flags %s, want rd ra", dnstext.Flags(m))
	}
	if len(m.Ns) != 1 || m.Ns[0].Header().Rrtype != dns.TypeSOA || m.Ns[0].Header().Ttl != 30 {
		t.Errorf("authority %v", m.Ns)
	}
}

func TestWithoutRDOnlyTheCacheAnswers(t *testing.T) {
	tr := plant(t, nil)
	c := tr.client(t)
	q := dnsclient.Query("boreal.test", dns.TypeMX)
	q.RecursionDesired = false
	if m, err := c.Exchange(t.Context(), q); err != nil || m.Rcode != dns.RcodeRefused {
		t.Fatalf("nothing in the cache: %v %v", m, err)
	}
	c.LookupMX(t.Context(), "boreal.test")
	if m, err := c.Exchange(t.Context(), q); err != nil || len(m.Answer) != 2 {
		t.Errorf("in the cache: %v %v", m, err)
	}
	// Glue of the referral is no answer (RFC 2181 §5.4.1).
	q = dnsclient.Query("ns.boreal.test", dns.TypeA)
	q.RecursionDesired = false
	if m, err := c.Exchange(t.Context(), q); err != nil || m.Rcode != dns.RcodeRefused {
		t.Errorf("glue: %v %v", m, err)
	}
}

func TestEventsLinkQuestionsToWhatTheyCost(t *testing.T) {
	tr := plant(t, nil)
	c := tr.client(t)
	c.LookupMX(t.Context(), "boreal.test")
	c.LookupMX(t.Context(), "boreal.test")
	up := tr.upstream()
	var path []string
	for _, r := range up {
		path = append(path, r.Meta.Get(event.Remote)+" "+r.Text)
	}
	want := []string{"198.18.0.10:53 boreal.test. MX", "198.18.0.20:53 boreal.test. MX", "198.18.2.53:53 boreal.test. MX"}
	if !slices.Equal(path, want) {
		t.Fatalf("the resolver asked %q, want %q", path, want)
	}
	var served []event.Record
	for _, r := range tr.env.Events.After(0, 100).Records {
		if r.Meta.Get(event.Role) == "server" {
			served = append(served, r)
		}
	}
	if len(served) != 2 || served[0].Conn == "" || served[0].Conn == served[1].Conn {
		t.Fatalf("served %+v", served)
	}
	for _, r := range up {
		if r.Conn != served[0].Conn {
			t.Errorf("question %s has conn %q, want %q", r.Text, r.Conn, served[0].Conn)
		}
	}
	if served[0].Meta.Get(event.Cached) != "" || served[1].Meta.Get(event.Cached) != "yes" {
		t.Errorf("cached: %q then %q", served[0].Meta.Get(event.Cached), served[1].Meta.Get(event.Cached))
	}
	// The server's record and the asker's name the same socket pair and id.
	for _, r := range tr.servers["ns.boreal.test"].Events.After(0, 100).Records {
		if r.Meta.Get(event.Role) == "server" && r.Text == "boreal.test. MX" {
			if r.Meta.Get(event.Remote) != up[2].Meta.Get(event.Local) || r.Meta.Get(event.ID) != up[2].Meta.Get(event.ID) {
				t.Errorf("server's record %v, asker's %v", r.Meta, up[2].Meta)
			}
		}
	}
}

func TestChangeOfAZoneIsSeenWithinItsTTL(t *testing.T) {
	tr := plant(t, func(e *node.Env) { e.Speed = 60 }) // a TTL of 60 s is one of the wall clock's
	c := tr.client(t)
	if got := show(c.LookupMX(t.Context(), "boreal.test")); got != "found / MX 10 mx1.boreal.test. / MX 20 mx2.boreal.test." {
		t.Fatal(got)
	}
	tr.edit(t, "boreal/boreal.test.zone", "MX      10 mx1", "MX      30 mx1")
	start := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for show(c.LookupMX(t.Context(), "boreal.test")) != "found / MX 30 mx1.boreal.test. / MX 20 mx2.boreal.test." {
		if <-tick.C; time.Since(start) > 5*time.Second {
			t.Fatal("the change is not seen")
		}
	}
}

func TestIdenticalQuestionsShareAWalk(t *testing.T) {
	tr := plant(t, nil)
	c := tr.client(t)
	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() {
			if a := c.LookupMX(t.Context(), "dead-ns.casos.test"); a.Status != dnsclient.Failed {
				t.Errorf("got %+v", a)
			}
		})
	}
	asking.Wait()
	// Root, registry, and the dead server twice.
	if n := len(tr.upstream()); n != 4 {
		t.Errorf("%d questions to others, want 4", n)
	}
}

// A name may be spelled in 2^n ways. When each had a walk of its own, whoever
// asked for many of them got as many chances to forge one answer (RFC 5452 §5).
func TestQuestionsInAnotherCaseShareTheWalkToo(t *testing.T) {
	tr := plant(t, nil)
	c := tr.client(t)
	var asking sync.WaitGroup
	for i := range len("dead") {
		asking.Go(func() { c.LookupMX(t.Context(), "dead"[:i]+strings.ToUpper("dead"[i:])+"-ns.casos.test") })
	}
	asking.Wait()
	if n := len(tr.upstream()); n != 4 {
		t.Errorf("%d questions to others, want 4", n)
	}
	for _, name := range []string{"WWW.boreal.TEST.", "Pop.Boreal.Test.", "pop.boreal.test."} {
		m, err := c.Exchange(t.Context(), dnsclient.Query(name, dns.TypeCNAME))
		if err != nil || m.Question[0].Name != name {
			t.Fatalf("%s: %v, %v", name, m, err)
		}
		for _, rr := range m.Answer {
			if rr.Header().Name != name {
				t.Errorf("asked for %s, got %s", name, rr)
			}
		}
	}
}

func TestCacheRoutes(t *testing.T) {
	tr := plant(t, nil)
	c := tr.client(t)
	c.LookupMX(t.Context(), "cname.casos.test")
	c.LookupMX(t.Context(), "nx.casos.test")
	c.LookupMX(t.Context(), "servfail.casos.test")
	call := func(method string) *httptest.ResponseRecorder {
		for _, r := range tr.resolver.Routes() {
			if r.Pattern == method+" /cache" {
				w := httptest.NewRecorder()
				r.Handler.ServeHTTP(w, httptest.NewRequest(method, "/cache", nil))
				return w
			}
		}
		t.Fatalf("no route %s /cache", method)
		return nil
	}
	keys := func() []string {
		var body struct {
			Entries []struct {
				Name, Type, Rcode, Kind string
				TTL                     uint32
				Records                 []string
			}
		}
		if err := json.Unmarshal(call("GET").Body.Bytes(), &body); err != nil {
			t.Fatal(err)
		}
		list := []string{}
		for _, e := range body.Entries {
			if e.TTL == 0 || e.TTL > 60 {
				t.Errorf("%+v: ttl", e)
			}
			list = append(list, e.Name+" "+e.Type+" "+e.Rcode+" "+e.Kind)
		}
		return list
	}
	want := []string{
		"boreal.test. MX NOERROR answer", "boreal.test. NS NOERROR delegation", "cname.casos.test. CNAME NOERROR answer",
		"nx.casos.test. ANY NXDOMAIN negative", "servfail.casos.test. MX SERVFAIL failure", "test. NS NOERROR delegation",
	}
	if got := keys(); !slices.Equal(got, want) {
		t.Errorf("cache\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if w := call("DELETE"); w.Code != 204 || len(keys()) != 0 {
		t.Errorf("DELETE: %d, then %q", w.Code, keys())
	}
}

func TestWalkFromTheRoot(t *testing.T) {
	tr := plant(t, nil)
	var got []string
	err := tr.client(t).Walk(t.Context(), "cname.casos.test", dns.TypeMX, func(s dnsclient.Step) {
		got = append(got, strings.TrimSpace(s.Server+" "+string(s.Outcome)+" "+s.Next))
	})
	want := []string{
		"hints .", "a.root-servers.test. referral test.", "ns.nic.test. alias boreal.test.",
		"a.root-servers.test. referral test.", "ns.nic.test. referral boreal.test.", "ns.boreal.test. answer",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestBadHints(t *testing.T) {
	for name, text := range map[string]string{
		"no file": "", "no address": ". 60 IN NS a.root.\n", "not about the root": "test. 60 IN NS a.root.\na.root. 60 IN A 198.18.0.10\n", "syntax": ". 60 IN NS\n",
	} {
		t.Run(name, func(t *testing.T) {
			env := labtest.Env(t, labtest.NewStack(t), "../../deploy/resolver", "resolver1.nic.test")
			env.Org.Dir = t.TempDir()
			if text != "" {
				if err := os.WriteFile(filepath.Join(env.Org.Dir, env.Host.Hints), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if n, err := resolver.New(env); err == nil || n != nil || !strings.Contains(err.Error(), "root hints") {
				t.Errorf("error %v", err)
			}
		})
	}
}
