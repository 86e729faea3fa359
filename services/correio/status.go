package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/usage"
	"correio/services/internal/text"
)

func (a *app) statusCommand() *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "status",
		Short:   statusShort.In(a.lang),
		Long:    statusLong.In(a.lang),
		Example: statusExample,
		Args:    usage.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return usage.Errorf(cmd, timeoutNotPositive, timeout)
			}
			lab, err := a.running(cmd)
			if err != nil {
				return err
			}
			if wait {
				if err := a.awaitReady(cmd.Context(), lab, timeout); err != nil {
					return err
				}
			}
			nodes, err := lab.Nodes(cmd.Context())
			if err != nil {
				return err
			}
			return a.showNodes(nodes)
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, statusWaitFlag.In(a.lang))
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, timeoutFlag.In(a.lang))
	return cmd
}

// awaitReady waits until every node is ready and tells what is missing.
func (a *app) awaitReady(ctx context.Context, lab *client.Lab, timeout time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := lab.WaitReady(waiting, 200*time.Millisecond, func(why error) { a.say(waitingFor, client.Why(why, a.lang)) })
	if errors.Is(err, context.DeadlineExceeded) {
		if errors.Is(err, client.ErrNotRunning) {
			return err
		}
		return errors.Join(textError(notReadyInTime, timeout, client.Why(err, a.lang)), errTimedOut)
	}
	return err
}

func (a *app) showNodes(nodes []client.Node) error {
	if a.json {
		return a.data(map[string]any{"nodes": nodes})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, statusHeader.In(a.lang))
	ready := 0
	for _, n := range nodes {
		state := stateWord(n.State, a.lang)
		if n.Ready() {
			ready++
		} else if why := n.Because(a.lang); why != "" && n.State != "stopped" { // that says it
			state += ": " + why
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", n.Name, n.Role, orDash(n.Internet), orDash(n.LAN), state)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	if ready < len(nodes) {
		a.say(someNotReady, len(nodes)-ready, len(nodes))
		return errReported
	}
	return nil
}

func orDash(a netip.Addr) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

// stateWord is a node's state as people read it; a state that is new to this
// command stays as it came.
func stateWord(state string, lang text.Lang) string {
	if t, ok := nodeStates[state]; ok {
		return t.In(lang)
	}
	return state
}
