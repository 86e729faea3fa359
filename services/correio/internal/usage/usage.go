// Package usage makes a tree of cobra commands speak the lab's two languages
// and take its settings from the environment: help, wrong flags, wrong
// arguments and unknown commands are all said in the language that was chosen,
// and are all of one type, Error, which ends the program with status 2.
package usage

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"correio/services/internal/text"
)

// Error is a mistake of the person who typed the command.
type Error struct {
	err     error
	Command string // the command line's beginning, such as "correio send"
}

// Errorf makes an Error.
func Errorf(cmd *cobra.Command, t text.Text, args ...any) error {
	return &Error{err: text.Errorf(t, args...), Command: cmd.CommandPath()}
}

// Error implements error.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns what was wrong.
func (e *Error) Unwrap() error { return e.err }

// In says the error in a language, with the place where help is.
func (e *Error) In(lang text.Lang) string {
	what := e.err.Error()
	var speaks interface{ In(text.Lang) string }
	if errors.As(e.err, &speaks) {
		what = speaks.In(lang)
	}
	return what + "\n" + seeHelp.Sprintf(lang, e.Command)
}

// Install prepares the root of a finished tree. Settings are the environment
// variables PREFIX_FLAG, which stand for flags that were not given.
func Install(root *cobra.Command, lang text.Lang, prefix string, getenv func(string) string) {
	plainUseLines(root)
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().BoolP("help", "h", false, helpFlag.In(lang))
	root.SetHelpCommand(helpCommand(lang))
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(func(cmd *cobra.Command) error { return Write(cmd.OutOrStderr(), cmd, lang) })
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd, lang) })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		return fromEnvironment(cmd, prefix, getenv)
	}
}

// plainUseLines keeps cobra's own "[flags]" out of the lines of usage.
func plainUseLines(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	for _, sub := range cmd.Commands() {
		plainUseLines(sub)
	}
}

// fromEnvironment sets the flags that were not given on the command line.
func fromEnvironment(cmd *cobra.Command, prefix string, getenv func(string) string) error {
	var fault error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := prefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := getenv(name)
		if f.Changed || value == "" || fault != nil || f.Name == "help" {
			return
		}
		if err := f.Value.Set(value); err != nil {
			fault = Errorf(cmd, badSetting, name, value, wanted(f, err))
		}
	})
	return fault
}

func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var noValue *pflag.ValueRequiredError
	var badValue *pflag.InvalidValueError
	var badSyntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		return Errorf(cmd, unknownFlag, dashes(unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames()))
	case errors.As(err, &noValue):
		return Errorf(cmd, flagWithoutValue, dashes(noValue.GetSpecifiedName(), noValue.GetSpecifiedShortnames()))
	case errors.As(err, &badValue):
		return Errorf(cmd, badFlagValue, badValue.GetFlag().Name, badValue.GetValue(), wanted(badValue.GetFlag(), badValue.Unwrap()))
	case errors.As(err, &badSyntax):
		return Errorf(cmd, badFlagSyntax, badSyntax.GetSpecifiedFlag())
	}
	return Errorf(cmd, otherFlagError, err)
}

// wanted says what a flag takes, instead of what a parser of Go said of a value.
func wanted(f *pflag.Flag, err error) error {
	if t, ok := takes[f.Value.Type()]; ok {
		return text.Errorf(t)
	}
	return err
}

// dashes writes a flag as it was typed. A long name has no short names.
func dashes(name, shorts string) string {
	if shorts != "" {
		return "-" + name
	}
	return "--" + name
}

// Args returns a check that there are from least to most arguments; most < 0
// means any number.
func Args(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return Errorf(cmd, tooFewArgs, cmd.UseLine())
		case most >= 0 && len(args) > most:
			return Errorf(cmd, tooManyArgs, args[most], cmd.UseLine())
		}
		return nil
	}
}

// Exclusive refuses more than one of the named flags.
func Exclusive(cmd *cobra.Command, names ...string) error {
	given := ""
	for _, name := range names {
		switch {
		case !cmd.Flags().Changed(name):
		case given != "":
			return Errorf(cmd, excludeEachOther, given, name)
		default:
			given = name
		}
	}
	return nil
}

// Commands is the check of a command that only has others below it: an
// argument is a command that does not exist, or is misspelt.
func Commands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		return Errorf(cmd, unknownCommandLike, args[0], strings.Join(like, ", "))
	}
	return Errorf(cmd, unknownCommand, args[0])
}

func helpCommand(lang text.Lang) *cobra.Command {
	return &cobra.Command{
		Use:   "help [" + commandWord.In(lang) + "]",
		Short: helpShort.In(lang),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return Commands(cmd.Root(), args)
			}
			return found.Help()
		},
	}
}

func writeHelp(w io.Writer, cmd *cobra.Command, lang text.Lang) {
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	fmt.Fprintln(w, strings.TrimSpace(about))
	fmt.Fprintln(w)
	_ = Write(w, cmd, lang) // a terminal that is gone cannot be told so
}

// Write writes how a command is used.
func Write(w io.Writer, cmd *cobra.Command, lang text.Lang) error {
	var b strings.Builder
	b.WriteString(usageTitle.In(lang) + "\n")
	// A command with others below it may be of use alone, and then has a line.
	if cmd.Runnable() && (!cmd.HasAvailableSubCommands() || strings.Contains(cmd.Use, " ")) {
		fmt.Fprintf(&b, "  %s\n", inWords(cmd.UseLine(), lang))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s %s [--flags]\n", cmd.CommandPath(), commandWord.In(lang))
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\n%s\n%s\n", examplesTitle.In(lang), strings.TrimRight(cmd.Example, "\n"))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n%s\n", commandsTitle.In(lang))
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(&b, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	flags(&b, lang, flagsTitle.In(lang), cmd.LocalNonPersistentFlags())
	flags(&b, lang, globalFlagsTitle.In(lang), globals(cmd))
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n%s\n", exitStatus.In(lang))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var placeholder = regexp.MustCompile(`[A-Z][A-Z-]+`)

// inWords translates the placeholders of a line of usage, which are in
// capitals.
func inWords(line string, lang text.Lang) string {
	return placeholder.ReplaceAllStringFunc(line, func(word string) string {
		if t, ok := placeholders[word]; ok {
			return t.In(lang)
		}
		return word
	})
}

func globals(cmd *cobra.Command) *pflag.FlagSet {
	if cmd.HasParent() {
		return cmd.InheritedFlags()
	}
	return cmd.PersistentFlags()
}

func flags(b *strings.Builder, lang text.Lang, title string, set *pflag.FlagSet) {
	if set.HasAvailableFlags() {
		fmt.Fprintf(b, "\n%s\n%s", title, strings.ReplaceAll(set.FlagUsages(), "(default ", "("+defaultWord.In(lang)+" "))
	}
}
