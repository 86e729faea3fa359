package resolver_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"correio/services/authdns"
	"correio/services/internal/dnsclient"
	"correio/services/internal/dnstext"
	"correio/services/internal/event"
	"correio/services/internal/labtest"
	"correio/services/internal/node"
	"correio/services/resolver"
)

// nobody are the addresses that the zones name and nobody has.
var nobody = []netip.Addr{netip.MustParseAddr("198.18.254.53"), netip.MustParseAddr("198.18.254.25")}

// tree is the lab's name space on a stack: root, registry, organisations and
// a resolver, from a copy of the real deploy directory.
type tree struct {
	stack    *labtest.Stack
	dir      string
	resolver *resolver.Node
	env      *node.Env // of the resolver
	servers  map[string]*node.Env
}

func plant(t testing.TB, change func(*node.Env)) *tree {
	t.Helper()
	tr := &tree{stack: labtest.NewStack(t), dir: t.TempDir(), servers: map[string]*node.Env{}}
	if err := os.CopyFS(tr.dir, os.DirFS("../../deploy")); err != nil {
		t.Fatal(err)
	}
	tr.stack.Blackhole(nobody...)
	for host, site := range map[string]string{
		"a.root-servers.test": "root", "ns.nic.test": "tld", "ns.aurora.test": "aurora", "ns.boreal.test": "boreal", "ns.cedro.test": "cedro",
	} {
		env := labtest.Env(t, tr.stack, filepath.Join(tr.dir, site), host)
		n, err := authdns.New(env)
		if err != nil {
			t.Fatal(err)
		}
		tr.servers[host] = env
		labtest.Start(t, n)
	}
	tr.env = labtest.Env(t, tr.stack, filepath.Join(tr.dir, "resolver"), "resolver1.nic.test")
	if change != nil {
		change(tr.env)
	}
	var err error
	if tr.resolver, err = resolver.New(tr.env); err != nil {
		t.Fatal(err)
	}
	labtest.Start(t, tr.resolver)
	return tr
}

// client asks the resolver as mx1.aurora.test does.
func (tr *tree) client(t testing.TB) *dnsclient.Client {
	env := labtest.Env(t, tr.stack, filepath.Join(tr.dir, "aurora"), "mx1.aurora.test")
	return dnsclient.New(dnsclient.Config{Dial: env.Dial, Server: netip.AddrPortFrom(env.Org.Resolver, 53), Timeout: 10 * time.Second, Tries: 1})
}

// upstream counts the questions that the resolver asked others.
func (tr *tree) upstream() []event.Record {
	var list []event.Record
	for _, r := range tr.env.Events.After(0, 10000).Records {
		if r.Kind == event.KindDNS && r.Meta.Get(event.Role) == "client" {
			list = append(list, r)
		}
	}
	return list
}

func show(a dnsclient.Answer) string {
	out := a.Status.String()
	if a.Alias() {
		out += " " + a.Canonical
	}
	for _, rr := range a.Records {
		fields := strings.Fields(dnstext.RR(rr))
		out += " / " + strings.Join(fields[3:], " ")
	}
	return out
}

// edit rewrites a zone file of the tree.
func (tr *tree) edit(t *testing.T, path, old, now string) {
	t.Helper()
	path = filepath.Join(tr.dir, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		t.Fatalf("%s holds no %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), old, now, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}
