package main

import (
	"testing"

	"correio/services/internal/journey"
)

// An internationalised domain is shown as people write it and as DNS has it.
func TestTraceShowsBothForms(t *testing.T) {
	t.Parallel()
	j := journey.Journey{From: "bruno@xn--caf-dma.casos.test", Recipients: []journey.Recipient{
		{Address: "ana@xn--caf-dma.casos.test"}, {Address: "joão@boreal.test"}, {Address: "carla@xn--cedro-.test"},
	}}
	shown := inBothForms(j)
	if want := "bruno@café.casos.test (xn--caf-dma.casos.test)"; shown.From != want {
		t.Errorf("from %q, want %q", shown.From, want)
	}
	for i, want := range []string{"ana@café.casos.test (xn--caf-dma.casos.test)", "joão@boreal.test", "carla@xn--cedro-.test"} {
		if got := shown.Recipients[i].Address; got != want {
			t.Errorf("recipient %q, want %q", got, want)
		}
	}
	if j.Recipients[0].Address != "ana@xn--caf-dma.casos.test" {
		t.Error("the journey itself has changed")
	}
}
