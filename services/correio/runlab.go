package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/labrun"
	"correio/services/correio/internal/usage"
)

// defaultPage is where the page is without --http.
const defaultPage = "127.0.0.1:8080"

// defaultDir is the lab directory without --dir.
const defaultDir = "deploy"

func (a *app) runCommand() *cobra.Command {
	o := labrun.Options{Lang: a.lang, Version: version, Env: a.environ}
	var speed, ports string
	cmd := &cobra.Command{
		Use:     "run [-- COMMAND ...]",
		Short:   runShort.In(a.lang),
		Long:    runLong.In(a.lang),
		Example: runExample.In(a.lang),
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() < 0 && len(args) > 0 || cmd.ArgsLenAtDash() > 0 {
				return usage.Errorf(cmd, runWantsDashes, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Command = args
			var err error
			if o.Speed, err = a.speed(cmd, speed); err != nil {
				return err
			}
			if err := a.openings(cmd, &o, ports); err != nil {
				return err
			}
			if _, err := os.Stat(filepath.Join(o.Dir, "lab.yaml")); errors.Is(err, fs.ErrNotExist) && o.Dir == defaultDir {
				return textError(runNoLabHere, filepath.Join(o.Dir, "lab.yaml"))
			}
			code, err := labrun.Run(cmd.Context(), o)
			if err == nil && code != 0 {
				return status(code)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", defaultDir, runDirFlag.In(a.lang))
	f.StringVar(&o.Page, "http", "", runHTTPFlag.In(a.lang))
	f.StringVar(&ports, "ports", "", runPortsFlag.In(a.lang))
	f.StringVar(&o.State, "state", "", runStateFlag.In(a.lang))
	f.StringVar(&o.Log, "log", "", runLogFlag.In(a.lang))
	f.BoolVarP(&o.Verbose, "verbose", "v", false, runVerboseFlag.In(a.lang))
	a.speedFlag(cmd, &speed)
	return cmd
}

// openings decides what is opened on the host: with a command nothing, unless
// it was asked for.
func (a *app) openings(cmd *cobra.Command, o *labrun.Options, ports string) error {
	alone := len(o.Command) == 0
	if o.Page == "" && alone {
		o.Page = defaultPage
	}
	switch ports {
	case "":
		o.UserPorts = alone
	case "on":
		o.UserPorts = true
	case "off":
		o.UserPorts = false
	default:
		return usage.Errorf(cmd, runBadPorts, ports)
	}
	return nil
}

// insideCommand is the inner process of run.
func (a *app) insideCommand() *cobra.Command {
	return &cobra.Command{
		Use:    labrun.InsideVerb,
		Short:  insideShort.In(a.lang),
		Hidden: true,
		Args:   usage.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			code, err := labrun.Inside(cmd.Context(), a.stderr)
			if err != nil && code != 0 {
				fmt.Fprintf(a.stderr, "correio: %s\n", a.words(err))
			}
			if code != 0 {
				return status(code)
			}
			return err
		},
	}
}
