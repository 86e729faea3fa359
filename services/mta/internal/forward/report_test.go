package forward

import (
	"fmt"
	"testing"

	"correio/services/internal/lab"
)

// A report about mail from an alias of the site went to the MDA under the alias's
// name, which has no mailbox, and nobody was told.
func TestReportToAnAliasGoesToThoseBehindIt(t *testing.T) {
	t.Parallel()
	o := org()
	o.Elsewhere = "ana@aurora.test"
	o.Aliases["grupo"] = lab.Targets{"equipe"}
	o.Aliases["antes"] = lab.Targets{"equipe", "bruno"}
	s := NewSRS(o, 1)
	made, err := s.Rewrite(address(t, "carla@cedro.test"), noon)
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[string]string{
		"bruno@boreal.test":        "bruno@boreal.test [bruno@boreal.test]",
		"chefe@boreal.test":        "chefe@boreal.test [chefe@boreal.test]", // another name of one person
		"ninguem@boreal.test":      "ninguem@boreal.test [ninguem@boreal.test]",
		"postmaster@boreal.test":   "postmaster@boreal.test [postmaster@boreal.test]",
		"Todos@boreal.test":        "Todos@boreal.test [bruno@boreal.test beatriz@boreal.test]",
		"todos@cname.casos.test":   "todos@cname.casos.test [bruno@cname.casos.test beatriz@cname.casos.test]",
		"todos@aurora.test":        "todos@aurora.test [todos@aurora.test]", // theirs to expand
		"longe@boreal.test":        "longe@boreal.test [carla@cedro.test]",
		"antes@boreal.test":        "antes@boreal.test [bruno@boreal.test]",
		"equipe-owner@boreal.test": "equipe-owner@boreal.test [equipe-owner@boreal.test]",
		"interna@boreal.test":      "interna@boreal.test [interna-owner@boreal.test]",
		"grupo@boreal.test":        "grupo@boreal.test [equipe-owner@boreal.test interna-owner@boreal.test]",
		"encaminha@boreal.test":    "encaminha@boreal.test [ana@aurora.test]",
		"cinza@boreal.test":        "cinza@boreal.test [postmaster@boreal.test]",
		"mudou@boreal.test":        "mudou@boreal.test [mudou@boreal.test]", // takes no mail
		made.String():              "carla@cedro.test [carla@cedro.test]",
	} {
		to, rcpts := s.ReportTo(address(t, from), noon)
		if got := fmt.Sprint(to, rcpts); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}
