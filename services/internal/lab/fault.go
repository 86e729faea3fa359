package lab

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"correio/services/internal/text"
)

// Level says what a Fault means for the lab.
type Level int

// The levels of faults.
const (
	Broken  Level = iota // the lab cannot be started like this
	Warning              // it can, but not everybody would do it so
)

// Fault is one thing that is wrong with a lab directory.
type Fault struct {
	File  string // as reached from the directory that was given
	Line  int    // from 1; 0 when the fault is of the file as a whole
	Level Level
	Err   *text.Error
}

// Error implements error as file:line: text, in English.
func (f Fault) Error() string { return f.In(text.English) }

// In says the fault in a language, with its place.
func (f Fault) In(lang text.Lang) string {
	place := f.File
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	if f.Level == Warning {
		return place + ": " + warning.In(lang) + ": " + f.Err.In(lang)
	}
	return place + ": " + f.Err.In(lang)
}

var warning = text.New("warning", "aviso")

// FaultsError is everything wrong with what was loaded, one line each.
type FaultsError struct{ Faults []Fault }

// Error implements error, in English.
func (e *FaultsError) Error() string { return e.In(text.English) }

// In says all faults in a language, one on each line.
func (e *FaultsError) In(lang text.Lang) string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.In(lang)
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each fault.
func (e *FaultsError) Unwrap() []error {
	errs := make([]error, len(e.Faults))
	for i, f := range e.Faults {
		errs[i] = f
	}
	return errs
}

// report collects faults.
type report struct{ faults []Fault }

func (r *report) add(file string, line int, t text.Text, args ...any) {
	r.faults = append(r.faults, Fault{File: file, Line: line, Err: text.Errorf(t, args...)})
}

func (r *report) warn(file string, line int, t text.Text, args ...any) {
	r.faults = append(r.faults, Fault{File: file, Line: line, Level: Warning, Err: text.Errorf(t, args...)})
}

// sorted returns the faults in the order of file and line.
func (r *report) sorted() []Fault {
	slices.SortStableFunc(r.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return r.faults
}

// err returns the faults that are no warnings as an error, or nil.
func (r *report) err() error {
	broken := slices.DeleteFunc(slices.Clone(r.sorted()), func(f Fault) bool { return f.Level == Warning })
	if len(broken) == 0 {
		return nil
	}
	return &FaultsError{Faults: broken}
}
