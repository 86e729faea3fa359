package page

import (
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"correio/services/internal/event"
	"correio/services/internal/lab"
	"correio/services/internal/text"
	"correio/services/observatory/internal/collect"
	"correio/services/observatory/internal/history"
)

const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>` + "\x1b]0;x\a\u202e"

// show returns a page of a lab where everything that others can say is hostile.
func show(t *testing.T, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	l := &lab.Lab{Name: hostile, Orgs: []*lab.Org{{Title: "Aurora", Domain: "aurora.test"}}}
	nodes := make([]collect.Status, 0, len(collect.States))
	for i, state := range collect.States {
		s := collect.Status{
			Name: "n" + string(state) + ".aurora.test", Role: lab.Roles[i], State: state, Reason: hostile,
			Internet: netip.MustParseAddr("198.18.1.25"), Missed: uint64(i),
		}
		nodes = append(nodes, s)
		l.Orgs[0].Hosts = append(l.Orgs[0].Hosts, lab.Host{Name: s.Name, Role: s.Role})
	}
	log := event.NewLog("observatory", 0)
	at := time.Date(2025, 11, 23, 12, 0, 0, 0, time.UTC)
	log.Import(event.Record{Time: at, Node: hostile, Kind: event.KindLine, Conn: "c", Queue: "Q1", Dir: event.In, Text: hostile, Meta: event.M(hostile, hostile)})
	log.Import(event.Record{Time: at, Node: "mx1", Kind: event.KindLine, Conn: "c", Queue: "Q1", Text: "Subject: " + hostile})
	for _, m := range []string{hostile, "m/1@pc.aurora.test", "javascript:alert(3)"} {
		log.Import(event.Record{Time: at, Node: "mx1", Kind: event.KindQueue, Conn: "c", Queue: "Q1", Message: m, Text: event.Accepted, Meta: event.M(event.From, hostile, event.To, hostile)})
	}
	mux := http.NewServeMux()
	err := Register(mux, Config{
		Lab: l, Version: "v1", Speed: "60", History: history.New(log), Log: slog.New(slog.DiscardHandler),
		Nodes: func() []collect.Status { return nodes },
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func parse(t *testing.T, w *httptest.ResponseRecorder) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func attr(n *html.Node, key string) string {
	i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == key })
	if i < 0 {
		return ""
	}
	return n.Attr[i].Val
}

var pages = map[string]int{
	"/": http.StatusOK, "/m/m%2F1@pc.aurora.test": http.StatusOK, "/m/last": http.StatusOK,
	"/m/unknown": http.StatusNotFound, "/nothing": http.StatusNotFound,
}

func TestPagesSpeakTheLanguageThatIsAskedFor(t *testing.T) {
	for path, status := range pages {
		for lang, word := range map[text.Lang]string{text.English: "Language", text.Portuguese: "Idioma"} {
			w := show(t, path+"?lang="+string(lang), nil)
			if w.Code != status {
				t.Errorf("%s = %d, want %d:\n%s", path, w.Code, status, w.Body)
			}
			body := w.Body.String()
			if !strings.Contains(body, `<html lang="`+string(lang)+`"`) || !strings.Contains(body, word) {
				t.Errorf("%s in %s does not say so, or lacks %q", path, lang, word)
			}
		}
	}
}

// A message that had come hours ago had waited "0s so far".
func TestMessageTellsHowLongItHasWaited(t *testing.T) {
	for lang, want := range map[text.Lang]string{text.English: `\(\d+h\d+m\d+s so far\)`, text.Portuguese: `\(há \d+h\d+m\d+s\)`} {
		if w := show(t, "/m/m%2F1@pc.aurora.test?lang="+string(lang), nil); !regexp.MustCompile(want).MatchString(w.Body.String()) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}

func TestHomeShowsNodesMessagesAndRecords(t *testing.T) {
	body := show(t, "/?lang=pt-BR", nil).Body.String()
	for _, want := range []string{
		"nready.aurora.test", "não está pronto", "inacessível", "parado", "servidor de nomes", "198.18.1.25", "3 perdidos",
		"<caption>Mensagens, as mais novas primeiro<", "<caption>Registros dos nós, os mais novos primeiro<",
		`href="/m/m%2F1@pc.aurora.test"`, "12:00:00.000", ">Q1<",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// What others say may not become markup, nor a link that runs something.
func TestHostileTextStaysText(t *testing.T) {
	for path := range pages {
		root := parse(t, show(t, path, nil))
		scripts := 0
		for n := range root.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			if n.DataAtom == atom.Script {
				scripts++
				if n.FirstChild != nil || !strings.HasPrefix(attr(n, "src"), "/assets/") {
					t.Errorf("%s: a script that is not a file of ours", path)
				}
			}
			if n.DataAtom == atom.Img || n.DataAtom == atom.Style {
				t.Errorf("%s: element %s came from somewhere", path, n.Data)
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
					t.Errorf("%s: attribute %s, which the policy forbids", path, a.Key)
				}
				if (a.Key == "href" || a.Key == "src") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%s: %s=%q leads away", path, a.Key, a.Val)
				}
			}
		}
		if scripts != 1 {
			t.Errorf("%s has %d scripts, want 1", path, scripts)
		}
	}
	if body := show(t, "/", nil).Body.String(); !strings.Contains(body, "&lt;script&gt;alert(1)") {
		t.Error("the hostile text is not shown at all")
	}
}

// Titles, subjects and records went out with what turns the order of the text
// round, or commands the terminal that it is copied to.
func TestHostileTextIsShownAndNotObeyed(t *testing.T) {
	for path, status := range pages {
		shown := 0
		for n := range parse(t, show(t, path, nil)).Descendants() {
			if n.Type != html.TextNode {
				continue
			}
			if strings.ContainsAny(n.Data, "\x1b\a\u202e") {
				t.Errorf("%s: in a %s: %q", path, n.Parent.Data, n.Data)
			}
			shown += strings.Count(n.Data, `\x1b]0;x\a\u202e`)
		}
		if shown == 0 && status == http.StatusOK {
			t.Errorf("%s does not show them at all", path)
		}
	}
}

func TestPagesAreAccessible(t *testing.T) {
	for path := range pages {
		root := parse(t, show(t, path, nil))
		ids, headings := map[string]bool{}, 0
		for n := range root.Descendants() {
			if id := attr(n, "id"); id != "" {
				if ids[id] {
					t.Errorf("%s: id %q twice", path, id)
				}
				ids[id] = true
			}
			switch n.DataAtom {
			case atom.H1:
				headings++
			case atom.Table:
				if n.FirstChild == nil || firstElement(n).DataAtom != atom.Caption {
					t.Errorf("%s: a table without a caption", path)
				}
			case atom.Th:
				if attr(n, "scope") == "" {
					t.Errorf("%s: a heading cell without a scope", path)
				}
			}
		}
		if headings != 1 {
			t.Errorf("%s has %d h1, want 1", path, headings)
		}
		for n := range root.Descendants() {
			if by := attr(n, "aria-labelledby"); by != "" && !ids[by] {
				t.Errorf("%s: aria-labelledby names %q, which is not there", path, by)
			}
		}
	}
}

func firstElement(n *html.Node) *html.Node {
	for c := range n.ChildNodes() {
		if c.Type == html.ElementNode {
			return c
		}
	}
	return n
}

func TestEveryKeyOfTheTextsIsUsed(t *testing.T) {
	var all strings.Builder
	for name, data := range files(t) {
		if strings.HasSuffix(name, ".html") {
			all.WriteString(data)
		}
	}
	for key := range texts {
		built := strings.HasPrefix(key, "state-") || strings.HasPrefix(key, "means-") || strings.HasPrefix(key, "role-")
		if !built && !strings.Contains(all.String(), `"`+key+`"`) {
			t.Errorf("text %q is used by no template", key)
		}
	}
	for _, role := range lab.Roles {
		if _, err := say(text.English, "role-", role); err != nil {
			t.Error(err)
		}
	}
}

func files(t *testing.T) map[string]string {
	t.Helper()
	list := map[string]string{}
	for _, dir := range []fs.FS{templateFiles, assetFiles} {
		err := fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := fs.ReadFile(dir, path)
			list[path] = string(data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

var elsewhere = regexp.MustCompile(`(?i)(https?:)?//[a-z0-9-]+\.[a-z]`)

