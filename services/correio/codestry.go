package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"correio/services/correio/internal/client"
	"correio/services/correio/internal/recipe"
	"correio/services/internal/reply"
)

// labAPI is what trying a code needs of a running lab.
type labAPI interface {
	Nodes(ctx context.Context) ([]client.Node, error)
	People(ctx context.Context, workstation string) ([]string, error)
	Dial(ctx context.Context, via, to string) (net.Conn, error)
}

// tryJSON is what --try --json tells of one recipe.
type tryJSON struct {
	recipeJSON
	Via      string        `json:"via"`
	OK       bool          `json:"ok"`
	Reply    string        `json:"reply"`
	Error    string        `json:"error,omitempty"`
	Dialogue []client.Line `json:"dialogue"`
}

// tryCode plays every recipe of a code on the running lab.
func (a *app) tryCode(cmd *cobra.Command, e reply.Entry, f codesFlags) error {
	lab, err := a.running(cmd)
	if err != nil {
		return err
	}
	return a.tryOn(cmd.Context(), lab, e, f)
}

func (a *app) tryOn(ctx context.Context, lab labAPI, e reply.Entry, f codesFlags) error {
	at, err := a.place(ctx, lab, f)
	if err != nil {
		return err
	}
	tries := []tryJSON{}
	all := true
	for i, r := range e.Recipes {
		if i > 0 && !a.json {
			fmt.Fprintln(a.stdout)
		}
		at.values.New = strings.ToLower(rand.Text())
		t, err := a.tryRecipe(ctx, lab, r, at)
		if err != nil {
			return err
		}
		tries = append(tries, t)
		all = all && t.OK
	}
	if a.json {
		if err := a.data(map[string]any{"code": e.Code, "ok": all, "tries": tries}); err != nil {
			return err
		}
	}
	if !all {
		return errReported
	}
	return nil
}

// tryRecipe plays one recipe and shows the dialogue. The error is about the lab;
// a dialogue that goes wrong is a result.
func (a *app) tryRecipe(ctx context.Context, lab labAPI, r reply.Recipe, at place) (tryJSON, error) {
	c, err := lab.Dial(ctx, at.via, at.address(r))
	if err != nil {
		return tryJSON{}, err
	}
	played, err := recipe.Play(ctx, c, at.mx, r, at.values)
	if ctx.Err() != nil {
		return tryJSON{}, ctx.Err()
	}
	t := tryJSON{recipeJSON: a.recipeJSON(r, at), Via: at.via, OK: played.OK, Reply: played.Reply, Dialogue: played.Lines}
	if err != nil {
		t.Error = err.Error()
	}
	if !a.json {
		if err := a.showTry(t, at.address(r)); err != nil {
			return t, err
		}
	}
	switch {
	case err != nil:
		a.say(codesBroke, r.Want, err)
	case !t.OK:
		a.say(codesOther, r.Want, t.Reply)
	}
	return t, nil
}

// showTry writes a dialogue as `trace` does: -> and <- in plain text, ~> and <~
// inside TLS, === a note.
func (a *app) showTry(t tryJSON, to string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "=== %s: %s\n", t.Does, codesFromTo.Sprintf(a.lang, to, t.Via))
	for _, l := range t.Dialogue {
		fmt.Fprintf(&b, "%6d ms  %s %s\n", l.OffsetMS, tryArrow(l), l.Text)
	}
	if t.OK {
		fmt.Fprintf(&b, "=== %s\n", codesCame.Sprintf(a.lang, t.Want))
	}
	if _, err := io.WriteString(a.stdout, b.String()); err != nil {
		return errors.Join(errors.New("write dialogue"), err)
	}
	return nil
}

func tryArrow(l client.Line) string {
	switch {
	case l.Dir == "=":
		return "==="
	case l.Dir == ">" && l.TLS:
		return " ~>"
	case l.Dir == ">":
		return " ->"
	case l.TLS:
		return "<~ "
	}
	return "<- "
}
