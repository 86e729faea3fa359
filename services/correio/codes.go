package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/usage"
	"correio/services/internal/lab"
	"correio/services/internal/reply"
)

// codesFlags are what `codes` was told.
type codesFlags struct {
	try   bool
	org   string
	login string // NAME:PASSWORD
}

func (a *app) codesCommand() *cobra.Command {
	var f codesFlags
	cmd := &cobra.Command{
		Use:     "codes [CODE]",
		Short:   codesShort.In(a.lang),
		Long:    codesLong.In(a.lang),
		Example: codesExample,
		Args:    usage.Args(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 1:
				return a.code(cmd, args[0], f)
			case f.try:
				return usage.Errorf(cmd, codesTryWhich)
			}
			return a.listCodes()
		},
	}
	cmd.Flags().BoolVar(&f.try, "try", false, codesTryFlag.In(a.lang))
	cmd.Flags().StringVar(&f.org, "org", "", codesOrgFlag.In(a.lang))
	cmd.Flags().StringVar(&f.login, "login", "", codesLoginFlag.In(a.lang))
	return cmd
}

// code explains one code, or tries it.
func (a *app) code(cmd *cobra.Command, arg string, f codesFlags) error {
	if list := reply.WithEnhanced(arg); len(list) > 0 && !f.try {
		return a.explainEnhanced(arg, list)
	}
	code, err := strconv.Atoi(arg)
	entry, ok := reply.Find(code)
	if err != nil || !ok {
		return usage.Errorf(cmd, codesUnknown, arg, strings.Join(codeNumbers(), " "))
	}
	switch {
	case !f.try:
		return a.explain(entry, f.org)
	case len(entry.Recipes) == 0:
		return usage.Errorf(cmd, codesNoRecipe, code)
	}
	return a.tryCode(cmd, entry, f)
}

