package lab_test

import (
	"testing"

	"correio/services/internal/lab"
	"correio/services/internal/text"
)

func TestReservedPartsAreKnownEverywhere(t *testing.T) {
	t.Parallel()
	whole, err := lab.Load("../../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range whole.Orgs {
		for _, r := range lab.ReservedParts {
			if name, ok := o.Reserved(string(r.Local)); ok != (o.Domain != "") || ok && name != r.Local {
				t.Errorf("%s: Reserved(%q) = %q, %v", o.Title, r.Local, name, ok)
			}
			for _, lang := range text.Langs {
				if r.Does.In(lang) == "" {
					t.Errorf("%s says nothing in %s", r.Local, lang)
				}
			}
		}
	}
}

func TestOwnPeopleAndAliasesWinOverReservedParts(t *testing.T) {
	t.Parallel()
	o := &lab.Org{
		Domain: "boreal.test", People: []lab.Person{{Name: "lento"}}, Aliases: map[string]lab.Targets{"erro": {"lento"}},
	}
	for local, want := range map[string]lab.Reserved{
		"cheio": lab.Full, "Cheio": lab.Full, "REJEITA-DADOS": lab.RefusesData,
		"lento": "", "Lento": "", "erro": "", "ERRO": "", "bruno": "", "": "", "cheio ": "",
		"mudou": "", "encaminha": "", // without "elsewhere"
	} {
		if got, ok := o.Reserved(local); got != want || ok != (want != "") {
			t.Errorf("Reserved(%q) = %q, %v, want %q", local, got, ok, want)
		}
	}
	o.Elsewhere = "carla@cedro.test"
	if got, _ := o.Reserved("Mudou"); got != lab.Moved {
		t.Errorf("with elsewhere, Reserved(Mudou) = %q", got)
	}
}
