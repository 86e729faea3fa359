package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/usage"
	"correio/services/internal/text"
)

// envPrefix begins the environment variables that stand for flags.
const envPrefix = "CORREIO_"

// app is what the verbs share.
type app struct {
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
	lang           text.Lang

	json bool
	lab  string // base URL of the observatory
}

// run executes one command line and returns the exit status. Data goes to
// stdout, everything else to stderr.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{environ: environ, stdin: stdin, stdout: stdout, stderr: stderr}
	a.lang = a.language(args)
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	return a.report(ctx, err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:     "correio",
		Long:    rootLong.In(a.lang),
		Example: rootExample.In(a.lang),
		Args:    usage.Commands,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cobra.EnableCommandSorting = false // most used first
	root.PersistentFlags().BoolVar(&a.json, "json", false, jsonFlag.In(a.lang))
	root.PersistentFlags().String("lang", "", langFlag.In(a.lang))
	root.PersistentFlags().StringVar(&a.lab, "lab", defaultLab, labFlag.In(a.lang))
	root.PersistentFlags().Bool("no-color", false, noColorFlag.In(a.lang))
	for _, verb := range a.verbs() {
		root.AddCommand(verb)
	}
	a.completions(root)
	usage.Install(root, a.lang, envPrefix, a.getenv)
	settings := root.PersistentPreRunE
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		if err := settings(cmd, args); err != nil {
			return err
		}
		return known(cmd)
	}
	return root
}

// known refuses a language that nothing is written in; locales of the
// environment are not asked.
func known(cmd *cobra.Command) error {
	flag := cmd.Flags().Lookup("lang")
	value := strings.ToLower(flag.Value.String())
	if flag.Changed && text.Parse(value) == text.English && !strings.HasPrefix(value, "en") {
		return usage.Errorf(cmd, unknownLang, value)
	}
	return nil
}

// verbs lists the commands, most used first.
func (a *app) verbs() []*cobra.Command {
	return []*cobra.Command{
		a.upCommand(),
		a.downCommand(),
		a.statusCommand(),
		a.runCommand(),
		a.sendCommand(),
		a.fetchCommand(),
		a.talkCommand(),
		a.digCommand(),
		a.traceCommand(),
		a.queueCommand(),
		a.codesCommand(),
		a.checkCommand(),
		a.versionCommand(),
		a.completionCommand(),
		a.nodeCommand(),
		a.healthCommand(),
		a.keysCommand(),
		a.insideCommand(),
	}
}

// language is chosen before the commands exist, for their help is in it:
// --lang, then CORREIO_LANG, then the locale.
func (a *app) language(args []string) text.Lang {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if value, ok := strings.CutPrefix(arg, "--lang="); ok {
			return text.Parse(value)
		}
		if arg == "--lang" && i+1 < len(args) {
			return text.Parse(args[i+1])
		}
	}
	if value := a.getenv(envPrefix + "LANG"); value != "" {
		return text.Parse(value)
	}
	return text.FromEnv(a.getenv)
}

// getenv reads the environment that run was given; as in a process, the last
// of equal names counts.
func (a *app) getenv(name string) string {
	for i := len(a.environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(a.environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// say writes a line of talk to stderr.
func (a *app) say(t text.Text, args ...any) {
	fmt.Fprintln(a.stderr, t.Sprintf(a.lang, args...))
}

// data writes v to stdout as one line of JSON.
func (a *app) data(v any) error {
	if err := json.NewEncoder(a.stdout).Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// color reports whether stdout may carry colour: a terminal that was not asked
// to do without (https://no-color.org).
func (a *app) color(cmd *cobra.Command) bool {
	plain, err := cmd.Flags().GetBool("no-color")
	return err == nil && !plain && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb" && isTerminal(a.stdout)
}
