package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/usage"
)

func (a *app) downCommand() *cobra.Command {
	var volumes, yes, kill bool
	cmd := &cobra.Command{
		Use:     "down [NODE ...]",
		Short:   downShort.In(a.lang),
		Long:    downLong.In(a.lang),
		Example: downExample,
		Args:    usage.Args(0, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && volumes:
				return usage.Errorf(cmd, downVolumesOfNode)
			case len(args) > 0 && kill:
				return a.killNodes(cmd, args)
			case len(args) > 0:
				return a.eachNode(cmd, args, (*client.Lab).StopNode, "stop")
			}
			return a.down(cmd, volumes, yes, kill)
		},
	}
	cmd.Flags().BoolVar(&volumes, "volumes", false, downVolumesFlag.In(a.lang))
	cmd.Flags().BoolVar(&yes, "yes", false, downYesFlag.In(a.lang))
	cmd.Flags().BoolVar(&kill, "kill", false, downKillFlag.In(a.lang))
	return cmd
}

// down ends the lab in containers; doing so twice is fine.
func (a *app) down(cmd *cobra.Command, volumes, yes, kill bool) error {
	if volumes && !yes {
		sure, err := a.confirm(downAsk.In(a.lang))
		if err != nil {
			return err
		}
		if !sure {
			return textError(downNotSure)
		}
	}
	project, err := a.project(cmd.Context())
	if err != nil {
		return err
	}
	a.say(downStopping)
	return project.Down(cmd.Context(), volumes, kill)
}

// killNodes ends containers without a warning, as a power failure does. A lab
// of `correio run` is one process, of which no part can be killed.
func (a *app) killNodes(cmd *cobra.Command, names []string) error {
	ctx := cmd.Context()
	if err := hostNames(cmd, names...); err != nil {
		return err
	}
	api, err := a.running(cmd)
	if err != nil {
		return err
	}
	if supervised, err := api.Supervised(ctx); err == nil && supervised {
		return textError(cannotKill)
	}
	project, err := a.project(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := a.composeNode(ctx, project, "kill", name); err != nil {
			return err
		}
		a.say(nodeDone["kill"], name)
	}
	return nil
}

// confirm asks a question that only a yes at a terminal answers.
func (a *app) confirm(question string) (bool, error) {
	if !isTerminal(a.stdin) {
		return false, nil
	}
	fmt.Fprint(a.stderr, question+" ")
	answer, err := bufio.NewReader(a.stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) { // nobody there says no
		return false, fmt.Errorf("read answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes", "s", "sim":
		return true, nil
	}
	return false, nil
}
