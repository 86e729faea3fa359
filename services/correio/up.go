package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/compose"
	"correio/services/correio/internal/labrun"
	"correio/services/correio/internal/usage"
	"correio/services/internal/lab"
)

func (a *app) upCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "up [NODE ...]",
		Short:   upShort.In(a.lang),
		Long:    upLong.In(a.lang),
		Example: upExample,
		Args:    usage.Args(0, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case timeout <= 0:
				return usage.Errorf(cmd, timeoutNotPositive, timeout)
			case len(args) > 0:
				return a.eachNode(cmd, args, (*client.Lab).StartNode, "start")
			}
			return a.up(cmd, timeout)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, timeoutFlag.In(a.lang))
	return cmd
}

// up starts the lab in containers, waits until it works and shows that it does.
func (a *app) up(cmd *cobra.Command, timeout time.Duration) error {
	ctx := cmd.Context()
	dir, err := compose.Find(".")
	if err != nil {
		return err
	}
	l, err := labrun.Checked(filepath.Join(dir, "deploy"))
	if err != nil {
		return err
	}
	project, err := compose.Open(ctx, dir, a.getenv, a.stdout, a.stderr)
	if err != nil {
		return err
	}
	page, err := a.pagePort(cmd)
	if err != nil {
		return err
	}
	if err := project.Preflight(ctx, page, userPorts(l)); err != nil {
		return err
	}
	if err := project.Run(ctx, "up", "-d"); err != nil {
		return err
	}
	if !cmd.Flags().Changed("lab") && a.getenv("CORREIO_LAB") == "" {
		a.lab = "http://127.0.0.1:" + strconv.Itoa(page)
	}
	api, err := a.running(cmd)
	if err != nil {
		return err
	}
	if err := a.awaitReady(ctx, api, timeout); err != nil {
		return err
	}
	return a.firstMail(cmd, api)
}

func userPorts(l *lab.Lab) []int {
	var ports []int
	for _, p := range l.Observatory.UserPorts {
		ports = append(ports, p.Port)
	}
	return ports
}

// pagePort is the one that the Compose file publishes.
func (a *app) pagePort(cmd *cobra.Command) (int, error) {
	value := a.getenv("LAB_HTTP_PORT")
	if value == "" {
		return 8080, nil
	}
	port, err := strconv.Atoi(value)
	if err != nil || port < 1 || port > 65535 {
		return 0, usage.Errorf(cmd, badPort, "LAB_HTTP_PORT", value)
	}
	return port, nil
}

// firstMail sends a mail across two organisations and shows its journey.
func (a *app) firstMail(cmd *cobra.Command, api *client.Lab) error {
	ctx := cmd.Context()
	a.say(upSending)
	sent, err := api.Send(ctx, "pc.aurora.test", client.Message{
		From: "ana@aurora.test", To: []string{"bruno@boreal.test"},
		Subject: upSubject.In(a.lang), Body: upBody.In(a.lang),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", upFirstMail.In(a.lang), err)
	}
	if !sent.OK {
		a.say(sendFailed, sent.Code, sent.Step, a.unspoken(ctx, api, sent.Trouble, sent.Server, sent.Reply))
		return errReported
	}
	j, err := api.Journey(ctx, sent.MessageID, "delivered", 30*time.Second)
	if j != nil {
		if err := a.showJourney(cmd, j, true); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, client.ErrTimeout):
		return errors.Join(a.notInTime("delivered", 30*time.Second), errTimedOut)
	case err != nil:
		return err
	}
	a.say(upRunning, api.String())
	return nil
}

// eachNode stops or starts nodes: through the observatory where it can, else
// through Compose.
func (a *app) eachNode(cmd *cobra.Command, names []string, act func(*client.Lab, context.Context, string) error, composeVerb string) error {
	if err := hostNames(cmd, names...); err != nil {
		return err
	}
	api, err := a.running(cmd)
	if err != nil {
		return err
	}
	var project *compose.Project
	for _, name := range names {
		err := act(api, cmd.Context(), name)
		if client.NoSupervisor(err) || errors.Is(err, client.ErrNotRunning) && name == "observatory.nic.test" {
			if project == nil {
				if project, err = a.project(cmd.Context()); err != nil {
					return err
				}
			}
			err = a.composeNode(cmd.Context(), project, composeVerb, name)
		}
		if err != nil {
			return err
		}
		if composeVerb == "start" {
			if err := a.awaitNode(cmd.Context(), api, name); err != nil {
				return err
			}
		}
		a.say(nodeDone[composeVerb], name)
	}
	return nil
}

// startWait bounds the wait for one node that was started.
const startWait = 30 * time.Second

// awaitNode waits until a node that was started is ready.
func (a *app) awaitNode(ctx context.Context, api *client.Lab, name string) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		nodes, err := api.Nodes(ctx)
		if err == nil && slices.ContainsFunc(nodes, func(n client.Node) bool { return strings.EqualFold(n.Name, name) && n.Ready() }) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(textError(nodeNotReady, name, startWait), errTimedOut)
		}
	}
}

func (a *app) project(ctx context.Context) (*compose.Project, error) {
	dir, err := compose.Find(".")
	if err != nil {
		return nil, err
	}
	return compose.Open(ctx, dir, a.getenv, a.stdout, a.stderr)
}

func (a *app) composeNode(ctx context.Context, project *compose.Project, verb, name string) error {
	service, err := project.Service(name)
	if err != nil {
		return err
	}
	return project.Container(ctx, verb, service)
}
