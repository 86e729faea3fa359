package lab_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"correio/services/internal/lab"
)

// deploy is the lab that the repository carries.
var deploy = filepath.Join("..", "..", "..", "deploy")

func TestTheLabOfTheRepositoryLoads(t *testing.T) {
	l, err := lab.Load(deploy)
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Orgs) != len(l.Sites) {
		t.Errorf("Load: %d sites, want %d", len(l.Orgs), len(l.Sites))
	}
	for _, site := range l.Sites {
		if _, err := lab.LoadOrg(filepath.Join(deploy, site)); err != nil {
			t.Errorf("LoadOrg(%s): %v", site, err)
		}
	}
}

// A node must come back while somebody's zone file is broken or disagrees: name
// servers look after that themselves.
func TestLoadReadsNoZoneFiles(t *testing.T) {
	dir := unpack(t, "aurora/aurora.test.zone", "MX  10 mx1", "MX  ten mx1")
	if _, err := lab.Load(dir); err != nil {
		t.Errorf("Load: %v", err)
	}
	if _, err := lab.LoadOrg(filepath.Join(dir, "aurora")); err != nil {
		t.Errorf("LoadOrg: %v", err)
	}
	if _, faults := lab.CheckOrg(filepath.Join(dir, "aurora")); len(faults) != 1 || !strings.Contains(faults[0].Error(), "bad MX") {
		t.Errorf("CheckOrg: %v, want the syntax error alone", faults)
	}
}

func TestLoadReportsEveryFaultAtOnceAndNoWarning(t *testing.T) {
	dir := unpack(t, "aurora/org.yaml", "internet: 198.18.1.25\n    lan: 198.19.1.25", "intern: 198.18.1.25\n    lan: 198.19.3.25")
	for name, load := range map[string]func() error{
		"Load":    func() error { _, err := lab.Load(dir); return err },
		"LoadOrg": func() error { _, err := lab.LoadOrg(filepath.Join(dir, "aurora")); return err },
	} {
		var all *lab.FaultsError
		if err := load(); !errors.As(err, &all) {
			t.Fatalf("%s = %v, want a *FaultsError", name, err)
		}
		if got := lines(dir, all.Faults); len(got) != 3 || !strings.Contains(all.Error(), "aurora/org.yaml:19: unknown key") {
			t.Errorf("%s: %d faults:\n%v", name, len(got), all)
		}
	}
	// A site that is not listed is no more than a warning.
	if _, err := lab.Load(unpack(t, "lab.yaml", "aurora, boreal]", "aurora]")); err != nil {
		t.Errorf("Load with a warning: %v", err)
	}
}

func TestLoadOfNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := lab.Load(dir); err == nil || !strings.Contains(err.Error(), "lab.yaml: there is no such file") {
		t.Errorf("Load of an empty folder = %v", err)
	}
	if _, err := lab.LoadOrg(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "org.yaml: there is no such file") {
		t.Errorf("LoadOrg of a missing folder = %v", err)
	}
}

func FuzzLoadOrg(f *testing.F) {
	for _, site := range []string{"root", "tld", "resolver", "boreal"} {
		data, err := os.ReadFile(filepath.Join(deploy, site, lab.SiteFile))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("hosts: [{}, {zones: [{}]}]\npeople: [{}]\naliases: {a: }\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, lab.SiteFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
		org, faults := lab.CheckOrg(dir)
		for _, fault := range faults {
			if last := strings.Count(string(data), "\n") + 1; fault.Line < 0 || fault.Line > last {
				t.Errorf("CheckOrg(%q): %v, but there are %d lines", data, fault, last)
			}
		}
		if _, err := lab.LoadOrg(dir); err == nil && len(org.Hosts) == 0 {
			t.Errorf("LoadOrg(%q) accepted a site without hosts", data)
		}
	})
}
