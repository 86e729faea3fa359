package transcript_test

import (
	"testing"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/pc/internal/transcript"
)

func TestWhatIsLeftOutIsSaidOnceAsData(t *testing.T) {
	lines := transcript.New()
	for range 6000 {
		lines.Add(time.Now(), transcript.Line{Dir: event.In, Text: "1 2"})
	}
	got := lines.Lines()
	last := got[len(got)-1]
	if len(got) != 5001 || last.Note == nil || last.Note.Rule != reason.LinesNotShown || last.Text != "(more lines are not shown)" {
		t.Errorf("%d lines, the last %+v", len(got), last)
	}
	if before := got[len(got)-2]; before.Note != nil || before.Text != "1 2" {
		t.Errorf("the line before it: %+v", before)
	}
}
