package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/usage"
	"correio/services/internal/journey"
	"correio/services/internal/reason"
	"correio/services/internal/text"
)

const (
	queueLimit    = 100
	maxQueueLimit = 10_000
)

func (a *app) queueCommand() *cobra.Command {
	part := client.QueuePart{}
	cmd := &cobra.Command{
		Use:     "queue [HOST|ORG]",
		Short:   queueShort.In(a.lang),
		Long:    queueLong.In(a.lang),
		Example: queueExample,
		Args:    usage.Args(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if part.Limit < 1 || part.Limit > maxQueueLimit {
				return usage.Errorf(cmd, queueBadLimit, maxQueueLimit, part.Limit)
			}
			if part.State != "" && !slices.Contains([]string{"active", "deferred", "held", "quarantined"}, part.State) {
				return usage.Errorf(cmd, queueBadState, part.State)
			}
			return a.listQueues(cmd, strings.Join(args, ""), part)
		},
	}
	cmd.Flags().StringVar(&part.Domain, "domain", "", queueDomainFlag.In(a.lang))
	cmd.Flags().StringVar(&part.State, "state", "", queueStateFlag.In(a.lang))
	cmd.Flags().IntVar(&part.Limit, "limit", queueLimit, queueLimitFlag.In(a.lang))
	cmd.AddCommand(a.queueShowCommand())
	for _, order := range queueOrders {
		cmd.AddCommand(a.queueOrderCommand(order.name, order.short))
	}
	return cmd
}

// nodeQueue is one MTA's queue, or why it is not known.
type nodeQueue struct {
	Node    string `json:"node"`
	Error   string `json:"error,omitempty"`
	Stopped bool   `json:"stopped,omitempty"` // somebody has stopped it; Error says so, too
	client.Queue
}

// mtas returns the names of those that which names: a host, an organisation by
// its domain or its folder, or all for "".
func (a *app) mtas(ctx context.Context, lab *client.Lab, which string) ([]string, error) {
	nodes, err := lab.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var all, named []string
	for _, n := range nodes {
		if n.Role != "mta" {
			continue
		}
		all = append(all, n.Name)
		_, domain, _ := strings.Cut(n.Name, ".")
		if which == "" || slices.ContainsFunc([]string{n.Name, domain, n.Site}, func(s string) bool { return strings.EqualFold(s, which) }) {
			named = append(named, n.Name)
		}
	}
	if len(named) == 0 && which != "" {
		return nil, textError(queueNoMTA, which, strings.Join(all, ", "))
	}
	return named, nil
}

func (a *app) listQueues(cmd *cobra.Command, which string, part client.QueuePart) error {
	lab, err := a.running(cmd)
	if err != nil {
		return err
	}
	names, err := a.mtas(cmd.Context(), lab, which)
	if err != nil {
		return err
	}
	var list []nodeQueue
	var last error
	answered, failed := 0, 0
	for _, name := range names {
		q, err := lab.Queue(cmd.Context(), name, part)
		one := nodeQueue{Node: name, Queue: q}
		if err != nil {
			last = a.away(cmd.Context(), lab, err)
			one.Error, one.Stopped = client.Why(last, a.lang), errors.As(last, new(stopped))
		}
		switch {
		case err == nil:
			answered++
		case !one.Stopped:
			failed++
		}
		list = append(list, one)
	}
	if answered == 0 && last != nil {
		return a.noneAnswered(list, last)
	}
	if err := a.showQueues(list); err != nil {
		return err
	}
	if failed > 0 {
		a.say(queueSome, failed, len(names))
		return errReported
	}
	return nil
}

// noneAnswered says why each MTA is silent; the last one's reason is the error.
func (a *app) noneAnswered(list []nodeQueue, last error) error {
	for _, q := range list[:len(list)-1] {
		a.saySilent(q.Node, q.Error)
	}
	return last
}

