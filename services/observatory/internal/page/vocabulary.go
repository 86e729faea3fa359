package page

import (
	"slices"

	"correio/services/internal/event"
	"correio/services/internal/reason"
	"correio/services/internal/text"
)

// What a word of a record is: its kind, what happened, the name of a detail, or
// the detail.
const (
	aKind   = "kind "
	aFact   = "fact "
	aDetail = "detail "
	aValue  = "value "
)

// vocabulary is the words of records (package event) as people read them, by
// what they are. In English they stay as programs find them.
var vocabulary = map[string]text.Text{
	aKind + "conn":  text.New("conn", "conexão"),
	aKind + "line":  text.New("line", "linha"),
	aKind + "tls":   text.New("tls", "tls"),
	aKind + "auth":  text.New("auth", "autenticação"),
	aKind + "dns":   text.New("dns", "dns"),
	aKind + "queue": text.New("queue", "fila"),
	aKind + "store": text.New("store", "caixa"),
	aKind + "fault": text.New("fault", "falha"),
	aKind + "node":  text.New("node", "nó"),

	aFact + event.Open:          text.New("open", "aberta"),
	aFact + event.Close:         text.New("close", "fechada"),
	aFact + event.Established:   text.New("established", "estabelecido"),
	aFact + event.Failed:        text.New("failed", "falhou"),
	aFact + event.Accepted:      text.New("accepted", "aceita"),
	aFact + event.Refused:       text.New("refused", "recusada"),
	aFact + event.Expanded:      text.New("expanded", "segue para outros"),
	aFact + event.Attempt:       text.New("attempt", "tentativa"),
	aFact + event.Delivered:     text.New("delivered", "entregue"),
	aFact + event.Deferred:      text.New("deferred", "adiada"),
	aFact + event.Bounced:       text.New("bounced", "devolvida"),
	aFact + event.Removed:       text.New("removed", "retirada"),
	aFact + event.Quarantined:   text.New("quarantined", "em quarentena"),
	aFact + event.Held:          text.New("held", "retida"),
	aFact + event.Released:      text.New("released", "liberada"),
	aFact + event.Dropped:       text.New("dropped", "removida"),
	aFact + event.Dead:          text.New("dead", "destino sem resposta"),
	aFact + event.Alive:         text.New("alive", "destino de volta"),
	aFact + event.Stored:        text.New("stored", "guardada"),
	aFact + event.Retrieved:     text.New("retrieved", "lida"),
	aFact + event.Deleted:       text.New("deleted", "apagada"),
	aFact + event.Starting:      text.New("starting", "iniciando"),
	aFact + event.Ready:         text.New("ready", "pronto"),
	aFact + event.Stopping:      text.New("stopping", "parando"),
	aFact + event.Salvaged:      text.New("salvaged", "recuperado"),
	aFact + event.Reloaded:      text.New("reloaded", "recarregado"),
	aFact + event.NotRecorded:   text.New("not recorded", "não registradas"),
	aFact + event.ReloadRefused: text.New("reload-refused", "recarga recusada"),

	aDetail + event.Proto:      text.New("proto", "protocolo"),
	aDetail + event.Role:       text.New("role", "papel"),
	aDetail + event.Local:      text.New("local", "local"),
	aDetail + event.Remote:     text.New("remote", "remoto"),
	aDetail + event.Host:       text.New("host", "servidor"),
	aDetail + event.Reason:     text.New("reason", "motivo"),
	aDetail + event.Rules:      text.New("rules", "regras"),
	aDetail + event.Version:    text.New("version", "versão"),
	aDetail + event.Cipher:     text.New("cipher", "cifra"),
	aDetail + event.ServerName: text.New("server-name", "nome-do-servidor"),
	aDetail + event.Verified:   text.New("verified", "verificado"),
	aDetail + event.User:       text.New("user", "usuário"),
	aDetail + event.Mechanism:  text.New("mechanism", "mecanismo"),
	aDetail + event.ID:         text.New("id", "id"),
	aDetail + event.Rcode:      text.New("rcode", "rcode"),
	aDetail + event.Flags:      text.New("flags", "flags"),
	aDetail + event.Answer:     text.New("answer", "resposta"),
	aDetail + event.Authority:  text.New("authority", "autoridade"),
	aDetail + event.RTT:        text.New("rtt-ms", "rtt-ms"),
	aDetail + event.Cached:     text.New("cached", "em-cache"),
	aDetail + event.Error:      text.New("error", "erro"),
	aDetail + event.From:       text.New("from", "de"),
	aDetail + event.To:         text.New("to", "para"),
	aDetail + event.Original:   text.New("original", "original"),
	aDetail + event.Entries:    text.New("entries", "entradas"),
	aDetail + event.Size:       text.New("size", "tamanho"),
	aDetail + event.Client:     text.New("client", "cliente"),
	aDetail + event.Next:       text.New("next", "próximo"),
	aDetail + event.NextQueue:  text.New("next-queue", "id-no-próximo"),
	aDetail + event.Reply:      text.New("reply", "resposta"),
	aDetail + event.RetryIn:    text.New("retry-in", "nova-tentativa-em"),
	aDetail + event.ProbeIn:    text.New("probe-in", "sondagem-em"),
	aDetail + event.AttemptNo:  text.New("attempt-no", "tentativa"),
	aDetail + event.BounceID:   text.New("bounce", "relatório"),
	aDetail + event.Domain:     text.New("domain", "domínio"),
	aDetail + event.Mailbox:    text.New("mailbox", "caixa"),
	aDetail + event.UID:        text.New("uid", "uid"),
	aDetail + event.Zone:       text.New("zone", "zona"),
	aDetail + event.Serial:     text.New("serial", "serial"),
	aDetail + event.Step:       text.New("step", "passo"),
	aDetail + event.Summary:    text.New("summary", "resumo"),
	aDetail + event.Note:       text.New("note", "nota"),

	aValue + "server": text.New("server", "servidor"),
	aValue + "client": text.New("client", "cliente"),
	aValue + "yes":    text.New("yes", "sim"),
}

// factKinds are the kinds whose text is a word of ours, or a question, which is
// none; valued the details that may be words, reasoned those that hold reasons.
// All else is other people's.
var (
	factKinds = []event.Kind{event.KindConn, event.KindTLS, event.KindAuth, event.KindDNS, event.KindQueue, event.KindStore, event.KindNode}
	valued    = []string{event.Role, event.Cached}
	reasoned  = []string{event.Rules, event.Note, event.Reason, event.Verified}
)

// word says a word of a record in a language; one that is new to us stays.
func word(lang text.Lang, sort, said string) string {
	if t, ok := vocabulary[sort+said]; ok {
		return t.In(lang)
	}
	return said
}

func kindWord(lang text.Lang, k event.Kind) string { return word(lang, aKind, string(k)) }

// fact is the text of a record: a word of ours, what stands in place of lines, or
// what somebody said.
func fact(lang text.Lang, r *event.Record) string {
	if said := reason.Parse(r.Meta.Get(event.Summary)); len(said) > 0 {
		return reason.DescribeIn(lang, said)
	}
	if slices.Contains(factKinds, r.Kind) {
		return word(lang, aFact, r.Text)
	}
	return r.Text
}

// detail is one detail of a record.
func detail(lang text.Lang, key, value string) string {
	switch {
	case slices.Contains(valued, key):
		value = word(lang, aValue, value)
	case key == event.Error:
		value = reason.OfSilence(value).In(lang)
	case slices.Contains(reasoned, key):
		value = reason.DescribeIn(lang, reason.Parse(value))
	}
	return word(lang, aDetail, key) + " " + value
}