func TestNothingIsLoadedFromElsewhere(t *testing.T) {
	total := 0
	for name, data := range files(t) {
		total += len(data)
		data = strings.ReplaceAll(data, `xmlns="http://www.w3.org/2000/svg"`, "")
		if found := elsewhere.FindString(data); found != "" {
			t.Errorf("%s names %q", name, found)
		}
	}
	if total > 30<<10 {
		t.Errorf("the page's files have %d octets, want at most 30 KiB", total)
	}
}

func TestAssetsAreKeptByTheirContent(t *testing.T) {
	body := show(t, "/", nil).Body.String()
	for _, link := range regexp.MustCompile(`/assets/[^"]+`).FindAllString(body, -1) {
		w := show(t, link, nil)
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s = %d, %v", link, w.Code, w.Header())
		}
		name, _, _ := strings.Cut(link, "?")
		if w := show(t, name+"?v=old", nil); w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s of another version: Cache-Control %q, want no-cache", name, w.Header().Get("Cache-Control"))
		}
	}
	if w := show(t, "/assets/..%2Fpage.go", nil); w.Code != http.StatusNotFound {
		t.Errorf("a file outside of the assets: %d, want 404", w.Code)
	}
}

func TestLanguageOfARequest(t *testing.T) {
	tests := []struct {
		name, query, cookie, accept string
		want                        text.Lang
	}{
		{"nothing said", "", "", "", text.English},
		{"the browser prefers Portuguese", "", "", "pt-BR,pt;q=0.9,en;q=0.8", text.Portuguese},
		{"the browser prefers English", "", "", "en-GB, pt;q=0.9", text.English},
		{"by weight, not by order", "", "", "en;q=0.2, pt;q=0.7", text.Portuguese},
		{"another language first", "", "", "de, pt-PT;q=0.5, en;q=0.4", text.Portuguese},
		{"Portuguese refused", "", "", "pt;q=0, de", text.English},
		{"no weight at all", "", "", "pt;q=, en;q=0.1", text.English},
		{"a cookie is stronger", "", "pt-BR", "en", text.Portuguese},
		{"a parameter is the strongest", "?lang=en", "pt-BR", "pt", text.English},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{}
			if tt.cookie != "" {
				header.Set("Cookie", "lang="+tt.cookie)
			}
			if tt.accept != "" {
				header.Set("Accept-Language", tt.accept)
			}
			w := show(t, "/nothing"+tt.query, header)
			if want := `<html lang="` + string(tt.want) + `"`; !strings.Contains(w.Body.String(), want) {
				t.Errorf("the page lacks %s", want)
			}
			if kept := w.Header().Get("Set-Cookie"); (tt.query != "") != strings.HasPrefix(kept, "lang="+string(tt.want)) {
				t.Errorf("Set-Cookie = %q", kept)
			}
		})
	}
}

func FuzzAcceptLanguage(f *testing.F) {
	for _, s := range []string{"", "pt", "pt-BR,pt;q=0.9,en;q=0.8", "en;q=NaN", "pt;q=1e9", ";;,,q=", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if lang := preferred(header); !slices.Contains(text.Langs, lang) {
			t.Errorf("preferred(%q) = %q", header, lang)
		}
	})
}
