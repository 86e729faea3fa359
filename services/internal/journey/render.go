package journey

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/mailaddr"
	"correio/services/internal/reason"
	"correio/services/internal/text"
)

// Options change how Render writes.
type Options struct {
	Color bool // ANSI colours, never the only carrier of a meaning
	Brief bool // steps without the lines spoken
	// Now is until when the message has waited that waits; the zero time means until
	// the last thing that happened to it.
	Now time.Time
}

// Render writes the journey for people: the verdict first, then each step with
// who spoke with whom, when, and the lines. Arrows are those of swaks: -> and
// <- in plain text, ~> and <~ inside TLS, === a note. Control characters, which
// peers could send to command the reader's terminal, are written out.
func Render(w io.Writer, j Journey, lang text.Lang, opts Options) error {
	var b strings.Builder
	for _, line := range head(j, lang, opts.Now) {
		b.WriteString(text.Visible(line))
		b.WriteByte('\n')
	}
	for _, s := range j.Steps {
		b.WriteByte('\n')
		renderStep(&b, s, lang, opts)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write journey: %w", err)
	}
	return nil
}

// head is the lines above the steps.
func head(j Journey, lang text.Lang, now time.Time) []string {
	lines := []string{
		verdict(j, lang, now) + " · " + txtSteps.Sprintf(lang, len(j.Steps)) + " · " + readWord(j, lang),
		txtEnvelope.In(lang) + ": " + Sender(j.From, lang) + " → " + strings.Join(names(j.Recipients, lang), ", "),
	}
	if j.Subject != "" {
		lines = append(lines, "Subject: "+j.Subject)
	}
	if j.NoMessageID {
		lines = append(lines, "Message-ID: "+txtNoID.Sprintf(lang, j.Message))
	} else {
		lines = append(lines, "Message-ID: <"+j.Message+">")
	}
	for _, r := range j.Recipients {
		if r.Reply != "" && r.State != Delivered {
			lines = append(lines, mailaddr.Both(r.Address)+": "+txtReporter.Sprintf(lang, r.Node)+": "+r.Reply)
		}
	}
	return lines
}

// verdict says what became of each recipient's copy, the least advanced first.
func verdict(j Journey, lang text.Lang, now time.Time) string {
	var parts []string
	for _, state := range rank {
		for _, kind := range []Recipient{{}, {Untold: true}, {Untried: true}} {
			kind.State = state
			if who := j.those(kind); len(who) > 0 {
				parts = append(parts, j.verdictOf(who, lang, now))
			}
		}
	}
	if len(parts) == 0 {
		return txtNobody.Sprintf(lang, j.Message)
	}
	return strings.Join(parts, " · ")
}

// those returns the recipients in the state of one, the sender of the mail told or
// not, the mail tried or not.
func (j Journey) those(kind Recipient) []Recipient {
	return slices.DeleteFunc(slices.Clone(j.Recipients), func(r Recipient) bool {
		return r.State != kind.State || r.Untold != kind.Untold || r.Untried != kind.Untried
	})
}

// verdictOf says what became of recipients of which the same became, and after
// how long: together where that was the same as well.
func (j Journey) verdictOf(who []Recipient, lang text.Lang, now time.Time) string {
	verdict, after := txtVerdicts[who[0].State], txtAfter[who[0].State]
	switch {
	case who[0].Untold:
		verdict = txtUntold
	case who[0].Untried:
		verdict = txtUntried
	}
	var parts []string
	for rest := who; len(rest) > 0; {
		took, n := j.took(rest[0], now), 1
		for n < len(rest) && j.took(rest[n], now) == took {
			n++
		}
		parts = append(parts, after.Sprintf(lang, strings.Join(names(rest[:n], lang), ", "), took.String()))
		rest = rest[n:]
	}
	return verdict.Sprintf(lang, strings.Join(parts, ", "))
}

// took is a recipient's time until its outcome, or, for one that waits, that of the
// journey until now: in whole seconds from the first one on.
func (j Journey) took(r Recipient, now time.Time) time.Duration {
	took := time.Duration(r.TookMS) * time.Millisecond
	if r.State != Held && r.State != Queued && r.State != Deferred {
		return took
	}
	last := time.Duration(j.TookMS) * time.Millisecond
	waited := max(now.Sub(j.Started).Truncate(time.Millisecond), last)
	switch {
	case now.IsZero():
		return last
	case waited >= time.Second:
		return waited.Truncate(time.Second)
	}
	return waited
}

func readWord(j Journey, lang text.Lang) string {
	if j.Read {
		return txtRead.In(lang)
	}
	return txtUnread.In(lang)
}

