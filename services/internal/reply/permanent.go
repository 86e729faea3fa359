package reply

import "correio/services/internal/text"

// permanent are the refusals that stay.
var permanent = []Entry{
	{
		Code: 500, RFC: "RFC 5321 §4.2.4",
		Meaning: text.New("syntax error, command not recognised", "erro de sintaxe, comando não reconhecido"),
		Advice:  text.New("Check the spelling, and the length of the line; HELP lists the commands.", "Confira a grafia e o comprimento da linha; HELP lista os comandos."),
		Enhanced: []Detail{
			{"5.5.1", text.New("no such command", "não existe esse comando")},
			{"5.5.2", text.New("not a command line at all, too long a line, or a bare CR or LF in a message", "nem é uma linha de comando, linha longa demais, ou CR ou LF avulso na mensagem")},
			{"5.5.6", text.New("a line of AUTH is too long", "uma linha de AUTH é longa demais")},
		},
		Recipes: []Recipe{onSMTP(text.New("type a word that is no command", "digitar uma palavra que não é comando"), "500 5.5.1", hello, "XYZZY")},
	},
	{
		Code: 501, RFC: "RFC 5321 §4.2.4",
		Meaning: text.New("syntax error in parameters", "erro de sintaxe nos parâmetros"),
		Advice:  text.New("The command is right, what follows it is not: compare with HELP and the command's name.", "O comando está certo, o que o segue não: compare com HELP e o nome do comando."),
		Enhanced: []Detail{
			{"", text.New("the answer to EHLO, which has no enhanced code (RFC 2034 §3)", "a resposta a EHLO, que não tem código estendido (RFC 2034 §3)")},
			{"5.1.3", text.New("the recipient is not an address", "o destinatário não é um endereço")},
			{"5.1.7", text.New("the sender is not an address", "o remetente não é um endereço")},
			{"5.5.2", text.New("what AUTH sent is malformed", "o que AUTH enviou está malformado")},
			{"5.5.4", text.New("an argument is missing, too many, or wrong", "um argumento falta, sobra ou está errado")},
			{"5.7.0", text.New("AUTH was given up by *", "AUTH foi abandonado com *")},
		},
		Recipes: []Recipe{
			onSMTP(text.New("name a sender that is no address", "indicar um remetente que não é endereço"), "501 5.1.7", hello, "MAIL FROM:ana"),
			onSMTP(text.New("introduce yourself without a name", "apresentar-se sem nome"), "501", "EHLO"),
		},
	},
	{
		Code: 502, RFC: "RFC 5321 §4.2.4",
		Meaning:  text.New("command not implemented", "comando não implementado"),
		Advice:   text.New("Do without it: the server knows the command and does not offer it.", "Passe sem ele: o servidor conhece o comando e não o oferece."),
		Enhanced: []Detail{{"5.5.1", text.New("not offered here", "não oferecido aqui")}},
		Recipes: []Recipe{
			onSMTP(text.New("ask to change roles, as RFC 821 had it", "pedir a troca de papéis, como na RFC 821"), "502 5.5.1", hello, "TURN"),
			onSMTP(text.New("ask for the members of a list", "pedir os membros de uma lista"), "502 5.5.1", hello, "EXPN todos"),
		},
	},
	{
		Code: 503, RFC: "RFC 5321 §4.1.4",
		Meaning:  text.New("bad sequence of commands", "sequência errada de comandos"),
		Advice:   text.New("Keep the order: EHLO, MAIL, RCPT, DATA. RSET begins anew.", "Siga a ordem: EHLO, MAIL, RCPT, DATA. RSET recomeça."),
		Enhanced: []Detail{{"5.5.1", text.New("not now; the text says what is missing", "agora não; o texto diz o que falta")}},
		Recipes: []Recipe{
			onSMTP(text.New("send a message without recipient", "enviar sem destinatário"), "503 5.5.1", hello, sender, "DATA"),
			onSMTP(text.New("begin a transaction inside another", "abrir uma transação dentro de outra"), "503 5.5.1", hello, sender, sender),
		},
	},
	{
		Code: 504, RFC: "RFC 5321 §4.2.4; RFC 4954 §4",
		Meaning:  text.New("command parameter not implemented", "parâmetro não implementado"),
		Advice:   text.New("Use a value that the server announces in its answer to EHLO.", "Use um valor que o servidor anuncie na resposta a EHLO."),
		Enhanced: []Detail{{"5.5.4", text.New("a value that is not known here", "um valor desconhecido aqui")}},
		Recipes: []Recipe{
			submission(text.New("log in by an unknown mechanism", "autenticar-se por um mecanismo desconhecido"), "504 5.5.4", false, hello, "AUTH X-UNKNOWN"),
			onSMTP(text.New("ask for help on nothing", "pedir ajuda sobre nada"), "504 5.5.4", hello, "HELP XYZZY"),
		},
	},
	{
		Code: 530, RFC: "RFC 4954 §6; RFC 3207 §4",
		Meaning:  text.New("authentication or encryption required", "autenticação ou criptografia exigida"),
		Advice:   text.New("Give STARTTLS, then AUTH: this port takes mail from known people only.", "Dê STARTTLS e depois AUTH: esta porta só aceita mensagens de pessoas conhecidas."),
		Enhanced: []Detail{{"5.7.0", text.New("prove first who you are", "prove antes quem você é")}},
		Recipes: []Recipe{
			submission(text.New("submit without login", "submeter sem autenticar-se"), "530 5.7.0", false, hello, sender),
			{
				Does: text.New("submit without encryption", "submeter sem criptografia"),
				Port: 587, Security: Plain, Lines: []string{hello, sender}, Want: "530 5.7.0",
			},
		},
	},
	{
		Code: 535, RFC: "RFC 4954 §6",
		Meaning:  text.New("authentication credentials invalid", "credenciais inválidas"),
		Advice:   text.New("Check name and password. After some failures the server closes the connection (421).", "Confira nome e senha. Após algumas falhas o servidor encerra a conexão (421)."),
		Enhanced: []Detail{{"5.7.8", text.New("name or password is wrong; which one is not said", "nome ou senha errados; qual, não se diz")}},
		Recipes:  []Recipe{submission(text.New("log in with a wrong password", "autenticar-se com a senha errada"), "535 5.7.8", false, hello, wrongLogin)},
	},
	{
		Code: 538, RFC: "RFC 4954 §6",
		Meaning:  text.New("encryption required for authentication", "criptografia exigida para autenticar"),
		Advice:   text.New("Give STARTTLS first: a password in plain text can be read on the way.", "Dê STARTTLS antes: uma senha em texto claro pode ser lida no caminho."),
		Enhanced: []Detail{{"5.7.11", text.New("not in plain text", "não em texto claro")}},
		Recipes: []Recipe{{
			Does: text.New("log in in plain text", "autenticar-se em texto claro"),
			Port: 587, Security: Plain, Lines: []string{hello, "AUTH PLAIN"}, Want: "538 5.7.11",
		}},
	},
	{
		Code: 550, RFC: "RFC 5321 §4.2.3, §3.3",
		Meaning: text.New("mailbox unavailable: no such mailbox, or refused by policy", "caixa indisponível: não existe, ou foi recusada por política"),
		Advice:  text.New("Check the address. \"Relay access denied\" means that the domain is not this server's: use your own, with a login.", "Confira o endereço. \"Relay access denied\" quer dizer que o domínio não é deste servidor: use o seu, com autenticação."),
		Enhanced: []Detail{
			{"5.1.1", text.New("no such mailbox", "não existe essa caixa")},
			{"5.1.2", text.New("not the host of that domain; in a report: the domain does not exist", "não é o servidor desse domínio; numa devolução: o domínio não existe")},
			{"5.1.8", text.New("the sender's domain has no mail host, where the server asks (check-sender-domain)",
				"o domínio do remetente não tem servidor de correio, onde o servidor pergunta (check-sender-domain)")},
			{"5.4.4", text.New("in a report: DNS names no mail host that can be used, and no address", "numa devolução: o DNS não nomeia servidor de correio que sirva, nem endereço")},
			{"5.4.6", text.New("in a report: the mail would come back to the host that has it", "numa devolução: a mensagem voltaria ao servidor que a tem")},
			{"5.6.7", text.New("an address that is not ASCII, without SMTPUTF8", "um endereço que não é ASCII, sem SMTPUTF8")},
			{"5.7.1", text.New("not allowed: this server relays for its own people only", "não permitido: este servidor só repassa para as próprias pessoas")},
			{"5.7.27", text.New("the sender's domain takes no mail (null MX, RFC 7505), where the server asks (check-sender-domain)",
				"o domínio do remetente não recebe correio (MX nulo, RFC 7505), onde o servidor pergunta (check-sender-domain)")},
		},
		Recipes: []Recipe{
			toReserved(text.New("write to nobody", "escrever a ninguém"), "550 5.1.1", "ninguem"),
			onSMTP(text.New("ask the server to relay to a foreign domain", "pedir que repasse a um domínio alheio"), "550 5.7.1",
				hello, sender, "RCPT TO:<alguem@example.org>"),
		},
	},
	{
		Code: 551, RFC: "RFC 5321 §3.4",
		Meaning:  text.New("user not local, try elsewhere", "usuário não local, tente em outro lugar"),
		Advice:   text.New("Write to the address in the reply. A mail server does not do so by itself; it gives the message back.", "Escreva ao endereço da resposta. Um servidor não o faz por si; devolve a mensagem."),
		Enhanced: []Detail{{"5.1.6", text.New("the mailbox has moved", "a caixa mudou de lugar")}},
		Recipes:  []Recipe{toReserved(text.New("write to somebody who has moved", "escrever a quem se mudou"), "551 5.1.6", "mudou")},
	},
	{
		Code: 552, RFC: "RFC 1870 §6.1; RFC 5321 §4.2.3",
		Meaning: text.New("too large, or beyond the quota for good", "grande demais, ou acima da cota em definitivo"),
		Advice:  text.New("Send less: EHLO's SIZE says how much the server takes.", "Envie menos: o SIZE na resposta a EHLO diz quanto o servidor aceita."),
		Enhanced: []Detail{
			{"5.2.3", text.New("larger than the whole mailbox may be", "maior do que a caixa inteira pode ser")},
			{"5.3.4", text.New("message or header larger than the server takes", "mensagem ou cabeçalho maior do que o servidor aceita")},
		},
		Recipes: []Recipe{onSMTP(text.New("announce a message beyond the limit", "anunciar uma mensagem acima do limite"), "552 5.3.4",
			hello, sender+" SIZE=99999999999")},
	},
	{
		Code: 553, RFC: "RFC 5321 §4.2.3; RFC 6409 §6.1",
		Meaning: text.New("mailbox name not allowed", "nome de caixa não permitido"),
		Advice:  text.New("Send in your own name: submission takes no other sender than whoever has logged in.", "Envie em seu próprio nome: a submissão só aceita como remetente quem se autenticou."),
		Enhanced: []Detail{
			{"5.6.7", text.New("an address that is not ASCII, without SMTPUTF8", "um endereço que não é ASCII, sem SMTPUTF8")},
			{"5.7.1", text.New("the sender is somebody else's address", "o remetente é endereço de outra pessoa")},
		},
		Recipes: []Recipe{submission(text.New("submit in another's name", "submeter em nome de outra pessoa"), "553 5.7.1", true, "MAIL FROM:<ninguem@{domain}>")},
	},
	{
		Code: 554, RFC: "RFC 5321 §4.2.3, §3.1",
		Meaning: text.New("transaction failed; as a greeting: no service here", "a transação falhou; como saudação: não há serviço aqui"),
		Advice:  text.New("Read the text: it says what the server did not like about message, recipients or you.", "Leia o texto: ele diz o que o servidor não aceitou na mensagem, nos destinatários ou em você."),
		Enhanced: []Detail{
			{"", text.New("as the greeting: this server does not take mail from you", "como saudação: este servidor não aceita mensagens suas")},
			{"5.4.6", text.New("the message goes round in circles", "a mensagem anda em círculos")},
			{"5.5.1", text.New("no recipient was accepted", "nenhum destinatário foi aceito")},
			{"5.6.1", text.New("in a report: the next host does not take BINARYMIME", "numa devolução: o próximo servidor não aceita BINARYMIME")},
			{"5.6.3", text.New("in a report: the next host does not take 8BITMIME", "numa devolução: o próximo servidor não aceita 8BITMIME")},
			{"5.7.1", text.New("the message is refused by policy", "a mensagem é recusada por política")},
		},
		Recipes: []Recipe{
			toReserved(text.New("send a message that is refused behind its end", "enviar uma mensagem que é recusada depois do fim"), "554 5.7.1",
				"rejeita-dados", "DATA", "Subject: oi", "", "."),
			toReserved(text.New("begin a message when every recipient was refused", "começar uma mensagem com todos os destinatários recusados"),
				"554 5.5.1", "ninguem", "DATA"),
		},
	},
	{
		Code: 555, RFC: "RFC 5321 §4.1.1.11",
		Meaning:  text.New("MAIL or RCPT parameter not recognised", "parâmetro de MAIL ou RCPT não reconhecido"),
		Advice:   text.New("Leave the parameter out: EHLO's answer lists the extensions that may be used.", "Deixe o parâmetro de fora: a resposta a EHLO lista as extensões que podem ser usadas."),
		Enhanced: []Detail{{"5.5.4", text.New("a parameter that is unknown here, or not announced", "um parâmetro desconhecido aqui, ou não anunciado")}},
		Recipes:  []Recipe{onSMTP(text.New("add an unknown parameter", "acrescentar um parâmetro desconhecido"), "555 5.5.4", hello, sender+" FOO=1")},
	},
	{
		Code: 556, RFC: "RFC 7504 §5; RFC 7505 §3",
		Meaning:  text.New("the domain takes no mail", "o domínio não recebe correio"),
		Advice:   text.New("Write to another address: the domain says by a null MX (MX 0 .) that it has no mailboxes.", "Escreva a outro endereço: o domínio diz, por um MX nulo (MX 0 .), que não tem caixas postais."),
		Enhanced: []Detail{{"5.1.10", text.New("in a report: the domain has a null MX; try nullmx.casos.test", "numa devolução: o domínio tem um MX nulo; tente nullmx.casos.test")}},
	},
}
