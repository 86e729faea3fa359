package bounce

import (
	"fmt"
	"strings"
	"time"

	"correio/services/internal/mailaddr"
	"correio/services/internal/text"
)

var (
	failedSubject  = both(text.New("Mail could not be delivered", "A mensagem não pôde ser entregue"))
	delayedSubject = both(text.New("Mail is delayed", "A mensagem está atrasada"))

	failedText = text.New(
		"Your message could not be delivered to the recipients below, and will not be tried again.",
		"Sua mensagem não pôde ser entregue aos destinatários abaixo e não haverá nova tentativa.")
	delayedText = text.New(
		"Your message has not been delivered to the recipients below yet. You need not send it again: delivery will be tried until %s.",
		"Sua mensagem ainda não foi entregue aos destinatários abaixo. Não é preciso enviá-la de novo: haverá tentativas até %s.")
	saidText   = text.New("%s said: %s", "%s respondeu: %s")
	whyText    = text.New("reason: %s", "motivo: %s")
	queueText  = text.New("Reported by %s, queue id %s.", "Relatado por %s, identificador na fila %s.")
	attachText = text.New(
		"The message, or its header, is attached, as is a report for programs.",
		"A mensagem, ou seu cabeçalho, segue anexa, assim como um relatório para programas.")
)

// both puts the languages of a short text side by side, Portuguese first.
func both(t text.Text) string { return t.In(text.Portuguese) + " / " + t.In(text.English) }

// text is the human part: Portuguese, then English.
func (r *Report) text() string {
	var b strings.Builder
	for i, lang := range []text.Lang{text.Portuguese, text.English} {
		if i > 0 {
			b.WriteString("\n----------\n\n")
		}
		b.WriteString(r.opening(lang) + "\n\n")
		for _, to := range r.Recipients {
			fmt.Fprintf(&b, "  <%s>\n", to.To)
			said := clean(to.Reply.String())
			if to.Host != "" {
				said = saidText.Sprintf(lang, clean(to.Host), said)
			} else {
				said = whyText.Sprintf(lang, said)
			}
			b.WriteString("    " + said + "\n")
		}
		b.WriteString("\n" + attachText.In(lang) + "\n" + queueText.Sprintf(lang, r.MTA, r.Queue) + "\n")
	}
	return b.String()
}

func (r *Report) opening(lang text.Lang) string {
	if r.Action == Failed {
		return failedText.In(lang)
	}
	var until time.Time
	for _, to := range r.Recipients {
		if to.Until.After(until) {
			until = to.Until
		}
	}
	return delayedText.Sprintf(lang, until.Format("2006-01-02 15:04 -0700"))
}

// maxClean bounds what a peer's words may take up in a report, in octets.
const maxClean = 600

// clean makes text safe for one line of a header: printable ASCII alone.
func clean(s string) string {
	if len(s) > maxClean {
		s = s[:maxClean] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// fold breaks a long field value at spaces, so that no line is longer than RFC
// 5322 §2.1.1 recommends if it can be helped.
func fold(s string) string {
	const width = 72
	var b strings.Builder
	column := 0
	for i, word := range strings.Split(s, " ") {
		switch {
		case i == 0:
		case column+1+len(word) > width && word != "":
			b.WriteString("\r\n ")
			column = 1
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

// typed writes an address with its type: rfc822, or utf-8 in the form that
// fits a 7-bit report (RFC 6533 §3).
func typed(a mailaddr.Address) string {
	if a.ASCII() {
		return "rfc822; " + clean(a.String())
	}
	var b strings.Builder
	for _, r := range a.String() {
		if r > ' ' && r <= '~' && r != '\\' && r != '+' && r != '=' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\x{%X}`, r)
		}
	}
	return "utf-8; " + b.String()
}

// decodeXtext undoes the "+XX" of RFC 3461 §4; what is malformed stays.
func decodeXtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' && i+2 < len(s) {
			if c, ok := hexOctet(s[i+1], s[i+2]); ok {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hexOctet(hi, lo byte) (byte, bool) {
	const digits = "0123456789ABCDEF"
	h, l := strings.IndexByte(digits, hi), strings.IndexByte(digits, lo)
	return byte(h<<4 | l), h >= 0 && l >= 0
}
