package page

import (
	"encoding/json"
	"net/http"

	"correio/services/internal/control"
	"correio/services/internal/event"
	"correio/services/internal/text"
)

// maxStreams is how many pages may watch the records at a time.
const maxStreams = 100

// scriptLang is the language that the script asks for: that of its page.
func scriptLang(r *http.Request) text.Lang { return text.Parse(r.URL.Query().Get(languageName)) }

// liveRecords streams the records that come in, as control.StreamEvents does, as
// the rows that the page has of them.
func (p *page) liveRecords(w http.ResponseWriter, r *http.Request) {
	lang := scriptLang(r)
	control.StreamAs(w, r, p.History.Log(), func(r *event.Record, out []byte) ([]byte, error) {
		row, err := json.Marshal(newRecordRow(lang, r))
		return append(out, row...), err
	})
}

// liveNodes tells how every node is now.
func (p *page) liveNodes(w http.ResponseWriter, r *http.Request) {
	lang, rows := scriptLang(r), []nodeRow{}
	for _, s := range p.Nodes() {
		rows = append(rows, newNodeRow(lang, &s))
	}
	control.WriteJSON(w, http.StatusOK, rows)
}
