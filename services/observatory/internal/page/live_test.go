package page

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"correio/services/internal/text"
	"correio/services/observatory/internal/collect"
)

// streamed reads what the script is sent of the records that are there.
func streamed(t *testing.T, body string) (rows []recordRow) {
	t.Helper()
	for line := range strings.Lines(body) {
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var row recordRow
		if err := json.Unmarshal([]byte(data), &row); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		rows = append(rows, row)
	}
	return rows
}

// table returns the cells of a table's body, and the links in it.
func table(t *testing.T, root *html.Node, id string) (rows [][]string) {
	t.Helper()
	for n := range root.Descendants() {
		if n.DataAtom != atom.Tr || attr(n.Parent, "id") != id {
			continue
		}
		var cells []string
		for n := range n.Descendants() {
			switch {
			case n.DataAtom == atom.Td:
				cells = append(cells, "")
			case n.Type == html.TextNode && n.Parent.DataAtom != atom.Span: // the word beside the null sender
				cells[len(cells)-1] += n.Data
			case n.DataAtom == atom.A:
				cells = append(cells, attr(n, "href"), "")
			}
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		t.Fatalf("nothing in the table %s", id)
	}
	return rows
}

// The script had its own way to show what others say, which no test ran, and
// words that the table had not.
func TestRowsThatComeInAreThoseOfTheTables(t *testing.T) {
	for _, lang := range text.Langs {
		for name, lab := range map[string]func(path string) string{
			"hostile":       func(path string) string { return show(t, path, nil).Body.String() },
			"international": func(path string) string { return international(t, path) },
		} {
			root, err := html.Parse(strings.NewReader(lab("/?lang=" + string(lang))))
			if err != nil {
				t.Fatal(err)
			}
			var records, messages [][]string
			for _, row := range streamed(t, lab("/live/records?follow=false&lang="+string(lang))) {
				records = append(records, []string{row.Clock, row.Node, row.Kind, row.What, row.Queue})
				if m := row.Message; m != nil {
					from := m.From
					if from == "" {
						from = "<> "
					}
					messages = append(messages, []string{m.Clock, from, m.To, "", m.Link, m.Name})
				}
			}
			slices.Reverse(records)
			if want := table(t, root, "events"); !slices.EqualFunc(records, want, slices.Equal) {
				t.Errorf("%s, %s: records\n%q, and in the table\n%q", name, lang, records, want)
			}
			want := table(t, root, "messages")
			slices.SortFunc(want, slices.Compare)
			slices.SortFunc(messages, slices.Compare)
			if !slices.EqualFunc(messages, want, slices.Equal) {
				t.Errorf("%s, %s: messages\n%q, and in the table\n%q", name, lang, messages, want)
			}
		}
	}
}

func TestWhatTheScriptIsSentIsShownAndNotObeyed(t *testing.T) {
	const obeyed, shown = "\x1b\a\u202e", `\x1b]0;x\a\u202e`
	for _, row := range streamed(t, show(t, "/live/records?follow=false", nil).Body.String()) {
		words := row.Node + row.Kind + row.What + row.Queue
		if m := row.Message; m != nil {
			words += m.From + m.To + m.Name + m.Link
		}
		if strings.ContainsAny(words, obeyed) || row.Node != "mx1" && !strings.Contains(row.Node, shown) {
			t.Errorf("%+v", row)
		}
	}
	nodes := show(t, "/live/nodes", nil)
	var rows []nodeRow
	if err := json.Unmarshal(nodes.Body.Bytes(), &rows); err != nil || len(rows) != len(collect.States) {
		t.Fatalf("%v: %s", err, nodes.Body)
	}
	for _, row := range rows {
		if strings.ContainsAny(row.Reason, obeyed) || !strings.Contains(row.Reason, shown) {
			t.Errorf("%+v", row)
		}
	}
}

func TestNodesOfTheScriptSpeakTheLanguageOfItsPage(t *testing.T) {
	for lang, want := range map[text.Lang]string{text.English: "starting", text.Portuguese: "iniciando"} {
		var rows []nodeRow
		if err := json.Unmarshal([]byte(international(t, "/live/nodes?lang="+string(lang))), &rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) != 1 || rows[0].Name != "mx1.xn--caf-dma.test" || rows[0].State != collect.NotReady || rows[0].Reason != want {
			t.Errorf("in %s: %+v, want %q", lang, rows, want)
		}
	}
}
