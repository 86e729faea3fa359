package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/usage"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: versionShort.In(a.lang),
		Args:  usage.Args(0, 0),
		RunE: func(*cobra.Command, []string) error {
			build := buildInfo()
			if a.json {
				return a.data(build)
			}
			_, err := fmt.Fprintf(a.stdout, "correio %s (%s %s/%s, commit %s)\n",
				build.Version, build.Go, build.OS, build.Arch, build.Commit)
			return err
		},
	}
}

// build is what `version --json` prints.
type build struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	Commit  string `json:"commit"`
}

func buildInfo() build {
	b := build{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Commit: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			b.Commit += "+changes"
		}
	}
	return b
}
