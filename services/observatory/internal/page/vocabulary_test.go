package page

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"correio/services/internal/event"
	"correio/services/internal/text"
)

// The records of the page were in English whatever its language.
func TestRecordsSpeakTheLanguageOfThePage(t *testing.T) {
	for _, tt := range []struct {
		r        event.Record
		kind, pt string
	}{
		{event.Record{Kind: event.KindConn, Text: event.Close, Meta: event.M(event.Reason, "quit")}, "conexão", "fechada · motivo despedida (QUIT)"},
		{event.Record{Kind: event.KindQueue, Text: event.Deferred, Meta: event.M(event.To, "x@open.test", event.Reply, "450 server")}, "fila", "adiada · para x@open.test · resposta 450 server"},
		{event.Record{Kind: event.KindLine, Dir: event.Out, Text: "open"}, "linha", "> open"},
		{event.Record{Kind: "new", Text: "open", Meta: event.M("newer", "quit")}, "new", "open · newer quit"},
	} {
		if got := details(text.Portuguese, &tt.r); got != tt.pt || kindWord(text.Portuguese, tt.r.Kind) != tt.kind {
			t.Errorf("%+v: %s, %q; want %s, %q", tt.r, kindWord(text.Portuguese, tt.r.Kind), got, tt.kind, tt.pt)
		}
	}
	for key, said := range vocabulary {
		if _, word, _ := strings.Cut(key, " "); said.In(text.English) != word {
			t.Errorf("%q in English: %q", key, said.In(text.English))
		}
	}
	body := show(t, "/?lang=pt-BR", nil).Body.String()
	for _, want := range []string{"<td>linha</td>", "<td>fila</td>", "aceita · de "} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestEveryWordOfEventsIsInTheVocabulary(t *testing.T) {
	known := map[string]bool{}
	for key := range vocabulary {
		_, word, _ := strings.Cut(key, " ")
		known[word] = true
	}
	for _, name := range []string{"event.go", "vocabulary.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "..", "internal", "event", name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || spec.Names[0].Name == "In" || spec.Names[0].Name == "Out" {
				return true
			}
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if word, err := strconv.Unquote(lit.Value); err != nil || !known[word] {
					t.Errorf("%s: %s is not in the vocabulary", name, lit.Value)
				}
			}
			return true
		})
	}
}
