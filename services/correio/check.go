package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/usage"
	"correio/services/internal/lab"
)

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "check [DIR]",
		Short:   checkShort.In(a.lang),
		Long:    checkLong.In(a.lang),
		Example: checkExample,
		Args:    usage.Args(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "deploy"
			if len(args) == 1 {
				dir = args[0]
			}
			return a.check(dir)
		},
	}
}

// faultJSON is one of the faults of `check --json`.
type faultJSON struct {
	File  string `json:"file"`
	Line  int    `json:"line,omitempty"`
	Level string `json:"level"`
	Text  string `json:"text"`
}

func (a *app) check(dir string) error {
	_, faults := lab.Check(dir)
	broken := 0
	all := []faultJSON{}
	for _, f := range faults {
		level := "warning"
		if f.Level == lab.Broken {
			level = "error"
			broken++
		}
		if !a.json {
			fmt.Fprintln(a.stdout, f.In(a.lang))
			continue
		}
		all = append(all, faultJSON{File: f.File, Line: f.Line, Level: level, Text: f.Err.In(a.lang)})
	}
	if a.json {
		if err := a.data(map[string]any{"faults": all}); err != nil {
			return err
		}
	}
	if broken > 0 {
		a.say(checkBroken, dir, broken)
		return errReported
	}
	a.say(checkFine, dir)
	return nil
}
