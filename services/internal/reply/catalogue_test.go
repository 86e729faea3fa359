package reply_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"correio/services/internal/lab"
	"correio/services/internal/reply"
	"correio/services/internal/text"
)

// deck is behaviour.md §2.
var deck = []int{
	211, 214, 220, 221, 250, 251, 252, 354, 421, 450, 451, 452, 500, 501, 502, 503, 504,
	530, 535, 538, 550, 551, 552, 553, 554, 555,
}

func TestCatalogueHoldsTheDeckWithARecipeEach(t *testing.T) {
	t.Parallel()
	for _, code := range deck {
		if e, ok := reply.Find(code); !ok || len(e.Recipes) == 0 {
			t.Errorf("%d: found %v, with %d recipes", code, ok, len(e.Recipes))
		}
	}
	if _, ok := reply.Find(299); ok {
		t.Error("Find knows 299")
	}
	codes := slices.Collect(func(yield func(int) bool) {
		for _, e := range reply.Catalogue() {
			if !yield(e.Code) {
				return
			}
		}
	})
	if !slices.IsSorted(codes) || len(slices.Compact(slices.Clone(codes))) != len(codes) {
		t.Errorf("codes are out of order, or given twice: %v", codes)
	}
}

func TestEveryEntryIsWholeInBothLanguages(t *testing.T) {
	t.Parallel()
	for _, e := range reply.Catalogue() {
		texts := map[string]text.Text{"meaning": e.Meaning, "advice": e.Advice, "class": e.Class()}
		for _, d := range e.Enhanced {
			texts["enhanced "+d.Code] = d.Means
			reply.New(e.Code, d.Code) // panics when they do not go together
		}
		for _, r := range e.Recipes {
			texts["recipe "+strings.Join(r.Lines, " / ")] = r.Does
			if err := r.Check(e.Code); err != nil {
				t.Errorf("%d: recipe %q: %v", e.Code, r.Does.In(text.English), err)
			}
		}
		for what, words := range texts {
			for _, lang := range text.Langs {
				if words.In(lang) == "" {
					t.Errorf("%d: no %s in %s", e.Code, what, lang)
				}
			}
		}
		if !strings.HasPrefix(e.RFC, "RFC ") || len(e.Enhanced) == 0 {
			t.Errorf("%d: RFC %q, %d enhanced codes", e.Code, e.RFC, len(e.Enhanced))
		}
	}
}

func TestRecipesProvokeEveryReservedPart(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, e := range reply.Catalogue() {
		for _, r := range e.Recipes {
			lines = append(lines, r.Lines...)
		}
	}
	for _, part := range lab.ReservedParts {
		if part.Local != lab.Slow && !slices.Contains(lines, "RCPT TO:<"+string(part.Local)+"@{domain}>") { // whose reply is like any other's
			t.Errorf("no recipe writes to %s", part.Local)
		}
	}
}

func TestTyped(t *testing.T) {
	t.Parallel()
	r := reply.Recipe{Login: true, Lines: []string{"MAIL FROM:<{new}@{domain}>"}}
	v := reply.Values{Me: "pc.aurora.test", Domain: "aurora.test", Auth: reply.Plaintext("ana", "ana"), New: "n1"}
	want := []string{"EHLO pc.aurora.test", "AUTH PLAIN AGFuYQBhbmE=", "MAIL FROM:<n1@aurora.test>"}
	if got := r.Typed(v); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCheckRefusesBrokenRecipes(t *testing.T) {
	t.Parallel()
	good := reply.Recipe{Port: 25, Security: reply.Plain, Lines: []string{"RCPT TO:<erro@{domain}>"}, Want: "451 4.3.0"}
	if err := good.Check(451); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*reply.Recipe){
		"no port":            func(r *reply.Recipe) { r.Port = 0 },
		"no security":        func(r *reply.Recipe) { r.Security = "" },
		"plain login":        func(r *reply.Recipe) { r.Login = true },
		"another code":       func(r *reply.Recipe) { r.Want = "450 4.3.0" },
		"no enhanced code":   func(r *reply.Recipe) { r.Want = "451 x" },
		"nothing to type":    func(r *reply.Recipe) { r.Lines = nil },
		"too often":          func(r *reply.Recipe) { r.Times = 1000 },
		"two lines":          func(r *reply.Recipe) { r.Lines = []string{"NOOP\r\nNOOP"} },
		"unknown word":       func(r *reply.Recipe) { r.Lines = []string{"RCPT TO:<{who}>"} },
		"brace that is open": func(r *reply.Recipe) { r.Lines = []string{"RCPT TO:<{me>"} },
	} {
		r := good
		if spoil(&r); r.Check(451) == nil {
			t.Errorf("%s is not noticed", name)
		}
	}
}

// TestCatalogueExplainsEveryReplyOfTheServers reads the source of all that
// answers on port 25, submission and LMTP, or says in the queue why a message
// waits or came back: a reply made of constants, code and
// enhanced code, must be in the catalogue.
func TestCatalogueExplainsEveryReplyOfTheServers(t *testing.T) {
	t.Parallel()
	said := 0
	for _, dir := range []string{"internal/smtpd", "internal/smtpc", "mta/internal/policy", "mta/internal/route", "mta/internal/deliver", "mda/internal/lmtp"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if code, enhanced, ok := made(n); ok {
					said++
					if !explained(code, enhanced) {
						t.Errorf("%s: %d %q is not in the catalogue of services/internal/reply", fset.Position(n.Pos()), code, enhanced)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if said < 60 {
		t.Errorf("only %d replies were found in the source", said)
	}
}

// made reports a call whose first arguments are a reply code and an enhanced
// code.
func made(n ast.Node) (code int, enhanced string, ok bool) {
	call, isCall := n.(*ast.CallExpr)
	if !isCall || len(call.Args) < 2 {
		return 0, "", false
	}
	first, isInt := call.Args[0].(*ast.BasicLit)
	second, isString := call.Args[1].(*ast.BasicLit)
	if !isInt || !isString || first.Kind != token.INT || second.Kind != token.STRING {
		return 0, "", false
	}
	code, err := strconv.Atoi(first.Value)
	if err != nil || code < 200 || code > 599 {
		return 0, "", false
	}
	enhanced, err = strconv.Unquote(second.Value)
	return code, enhanced, err == nil
}

func explained(code int, enhanced string) bool {
	e, ok := reply.Find(code)
	return ok && slices.ContainsFunc(e.Enhanced, func(d reply.Detail) bool { return d.Code == enhanced })
}
