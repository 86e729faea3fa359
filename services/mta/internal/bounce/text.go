package bounce

import (
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
	"time"

	"correio/services/internal/text"
)

// letter is what people read about an action.
type letter struct{ subject, opening text.Text }

var letters = map[Action]letter{
	Failed: {
		text.New("Mail could not be delivered", "A mensagem não pôde ser entregue"),
		text.New(
			"Your message could not be delivered to the recipients below, and will not be tried again.",
			"Sua mensagem não pôde ser entregue aos destinatários abaixo e não haverá nova tentativa."),
	},
	Delayed: {
		text.New("Mail is delayed", "A mensagem está atrasada"),
		text.New(
			"Your message has not been delivered to the recipients below yet. You need not send it again: delivery will be tried until %s.",
			"Sua mensagem ainda não foi entregue aos destinatários abaixo. Não é preciso enviá-la de novo: haverá tentativas até %s."),
	},
	Delivered: {
		text.New("Mail was delivered", "A mensagem foi entregue"),
		text.New(
			"Your message was put into the mailboxes of the recipients below. Whether they have read it nobody knows here.",
			"Sua mensagem foi colocada nas caixas postais dos destinatários abaixo. Se eles a leram, aqui não se sabe."),
	},
	Relayed: {
		text.New("Mail was handed on", "A mensagem foi repassada"),
		text.New(
			"Your message was handed to the next host on the way to the recipients below. That host does not report deliveries: you will hear no more of it unless it fails.",
			"Sua mensagem foi entregue ao próximo servidor no caminho até os destinatários abaixo. Esse servidor não relata entregas: você só terá notícia dela se falhar."),
	},
	Expanded: {
		text.New("Mail went on to several", "A mensagem seguiu para vários"),
		text.New(
			"The addresses below stand for several others, and your message goes on to each of them. You will hear no more of it unless it fails.",
			"Os endereços abaixo representam vários outros, e sua mensagem segue para cada um deles. Você só terá notícia dela se falhar."),
	},
}

var (
	listLetter = letter{
		text.New("Mail was delivered to a list", "A mensagem foi entregue a uma lista"),
		text.New(
			"Your message has reached the mailing list below, which sends it to its members in its own name. If one of them cannot get it, the owner of the list is told, and you are not.",
			"Sua mensagem chegou à lista abaixo, que a envia aos seus membros em nome próprio. Se algum deles não puder recebê-la, quem é avisado é o dono da lista, e não você."),
	}
	copyLetter = letter{
		text.New("Postmaster copy: mail could not be delivered", "Cópia ao postmaster: uma mensagem não pôde ser entregue"),
		text.New(
			"For your information: a message from <%s> could not be delivered to the recipients below.",
			"Para seu conhecimento: uma mensagem de <%s> não pôde ser entregue aos destinatários abaixo."),
	}
	lastLetter = letter{
		text.New("Postmaster notice: double bounce", "Aviso ao postmaster: devolução dupla"),
		text.New(
			"A message without a sender (<>), such as a report is, could not be delivered to the recipients below. There is nobody else to give it back to.",
			"Uma mensagem sem remetente (<>), como são os relatórios, não pôde ser entregue aos destinatários abaixo. Não há mais ninguém a quem devolvê-la."),
	}

	saidText   = text.New("%s said: %s", "%s respondeu: %s")
	whyText    = text.New("reason: %s", "motivo: %s")
	endText    = text.New("no attempt succeeded within the time that a message is kept; at the last one", "nenhuma tentativa deu certo no tempo que uma mensagem é guardada; na última")
	queueText  = text.New("Reported by %s, queue id %s.", "Relatado por %s, identificador na fila %s.")
	attachText = text.New(
		"The message, or its header, is attached, as is a report for programs.",
		"A mensagem, ou seu cabeçalho, segue anexa, assim como um relatório para programas.")
)

// both puts the languages of a short text side by side, Portuguese first.
func both(t text.Text) string { return t.In(text.Portuguese) + " / " + t.In(text.English) }

func (r *Report) letter() letter {
	switch r.Reader {
	case Postmaster:
		return copyLetter
	case LastResort:
		return lastLetter
	case Sender:
	}
	if r.Action == Delivered && r.List {
		return listLetter
	}
	return letters[r.Action]
}

func (r *Report) subject() string { return both(r.letter().subject) }

// human writes the first part: what people read.
func (r *Report) human(w io.Writer) {
	fmt.Fprintf(w, "\r\n--%s\r\n", r.Boundary)
	fmt.Fprint(w, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
	qp := quotedprintable.NewWriter(w)
	fmt.Fprint(qp, strings.ReplaceAll(r.text(), "\n", "\r\n"))
	qp.Close() // w keeps its first error; Write returns it
}

// text is the human part: Portuguese, then English.
func (r *Report) text() string {
	var b strings.Builder
	for i, lang := range []text.Lang{text.Portuguese, text.English} {
		if i > 0 {
			b.WriteString("\n----------\n\n")
		}
		b.WriteString(r.opening(lang) + "\n\n")
		for _, to := range r.Recipients {
			fmt.Fprintf(&b, "  <%s>\n    %s\n", to.To, to.reason(lang))
		}
		b.WriteString("\n" + attachText.In(lang) + "\n" + queueText.Sprintf(lang, r.MTA, r.Queue) + "\n")
	}
	return b.String()
}

// reason tells whose word decided about a recipient: a host's, or our own.
func (to Recipient) reason(lang text.Lang) string {
	said := cleanUTF8(to.Reply.String())
	why := whyText.Sprintf(lang, said)
	if to.Host != "" {
		why = saidText.Sprintf(lang, clean(to.Host), said)
	}
	if to.Status == Expired {
		return endText.In(lang) + ": " + why
	}
	return why
}

func (r *Report) opening(lang text.Lang) string {
	opening := r.letter().opening
	switch {
	case r.Reader == Postmaster:
		return opening.Sprintf(lang, r.Sender)
	case r.Reader == Sender && r.Action == Delayed:
		var until time.Time
		for _, to := range r.Recipients {
			if to.Until.After(until) {
				until = to.Until
			}
		}
		return opening.Sprintf(lang, until.Format("2006-01-02 15:04 -0700"))
	}
	return opening.In(lang)
}