// names shows the addresses of recipients, and whom the sender named instead.
func names(who []Recipient, lang text.Lang) []string {
	out := make([]string, len(who))
	for i, r := range who {
		out[i] = mailaddr.Both(r.Address)
		if r.Original != "" {
			out[i] += " (" + txtFor.Sprintf(lang, mailaddr.Both(r.Original)) + ")"
		}
	}
	return out
}

// Sender shows an envelope sender to people, "" being the null reverse-path.
func Sender(from string, lang text.Lang) string {
	if from == "" {
		return "<> (" + txtNull.In(lang) + ")"
	}
	return mailaddr.Both(from)
}

// both shows the names and addresses of a list in both of their forms.
func both(list string) string {
	words := strings.SplitAfter(list, " ")
	for i, word := range words {
		name := strings.TrimRight(word, ", ")
		words[i] = mailaddr.Both(name) + word[len(name):]
	}
	return strings.Join(words, "")
}

func renderStep(b *strings.Builder, s Step, lang text.Lang, opts Options) {
	kind := txtKinds[s.Kind].In(lang)
	if s.Question {
		kind += " (" + txtQuestion.In(lang) + ")"
	}
	if s.Report {
		kind += " (" + txtReport.In(lang) + ")"
	}
	head := fmt.Sprintf("%2d  +%d ms  %s  %s", s.Number, s.OffsetMS, kind, ends(s, lang))
	for _, extra := range []string{both(s.Detail), word(s, lang), s.TLS} {
		if extra != "" {
			head += "  " + extra
		}
	}
	b.WriteString(paint(text.Visible(head), s.Failed, opts.Color))
	b.WriteByte('\n')
	if s.Queue != "" || s.NextQueue != "" {
		fmt.Fprintf(b, "      %s\n", text.Visible(joinNonEmpty(" → ", s.Queue, s.NextQueue)))
	}
	if s.Reply != "" {
		fmt.Fprintf(b, "      · %s\n", text.Visible(s.Reply))
	}
	for _, r := range s.Reasons {
		fmt.Fprintf(b, "      · %s\n", text.Visible(r.In(lang)))
	}
	if opts.Brief {
		return
	}
	for _, l := range s.Lines {
		fmt.Fprintf(b, "      %6d ms  %s %s\n", l.OffsetMS, arrow(l), text.Visible(l.in(lang)))
	}
}

// in is a line in a language: what was spoken stays as it was said.
func (l Line) in(lang text.Lang) string {
	if l.Note != nil {
		return l.Note.In(lang)
	}
	return l.Text
}

// Said is the journey for programs that show it: what has words of ours has
// them in a language.
func (j Journey) Said(lang text.Lang) Journey {
	j.Steps = slices.Clone(j.Steps)
	for i, s := range j.Steps {
		s.Reasons = slices.Clone(s.Reasons)
		for k, r := range s.Reasons {
			s.Reasons[k].Text = r.In(lang)
		}
		s.Lines = slices.Clone(s.Lines)
		for k, l := range s.Lines {
			s.Lines[k].Text = l.in(lang)
		}
		j.Steps[i] = s
	}
	return j
}

// word is the outcome of a step: what a server said stays as it was said, words
// of ours are in the person's language.
func word(s Step, lang text.Lang) string {
	switch s.Kind {
	case Queue, Store:
		if s.Outcome == event.Bounced && slices.ContainsFunc(s.Reasons, func(r reason.Said) bool { return leavesUntold(r.Rule) }) {
			return txtFailed.In(lang)
		}
		if t, ok := txtOutcomes[s.Outcome]; ok {
			return t.In(lang)
		}
	case DNS:
		if s.Failed && !slices.Contains(refusals, s.Outcome) {
			return reason.OfSilence(s.Outcome).In(lang)
		}
	}
	return s.Outcome
}

// ends names the two ends of a step, or the one node that it is inside of.
func ends(s Step, lang text.Lang) string {
	client := joinNonEmpty(" ", s.Client, s.ClientAddr)
	server := joinNonEmpty(" ", s.Server, s.ServerAddr)
	switch {
	case server == "":
		return client
	case client == "":
		return txtUnseen.In(lang) + " → " + server
	}
	return client + " → " + server
}

func arrow(l Line) string {
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

func paint(s string, failed, color bool) string {
	switch {
	case !color:
		return s
	case failed:
		return "\x1b[1;31m" + s + "\x1b[0m"
	}
	return "\x1b[1m" + s + "\x1b[0m"
}
