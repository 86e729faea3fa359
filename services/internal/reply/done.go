package reply

import "correio/services/internal/text"

// done are the codes of success and of going on.
var done = []Entry{
	{
		Code: 211, RFC: "RFC 5321 §4.1.1.8",
		Meaning:  text.New("system status, or help", "estado do sistema, ou ajuda"),
		Advice:   text.New("Read it: it is meant for people. Programs need not ask.", "Leia: é para pessoas. Programas não precisam perguntar."),
		Enhanced: []Detail{{"2.0.0", text.New("how this session stands", "como está esta sessão")}},
		Recipes:  []Recipe{onSMTP(text.New("ask how the session stands", "perguntar como está a sessão"), "211 2.0.0", hello, "HELP STATUS")},
	},
	{
		Code: 214, RFC: "RFC 5321 §4.1.1.8",
		Meaning:  text.New("help message", "mensagem de ajuda"),
		Advice:   text.New("Read it: it tells which commands this server knows.", "Leia: diz que comandos este servidor conhece."),
		Enhanced: []Detail{{"2.0.0", text.New("the commands, or the syntax of one", "os comandos, ou a sintaxe de um deles")}},
		Recipes: []Recipe{
			onSMTP(text.New("ask for help", "pedir ajuda"), "214 2.0.0", "HELP"),
			onSMTP(text.New("ask about one command", "perguntar sobre um comando"), "214 2.0.0", "HELP RCPT"),
		},
	},
	{
		Code: 220, RFC: "RFC 5321 §3.1, §4.3.1; RFC 3207 §4",
		Meaning: text.New("service ready", "serviço pronto"),
		Advice:  text.New("Introduce yourself with EHLO; after STARTTLS, begin TLS.", "Apresente-se com EHLO; depois de STARTTLS, inicie o TLS."),
		Enhanced: []Detail{
			{"", text.New("the greeting, which has no enhanced code (RFC 2034 §3)", "a saudação, que não tem código estendido (RFC 2034 §3)")},
			{"2.0.0", text.New("TLS may begin", "o TLS pode começar")},
		},
		Recipes: []Recipe{onSMTP(text.New("connect", "conectar-se"), "220")},
	},
	{
		Code: 221, RFC: "RFC 5321 §4.1.1.10",
		Meaning:  text.New("closing the connection", "encerrando a conexão"),
		Advice:   text.New("Nothing: you asked for it. Close the connection as well.", "Nada: foi o que você pediu. Feche a conexão também."),
		Enhanced: []Detail{{"2.0.0", text.New("good-bye", "até logo")}},
		Recipes:  []Recipe{onSMTP(text.New("take leave", "despedir-se"), "221 2.0.0", hello, "QUIT")},
	},
	{
		Code: 235, RFC: "RFC 4954 §6",
		Meaning:  text.New("authentication succeeded", "autenticação bem-sucedida"),
		Advice:   text.New("Go on with MAIL FROM; the server knows who you are.", "Siga com MAIL FROM; o servidor sabe quem você é."),
		Enhanced: []Detail{{"2.7.0", text.New("name and password are right", "nome e senha estão certos")}},
		Recipes: []Recipe{submission(text.New("log in on the submission port, inside TLS", "autenticar-se na porta de submissão, dentro do TLS"),
			"235 2.7.0", false, hello, "AUTH PLAIN {auth}")},
	},
	{
		Code: 250, RFC: "RFC 5321 §4.2.3",
		Meaning: text.New("requested action done", "ação pedida concluída"),
		Advice: text.New("Go on with the next command. Behind the final dot it is a promise: the message is on the server's disk, and the server answers for it.",
			"Siga com o próximo comando. Após o ponto final é uma promessa: a mensagem está no disco do servidor, que responde por ela."),
		Enhanced: []Detail{
			{"", text.New("the answer to HELO and EHLO, with the extensions", "a resposta a HELO e EHLO, com as extensões")},
			{"2.0.0", text.New("done; behind a message: it is queued, and under which id", "feito; após uma mensagem: está na fila, e com que id")},
			{"2.1.0", text.New("the sender is accepted", "o remetente foi aceito")},
			{"2.1.5", text.New("the recipient is accepted", "o destinatário foi aceito")},
		},
		Recipes: []Recipe{
			onSMTP(text.New("say hello", "cumprimentar"), "250", hello),
			onSMTP(text.New("name sender and recipient", "indicar remetente e destinatário"), "250 2.1.5", hello, sender, "RCPT TO:<postmaster@{domain}>"),
		},
	},
	{
		Code: 251, RFC: "RFC 5321 §3.4",
		Meaning: text.New("user not local, will forward", "usuário não local, será encaminhado"),
		Advice: text.New("Go on: the server takes the message and brings it to the address it named. You may write there directly next time.",
			"Siga: o servidor aceita a mensagem e a leva ao endereço que indicou. Da próxima vez, pode escrever direto para lá."),
		Enhanced: []Detail{{"2.1.5", text.New("the recipient is valid; it is elsewhere", "o destinatário é válido; fica em outro lugar")}},
		Recipes: []Recipe{toReserved(text.New("write to an address that is forwarded", "escrever a um endereço que é encaminhado"),
			"251 2.1.5", "encaminha")},
	},
	{
		Code: 252, RFC: "RFC 5321 §3.5.3, §7.3",
		Meaning: text.New("cannot verify the user, but will try to deliver", "não verifica o usuário, mas tentará entregar"),
		Advice: text.New("Send the message: RCPT tells whether there is such a mailbox. Servers keep VRFY from those who collect addresses.",
			"Envie a mensagem: RCPT diz se a caixa existe. Os servidores negam VRFY a quem coleta endereços."),
		Enhanced: []Detail{{"2.0.0", text.New("neither yes nor no", "nem sim nem não")}},
		Recipes:  []Recipe{onSMTP(text.New("ask whether a user exists", "perguntar se um usuário existe"), "252 2.0.0", hello, "VRFY postmaster")},
	},
	{
		Code: 334, RFC: "RFC 4954 §4",
		Meaning: text.New("the server waits for the next step of AUTH", "o servidor espera o próximo passo de AUTH"),
		Advice: text.New("Answer the challenge in base64, or give up with a line that holds * alone.",
			"Responda ao desafio em base64, ou desista com uma linha que só tenha *."),
		Enhanced: []Detail{{"", text.New("a challenge in base64; VXNlcm5hbWU6 is \"Username:\"", "um desafio em base64; VXNlcm5hbWU6 é \"Username:\"")}},
		Recipes: []Recipe{submission(text.New("begin to log in step by step", "começar a autenticar-se passo a passo"),
			"334", false, hello, "AUTH LOGIN")},
	},
	{
		Code: 354, RFC: "RFC 5321 §4.1.1.4",
		Meaning:  text.New("start mail input, end with a dot on a line by itself", "comece a mensagem, termine com um ponto sozinho numa linha"),
		Advice:   text.New("Send the message: header, empty line, text, and a line with a dot alone.", "Envie a mensagem: cabeçalho, linha vazia, texto e uma linha só com um ponto."),
		Enhanced: []Detail{{"", text.New("RFC 3463 has no class 3", "a RFC 3463 não tem a classe 3")}},
		Recipes:  []Recipe{toReserved(text.New("begin a message", "começar uma mensagem"), "354", "rejeita-dados", "DATA")},
	},
}
