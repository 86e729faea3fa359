package page

import (
	"fmt"

	"correio/services/internal/text"
	"correio/services/observatory/internal/collect"
)

var (
	txtNoPage    = text.New("There is no such page.", "Essa página não existe.")
	txtNoMessage = text.New(
		"No node has told of this message. It may be older than what the observatory remembers, or the lab was reset.",
		"Nenhum nó falou desta mensagem. Ela pode ser mais antiga do que o observatório lembra, ou o laboratório foi reiniciado.")
)

// texts are the words of the templates, by the key they use.
var texts = map[string]text.Text{
	"title":       text.New("mail laboratory", "laboratório de correio"),
	"skip":        text.New("Skip to the content", "Ir para o conteúdo"),
	"language":    text.New("Language", "Idioma"),
	"home":        text.New("Overview", "Visão geral"),
	"speed":       text.New("speed", "velocidade"),
	"refresh":     text.New("Refresh", "Atualizar"),
	"noscript":    text.New("Scripts are off: this page shows how things were when it was loaded.", "Scripts desligados: a página mostra como as coisas estavam quando foi carregada."),
	"still":       text.New("as of loading", "situação ao carregar"),
	"live":        text.New("live", "ao vivo"),
	"waiting":     text.New("reconnecting", "reconectando"),
	"paused":      text.New("paused", "em pausa"),
	"pause":       text.New("Pause", "Pausar"),
	"continue":    text.New("Continue", "Continuar"),
	"nodes":       text.New("Nodes", "Nós"),
	"legend":      text.New("What the states mean", "O que os estados significam"),
	"name":        text.New("Name", "Nome"),
	"role":        text.New("Role", "Papel"),
	"addresses":   text.New("Addresses", "Endereços"),
	"state":       text.New("State", "Estado"),
	"records":     text.New("Records", "Registros"),
	"missed":      text.New("missed", "perdidos"),
	"internet":    text.New("Internet", "Internet"),
	"lan":         text.New("LAN", "LAN"),
	"messages":    text.New("Messages", "Mensagens"),
	"newest":      text.New("newest first", "as mais novas primeiro"),
	"newest-of":   text.New("newest first", "os mais novos primeiro"), // records, which are masculine
	"no-messages": text.New("No message yet. Send the first one:", "Nenhuma mensagem ainda. Envie a primeira:"),
	"time":        text.New("Time (UTC)", "Hora (UTC)"),
	"from":        text.New("From", "De"),
	"to":          text.New("To", "Para"),
	"report":      text.New("report", "relatório"),
	"null-sender": text.New("The null sender: a server's report, which must not be answered (RFC 5321 §4.5.5)", "O remetente nulo: um relatório de servidor, que não deve ser respondido (RFC 5321 §4.5.5)"),
	"message":     text.New("Message", "Mensagem"),
	"events":      text.New("Records of the nodes", "Registros dos nós"),
	"node":        text.New("Node", "Nó"),
	"kind":        text.New("Kind", "Tipo"),
	"what":        text.New("What happened", "O que aconteceu"),
	"queue":       text.New("Queue id", "Id na fila"),
	"gap":         text.New("records were dropped before they could be shown", "registros foram descartados antes de serem mostrados"),
	"new-message": text.New("New message", "Nova mensagem"),
	"journey":     text.New("Journey of a message", "Percurso de uma mensagem"),
	"transcript":  text.New("Steps and lines", "Passos e linhas"),
	"arrows": text.New("-> client to server, <- server to client, ~> and <~ inside TLS, === a note.",
		"-> do cliente ao servidor, <- do servidor ao cliente, ~> e <~ dentro de TLS, === uma nota."),
	"open":    text.New("The message is still on its way; the page reloads when it has arrived.", "A mensagem ainda está a caminho; a página recarrega quando ela chegar."),
	"json":    text.New("as JSON", "em JSON"),
	"missing": text.New("Not found", "Não encontrado"),

	"state-" + string(collect.Ready):       text.New("ready", "pronto"),
	"state-" + string(collect.NotReady):    text.New("not ready", "não está pronto"),
	"state-" + string(collect.Unreachable): text.New("unreachable", "inacessível"),
	"state-" + string(collect.Stopped):     text.New("stopped", "parado"),
	"means-" + string(collect.Ready):       text.New("it does its work", "faz o seu trabalho"),
	"means-" + string(collect.NotReady):    text.New("it answers, and says why it cannot work yet", "responde e diz por que ainda não pode trabalhar"),
	"means-" + string(collect.Unreachable): text.New("it does not answer on the control network", "não responde na rede de controle"),
	"means-" + string(collect.Stopped):     text.New("somebody stopped it", "alguém o parou"),

	"role-dns":         text.New("name server", "servidor de nomes"),
	"role-resolver":    text.New("resolver", "resolvedor"),
	"role-mta":         text.New("mail server (MTA)", "servidor de correio (MTA)"),
	"role-mda":         text.New("mailboxes (MDA)", "caixas postais (MDA)"),
	"role-pc":          text.New("workstation", "estação de trabalho"),
	"role-observatory": text.New("observatory", "observatório"),
}

// say returns a text by its key, which may be given in parts; a key that does
// not exist is an error, so that no template can go out with one.
func say(lang text.Lang, parts ...any) (string, error) {
	key := fmt.Sprint(parts...)
	t, ok := texts[key]
	if !ok {
		return "", fmt.Errorf("no text %q", key)
	}
	return t.In(lang), nil
}
