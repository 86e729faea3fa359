package authdns

import (
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"correio/services/internal/dnsclient"
	"correio/services/internal/dnstext"
	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/labtest"
	"correio/services/internal/node"
	"correio/services/internal/reason"
	"correio/services/internal/text"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const head = "@ 60 IN SOA ns.nic.test. h.test. 1 3600 600 86400 30\n@ 60 IN NS ns.nic.test.\n"

// files are the zones of a server that stands for a registry.
var files = map[string]string{
	"test.zone": head + `
ns.nic     60 IN A 198.18.0.20
boreal     60 IN NS ns.boreal
ns.boreal  60 IN A 198.18.2.53
ns.boreal  60 IN AAAA fd00::2:53
casos      60 IN NS ns.nic
casos      60 IN DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
lonely     60 IN NS ns.elsewhere.example.
`,
	"casos.zone": head + `
a        60 IN MX 10 Mx.casos.test.
a        60 IN MX 20 mx.casos.test.
a        60 IN MX 30 ns.nic.test.
a        60 IN MX 40 ns.boreal.test.
mx       60 IN A 198.18.9.25
srv      60 IN SRV 0 0 25 mx
servfail 60 IN NS ns.nic.test.
`,
}

// serverOf makes a node with these files in a folder of the test.
func serverOf(t *testing.T, files map[string]string, zones ...lab.Zone) (*Node, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	host := lab.Host{Name: "ns.nic.test", Role: lab.RoleDNS, Internet: netip.MustParseAddr("198.18.0.20"), Zones: zones}
	env := labtest.EnvOf(t, labtest.NewStack(t), &lab.Org{Dir: dir, Title: "Registry", Hosts: []lab.Host{host}}, host.Name)
	n, err := New(env)
	if err != nil {
		t.Fatal(err)
	}
	return n, dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func registry(t *testing.T) *Node {
	n, _ := serverOf(t, files, lab.Zone{Name: "test", File: "test.zone"}, lab.Zone{Name: "casos.test", File: "casos.zone"},
		lab.Zone{Name: "servfail.casos.test", Answer: "servfail"})
	return n
}

func ask(n *Node, question string) *dns.Msg {
	name, qtype, _ := strings.Cut(question, " ")
	return n.zones.Load().answer(new(dns.Msg).SetQuestion(name, dns.StringToType[qtype]))
}

func list(rrs []dns.RR) string {
	var out []string
	for _, rr := range rrs {
		if rr.Header().Rrtype != dns.TypeOPT {
			out = append(out, dnstext.RR(rr))
		}
	}
	return strings.Join(out, "\n")
}

func TestAnswer(t *testing.T) {
	n := registry(t)
	const casosSOA = "casos.test. 30 IN SOA ns.nic.test. h.test. 1 3600 600 86400 30"
	tests := []struct {
		name, question            string
		rcode                     int
		aa                        bool
		answer, authority, extras string
	}{
		{"addresses for MX, each host once, from every zone, glue not", "a.casos.test. MX", 0, true,
			"a.casos.test. 60 IN MX 10 Mx.casos.test.\na.casos.test. 60 IN MX 20 mx.casos.test.\na.casos.test. 60 IN MX 30 ns.nic.test.\na.casos.test. 60 IN MX 40 ns.boreal.test.", "",
			"mx.casos.test. 60 IN A 198.18.9.25\nns.nic.test. 60 IN A 198.18.0.20"},
		{"addresses for SRV", "srv.casos.test. SRV", 0, true, "srv.casos.test. 60 IN SRV 0 0 25 mx.casos.test.", "", "mx.casos.test. 60 IN A 198.18.9.25"},
		{"referral with glue of both families", "mx1.boreal.test. A", 0, false, "", "boreal.test. 60 IN NS ns.boreal.test.",
			"ns.boreal.test. 60 IN A 198.18.2.53\nns.boreal.test. 60 IN AAAA fd00::2:53"},
		{"referral without glue", "x.lonely.test. A", 0, false, "", "lonely.test. 60 IN NS ns.elsewhere.example.", ""},
		{"the child zone answers for itself", "CASOS.test. NS", 0, true, "CASOS.test. 60 IN NS ns.nic.test.", "", "ns.nic.test. 60 IN A 198.18.0.20"},
		{"the parent answers for DS", "casos.test. DS", 0, true, "casos.test. 60 IN DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000", "", ""},
		{"no such name in the child zone", "nx.casos.test. A", dns.RcodeNameError, true, "", casosSOA, ""},
		{"the top of our highest zone has no DS here", "test. DS", 0, true, "", "test. 30 IN SOA ns.nic.test. h.test. 1 3600 600 86400 30", ""},
		{"out of our zones", "example. A", dns.RcodeRefused, false, "", "", ""},
		{"the root", ". NS", dns.RcodeRefused, false, "", "", ""},
		{"name that only looks like ours", "xtest. A", dns.RcodeRefused, false, "", "", ""},
		{"zone that fails on purpose", "servfail.casos.test. MX", dns.RcodeServerFailure, false, "", "", ""},
		{"below it", "a.b.servfail.casos.test. MX", dns.RcodeServerFailure, false, "", "", ""},
		{"transfer", "casos.test. AXFR", dns.RcodeRefused, false, "", "", ""},
		{"transfer in another case", "CASOS.test. IXFR", dns.RcodeRefused, false, "", "", ""},
		{"MAILB", "casos.test. MAILB", dns.RcodeNotImplemented, false, "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := ask(n, tt.question)
			if m.Rcode != tt.rcode || m.Authoritative != tt.aa || m.RecursionAvailable {
				t.Errorf("rcode %s aa %t ra %t", dns.RcodeToString[m.Rcode], m.Authoritative, m.RecursionAvailable)
			}
			for _, s := range []struct{ what, got, want string }{
				{"answer", list(m.Answer), tt.answer}, {"authority", list(m.Ns), tt.authority}, {"additional", list(m.Extra), tt.extras},
			} {
				if s.got != s.want {
					t.Errorf("%s\n%s\nwant\n%s", s.what, s.got, s.want)
				}
			}
		})
	}
}

// poll makes the loader look at the files now.
func (n *Node) poll(t *testing.T) {
	t.Helper()
	n.loader.poll(t.Context())
}

func zones(t *testing.T, n *Node) []Status {
	t.Helper()
	w := httptest.NewRecorder()
	n.Routes()[0].Handler.ServeHTTP(w, httptest.NewRequest("GET", "/zones", nil))
	var body struct{ Zones []Status }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return body.Zones
}

func lastEvent(n *Node) event.Record {
	records := n.env.Events.After(0, 1000).Records
	if len(records) == 0 {
		return event.Record{}
	}
	return records[len(records)-1]
}

// behaviour.md §6 row 32: whatever becomes of the file, the zone that was
// served goes on until a better one is there.
func TestRow32ZoneReload(t *testing.T) {
	const zone = head + "a 60 IN A 198.18.9.1\n"
	serial2 := strings.Replace(zone, "h.test. 1 ", "h.test. 2 ", 1)
	moved := strings.Replace(serial2, "198.18.9.1", "198.18.9.2", 1)
	tests := []struct {
		name   string
		change func(t *testing.T, path string)
		addr   string
		state  State
		text   string // of the event
		reason string
	}{
		{"written in place", func(t *testing.T, p string) { write(t, p, moved) }, "198.18.9.2", Loaded, event.Reloaded, ""},
		{"renamed over", func(t *testing.T, p string) {
			write(t, p+".new", moved)
			if err := os.Rename(p+".new", p); err != nil {
				t.Fatal(err)
			}
		}, "198.18.9.2", Loaded, event.Reloaded, ""},
		{"same size and time", func(t *testing.T, p string) {
			info, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			write(t, p, moved)
			if err := os.Chtimes(p, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}, "198.18.9.2", Loaded, event.Reloaded, ""},
		{"same serial", func(t *testing.T, p string) { write(t, p, strings.Replace(zone, "198.18.9.1", "198.18.9.2", 1)) },
			"198.18.9.2", Loaded, event.Reloaded, "the zone changed, but its serial is still 1: secondaries will not see the change"},
		{"serial goes back", func(t *testing.T, p string) {
			write(t, p, strings.Replace(moved, "h.test. 2 ", "h.test. 4000000000 ", 1))
		},
			"198.18.9.2", Loaded, event.Reloaded, "the serial went back from 1 to 4000000000: secondaries will not see the change"},
		{"syntax error", func(t *testing.T, p string) { write(t, p, serial2+"b 60 IN A 198.18.9\n") },
			"198.18.9.1", Stale, event.ReloadRefused, `z.zone:4: bad A A: "198.18.9"`},
		{"missing SOA", func(t *testing.T, p string) { write(t, p, "@ 60 IN NS ns\n") },
			"198.18.9.1", Stale, event.ReloadRefused, "z.zone: no SOA for z.test."},
		{"emptied", func(t *testing.T, p string) { write(t, p, "") },
			"198.18.9.1", Stale, event.ReloadRefused, "z.zone: no SOA for z.test.; z.zone: no NS for z.test."},
		{"removed", func(t *testing.T, p string) { os.Remove(p) },
			"198.18.9.1", Stale, event.ReloadRefused, "zone file: open z.zone: no such file or directory"},
		{"touched only", func(t *testing.T, p string) {
			if err := os.Chtimes(p, time.Time{}, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}, "198.18.9.1", Loaded, event.Reloaded, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, dir := serverOf(t, map[string]string{"z.zone": zone}, lab.Zone{Name: "z.test", File: "z.zone"})
			tt.change(t, filepath.Join(dir, "z.zone"))
			n.poll(t)
			if got := list(ask(n, "a.z.test. A").Answer); got != "a.z.test. 60 IN A "+tt.addr {
				t.Errorf("answer %q, want %s", got, tt.addr)
			}
			e := lastEvent(n)
			if e.Kind != event.KindNode || e.Text != tt.text || e.Meta.Get(event.Zone) != "z.test" || said(e) != tt.reason {
				t.Errorf("event %s %v", e.Text, e.Meta)
			}
			if why := reason.Parse(e.Meta.Get(event.Reason)); tt.reason != "" && why[0].In(text.Portuguese) == why[0].String() {
				t.Errorf("%v is in one language", why)
			}
			wantErr := tt.reason
			if tt.state == Loaded {
				wantErr = ""
			}
			if s := zones(t, n)[0]; s.State != tt.state || s.Error != wantErr || s.File != "z.zone" {
				t.Errorf("status %+v", s)
			}
			before := len(n.env.Events.After(0, 1000).Records)
			n.poll(t) // the same fault is not told twice
			if after := len(n.env.Events.After(0, 1000).Records); after != before {
				t.Errorf("%d more events", after-before)
			}
			write(t, filepath.Join(dir, "z.zone"), strings.Replace(zone, "198.18.9.1", "198.18.9.77", 1))
			n.poll(t)
			if got := list(ask(n, "a.z.test. A").Answer); !strings.HasSuffix(got, ".77") {
				t.Errorf("after a good version: %q", got)
			}
		})
	}
}

func TestZoneThatWasNeverLoaded(t *testing.T) {
	n, dir := serverOf(t, map[string]string{"z.zone": head + "a 60 IN A 198.18\n", "ok.zone": head}, lab.Zone{Name: "z.test", File: "z.zone"}, lab.Zone{Name: "ok.test", File: "ok.zone"})
	labtest.Start(t, unready{n})
	if m := ask(n, "a.z.test. A"); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("rcode %s", dns.RcodeToString[m.Rcode])
	}
	if m := ask(n, "ok.test. SOA"); m.Rcode != 0 || len(m.Answer) != 1 {
		t.Errorf("the other zone: %v", m)
	}
	if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "zone z.test: z.zone:3: ") {
		t.Errorf("Ready: %v", err)
	}
	write(t, filepath.Join(dir, "z.zone"), head+"a 60 IN A 198.18.9.1\n")
	eventually(t, func() bool { return n.Ready() == nil })
	if m := ask(n, "a.z.test. A"); len(m.Answer) != 1 {
		t.Errorf("after the repair: %v", m)
	}
}

