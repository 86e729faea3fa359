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

// Notes were in English on a page in Portuguese, and rules as nodes write them.
func TestPageSaysNotesAndRulesInItsLanguage(t *testing.T) {
	noted := event.Record{Kind: event.KindLine, Dir: event.In, Text: "MAIL FROM:ana@aurora.test", Meta: event.M(event.Note, "no-brackets")}
	ruled := event.Record{Kind: event.KindQueue, Text: event.Attempt, Meta: event.M(event.Rules, "self(mx2|20); cached")}
	summed := event.Record{Kind: event.KindLine, Dir: event.In, Text: "(message: 6 octets)", Meta: event.M(event.Summary, "message-size(6)", event.Note, "lf-alone")}
	ended := event.Record{Kind: event.KindConn, Text: event.Close, Meta: event.M(event.Reason, "in-step(rcpt); silent")}
	failed := event.Record{Kind: event.KindTLS, Text: event.Failed, Meta: event.M(event.Reason, "tls-failed(x509: expired)")}
	doubted := event.Record{Kind: event.KindTLS, Text: event.Established, Meta: event.M(event.Verified, "no; cause(x509: expired)")}
	skipped := event.Record{Kind: event.KindDNS, Text: event.NotRecorded, Meta: event.M(event.Reason, "too-fast-to-tell(12|50)")}
	late := event.Record{Kind: event.KindDNS, Text: "boreal.test. MX", Meta: event.M(event.Error, "timeout")}
	odd := event.Record{Kind: event.KindDNS, Text: "boreal.test. MX", Meta: event.M(event.Error, "short read")}
	for _, tt := range []struct {
		lang text.Lang
		r    *event.Record
		want string
	}{
		{text.English, &noted, "< MAIL FROM:ana@aurora.test · note address without angle brackets"},
		{text.Portuguese, &noted, "< MAIL FROM:ana@aurora.test · nota endereço sem < e >"},
		{text.English, &ended, "close · reason in step rcpt; no answer in time"},
		{text.Portuguese, &ended, "fechada · motivo no passo rcpt; sem resposta a tempo"},
		{text.Portuguese, &failed, "falhou · motivo o TLS falhou: x509: expired"},
		{text.Portuguese, &doubted, "estabelecido · verificado não; erro: x509: expired"},
		{text.Portuguese, &skipped, "não registradas · motivo 12 respostas vieram mais rápido que 50 por segundo"},
		{text.Portuguese, &late, "boreal.test. MX · erro sem resposta a tempo"},
		{text.English, &late, "boreal.test. MX · error no answer in time"},
		{text.Portuguese, &odd, "boreal.test. MX · erro sem resposta: short read"},
		{text.English, &summed, "< (message: 6 octets) · note lines ended in LF alone, as nc sends them; stored with CRLF"},
		{text.Portuguese, &summed, "< (mensagem: 6 octetos) · nota as linhas terminavam só em LF, como o nc as envia; guardada com CRLF"},
		{text.English, &ruled, "attempt · rules mx2 (preference 20) is this host; from the resolver's cache"},
		{text.Portuguese, &ruled, "tentativa · regras mx2 (preferência 20) é este servidor; do cache do resolvedor"},
	} {
		if got := details(tt.lang, tt.r); got != tt.want {
			t.Errorf("in %s: %q, want %q", tt.lang, got, tt.want)
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
