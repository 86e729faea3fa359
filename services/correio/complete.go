package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/internal/text"
)

// completeWait bounds what a shell waits for completions: a lab that does not
// answer by then completes nothing.
const completeWait = 2 * time.Second

// completeMessages is how many of the newest messages a shell is offered.
const completeMessages = 20

// completer is what cobra wants for arguments and for flags.
type completer = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

// offers asks the lab for what may stand where a shell completes, but for what
// stands there already.
func (a *app) offers(list func(ctx context.Context, lab *client.Lab) []string) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		// Settings of the environment are read when a command runs, which it does not.
		if env := a.getenv(envPrefix + "LAB"); env != "" && !cmd.Flags().Changed("lab") {
			a.lab = env
		}
		lab, err := client.New(a.lab)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeWait)
		defer cancel()
		var fit []string
		for _, word := range list(ctx, lab) {
			if strings.HasPrefix(word, typed) && !slices.Contains(args, word) {
				fit = append(fit, word)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp
	}
}

// first offers for the first argument alone.
func first(offer completer) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return offer(cmd, args, typed)
	}
}

// nodes offers the names of nodes, of some roles or of all.
func (a *app) nodes(roles ...string) completer {
	return a.offers(func(ctx context.Context, lab *client.Lab) []string {
		var names []string
		nodes, _ := lab.Nodes(ctx) // a lab that does not run has none
		for _, n := range nodes {
			if len(roles) == 0 || slices.Contains(roles, n.Role) {
				names = append(names, n.Name)
			}
		}
		return names
	})
}

// people offers the mail addresses of everybody who works in the lab.
func (a *app) people() completer {
	return a.offers(func(ctx context.Context, lab *client.Lab) []string {
		var all []string
		nodes, _ := lab.Nodes(ctx)
		for _, n := range nodes {
			if n.Role != "pc" {
				continue
			}
			_, domain, _ := strings.Cut(n.Name, ".")
			names, _ := lab.People(ctx, n.Name)
			for _, name := range names {
				all = append(all, name+"@"+domain)
			}
		}
		return all
	})
}

// messages offers the newest messages.
func (a *app) messages() completer {
	return a.offers(func(ctx context.Context, lab *client.Lab) []string {
		names, _ := lab.Messages(ctx, completeMessages)
		return names
	})
}

// completions tells the shells what may stand where.
func (a *app) completions(root *cobra.Command) {
	for verb, offer := range map[string]completer{
		"up": a.nodes(), "down": a.nodes(), "talk": first(a.nodes("dns", "resolver", "mta", "mda")), "queue": first(a.nodes("mta")),
		"trace": first(a.messages()), "fetch": first(a.people()), "codes": first(fixed(codeNumbers()...)), "dig": a.servers(),
	} {
		if cmd, _, err := root.Find([]string{verb}); err == nil {
			cmd.ValidArgsFunction = offer
		}
	}
	for flag, offer := range map[string]completer{
		"lang": fixed(string(text.Portuguese), string(text.English)), "via": a.nodes("pc"), "node": a.nodes("mta"),
		"wait": fixed("delivered", "bounced", "any"), "from": a.people(), "to": a.people(), "ret": fixed("full", "hdrs"), "ports": fixed("on", "off"),
	} {
		each(root, func(cmd *cobra.Command) {
			if f := cmd.LocalFlags().Lookup(flag); f != nil && f.Value.Type() != "bool" {
				_ = cmd.RegisterFlagCompletionFunc(flag, offer) // fails where it was registered already
			}
		})
	}
}

// servers offers what dig is asked about: @ and a name server.
func (a *app) servers() completer {
	names := a.nodes("dns", "resolver")
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		name, isServer := strings.CutPrefix(typed, "@")
		if !isServer {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found, directive := names(cmd, args, name)
		for i := range found {
			found[i] = "@" + found[i]
		}
		return found, directive
	}
}

func each(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, sub := range cmd.Commands() {
		each(sub, do)
	}
}

// fixed offers words that need no lab.
func fixed(words ...string) completer {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		var fit []string
		for _, word := range words {
			if strings.HasPrefix(word, typed) {
				fit = append(fit, word)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp
	}
}
