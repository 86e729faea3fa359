package control_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"correio/services/internal/control"
	"correio/services/internal/problem"
	"correio/services/internal/text"
)

// What went wrong crosses the wire as data, so that it can be said in the
// reader's language.
func TestProblemsCrossTheWireAsData(t *testing.T) {
	tests := []struct {
		name string
		err  error
		body string
		pt   string // "" when the error has no code
	}{
		{"with a code", problem.New(problem.NoSuchNode, "mx9.test"), `{"error":"the lab has no node mx9.test","code":"no-such-node","args":["mx9.test"]}`, "o laboratório não tem o nó mx9.test"},
		{"without a code", errors.New("cosmic rays"), `{"error":"cosmic rays"}`, ""},
		{"of a newer lab", problem.New("eclipse", "moon"), `{"error":"eclipse","code":"eclipse","args":["moon"]}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			control.WriteProblem(w, 400, tt.err)
			if got := w.Body.String(); got != tt.body+"\n" {
				t.Errorf("body %s, want %s", got, tt.body)
			}
			err := control.DecodeAnswer(w.Result(), nil)
			var said *control.StatusError
			if !errors.As(err, &said) || said.Code != 400 || said.What != tt.err.Error() {
				t.Fatalf("decoded as %v", err)
			}
			var p *problem.Problem
			if known := errors.As(err, &p); known != (tt.pt != "") || known && p.In(text.Portuguese) != tt.pt {
				t.Errorf("its problem is %v", p)
			}
		})
	}
}
