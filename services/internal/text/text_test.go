package text_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"correio/services/internal/text"
)

func TestFromEnvReadsPOSIXVariablesInOrder(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want text.Lang
	}{
		{"nothing set", nil, text.English},
		{"C locale", map[string]string{"LANG": "C.UTF-8"}, text.English},
		{"Brazilian", map[string]string{"LANG": "pt_BR.UTF-8"}, text.Portuguese},
		{"LC_ALL wins", map[string]string{"LANG": "pt_BR.UTF-8", "LC_ALL": "en_US.UTF-8"}, text.English},
		{"LC_MESSAGES before LANG", map[string]string{"LANG": "en_US", "LC_MESSAGES": "pt"}, text.Portuguese},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := text.FromEnv(func(k string) string { return tt.env[k] }); got != tt.want {
				t.Errorf("FromEnv(%v) = %q, want %q", tt.env, got, tt.want)
			}
		})
	}
}

func TestErrorSpeaksBothLanguagesAndItsCauses(t *testing.T) {
	cause := text.Errorf(text.New("no such host", "máquina inexistente"))
	err := text.Errorf(text.New("send to %s: %v", "envio a %s: %v"), "mx1", cause)
	if got, want := err.In(text.Portuguese), "envio a mx1: máquina inexistente"; got != want {
		t.Errorf("In(pt-BR) = %q, want %q", got, want)
	}
	wrapped := text.Errorf(text.New("send: %v", "envio: %v"), fmt.Errorf("dial: %w", cause))
	if got, want := wrapped.In(text.Portuguese), "envio: máquina inexistente"; got != want {
		t.Errorf("In(pt-BR) of a wrapped cause = %q, want %q", got, want)
	}
	if got, want := wrapped.Error(), "send: dial: no such host"; got != want {
		t.Errorf("in English %q, want %q", got, want)
	}
	if !errors.Is(err, cause) {
		t.Errorf("errors.Is(%v, cause) = false, want true", err)
	}
}

func TestFillTakesAnyNumberOfArguments(t *testing.T) {
	format := text.New("%s asks %s", "%s pergunta a %s")
	for want, args := range map[string][]string{
		"a asks b": {"a", "b"}, "a asks ?": {"a"}, "? asks ?": nil, "%s asks %d": {"%s", "%d", "more"},
	} {
		if got := format.Fill(text.English, args...); got != want {
			t.Errorf("Fill(%q) = %q, want %q", args, got, want)
		}
	}
	if got := format.Fill(text.Portuguese, "a", "b"); got != "a pergunta a b" || format.Params() != 2 {
		t.Errorf("Fill = %q, Params = %d", got, format.Params())
	}
}

var verb = regexp.MustCompile(`%[-+# 0]*(\[\d+\])?[\d*]*(\.[\d*]+)?[a-zA-Z%]`)

// TestEveryTextExistsInBothLanguages reads the source of every service: a call
// of text.New needs two texts of its own words that take the same arguments.
func TestEveryTextExistsInBothLanguages(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	calls := 0
	err := filepath.WalkDir(filepath.Join(root, "services"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && isTextNew(call) {
				calls++
				if fault := checkCall(call); fault != "" {
					t.Errorf("%s: %s", fset.Position(call.Pos()), fault)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if calls == 0 {
		t.Error("no call of text.New found: is the test looking at the right folder?")
	}
}

func isTextNew(call *ast.CallExpr) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "New" {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "text"
}

func checkCall(call *ast.CallExpr) string {
	if len(call.Args) != 2 {
		return fmt.Sprintf("text.New has %d arguments", len(call.Args))
	}
	en, okEN := constant(call.Args[0])
	pt, okPT := constant(call.Args[1])
	switch {
	case !okEN || !okPT:
		return "text.New wants string constants"
	case strings.TrimSpace(en) == "" || strings.TrimSpace(pt) == "":
		return fmt.Sprintf("text.New(%q, %q): a text is missing", en, pt)
	}
	enVerbs, ptVerbs := verb.FindAllString(en, -1), verb.FindAllString(pt, -1)
	if !slices.Equal(argVerbs(enVerbs), argVerbs(ptVerbs)) {
		return fmt.Sprintf("text.New(%q, %q): verbs %q and %q", en, pt, enVerbs, ptVerbs)
	}
	return ""
}

// argVerbs leaves out explicit indexes and sorts when they are used: word order
// may differ between languages.
func argVerbs(verbs []string) []string {
	index := regexp.MustCompile(`\[\d+\]`)
	out := make([]string, len(verbs))
	indexed := false
	for i, v := range verbs {
		indexed = indexed || index.MatchString(v)
		out[i] = index.ReplaceAllString(v, "")
	}
	if indexed {
		slices.Sort(out)
	}
	return out
}

// constant evaluates a string literal or a sum of them.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		x, okX := constant(e.X)
		y, okY := constant(e.Y)
		return x + y, okX && okY
	}
	return "", false
}
