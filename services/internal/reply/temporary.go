package reply

import "correio/services/internal/text"

// wrongLogin is "ninguem" with the password "errado".
const wrongLogin = "AUTH PLAIN AG5pbmd1ZW0AZXJyYWRv"

// temporary are the refusals that may pass.
var temporary = []Entry{
	{
		Code: 421, RFC: "RFC 5321 §3.8, §4.2.3",
		Meaning: text.New("service not available, closing the connection", "serviço indisponível, encerrando a conexão"),
		Advice: text.New("Connect again later; a mail server queues the message and tries the next MX host. It may come in answer to any command, also as the greeting.",
			"Conecte-se de novo mais tarde; um servidor guarda a mensagem na fila e tenta o próximo MX. Pode vir em resposta a qualquer comando, e também como saudação."),
		Enhanced: []Detail{
			{"", text.New("as the greeting: too many connections", "como saudação: conexões demais")},
			{"4.3.0", text.New("an error inside the server", "um erro dentro do servidor")},
			{"4.3.2", text.New("the server is shutting down", "o servidor está sendo desligado")},
			{"4.4.2", text.New("idle for too long, or a message that came too slowly", "tempo demais parado, ou uma mensagem que veio devagar demais")},
			{"4.7.0", text.New("too many errors, refused recipients, failed logins or commands, or a client that speaks HTTP or TLS where SMTP is spoken",
				"erros, destinatários recusados, autenticações falhas ou comandos demais, ou um cliente que fala HTTP ou TLS onde se fala SMTP")},
		},
		Recipes: []Recipe{
			{
				Does: text.New("fail to log in again and again", "errar a senha repetidas vezes"),
				Port: 587, Security: StartTLS, Lines: []string{hello, wrongLogin}, Times: 20, Want: "421 4.7.0",
			},
			onSMTP(text.New("speak HTTP", "falar HTTP"), "421 4.7.0", "GET / HTTP/1.1"),
		},
	},
	{
		Code: 450, RFC: "RFC 5321 §4.2.3; RFC 6647 (greylisting)",
		Meaning: text.New("mailbox unavailable for now", "caixa indisponível no momento"),
		Advice: text.New("Try again in a while: the mailbox is busy, or the server does not know you yet.",
			"Tente de novo em instantes: a caixa está ocupada, ou o servidor ainda não conhece você."),
		Enhanced: []Detail{
			{"4.2.1", text.New("the mailbox takes no messages at the moment", "a caixa não recebe mensagens no momento")},
			{"4.7.1", text.New("greylisted: who comes back is let in", "lista cinza: quem volta é aceito")},
		},
		Recipes: []Recipe{
			toReserved(text.New("write to a busy mailbox", "escrever a uma caixa ocupada"), "450 4.2.1", "ocupado"),
			onSMTP(text.New("be unknown to a greylist", "ser desconhecido de uma lista cinza"), "450 4.7.1",
				hello, "MAIL FROM:<{new}@{domain}>", "RCPT TO:<cinza@{domain}>"),
		},
	},
	{
		Code: 451, RFC: "RFC 5321 §4.2.3",
		Meaning: text.New("local error in processing", "erro local de processamento"),
		Advice: text.New("Try again later: the fault is the server's. If it stays, its postmaster should read the log.",
			"Tente mais tarde: a falha é do servidor. Se persistir, o postmaster de lá deve ler o log."),
		Enhanced: []Detail{
			{"4.3.0", text.New("an error of the system", "um erro do sistema")},
			{"4.3.2", text.New("the server is stopping", "o servidor está parando")},
			{"4.3.5", text.New("in the queue: the site has no host for mailboxes", "na fila: o site não tem servidor de caixas postais")},
			{"4.4.1", text.New("in the queue: no host could be connected to", "na fila: não se conseguiu conectar a nenhum servidor")},
			{"4.4.2", text.New("in the queue: the connection was lost, or the host took too long", "na fila: a conexão caiu, ou o servidor demorou demais")},
			{"4.4.3", text.New("in the queue: DNS cannot tell the mail hosts; to a sender: nor about the sender's domain (check-sender-domain)",
				"na fila: o DNS não informa os servidores de correio; a um remetente: nem sobre o domínio dele (check-sender-domain)")},
			{"4.4.4", text.New("in the queue: the better mail hosts have no address", "na fila: os servidores de correio melhores não têm endereço")},
			{"4.7.4", text.New("in the queue: the host offers no TLS, which is demanded (tls)", "na fila: o servidor não oferece TLS, que é exigido (tls)")},
			{"4.7.5", text.New("in the queue: TLS with the host failed, and is demanded (tls), or the host does not take the message in clear",
				"na fila: o TLS com o servidor falhou, e é exigido (tls), ou o servidor não aceita a mensagem em texto claro")},
		},
		Recipes: []Recipe{toReserved(text.New("write to an address that fails", "escrever a um endereço que falha"), "451 4.3.0", "erro")},
	},
	{
		Code: 452, RFC: "RFC 5321 §4.2.3, §4.5.3.1.10",
		Meaning: text.New("not enough storage", "espaço insuficiente"),
		Advice: text.New("Try again later, when there is room; when there were too many recipients, send to the rest in another transaction.",
			"Tente mais tarde, quando houver espaço; se eram destinatários demais, envie aos restantes em outra transação."),
		Enhanced: []Detail{
			{"4.2.2", text.New("the mailbox is full", "a caixa está cheia")},
			{"4.3.1", text.New("the server's disk is full", "o disco do servidor está cheio")},
			{"4.5.3", text.New("too many recipients in one transaction", "destinatários demais em uma transação")},
		},
		Recipes: []Recipe{toReserved(text.New("write to a full mailbox", "escrever a uma caixa cheia"), "452 4.2.2", "cheio")},
	},
	{
		Code: 454, RFC: "RFC 4954 §6",
		Meaning:  text.New("temporary authentication failure", "falha temporária de autenticação"),
		Advice:   text.New("Try again later: the server cannot check passwords now. Do not change yours.", "Tente mais tarde: o servidor não consegue conferir senhas agora. Não troque a sua."),
		Enhanced: []Detail{{"4.7.0", text.New("the passwords cannot be reached", "as senhas estão inacessíveis")}},
	},
}
