package reason_test

import (
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

	"correio/services/internal/reason"
)

// A rule that has no text would be shown as nodes write it, in no language.
func TestEveryRuleHasItsText(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "rules.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !isName(spec.Type, "Rule") {
			return true
		}
		for i, value := range spec.Values {
			lit, ok := value.(*ast.BasicLit)
			if !ok {
				t.Fatalf("%s is not written out", spec.Names[i].Name)
			}
			rule, err := strconv.Unquote(lit.Value)
			if seen++; err != nil || !slices.Contains(reason.Rules(), reason.Rule(rule)) {
				t.Errorf("%s (%s) has no text", spec.Names[i].Name, lit.Value)
			}
		}
		return true
	})
	if seen != len(reason.Rules()) {
		t.Errorf("%d rules are declared, and %d have texts", seen, len(reason.Rules()))
	}
}

// Records hold rules of this package and nothing else where they say why, or
// what was unusual: a sentence of somebody's own is in one language.
func TestRecordsSayWhyByRules(t *testing.T) {
	written := 0
	eachFile(t, func(fset *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if fault := checkLiteral(n, n.Type); fault != "" {
					t.Errorf("%s: %s", fset.Position(n.Pos()), fault)
				}
			case *ast.CallExpr:
				fault, found := checkCall(n)
				written += found
				if fault != "" {
					t.Errorf("%s: %s", fset.Position(n.Pos()), fault)
				}
			}
			return true
		})
	})
	if written == 0 {
		t.Error("nobody writes them: is the test looking at the right folder?")
	}
}

// eachFile calls f with every file of the services but tests and those of this
// package.
func eachFile(t *testing.T, f func(fset *token.FileSet, file *ast.File)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			filepath.Dir(path) == filepath.Join(root, "internal", "reason") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err == nil {
			f(fset, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What stands in a dialogue in place of a line has the form "(…)": no such text is
// written out but with its other language.
func TestNothingInBracketsIsInOneLanguage(t *testing.T) {
	eachFile(t, func(fset *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				return !isOf(n.Fun, "text", "New")
			case *ast.BasicLit:
				if said, err := strconv.Unquote(n.Value); err == nil && inBrackets.MatchString(said) {
					t.Errorf("%s: %s", fset.Position(n.Pos()), n.Value)
				}
			}
			return true
		})
	})
}

var inBrackets = regexp.MustCompile(`^\([^()\\]* [^()\\]*\)$`)

// reasoned are the details that hold reasons.
var reasoned = []string{"Note", "Rules", "Summary", "Reason", "Verified"}

// Of a literal within a literal the type may be left out.
func TestReasonsWithoutTheirTypeAreFound(t *testing.T) {
	for source, want := range map[string]bool{
		`reason.Reason{Rule: "x"}`: true, `[]reason.Reason{{Rule: "x"}}`: true, `[]*reason.Reason{{Rule: "x"}}`: true,
		`[2][]reason.Reason{1: {{Rule: "x"}}}`: true, `map[string]reason.Reason{"a": {"x", nil}}`: true,
		`map[string]reason.Rule{"a": "x"}`: true, `[]reason.Rule{reason.Rule("x")}`: true,
		`reason.Reason{}`: false, `[]reason.Reason{{}, reason.New(reason.Cached)}`: false, `[]other.Reason{{Rule: "x"}}`: false,
		`map[string]reason.Rule{"a": reason.Cached}`: false, `[]string{"x"}`: false,
	} {
		parsed, err := parser.ParseExpr(source)
		if err != nil {
			t.Fatal(err)
		}
		literal := parsed.(*ast.CompositeLit)
		if fault := checkLiteral(literal, literal.Type); (fault != "") != want {
			t.Errorf("%s: %q, a fault is %t", source, fault, want)
		}
	}
}

// checkLiteral says what is wrong with a literal of a type, which may be a reason
// or hold reasons or rules.
func checkLiteral(literal *ast.CompositeLit, of ast.Expr) string {
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	var element ast.Expr
	switch of := of.(type) {
	case *ast.ArrayType:
		element = of.Elt
	case *ast.MapType:
		element = of.Value
	default:
		if isOf(of, "reason", "Reason") && len(literal.Elts) > 0 {
			return "not made by reason.New"
		}
		return ""
	}
	for _, e := range literal.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			e = pair.Value
		}
		if isOf(element, "reason", "Rule") && isWord(e) {
			return "the rule is none of package reason"
		}
		if within, ok := e.(*ast.CompositeLit); ok && within.Type == nil {
			if fault := checkLiteral(within, element); fault != "" {
				return fault
			}
		}
	}
	return ""
}

// checkCall says what is wrong with a call that makes a reason, or a record with
// reasons; written is how many such details it has.
func checkCall(call *ast.CallExpr) (fault string, written int) {
	if (isOf(call.Fun, "reason", "New") || isOf(call.Fun, "reason", "NewFault")) && len(call.Args) > 0 && isWord(call.Args[0]) {
		return "the rule is none of package reason", 0
	}
	for i, key := range call.Args {
		if i == len(call.Args)-1 || !slices.ContainsFunc(reasoned, func(name string) bool { return isOf(key, "event", name) }) {
			continue
		}
		written++
		if value, ok := call.Args[i+1].(*ast.CallExpr); !ok || !isOf(value.Fun, "reason", "Encode") {
			fault = "the value is not what reason.Encode writes"
		}
	}
	return fault, written
}

func isName(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func isOf(e ast.Expr, pkg, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	return ok && isName(sel.X, pkg) && sel.Sel.Name == name
}

// isWord reports whether a rule is written as a word of the caller's own.
func isWord(e ast.Expr) bool {
	if conversion, ok := e.(*ast.CallExpr); ok && isOf(conversion.Fun, "reason", "Rule") {
		return true
	}
	_, ok := e.(*ast.BasicLit)
	return ok
}
