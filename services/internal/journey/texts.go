package journey

import (
	"correio/services/internal/event"
	"correio/services/internal/text"
)

var (
	txtVerdicts = map[State]text.Text{
		Held:        text.New("Put aside by a person: %s", "Posta de lado por uma pessoa: %s"),
		Quarantined: text.New("Put into quarantine: %s", "Posta em quarentena: %s"),
		Queued:      text.New("On its way: %s", "A caminho: %s"),
		Deferred:    text.New("Waiting for another attempt: %s", "À espera de nova tentativa: %s"),
		Handed:      text.New("Handed over: %s", "Entregue a outro servidor: %s"),
		Bounced:     text.New("Returned to the sender: %s", "Devolvida ao remetente: %s"),
		Dropped:     text.New("Removed from the queue by a person: %s", "Removida da fila por uma pessoa: %s"),
		Delivered:   text.New("Delivered to %s", "Entregue a %s"),
	}
	// txtUntold is the verdict on what failed without a word to the sender.
	txtUntold = text.New("Failed, and the sender was not told: %s", "Falhou, e o remetente não foi avisado: %s")
	// txtUntried is the verdict on what is deferred and was never attempted.
	txtUntried = text.New("Not tried yet, as it waits for a probe of its dead destination: %s", "Ainda não tentada, à espera de uma sondagem do seu destino morto: %s")
	// txtAfter are recipients, and the time until that became of them.
	txtAfter = map[State]text.Text{
		Held: txtSoFar, Queued: txtSoFar, Deferred: txtSoFar,
		Quarantined: txtThen, Bounced: txtThen, Dropped: txtThen,
		Handed:    text.New("%s (%s)", "%s (%s)"),
		Delivered: text.New("%s in %s", "%s em %s"),
	}
	txtSoFar = text.New("%s (%s so far)", "%s (há %s)")
	txtThen  = text.New("%s (after %s)", "%s (após %s)")

	txtStates = map[State]text.Text{
		Held:        text.New("held", "retida"),
		Quarantined: text.New("quarantined", "em quarentena"),
		Queued:      text.New("queued", "na fila"),
		Deferred:    text.New("deferred", "adiada"),
		Handed:      text.New("handed over", "entregue a outro servidor"),
		Bounced:     text.New("bounced", "devolvida"),
		Dropped:     text.New("dropped", "removida"),
		Delivered:   text.New("delivered", "entregue"),
	}
	txtNobody   = text.New("Seen, but no server has accepted it: %s", "Vista, mas nenhum servidor a aceitou: %s")
	txtSteps    = text.New("%d steps", "%d passos")
	txtRead     = text.New("read by POP3", "lida por POP3")
	txtUnread   = text.New("not read yet", "ainda não lida")
	txtEnvelope = text.New("envelope", "envelope")
	txtNull     = text.New("nobody: a report, which must not be answered", "ninguém: um relatório, que não deve ser respondido")
	txtNoID     = text.New("none (here it goes by %s)", "nenhum (aqui ela atende por %s)")
	txtReporter = text.New("reported by %s", "relatado por %s")
	txtFor      = text.New("for %s", "por %s")
	txtReport   = text.New("report", "relatório")
	txtUnseen   = text.New("(not observed)", "(não observado)")

	txtFailed   = text.New("failed", "falhou")
	txtQuestion = text.New("does the mailbox take it?", "a caixa aceita?")
	txtOutcomes = map[string]text.Text{
		event.Attempt:     text.New("attempt", "tentativa"),
		event.Deferred:    text.New("deferred", "adiada"),
		event.Bounced:     text.New("bounced", "devolvida"),
		event.Expanded:    text.New("goes on to others", "segue para outros"),
		event.Quarantined: text.New("put into quarantine", "posta em quarentena"),
		event.Held:        text.New("put aside by a person", "posta de lado por uma pessoa"),
		event.Released:    text.New("released by a person", "liberada por uma pessoa"),
		event.Dropped:     text.New("removed by a person", "removida por uma pessoa"),
		event.Stored:      text.New("stored", "guardada"),
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

// In says a state in a language; one that is new to us stays as it came.
func (s State) In(lang text.Lang) string {
	if t, ok := txtStates[s]; ok {
		return t.In(lang)
	}
	return string(s)
}