func (a *app) showQueues(list []nodeQueue) error {
	if a.json {
		return a.data(map[string]any{"nodes": list})
	}
	many := len(list) > 1
	messages := 0
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, q := range list {
		for _, m := range q.Messages {
			if messages++; messages == 1 {
				fmt.Fprintln(w, a.row(many, queueNodeColumn.In(a.lang), queueHeader.In(a.lang)))
			}
			fmt.Fprintln(w, a.row(many, q.Node, a.queueRow(m)))
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for _, q := range list {
		a.talkOfQueue(q)
	}
	switch silent := slices.ContainsFunc(list, func(q nodeQueue) bool { return q.Error != "" }); {
	case messages > 0:
	case silent:
		a.say(queueEmptyElsewhere)
	default:
		a.say(queueEmpty)
	}
	return nil
}

func (a *app) row(many bool, node, rest string) string {
	if many {
		return node + "\t" + rest
	}
	return rest
}

// talkOfQueue says what the table does not.
func (a *app) talkOfQueue(q nodeQueue) {
	if q.Error != "" {
		a.saySilent(q.Node, q.Error)
	}
	for _, d := range q.Dead {
		next := queueProbing.In(a.lang)
		if !d.Probing {
			next = queueNextProbe.Sprintf(a.lang, a.when(&d.NextProbe))
		}
		a.say(queueDead, q.Node, d.Domain, brief(time.Since(d.Since)), next, printable(d.LastReply))
	}
	if q.Next != "" {
		a.say(queueShown, q.Node, len(q.Messages), q.Matching)
	}
}

func (a *app) queueRow(m client.Queued) string {
	to := strings.Join(m.To[:min(1, len(m.To))], "")
	if len(m.To) > 1 {
		to += " " + queueMore.Sprintf(a.lang, len(m.To)-1)
	}
	return fmt.Sprintf("%s\t%s\t%d\t%s\t%s\t%d\t%s\t%s\t%s",
		m.ID, brief(time.Since(m.Arrived)), m.Size, m.From, to, m.Attempts, a.next(m.NextAttempt, m.Prospect), queueState(m.State, a.lang), a.lastReply(m))
}

// lastReply is what a message waits for: a server's words, or why it is in
// quarantine.
func (a *app) lastReply(m client.Queued) string {
	if len(m.Why) > 0 {
		return printable(reason.DescribeIn(a.lang, m.Why))
	}
	return printable(m.LastReply)
}

// queueState is a message's state as people read it, in the words of its journey.
// An active one is queued there, which says nothing of a message in a queue.
func queueState(state string, lang text.Lang) string {
	if state == "active" {
		return queueActive.In(lang)
	}
	return journey.State(state).In(lang)
}

// when says how long from now an attempt is made.
func (a *app) when(at *time.Time) string {
	switch {
	case at == nil:
		return "-"
	case time.Until(*at) < time.Second:
		return queueNow.In(a.lang)
	}
	return queueIn.Sprintf(a.lang, brief(time.Until(*at)))
}

// next says what the table says of the next attempt: when it is made, or when the
// probe is that the message waits for.
func (a *app) next(at *time.Time, p client.Prospect) string {
	if p.Running || p.Probing {
		now := time.Now()
		at = &now
	}
	if p.Parked {
		return queueProbe.Sprintf(a.lang, a.when(at))
	}
	return a.when(at)
}

// prospect says in full what a recipient waits for.
func (a *app) prospect(r client.QueuedRecipient) string {
	switch {
	case r.Running:
		return queueShowRunning.In(a.lang)
	case r.Parked && r.Probing:
		return queueShowParked.Sprintf(a.lang, queueProbing.In(a.lang))
	case r.Parked:
		return queueShowParked.Sprintf(a.lang, queueNextProbe.Sprintf(a.lang, a.when(r.NextAttempt)))
	}
	return queueShowNext.Sprintf(a.lang, a.when(r.NextAttempt))
}

// brief is a duration in its two largest units.
func brief(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// printable is what other people's servers said, without what a terminal would
// obey.
func printable(s string) string { return text.Visible(s) }

func (a *app) queueShowCommand() *cobra.Command {
	var node string
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   queueShowShort.In(a.lang),
		Example: queueShowExample,
		Args:    usage.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := queueIDs(cmd, args); err != nil {
				return err
			}
			lab, err := a.running(cmd)
			if err != nil {
				return err
			}
			var found client.QueuedDetails
			at, err := a.findQueued(cmd.Context(), lab, node, args[0], func(name string) (err error) {
				found, err = lab.Queued(cmd.Context(), name, args[0])
				return err
			})
			if err != nil {
				return err
			}
			return a.showQueued(at, found)
		},
	}
	cmd.Flags().StringVar(&node, "node", "", queueNodeFlag.In(a.lang))
	return cmd
}

// findQueued asks one MTA after the other about a message until one has it, and
// returns its name. What an MTA that has it says otherwise is the answer.
func (a *app) findQueued(ctx context.Context, lab *client.Lab, which, id string, ask func(node string) error) (string, error) {
	names, err := a.mtas(ctx, lab, which)
	if err != nil {
		return "", err
	}
	silent := map[string]error{}
	for _, name := range names {
		switch err := ask(name); {
		case err == nil:
			return name, nil
		case errors.Is(err, client.ErrNotQueued):
		case client.Away(err):
			silent[name] = a.away(ctx, lab, err)
		default:
			return name, err
		}
	}
	for _, name := range names {
		if err := silent[name]; err != nil {
			a.saySilent(name, client.Why(err, a.lang))
		}
	}
	if len(silent) == len(names) && len(silent) > 0 {
		return "", errReported
	}
	return "", textError(queueNotThere, id)
}

// saySilent says why an MTA gave no answer. Mostly that names it already.
func (a *app) saySilent(name, why string) {
	if strings.HasPrefix(why, name) {
		fmt.Fprintln(a.stderr, why)
		return
	}
	a.say(queueSilent, name, why)
}

func (a *app) showQueued(node string, m client.QueuedDetails) error {
	if a.json {
		return a.data(struct {
			Node string `json:"node"`
			client.QueuedDetails
		}{node, m})
	}
	var b strings.Builder
	b.WriteString(queueShowText.Sprintf(a.lang, m.ID, node, m.MessageID, m.From, m.Arrived.Local().Format(time.DateTime), brief(time.Since(m.Arrived)), m.Size, queueState(m.State, a.lang)))
	if m.State == "quarantined" {
		b.WriteString("  " + a.lastReply(m.Queued) + "\n")
	}
	for _, r := range m.Recipients {
		more := ""
		if r.Held {
			more += queueShowHeld.In(a.lang)
		}
		if r.Dead && !r.Parked {
			more += queueShowDead.In(a.lang)
		}
		if r.KeptUntil != nil {
			more += queueShowUntil.Sprintf(a.lang, r.KeptUntil.Local().Format(time.DateTime))
		}
		tries := queueShowUntried.In(a.lang)
		if r.Attempts > 0 {
			tries = queueShowTries.Sprintf(a.lang, r.Attempts)
		}
		b.WriteString(queueShowRcpt.Sprintf(a.lang, r.Address, tries, a.prospect(r), more))
		if r.LastReply != "" {
			b.WriteString("              " + printable(r.LastReply) + "\n")
		}
	}
	if m.Header != "" {
		b.WriteString("\n")
		for line := range strings.Lines(m.Header) {
			b.WriteString("  " + printable(strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")) + "\n")
		}
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}
