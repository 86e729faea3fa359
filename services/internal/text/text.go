// Package text holds what people read, in English and in Brazilian Portuguese
// together, so that neither can be forgotten: New takes both. Of text that others
// wrote it tells what may be shown (Visible), and what needs no more than ASCII.
package text

import (
	"errors"
	"fmt"
	"strings"
)

// Lang is a language of the lab.
type Lang string

// The languages, as BCP 47 names them.
const (
	English    Lang = "en"
	Portuguese Lang = "pt-BR"
)

// Langs lists every language, the fallback first.
var Langs = []Lang{English, Portuguese}

// Text is one text in every language, perhaps a format.
type Text struct{ en, ptBR string }

// New pairs the two versions of a text. A test reads every call in the tree
// and refuses an empty version, and formats whose verbs differ.
func New(en, ptBR string) Text { return Text{en, ptBR} }

// In returns the text in a language.
func (t Text) In(lang Lang) string {
	if lang == Portuguese {
		return t.ptBR
	}
	return t.en
}

// Sprintf formats the text in a language.
func (t Text) Sprintf(lang Lang, args ...any) string {
	return fmt.Sprintf(t.In(lang), args...)
}

// Fill puts arguments into the text in a language, in place of its %s. One that
// is missing becomes a question mark: they may come from elsewhere.
func (t Text) Fill(lang Lang, args ...string) string {
	var b strings.Builder
	rest := t.In(lang)
	for n := 0; ; n++ {
		before, after, found := strings.Cut(rest, "%s")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if n < len(args) {
			b.WriteString(args[n])
		} else {
			b.WriteByte('?')
		}
		rest = after
	}
}

// Params counts the arguments that Fill wants.
func (t Text) Params() int { return strings.Count(t.en, "%s") }

// FromEnv chooses the language that the environment asks for: LC_ALL, then
// LC_MESSAGES, then LANG (POSIX), English unless it is Portuguese.
func FromEnv(getenv func(string) string) Lang {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			return Parse(v)
		}
	}
	return English
}

// Parse reads a language as "pt-BR", "pt_BR.UTF-8" or "en".
func Parse(s string) Lang {
	if s = strings.ToLower(s); s == "pt" || strings.HasPrefix(s, "pt-") || strings.HasPrefix(s, "pt_") {
		return Portuguese
	}
	return English
}

// Error is an error that speaks both languages. Error() is English.
type Error struct {
	Text  Text
	Args  []any
	Cause error // may be nil; it is also an argument where the text wants it
}

// Errorf makes an Error. If one of the arguments is an error, the last such is
// the cause.
func Errorf(t Text, args ...any) *Error {
	e := &Error{Text: t, Args: args}
	for _, a := range args {
		if err, ok := a.(error); ok {
			e.Cause = err
		}
	}
	return e
}

// Error implements error.
func (e *Error) Error() string { return e.In(English) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// In says the error in a language; a cause that speaks it too does so.
func (e *Error) In(lang Lang) string {
	args := make([]any, len(e.Args))
	for i, a := range e.Args {
		if err, ok := a.(error); ok {
			a = Say(err, lang)
		}
		args[i] = a
	}
	return e.Text.Sprintf(lang, args...)
}

// Say says an error in a language: what it wraps that speaks the language
// speaks, where that is not English; all else is in English.
func Say(err error, lang Lang) string {
	var speaks interface{ In(Lang) string }
	if lang != English && errors.As(err, &speaks) {
		return speaks.In(lang)
	}
	return err.Error()
}
