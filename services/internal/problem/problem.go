// Package problem holds what goes wrong between the lab's programs and a
// person, as data: a code that stays the same and what it speaks of. An answer
// over HTTP carries both and an English text; whoever shows it to a person says
// it in the person's language.
package problem

import (
	"maps"
	"slices"

	"correio/services/internal/text"
)

// Code names a problem. Programs may rely on it.
type Code string

// Problem is an error for people.
type Problem struct {
	Code Code     `json:"code"`
	Args []string `json:"args,omitempty"` // what the code's text speaks of, in its order
}

// New makes a Problem.
func New(code Code, args ...string) *Problem { return &Problem{Code: code, Args: args} }

// In says the problem in a language.
func (p *Problem) In(lang text.Lang) string {
	t, ok := texts[p.Code]
	if !ok {
		return string(p.Code)
	}
	return t.Fill(lang, p.Args...)
}

// Error implements error, in English.
func (p *Problem) Error() string { return p.In(text.English) }

// Is reports whether another error is the same problem about the same things.
func (p *Problem) Is(err error) bool {
	other, ok := err.(*Problem) // errors.Is unwraps
	return ok && p.Code == other.Code && slices.Equal(p.Args, other.Args)
}

// Known reports whether the code has texts here: a newer lab may have more.
func (p *Problem) Known() bool {
	_, ok := texts[p.Code]
	return ok
}

// About returns an argument, "" when there is none.
func (p *Problem) About(i int) string {
	if i >= len(p.Args) {
		return ""
	}
	return p.Args[i]
}

// Codes lists every code there is, by name.
func Codes() []Code { return slices.Sorted(maps.Keys(texts)) }

// Params is how many arguments a code's text speaks of.
func Params(c Code) int { return texts[c].Params() }