// unready is a node that is not going to be ready.
type unready struct{ *Node }

// Ready says that the sockets are bound, whatever the zones are.
func (u unready) Ready() error {
	if u.serving.Load() {
		return nil
	}
	return node.ErrStarting
}

func eventually(t *testing.T, what func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(labtest.Eventually)
	for !what() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it does not happen")
		}
	}
}

func TestNodeOverTheWire(t *testing.T) {
	n := registry(t)
	if n.Ready() == nil {
		t.Error("ready before Run")
	}
	stop := labtest.Start(t, n)
	for _, tcp := range []bool{false, true} {
		c := dnsclient.New(dnsclient.Config{Dial: n.env.Dial, Server: netip.MustParseAddrPort("198.18.0.20:53"), TCPOnly: tcp})
		if a := c.LookupMX(t.Context(), "A.casos.test"); a.Status != dnsclient.Found || len(a.MX()) != 4 {
			t.Errorf("tcp %t: %+v", tcp, a)
		}
	}
	stop()
	var texts []string
	for _, r := range n.env.Events.After(0, 100).Records {
		texts = append(texts, r.Text)
	}
	want := []string{"reloaded", "reloaded", "starting", "ready", "A.casos.test. MX", "A.casos.test. MX", "stopping"}
	if !slices.Equal(texts, want) {
		t.Errorf("events %q, want %q", texts, want)
	}
}

func TestTheLabsOwnZonesLoad(t *testing.T) {
	for dir, host := range map[string]string{
		"root": "a.root-servers.test", "tld": "ns.nic.test", "aurora": "ns.aurora.test", "boreal": "ns.boreal.test", "cedro": "ns.cedro.test",
	} {
		n, err := New(labtest.Env(t, labtest.NewStack(t), "../../deploy/"+dir, host))
		if err != nil {
			t.Fatal(err)
		}
		for _, z := range n.zones.Load().list {
			if z.State == Failed {
				t.Errorf("%s: %s", z.Name, z.Error)
			}
		}
	}
}

// said is why a record tells what it does, without the words around it.
func said(e event.Record) string {
	var all []string
	for _, why := range reason.Parse(e.Meta.Get(event.Reason)) {
		if why.Rule == reason.ZoneRefused {
			all = append(all, why.Args[0])
		} else {
			all = append(all, why.String())
		}
	}
	return strings.Join(all, "; ")
}