// explainEnhanced lists the codes that an enhanced one comes with, and what it
// says there.
func (a *app) explainEnhanced(enhanced string, list []reply.Entry) error {
	if a.json {
		codes := []codeJSON{}
		for _, e := range list {
			codes = append(codes, a.codeJSON(e, example("")))
		}
		return a.data(map[string]any{"codes": codes})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, e := range list {
		for _, d := range e.Enhanced {
			if d.Code == enhanced {
				fmt.Fprintf(w, "%d %s\t%s\t(%s)\n", e.Code, d.Code, d.Means.In(a.lang), e.Meaning.In(a.lang))
			}
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func codeNumbers() []string {
	var list []string
	for _, e := range reply.Catalogue() {
		list = append(list, strconv.Itoa(e.Code))
	}
	return list
}

func (a *app) listCodes() error {
	if a.json {
		list := []codeJSON{}
		for _, e := range reply.Catalogue() {
			list = append(list, a.codeJSON(e, example("")))
		}
		return a.data(map[string]any{"codes": list, "reserved": a.reservedJSON()})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, codesHeader.In(a.lang))
	for _, e := range reply.Catalogue() {
		fmt.Fprintf(w, "%d\t%s\t%s\n", e.Code, e.Meaning.In(a.lang), e.RFC)
	}
	fmt.Fprintf(w, "\n%s\n", codesReserved.In(a.lang))
	for _, r := range a.reservedJSON() {
		fmt.Fprintf(w, "%s\t%s\n", r.Local, r.Does)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// reservedJSON is a local part that answers on purpose at every organisation.
type reservedJSON struct {
	Local lab.Reserved `json:"local"`
	Does  string       `json:"does"`
}

func (a *app) reservedJSON() []reservedJSON {
	var list []reservedJSON
	for _, r := range lab.ReservedParts {
		list = append(list, reservedJSON{r.Local, r.Does.In(a.lang)})
	}
	return list
}

// place is where a recipe is played.
type place struct {
	via    string // workstation
	mx     string
	values reply.Values
}

// exampleOrg stands in explanations for the organisation that was not named.
const exampleOrg = "aurora.test"

// example is a place as it mostly is, for explanations without a lab.
func example(org string) place {
	if org == "" {
		org = exampleOrg
	}
	me := "pc." + org
	return place{via: me, mx: "mx1." + org, values: reply.Values{
		Me: me, Domain: org, New: "n1", Auth: `(base64: \0USER\0PASSWORD)`,
	}}
}

func (a *app) explain(e reply.Entry, org string) error {
	at := example(org)
	if a.json {
		return a.data(a.codeJSON(e, at))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d  %s\n%s\n%s\n", e.Code, e.Meaning.In(a.lang), e.Class().In(a.lang), e.RFC)
	fmt.Fprintf(&b, "\n%s\n", codesSeen.In(a.lang))
	for _, d := range e.Enhanced {
		fmt.Fprintf(&b, "  %-10s %s\n", strings.TrimSpace(fmt.Sprint(e.Code, " ", d.Code)), d.Means.In(a.lang))
	}
	fmt.Fprintf(&b, "\n%s\n  %s\n", codesAdvice.In(a.lang), e.Advice.In(a.lang))
	for _, r := range e.Recipes {
		fmt.Fprintf(&b, "\n%s\n  %s\n", codesToGet.Sprintf(a.lang, r.Want, r.Does.In(a.lang)), byHand(r, at))
		for _, line := range r.Typed(at.values) {
			fmt.Fprintf(&b, "  %s\n", line)
		}
		if r.Times > 1 {
			fmt.Fprintf(&b, "  %s\n", codesAgain.In(a.lang))
		}
	}
	if _, err := io.WriteString(a.stdout, b.String()); err != nil {
		return fmt.Errorf("write explanation: %w", err)
	}
	if len(e.Recipes) > 0 {
		a.say(codesTryIt, e.Code)
	} else {
		a.say(codesNoRecipe, e.Code)
	}
	return nil
}

// byHand is the command that opens a recipe's connection.
func byHand(r reply.Recipe, at place) string {
	command := "correio talk " + at.mx + " " + strconv.Itoa(r.Port)
	if r.Security != reply.Plain {
		command += " --" + string(r.Security)
	}
	return command
}

// codeJSON is what --json tells of an entry.
type codeJSON struct {
	Code     int            `json:"code"`
	Meaning  string         `json:"meaning"`
	Class    string         `json:"class"`
	RFC      string         `json:"rfc"`
	Advice   string         `json:"advice"`
	Enhanced []enhancedJSON `json:"enhanced"`
	Recipes  []recipeJSON   `json:"recipes"`
}

type enhancedJSON struct {
	Code    string `json:"code"`
	Meaning string `json:"meaning"`
}

type recipeJSON struct {
	Does     string         `json:"does"`
	Host     string         `json:"host"`
	Port     int            `json:"port"`
	Security reply.Security `json:"security"`
	Login    bool           `json:"login"`
	Lines    []string       `json:"lines"`
	Times    int            `json:"times,omitempty"` // of the last line, at most
	Want     string         `json:"want"`
}

func (a *app) codeJSON(e reply.Entry, at place) codeJSON {
	out := codeJSON{
		Code: e.Code, Meaning: e.Meaning.In(a.lang), Class: e.Class().In(a.lang), RFC: e.RFC, Advice: e.Advice.In(a.lang),
		Recipes: []recipeJSON{},
	}
	for _, d := range e.Enhanced {
		out.Enhanced = append(out.Enhanced, enhancedJSON{d.Code, d.Means.In(a.lang)})
	}
	for _, r := range e.Recipes {
		out.Recipes = append(out.Recipes, a.recipeJSON(r, at))
	}
	return out
}

func (a *app) recipeJSON(r reply.Recipe, at place) recipeJSON {
	return recipeJSON{
		Does: r.Does.In(a.lang), Host: at.mx, Port: r.Port, Security: r.Security, Login: r.Login,
		Lines: append([]string{}, r.Typed(at.values)...), Times: r.Times, Want: r.Want,
	}
}

// address is where a recipe connects to.
func (at place) address(r reply.Recipe) string {
	return net.JoinHostPort(at.mx, strconv.Itoa(r.Port))
}

// place finds the organisation's workstation and first MX host. login is
// NAME:PASSWORD, or "" for the first person, whose password is their name.
func (a *app) place(ctx context.Context, api labAPI, f codesFlags) (place, error) {
	nodes, err := api.Nodes(ctx)
	if err != nil {
		return place{}, err
	}
	var at place
	var domains []string
	for _, n := range nodes {
		_, own, _ := strings.Cut(n.Name, ".")
		if n.Role != "pc" {
			continue
		}
		domains = append(domains, own)
		if at.via == "" && (f.org == "" || strings.EqualFold(own, f.org)) {
			at.via, at.values.Me, at.values.Domain = n.Name, n.Name, own
		}
	}
	if at.via == "" {
		return place{}, textError(noWorkstation, f.org, strings.Join(domains, ", "))
	}
	for _, n := range nodes {
		if at.mx == "" && n.Role == "mta" && strings.HasSuffix(n.Name, "."+at.values.Domain) {
			at.mx = n.Name
		}
	}
	if at.mx == "" {
		return place{}, textError(codesNoMTA, at.values.Domain)
	}
	return at, a.login(ctx, api, &at, f.login)
}

func (a *app) login(ctx context.Context, api labAPI, at *place, login string) error {
	name, password, given := strings.Cut(login, ":")
	if !given {
		people, err := api.People(ctx, at.via)
		if err != nil {
			return err
		}
		if name == "" && len(people) > 0 {
			name = people[0]
		}
		password = name
	}
	at.values.Auth = reply.Plaintext(name, password)
	return nil
}
