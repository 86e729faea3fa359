// Package page is the observatory's page for people: the nodes and how they
// are, the last messages with their journeys, and the last records.
//
// Everything is written by the server, complete without scripts; live.js then
// adds what comes in, in the words that the server sends it. What nodes and
// messages say is untrusted: it reaches the page through html/template alone,
// and the script sets it as text alone. All files are embedded; nothing is loaded
// from elsewhere.
package page

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/journey"
	"correio/services/internal/lab"
	"correio/services/internal/mailaddr"
	"correio/services/internal/text"
	"correio/services/observatory/internal/collect"
	"correio/services/observatory/internal/history"
)

const (
	maxMessages = 50
	maxEvents   = 100
)

//go:embed templates/*.html
var templateFiles embed.FS

// Config is what the page shows.
type Config struct {
	Lab            *lab.Lab
	Version, Speed string
	Nodes          func() []collect.Status
	History        *history.History
	Log            *slog.Logger
}

type page struct {
	Config
	templates *template.Template
	assets    assets
}

// Register puts the page's handlers on mux.
func Register(mux *http.ServeMux, cfg Config) error {
	files, err := loadAssets()
	if err != nil {
		return err
	}
	p := &page{Config: cfg, assets: files}
	p.templates, err = template.New("").Funcs(template.FuncMap{
		"say": say, "asset": files.url, "shape": shape, "cell": cell, "mark": newMark, "both": mailaddr.Both, "link": link,
		"api": func(id string) string { return "/api/v1/journeys/" + url.PathEscape(id) },
	}).ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return fmt.Errorf("parse templates: %w", err)
	}
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET /m/{id...}", p.message)
	mux.HandleFunc("GET /live/records", control.Limited(make(chan struct{}, maxStreams), p.liveRecords))
	mux.HandleFunc("GET /live/nodes", p.liveNodes)
	mux.HandleFunc("GET /assets/{name}", p.assets.serve)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		p.render(w, r, http.StatusNotFound, "missing.html", missingView{frame: p.frame(w, r), Text: txtNoPage})
	})
	return nil
}

// frame is what every page has around it.
type frame struct {
	Title          string
	Lang           text.Lang
	Lab            string
	Version, Speed string
	Path           string
	// Live tells the script where to go on: the id of the newest record shown.
	Live string
}

func (p *page) frame(w http.ResponseWriter, r *http.Request) frame {
	name := cell(p.Lab.Name)
	return frame{Title: name, Lang: choose(w, r), Lab: name, Version: p.Version, Speed: p.Speed, Path: r.URL.EscapedPath()}
}

type homeView struct {
	frame
	Sites    []site
	States   []collect.State
	Messages []messageRow // newest first, as the next
	Events   []recordRow
}

// site is the nodes of one site.
type site struct {
	Title, Domain string
	Nodes         []collect.Status
}

func (p *page) home(w http.ResponseWriter, r *http.Request) {
	v := homeView{frame: p.frame(w, r), Sites: p.sites(), States: collect.States}
	latest := p.History.Latest(maxEvents)
	for i := range slices.Backward(latest.Records) {
		v.Events = append(v.Events, newRecordRow(v.Lang, &latest.Records[i]))
	}
	v.Live = fmt.Sprintf("%s:%d", p.History.Log().Boot(), latest.Last)
	for _, s := range p.History.List(maxMessages) { // after Latest: the script knows a message that it meets again
		v.Messages = append(v.Messages, newMessageRow(s))
	}
	p.render(w, r, http.StatusOK, "home.html", v)
}

// sites groups the nodes as the lab does.
func (p *page) sites() []site {
	status := map[string]collect.Status{}
	for _, s := range p.Nodes() {
		status[s.Name] = s
	}
	list := make([]site, 0, len(p.Lab.Orgs))
	for _, org := range p.Lab.Orgs {
		s := site{Title: org.Title, Domain: org.Domain}
		for _, h := range org.Hosts {
			s.Nodes = append(s.Nodes, status[h.Name])
		}
		list = append(list, s)
	}
	return list
}

type messageView struct {
	frame
	Journey journey.Journey
	Text    string
	Open    bool // it is not over yet
}

type missingView struct {
	frame
	Text text.Text
}

func (p *page) message(w http.ResponseWriter, r *http.Request) {
	f := p.frame(w, r)
	j, ok := p.History.Find(r.PathValue("id"))
	if !ok {
		p.render(w, r, http.StatusNotFound, "missing.html", missingView{frame: f, Text: txtNoMessage})
		return
	}
	var b strings.Builder
	if err := journey.Render(&b, j, f.Lang, journey.Options{Now: time.Now()}); err != nil {
		p.fail(w, r, err)
		return
	}
	f.Title = cmp.Or(cell(j.Subject), cell(j.Message))
	p.render(w, r, http.StatusOK, "message.html", messageView{frame: f, Journey: j, Text: b.String(), Open: !j.State.Over()})
}

func (p *page) render(w http.ResponseWriter, r *http.Request, status int, name string, view any) {
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, name, view); err != nil {
		p.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Add("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // an error of the connection is the browser's to notice
}

func (p *page) fail(w http.ResponseWriter, r *http.Request, err error) {
	p.Log.Error("page", "path", r.URL.Path, "err", err)
	http.Error(w, "the page could not be written; the observatory's log says why", http.StatusInternalServerError)
}

// shape tells states apart without colour.
func shape(s collect.State) string {
	switch s {
	case collect.Ready:
		return "●"
	case collect.NotReady:
		return "◐"
	case collect.Stopped:
		return "■"
	}
	return "✕"
}

// mark is a state to be shown in a language.
type mark struct {
	Lang  text.Lang
	State collect.State
}

func newMark(lang text.Lang, s collect.State) mark { return mark{lang, s} }
