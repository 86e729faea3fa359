// Package transcript keeps what was said in a dialogue, as a person wants to
// read it afterwards.
package transcript

import (
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
)

// maxLines bounds a transcript; a listing may be longer.
const maxLines = 5000

// Line is one line of a dialogue. Secrets are masked in it, messages summarised.
type Line struct {
	Dir  event.Dir `json:"dir"` // event.Out is what the workstation said
	Text string    `json:"text"`
	// Note says as data what stands in place of lines, in English in Text; nil
	// where somebody has spoken.
	Note     *reason.Reason `json:"note,omitempty"`
	OffsetMS int64          `json:"offset_ms"` // since the transcript began
	TLS      bool           `json:"tls"`
}

// Transcript is used by one goroutine.
type Transcript struct {
	start time.Time
	lines []Line
}

// New returns an empty transcript that begins now.
func New() *Transcript { return &Transcript{start: time.Now(), lines: []Line{}} }

// Add appends a line that came at a time, and when there are too many one that
// says so.
func (t *Transcript) Add(at time.Time, l Line) {
	switch {
	case len(t.lines) > maxLines:
		return
	case len(t.lines) == maxLines:
		more := reason.New(reason.LinesNotShown)
		l.Text, l.Note = more.String(), &more
	}
	l.OffsetMS = at.Sub(t.start).Milliseconds()
	t.lines = append(t.lines, l)
}

// Lines returns what was added, never nil.
func (t *Transcript) Lines() []Line { return t.lines }
