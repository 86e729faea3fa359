package main

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/usage"
	"correio/services/internal/journey"
)

func (a *app) traceCommand() *cobra.Command {
	var last, brief bool
	var wait string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "trace MESSAGE-ID | --last",
		Short:   traceShort.In(a.lang),
		Long:    traceLong.In(a.lang),
		Example: traceExample,
		Args:    usage.Args(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := "last"
			switch {
			case last == (len(args) == 1), len(args) == 1 && strings.Trim(args[0], "<> ") == "":
				return usage.Errorf(cmd, traceWantsOne)
			case len(args) == 1:
				id = args[0]
			}
			if wait != "" && wait != "delivered" && wait != "bounced" && wait != "any" {
				return usage.Errorf(cmd, traceBadWait, wait)
			}
			if timeout <= 0 || timeout > client.MaxWait {
				return usage.Errorf(cmd, traceBadTimeout, client.MaxWait, timeout)
			}
			return a.trace(cmd, id, wait, timeout, brief)
		},
	}
	cmd.Flags().BoolVar(&last, "last", false, traceLastFlag.In(a.lang))
	cmd.Flags().BoolVar(&brief, "brief", false, traceBriefFlag.In(a.lang))
	cmd.Flags().StringVar(&wait, "wait", "", traceWaitFlag.In(a.lang))
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, timeoutFlag.In(a.lang))
	return cmd
}

// unseenGrace is how long a Message-ID that nobody knows may take to turn up.
const unseenGrace = 2 * time.Second

func (a *app) trace(cmd *cobra.Command, id, wait string, timeout time.Duration, brief bool) error {
	lab, err := a.running(cmd)
	if err != nil {
		return err
	}
	j, err := lab.Journey(cmd.Context(), id, wait, timeout)
	if errors.Is(err, client.ErrUnseen) && id != "last" && wait == "" {
		// Just sent: the observatory hears of it within moments.
		if j, err = lab.Journey(cmd.Context(), id, "any", unseenGrace); errors.Is(err, client.ErrTimeout) {
			err = client.ErrUnseen
		}
	}
	if j != nil {
		if err := a.showJourney(cmd, j, brief); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, client.ErrTimeout):
		return errors.Join(a.notInTime(wait, timeout), errTimedOut)
	case errors.Is(err, client.ErrUnmet):
		return textError(traceUnmet, j.State.In(a.lang), journey.State(wait).In(a.lang))
	case errors.Is(err, client.ErrUnseen) && id == "last":
		return textError(traceNothing)
	case errors.Is(err, client.ErrUnseen):
		return textError(traceUnseen, id)
	}
	return err
}

// notInTime says that what was waited for did not come.
func (a *app) notInTime(wait string, timeout time.Duration) error {
	if wait == "any" {
		return textError(traceNotOver, timeout)
	}
	return textError(traceTimedOut, journey.State(wait).In(a.lang), timeout)
}

func (a *app) showJourney(cmd *cobra.Command, j *journey.Journey, brief bool) error {
	if a.json {
		return a.data(j.Said(a.lang))
	}
	return journey.Render(a.stdout, *j, a.lang, journey.Options{Color: a.color(cmd), Brief: brief, Now: time.Now()})
}
