package lab_test

import (
	"path/filepath"
	"testing"
	"time"

	"correio/services/internal/lab"
)

// withAliases is aurora.test of testdata with every kind of address.
func withAliases(t *testing.T) *lab.Org {
	t.Helper()
	dir := unpack(t, "aurora/org.yaml", "  postmaster: alice\n", `  postmaster: chefe
  chefe: alice
  todos: [ana, alice]
  um: todos
  fora: bruno@boreal.test
  cheio: ana
lists:
  - {address: equipe, owner: chefe, members: ana}
smtp: {greylist: true, expn: true, without-srs: true, srs-key: segredo}
`)
	o, err := lab.LoadOrg(filepath.Join(dir, "aurora"))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestWhoIsBehindALocalPart(t *testing.T) {
	t.Parallel()
	o := withAliases(t)
	for local, want := range map[string]struct {
		person  string
		expands bool
	}{
		"ana":          {"ana", false},
		"Postmaster":   {"alice", false}, // an alias of an alias
		"equipe-owner": {"alice", false},
		"Todos":        {"", true},
		"um":           {"", true}, // an alias of one that is for several
		"fora":         {"", true},
		"equipe":       {"", true}, // one member, but its mail is the list's
		"ninguem":      {"", false},
	} {
		if p, ok := o.Person(local); p.Name != want.person || ok != (want.person != "") || o.Expands(local) != want.expands {
			t.Errorf("%s: person %q, expands %t, want %+v", local, p.Name, o.Expands(local), want)
		}
	}
	if name, ok := o.Reserved("cheio"); ok {
		t.Errorf("an alias does not win over the reserved name %s", name)
	}
	s := o.SMTP
	if s.Greylist != lab.DefaultGreylist || !s.Expn || !s.WithoutSRS || s.SRSKey != "segredo" {
		t.Errorf("smtp: %+v", s)
	}
	var g lab.Greylist
	for in, want := range map[string]time.Duration{"true": 5 * time.Second, "false": 0, "5m": 5 * time.Minute} {
		if err := g.UnmarshalText([]byte(in)); err != nil || time.Duration(g) != want {
			t.Errorf("greylist: %s is %v, %v", in, time.Duration(g), err)
		}
	}
}

// A circle that Load would refuse, as when the model is changed by hand, must
// not be walked for ever.
func TestPersonOfACircleIsNobody(t *testing.T) {
	t.Parallel()
	o := &lab.Org{Domain: "aurora.test", Aliases: map[string]lab.Targets{"a": {"b"}, "b": {"a"}}}
	if p, ok := o.Person("a"); ok || !o.Expands("a") {
		t.Errorf("a is %q", p.Name)
	}
}
