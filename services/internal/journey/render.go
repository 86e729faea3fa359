package journey

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"correio/services/internal/event"
	"correio/services/internal/text"
)

// Options change how Render writes.
type Options struct {
	Color bool // ANSI colours, never the only carrier of a meaning
	Brief bool // steps without the lines spoken
}

var (
	txtDelivered = text.New("Delivered to %s in %s", "Entregue a %s em %s")
	txtBounced   = text.New("Returned to the sender: %s (after %s)", "Devolvida ao remetente: %s (após %s)")
	txtDeferred  = text.New("Waiting for another attempt: %s (%s so far)", "À espera de nova tentativa: %s (há %s)")
	txtQueued    = text.New("On its way: %s (%s so far)", "A caminho: %s (há %s)")
	txtHanded    = text.New("Handed over: %s (%s)", "Entregue a outro servidor: %s (%s)")
	txtNobody    = text.New("Seen, but no server has accepted it: %s", "Vista, mas nenhum servidor a aceitou: %s")
	txtSteps     = text.New("%d steps", "%d passos")
	txtRead      = text.New("read by POP3", "lida por POP3")
	txtUnread    = text.New("not read yet", "ainda não lida")
	txtEnvelope  = text.New("envelope", "envelope")
	txtNoID      = text.New("none (here it goes by %s)", "nenhum (aqui ela atende por %s)")
	txtReporter  = text.New("reported by %s", "relatado por %s")
	txtReport    = text.New("report", "relatório")
	txtUnseen    = text.New("(not observed)", "(não observado)")

	txtQuestion = text.New("does the mailbox take it?", "a caixa aceita?")
	txtOutcomes = map[string]text.Text{
		event.Attempt:  text.New("attempt", "tentativa"),
		event.Deferred: text.New("deferred", "adiada"),
		event.Bounced:  text.New("bounced", "devolvida"),
		event.Stored:   text.New("stored", "guardada"),
	}

	txtKinds = map[Kind]text.Text{
		Submission: text.New("submission", "submissão"),
		DNS:        text.New("DNS", "DNS"),
		SMTP:       text.New("SMTP", "SMTP"),
		LMTP:       text.New("LMTP", "LMTP"),
		Queue:      text.New("queue", "fila"),
		Store:      text.New("mailbox", "caixa"),
		POP3:       text.New("POP3", "POP3"),
	}
)

// Render writes the journey for people: the verdict first, then each step with
// who spoke with whom, when, and the lines. Arrows are those of swaks: -> and
// <- in plain text, ~> and <~ inside TLS, === a note. Control characters, which
// peers could send to command the reader's terminal, are written out.
func Render(w io.Writer, j Journey, lang text.Lang, opts Options) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s · %s · %s\n", verdict(j, lang), txtSteps.Sprintf(lang, len(j.Steps)), readWord(j, lang))
	fmt.Fprintf(&b, "%s: %s → %s\n", txtEnvelope.In(lang), orNone(j.From), strings.Join(addresses(j), ", "))
	if j.Subject != "" {
		fmt.Fprintf(&b, "Subject: %s\n", j.Subject)
	}
	if j.NoMessageID {
		fmt.Fprintf(&b, "Message-ID: %s\n", txtNoID.Sprintf(lang, j.Message))
	} else {
		fmt.Fprintf(&b, "Message-ID: <%s>\n", j.Message)
	}
	for _, r := range j.Recipients {
		if r.Reply != "" && r.State != Delivered {
			fmt.Fprintf(&b, "%s: %s: %s\n", r.Address, txtReporter.Sprintf(lang, r.Node), r.Reply)
		}
	}
	head := visible(b.String())
	b.Reset()
	b.WriteString(head)
	for _, s := range j.Steps {
		b.WriteByte('\n')
		renderStep(&b, s, lang, opts)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write journey: %w", err)
	}
	return nil
}

// verdict says what became of each recipient's copy, the least advanced first.
func verdict(j Journey, lang text.Lang) string {
	var parts []string
	for _, state := range rank {
		if who := addressesIn(j, state); len(who) > 0 {
			parts = append(parts, verdictOf(j, state, strings.Join(who, ", "), lang))
		}
	}
	if len(parts) == 0 {
		return txtNobody.Sprintf(lang, j.Message)
	}
	return strings.Join(parts, " · ")
}

func verdictOf(j Journey, state State, who string, lang text.Lang) string {
	took := (time.Duration(j.TookMS) * time.Millisecond).String()
	switch state {
	case Delivered:
		return txtDelivered.Sprintf(lang, who, took)
	case Bounced:
		return txtBounced.Sprintf(lang, who, took)
	case Deferred:
		return txtDeferred.Sprintf(lang, who, took)
	case Handed:
		return txtHanded.Sprintf(lang, who, took)
	case Queued:
		return txtQueued.Sprintf(lang, who, took)
	}
	return txtNobody.Sprintf(lang, j.Message)
}

func readWord(j Journey, lang text.Lang) string {
	if j.Read {
		return txtRead.In(lang)
	}
	return txtUnread.In(lang)
}

func addressesIn(j Journey, state State) []string {
	var out []string
	for _, r := range j.Recipients {
		if r.State == state {
			out = append(out, r.Address)
		}
	}
	return out
}

func addresses(j Journey) []string {
	out := make([]string, len(j.Recipients))
	for i, r := range j.Recipients {
		out[i] = r.Address
	}
	return out
}

func orNone(from string) string {
	if from == "" {
		return "<>"
	}
	return from
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
	for _, extra := range []string{s.Detail, word(s, lang), s.TLS} {
		if extra != "" {
			head += "  " + extra
		}
	}
	b.WriteString(paint(visible(head), s.Failed, opts.Color))
	b.WriteByte('\n')
	if s.Queue != "" || s.NextQueue != "" {
		fmt.Fprintf(b, "      %s\n", visible(joinNonEmpty(" → ", s.Queue, s.NextQueue)))
	}
	if opts.Brief {
		return
	}
	for _, l := range s.Lines {
		fmt.Fprintf(b, "      %6d ms  %s %s\n", l.OffsetMS, arrow(l), visible(l.Text))
	}
}

// visible writes control characters as Go does, such as "\x1b". Line ends stay.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool {
	return r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// word is the outcome of a step: what a server said stays as it was said, the
// words of events are translated.
func word(s Step, lang text.Lang) string {
	if t, ok := txtOutcomes[s.Outcome]; ok && (s.Kind == Queue || s.Kind == Store) {
		return t.In(lang)
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
