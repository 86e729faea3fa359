package main

import (
	"github.com/spf13/cobra"

	"correio/services/correio/internal/usage"
)

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     completionShort.In(a.lang),
		Example:   completionExample.In(a.lang),
		Args:      usage.Args(1, 1),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(a.stdout)
			case "fish":
				return cmd.Root().GenFishCompletion(a.stdout, true)
			}
			return usage.Errorf(cmd, unknownShell, args[0])
		},
	}
}
