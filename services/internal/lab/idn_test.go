package lab_test

import (
	"path/filepath"
	"testing"

	"correio/services/internal/lab"
	"correio/services/internal/sasl"
)

func TestDomainsInULabelsAreThoseOfDNS(t *testing.T) {
	t.Parallel()
	dir := unpack(t, "aurora/org.yaml", "  - half.odd.test", "  - half.odd.test\n  - café.any.aurora.test")
	l, faults := lab.Check(dir)
	if len(faults) > 0 {
		t.Errorf("Check: %v", faults) // the zone has the name by its wildcard, in ASCII
	}
	o, ok := l.OrgOf("mx1.aurora.test")
	if !ok || o.Domains[1] != "xn--caf-dma.any.aurora.test" {
		t.Fatalf("domains are %q", o.Domains)
	}
	for _, domain := range []string{"café.any.aurora.test", "CAFE\u0301.any.aurora.test", "XN--CAF-DMA.any.aurora.test"} {
		if !o.Local(domain) {
			t.Errorf("%q is not local", domain)
		}
	}
	for _, domain := range []string{"cafe.any.aurora.test", "café.any\uff0eaurora.test", "xn--caf-dma.any.aurora.test\u200b"} {
		if o.Local(domain) {
			t.Errorf("%q is local", domain)
		}
	}
}

func TestPeopleWithNamesBeyondASCII(t *testing.T) {
	t.Parallel()
	dir := unpack(t, "aurora/org.yaml", "  - {name: ana, password: ana}\n", "  - {name: ana, password: ana}\n  - {name: josé, password: josé}\n")
	o, err := lab.LoadOrg(filepath.Join(dir, "aurora"))
	if err != nil {
		t.Fatal(err)
	}
	o.Aliases["joão"] = lab.Targets{"ana"}
	for local, want := range map[string]string{
		"josé": "josé", "JOSÉ": "josé", "jose\u0301": "josé", "João": "ana", "joa\u0303o": "ana", "ANA": "ana",
		"jose": "", "joao": "", "an\uff41": "", "a\u200dna": "", "al\u0130ce": "",
	} {
		if p, ok := o.Person(local); p.Name != want || ok != (want != "") {
			t.Errorf("Person(%q) = %q, %t, want %q", local, p.Name, ok, want)
		}
	}
	for user, want := range map[string]string{
		"josé": "josé", "Jose\u0301@aurora.test": "josé", "joão": "", "josé@boreal.test": "",
	} {
		if who, _ := sasl.Verify(t.Context(), o, user, "josé"); who.Account != want {
			t.Errorf("%q logs in as %q, want %q", user, who.Account, want)
		}
	}
}
