package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/usage"
	"correio/services/internal/text"
)

// queueOrders are the verbs below queue that change it.
var queueOrders = []struct {
	name  string
	short text.Text
}{
	{"retry", queueRetryShort},
	{"hold", queueHoldShort},
	{"release", queueReleaseShort},
	{"drop", queueDropShort},
}

func (a *app) queueOrderCommand(order string, short text.Text) *cobra.Command {
	var o client.QueueOrder
	var node string
	cmd := &cobra.Command{
		Use:   order + " ID ... | --domain DOMAIN | --all",
		Short: short.In(a.lang),
		Example: strings.ReplaceAll("  correio queue ORDER 2674201B7D3C\n"+
			"  correio queue ORDER --domain boreal.test --node mx1.aurora.test\n  correio queue ORDER --all", "ORDER", order),
		Args: usage.Args(0, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			given := 0
			for _, is := range []bool{len(args) > 0, o.Domain != "", o.All} {
				if is {
					given++
				}
			}
			if given != 1 {
				return usage.Errorf(cmd, queueWantsOne)
			}
			if err := queueIDs(cmd, args); err != nil {
				return err
			}
			lab, err := a.running(cmd)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				return a.changeQueued(cmd, lab, order, node, args)
			}
			return a.changeQueues(cmd, lab, order, node, o)
		},
	}
	cmd.Flags().StringVar(&o.Domain, "domain", "", queueDomainFlag.In(a.lang))
	cmd.Flags().BoolVar(&o.All, "all", false, queueAllFlag.In(a.lang))
	cmd.Flags().StringVar(&node, "node", "", queueNodeFlag.In(a.lang))
	return cmd
}

// changed is what an order has changed at an MTA.
type changed struct {
	Node string `json:"node"`
	ID   string `json:"id,omitempty"`
	client.QueueChanged
}

// changeQueued changes messages wherever they are queued. What can be changed
// is, even if something else cannot.
func (a *app) changeQueued(cmd *cobra.Command, lab *client.Lab, order, node string, ids []string) error {
	var done []changed
	failed := 0
	for _, id := range ids {
		one := changed{ID: id}
		var err error
		one.Node, err = a.findQueued(cmd.Context(), lab, node, id, func(name string) (err error) {
			one.QueueChanged, err = lab.ChangeQueue(cmd.Context(), name, order, client.QueueOrder{ID: id})
			return err
		})
		if err != nil && (len(ids) == 1 || cmd.Context().Err() != nil) {
			return err
		}
		if err != nil {
			a.say(queueSilent, id, a.words(err))
			failed++
			continue
		}
		done = append(done, one)
	}
	if err := a.sayChanged(order, done); err != nil {
		return err
	}
	if failed > 0 {
		return errReported
	}
	return nil
}

// changeQueues gives an order to several MTAs.
func (a *app) changeQueues(cmd *cobra.Command, lab *client.Lab, order, node string, o client.QueueOrder) error {
	names, err := a.mtas(cmd.Context(), lab, node)
	if err != nil {
		return err
	}
	var done []changed
	var last error
	failed := 0
	for _, name := range names {
		n, err := lab.ChangeQueue(cmd.Context(), name, order, o)
		if err != nil && (len(names) == 1 || !client.Away(err)) {
			return a.away(cmd.Context(), lab, err)
		}
		if err != nil {
			last = a.away(cmd.Context(), lab, err)
			a.saySilent(name, client.Why(last, a.lang))
			failed++
			continue
		}
		done = append(done, changed{Node: name, QueueChanged: n})
	}
	if failed == len(names) && failed > 0 {
		return last
	}
	if err := a.sayChanged(order, done); err != nil {
		return err
	}
	if failed > 0 {
		a.say(queueSome, failed, len(names))
		return errReported
	}
	return nil
}

func (a *app) sayChanged(order string, done []changed) error {
	if a.json {
		return a.data(map[string]any{"changed": done})
	}
	for _, c := range done {
		if _, err := fmt.Fprintln(a.stdout, a.done(order, c)); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// done says what an order has changed, and what was so before: with none held, one
// would not know whether any is. Mail that goes on anyway matters to a release only
// when there was nothing to release.
func (a *app) done(order string, c changed) string {
	if t, ok := queueDoneBefore[order]; ok && c.ID != "" && c.Messages == 0 {
		return t.Sprintf(a.lang, c.Node, c.ID)
	}
	line := queueDone[order].Sprintf(a.lang, c.Node, c.Messages-c.Parked)
	if c.Parked > 0 {
		line += queueParked.Sprintf(a.lang, c.Parked)
	}
	if t, ok := queueAlready[order]; ok && c.Already > 0 && (order == "hold" || c.Messages == 0) {
		line += t.Sprintf(a.lang, c.Already)
	}
	if c.Aside > 0 {
		line += queueAside.Sprintf(a.lang, c.Aside)
	}
	return line
}
